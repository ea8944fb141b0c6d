"""Downloads that are stopped, killed, broken off or discarded, and what the next start makes of them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.backends.llamacpp.provider import LlamaCppProvider
from engine.download_run import STOPPED
from engine.engine import Engine
from engine.errors import InvalidInput, ModelError
from storage.store import Store
from tests.fetching import EYES, SOON, WEIGHTS, begun, ended, failure, files, got, left, loadable, until, view
from tests.fixtures.hub_server import sha256

ROOT = Path(__file__).parents[2]


def test_cancel_closes_the_connection_at_once_and_keeps_what_is_here(shop, hub, shelf):
    downloads = shop()
    begun(downloads, hub)
    downloads.cancel("tiny")
    stopped = view(downloads)  # without waiting for the thread
    assert (stopped.state, stopped.message) == ("partial", STOPPED)
    assert stopped.done_bytes == 400_000 + len(EYES)
    assert hub.store.left.wait(SOON)
    assert loadable(LlamaCppProvider, shelf) == []


def test_a_server_that_is_sending_is_cut_off_as_well(shop, hub):
    hub.repos["lab/Tiny-GGUF"]["tiny.gguf"] = WEIGHTS * 40  # more than any buffer on the way holds
    downloads = shop()
    downloads.start("tiny")
    until(lambda: hub.sent["tiny.gguf"] > len(WEIGHTS), "some of it")
    downloads.cancel("tiny")
    assert hub.store.left.wait(SOON)
    assert ended(downloads).state == "partial"
    assert hub.sent["tiny.gguf"] < len(WEIGHTS) * 40


def test_the_next_start_asks_for_the_rest_only(shop, hub, shelf):
    downloads = shop()
    begun(downloads, hub)
    downloads.cancel("tiny")
    hub.hang_after.clear()
    assert got(downloads).state == "completed"
    assert len(hub.ranges()) == 1
    assert hub.sent["tiny.gguf"] == len(WEIGHTS)
    assert hub.sent["mmproj-tiny.gguf"] == len(EYES)
    assert files(shelf / "Tiny-GGUF")["tiny.gguf"] == WEIGHTS


def test_a_start_while_it_is_under_way_does_nothing(shop, hub):
    downloads = shop()
    begun(downloads, hub)
    asked = len(hub.asked)
    downloads.start("tiny")
    downloads.cancel("tiny")
    ended(downloads)
    assert len(hub.asked) == asked


KILLED = """
import sys
from pathlib import Path
from engine.downloads import Downloads
shelf, catalog, hub = sys.argv[1:]
downloads = Downloads(Path(shelf), Path(catalog), hub)
downloads.start("tiny")
sys.stdin.read()
"""


def test_a_killed_process_leaves_a_part_that_the_next_one_shows_and_goes_on_with(shop, hub, shelf, tmp_path):
    hub.hang_after["tiny.gguf"] = 400_000
    command = [sys.executable, "-c", KILLED, str(shelf), str(tmp_path / "catalog.toml"), hub.url]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
    part = shelf / ".downloads" / "tiny" / "parts" / f"sha256-{sha256(WEIGHTS)}"
    until(lambda: part.is_file() and part.stat().st_size >= 400_000, "the first part")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    downloads = shop()
    left = view(downloads)
    assert (left.state, left.done_bytes) == ("partial", 400_000 + len(EYES))
    assert left.total_bytes == len(WEIGHTS) + len(EYES)
    assert loadable(LlamaCppProvider, shelf) == []
    hub.hang_after.clear()
    assert got(downloads).state == "completed"
    assert hub.sent["tiny.gguf"] == len(WEIGHTS)
    assert hub.sent["mmproj-tiny.gguf"] == len(EYES)


def test_a_line_that_breaks_off_is_taken_up_again_where_it_broke(shop, hub):
    hub.break_after["tiny.gguf"] = [100_000, 300_000, 1]
    assert got(shop()).state == "completed"
    assert hub.ranges() == ["bytes=100000-", "bytes=400000-", "bytes=400001-"]
    assert hub.sent["tiny.gguf"] == len(WEIGHTS)


def test_a_line_that_breaks_off_without_a_new_byte_is_given_up_and_says_so(shop, hub):
    hub.break_after["tiny.gguf"] = [100_000, 0, 0, 0, 0, 0]
    failed = got(shop())
    assert failed.state == "failed"
    assert "broke off" in failed.message and "goes on" in failed.message
    assert failed.done_bytes == 100_000 + len(EYES)


def test_a_store_that_refuses_once_is_asked_again_by_way_of_the_hub(shop, hub):
    hub.store_refuses = [403, 500]
    assert got(shop()).state == "completed"
    assert hub.sent["tiny.gguf"] == len(WEIGHTS)


def test_a_server_without_ranges_sends_it_all_again(shop, hub, shelf):
    downloads = shop()
    begun(downloads, hub)
    downloads.cancel("tiny")
    hub.hang_after.clear()
    hub.without_ranges = True
    assert got(downloads).state == "completed"
    assert files(shelf / "Tiny-GGUF")["tiny.gguf"] == WEIGHTS


def test_a_file_that_changed_on_the_hub_is_fetched_from_its_beginning(shop, hub, shelf):
    downloads = shop()
    begun(downloads, hub)
    downloads.cancel("tiny")
    ended(downloads)
    hub.hang_after.clear()
    hub.repos["lab/Tiny-GGUF"]["tiny.gguf"] = WEIGHTS[::-1]
    assert got(downloads).state == "completed"
    assert hub.ranges() == []
    assert files(shelf / "Tiny-GGUF")["tiny.gguf"] == WEIGHTS[::-1]


def test_discard_removes_what_is_left_of_an_earlier_process(shop, hub, shelf):
    first = shop()
    begun(first, hub)
    first.close()
    later = shop()
    assert view(later).state == "partial"
    later.discard("tiny")
    assert later.views() == []
    assert left(shelf) == []


def test_discard_stops_a_download_first(shop, hub, shelf):
    downloads = shop()
    begun(downloads, hub)
    downloads.discard("tiny")
    assert downloads.views() == []
    assert hub.store.left.wait(SOON)
    until(lambda: left(shelf) == [], "the removal")


def test_two_havens_with_one_shelf_never_write_the_same_download(shop, hub, shelf):
    first, second = shop(), shop()
    begun(first, hub)
    assert "Another Haven is downloading this model to the same shelf" in failure(second)
    with pytest.raises(ModelError, match="Another Haven"):
        second.discard("tiny")
    assert view(first).state == "downloading"
    hub.hang_after.clear()
    first.cancel("tiny")
    assert ended(first).state == "partial"
    assert got(second).state == "completed"
    assert got(first).state == "completed"  # it is there already
    assert files(shelf / "Tiny-GGUF")["tiny.gguf"] == WEIGHTS
    assert hub.sent["tiny.gguf"] < 2 * len(WEIGHTS)


@pytest.mark.parametrize("id", ["..", "../..", "", "no-such", "/"])
def test_discard_removes_nothing_that_is_no_download(shop, shelf, id):
    (shelf / "mine").mkdir()
    (shelf / "mine" / "model.gguf").write_bytes(b"GGUF")
    shop().discard(id)
    assert files(shelf / "mine") == {"model.gguf": b"GGUF"}


def test_the_engine_has_downloads_onto_its_shelf_that_end_with_it(shelf, tmp_path):
    engine = Engine(Store.open(tmp_path / "data"), shelf)
    assert engine.downloads.views() == []
    assert {offer.here for offer in engine.downloads.offers()} == {False}
    engine.close()
    with pytest.raises(InvalidInput, match="closing"):
        engine.downloads.start("smolvlm2-500m-gguf")
