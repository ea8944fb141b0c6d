"""Downloads from a hub on loopback: whole, broken off, stopped, gone on with and refused; and pulls."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.backends.llamacpp.provider import LlamaCppProvider
from engine.backends.transformers.provider import TransformersProvider
from engine.download_run import FULL, STOPPED, WAITS, Speed
from engine.downloads import Downloads
from engine.engine import Engine
from engine.errors import InvalidInput, ModelError
from engine.hub import HubLine
from storage.store import Store
from tests.fixtures.hub_server import COMMIT, HubStandIn, git_id, sha256
from tests.fixtures.ollama_server import OllamaStandIn
from tests.test_offers import ENTRY, FOLDER, TINY

ROOT = Path(__file__).parent.parent
WEIGHTS = bytes(range(256)) * 4000  # 1,024,000 bytes
EYES = b"GGUF" + b"see" * 20_000
PAIR = {"tiny.gguf": WEIGHTS, "mmproj-tiny.gguf": EYES, "README.md": b"#", "other-Q8_0.gguf": b"GGUF" * 9}
SOON = 60.0  # seconds; what takes longer has failed
TINY_FILES = {path.name: path.read_bytes() for path in TINY.iterdir()}


@pytest.fixture(autouse=True, scope="module")
def imported():
    """The library, before any clock runs."""
    import huggingface_hub.hf_api

    return huggingface_hub


@pytest.fixture(autouse=True)
def no_key(tmp_path, monkeypatch):
    """Neither key nor cache of whoever runs the tests."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def hub():
    extras = {"pytorch_model.bin": b"pickled", "model.py": b"code", "onnx/model.json": b"{}"}
    with HubStandIn({"lab/Tiny-GGUF": dict(PAIR), "lab/tiny": {**TINY_FILES, **extras}}) as running:
        yield running


@pytest.fixture
def shelf(tmp_path):
    folder = tmp_path / "shelf"
    folder.mkdir()
    return folder


@pytest.fixture
def shop(hub, shelf, tmp_path):
    """Makes the downloads of a process; all of them are closed at the end."""
    catalog = tmp_path / "catalog.toml"
    many = [
        ENTRY.replace('"tiny"', f'"{id}"').replace("lab/Tiny-GGUF", f"lab/{id}") for id in ("two", "three")
    ]
    catalog.write_text(ENTRY + FOLDER.replace('"tiny"', '"folder"') + "".join(many), encoding="utf-8")
    hub.repos.update({"lab/two": dict(PAIR), "lab/three": dict(PAIR)})
    opened = []

    def make(endpoint=None, pauses=(0.0, 0.0)):
        opened.append(Downloads(shelf, catalog, endpoint or hub.url, pauses))
        return opened[-1]

    yield make
    hub.gate.set()
    for downloads in opened:
        downloads.close()


def until(condition, what="it"):
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, f"{what} has not happened"
        time.sleep(0.005)


def view(downloads, id="tiny"):
    return next((each for each in downloads.views() if each.id == id), None)


def ended(downloads, id="tiny"):
    until(lambda: view(downloads, id).state not in ("waiting", "downloading"), f"the end of {id}")
    return view(downloads, id)


def got(downloads, id="tiny"):
    downloads.start(id)
    return ended(downloads, id)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def left(shelf):
    """What downloads have left behind, but for the files that they are locked with."""
    return [path.name for path in (shelf / ".downloads").iterdir() if path.suffix != ".lock"]


def loadable(provider, shelf):
    return [entry.name for entry in provider().models(shelf) if "Cannot be loaded" not in entry.detail]


# a whole download


def test_a_gguf_and_its_projector_end_up_in_one_folder_as_a_model_that_sees(shop, hub, shelf):
    done = got(shop())
    assert (done.state, done.progress, done.done_bytes) == ("completed", 1.0, len(WEIGHTS) + len(EYES))
    assert done.total_bytes == done.done_bytes
    assert str(shelf / "Tiny-GGUF") in done.message
    assert files(shelf / "Tiny-GGUF") == {"tiny.gguf": WEIGHTS, "mmproj-tiny.gguf": EYES}
    (entry,) = LlamaCppProvider().models(shelf)
    assert (entry.name, entry.vision) == ("Tiny-GGUF/tiny", True)


def test_a_folder_ends_up_under_its_owner_as_a_model_that_can_be_loaded(shop, hub, shelf):
    assert got(shop(), "folder").state == "completed"
    assert loadable(TransformersProvider, shelf) == ["lab/tiny"]


def test_nothing_but_safe_weights_and_plain_texts_of_the_topmost_folder_is_asked_for(shop, hub, shelf):
    got(shop(), "folder")
    kept = {name for name in TINY_FILES if name.endswith((".json", ".safetensors"))}
    assert set(files(shelf / "lab" / "tiny")) == kept
    assert not [each.path for each in hub.asked if "pytorch" in each.path or ".py" in each.path]


def test_the_offer_says_that_it_is_here_afterwards(shop):
    downloads = shop()
    assert [offer.here for offer in downloads.offers()] == [False] * 4
    got(downloads)
    assert downloads.offers()[0].here


def test_nothing_is_left_in_the_staging_folder(shop, shelf):
    got(shop())
    assert left(shelf) == []


def test_what_lies_on_the_shelf_already_is_not_fetched_again(shop, hub, shelf):
    (shelf / "Tiny-GGUF").mkdir()
    (shelf / "Tiny-GGUF" / "tiny.gguf").write_bytes(WEIGHTS)
    done = got(shop())
    assert (done.state, done.done_bytes) == ("completed", len(WEIGHTS) + len(EYES))
    assert dict(hub.sent) == {"mmproj-tiny.gguf": len(EYES)}
    assert loadable(LlamaCppProvider, shelf) == ["Tiny-GGUF/tiny"]
    assert got(shop()).state == "completed"
    assert dict(hub.sent) == {"mmproj-tiny.gguf": len(EYES)}


def test_a_second_download_fetches_what_the_hub_has_anew(shop, hub, shelf):
    downloads = shop()
    got(downloads)
    hub.repos["lab/Tiny-GGUF"]["tiny.gguf"] = WEIGHTS[::-1]
    assert got(downloads).state == "completed"
    assert (shelf / "Tiny-GGUF" / "tiny.gguf").read_bytes() == WEIGHTS[::-1]


def test_the_library_reads_the_stand_in_as_it_reads_the_hub(hub, imported):
    info = imported.HfApi(endpoint=hub.url, token=False).model_info(
        "lab/Tiny-GGUF", revision="main", files_metadata=True
    )
    assert info.sha == COMMIT
    sizes = {
        each.rfilename: (each.size, each.lfs and each.lfs.sha256, each.blob_id) for each in info.siblings
    }
    assert sizes["tiny.gguf"] == (len(WEIGHTS), sha256(WEIGHTS), git_id(WEIGHTS))
    assert sizes["README.md"] == (1, None, git_id(b"#"))


def test_a_key_goes_to_the_hub_and_not_to_where_the_bytes_are(shop, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    got(shop())
    assert {each.headers.get("authorization") for each in hub.asked} == {"Bearer hf_secret"}
    assert hub.store.asked
    assert not [each for each in hub.store.asked if "authorization" in each.headers]


# stopping and going on


def begun(downloads, hub, id="tiny", name="tiny.gguf", after=400_000):
    """A download that has so many bytes of its large file and gets no more."""
    hub.hang_after[name] = after
    downloads.start(id)
    until(lambda: hub.sent[name] >= after and hub.store.waiting.is_set(), "the first part")
    until(lambda: view(downloads, id).done_bytes == after + len(EYES), "the arrival of all that was sent")


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


# several at once


def test_two_are_fetched_at_once_and_the_third_waits_its_turn(shop, hub):
    hub.gate.clear()
    downloads = shop()
    for id in ("tiny", "two", "three"):
        downloads.start(id)
    until(lambda: len([each for each in hub.asked if "/resolve/" in each.path]) >= 2, "both")
    assert [each.state for each in downloads.views()] == ["downloading", "downloading", "waiting"]
    assert view(downloads, "three").message == WAITS
    hub.gate.set()
    assert {ended(downloads, id).state for id in ("tiny", "two", "three")} == {"completed"}


@pytest.mark.parametrize("place", ["shutil.rmtree", "filelock.FileLock.acquire"])
def test_what_cannot_be_removed_is_shown_and_holds_up_no_other(shop, hub, shelf, monkeypatch, place):
    downloads = shop()
    begun(downloads, hub, "two")
    hub.gate.clear()
    downloads.start("tiny")
    until(lambda: [each for each in hub.asked if "Tiny-GGUF/resolve" in each.path], "the other")
    downloads.start("three")
    assert view(downloads, "three").state == "waiting"

    def closed(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(shelf / ".downloads"))

    with monkeypatch.context() as patched:
        patched.setattr(place, closed)
        downloads.discard("two")
        until(lambda: view(downloads, "three").state != "waiting", "the begin of the next")
        assert view(downloads, "two").state == "partial"
        with pytest.raises(ModelError, match=r"\.downloads is closed to you"):
            downloads.discard("two")
    hub.hang_after.clear()
    hub.gate.set()
    assert ended(downloads, "tiny").state == "completed"
    assert got(downloads, "three").state == "completed"
    downloads.discard("two")
    assert left(shelf) == []


def test_one_that_waits_can_be_cancelled_and_is_never_asked_for(shop, hub):
    hub.gate.clear()
    downloads = shop()
    for id in ("tiny", "two", "three"):
        downloads.start(id)
    downloads.cancel("three")
    assert view(downloads, "three") is None
    hub.gate.set()
    ended(downloads, "tiny"), ended(downloads, "two")
    assert not [each for each in hub.asked if "three" in each.path]


def test_close_stops_all_and_nothing_begins_afterwards(shop, hub):
    downloads = shop()
    begun(downloads, hub)
    downloads.start("two")
    downloads.start("three")
    downloads.close()
    assert hub.store.left.wait(SOON)
    with pytest.raises(InvalidInput, match="closing"):
        downloads.start("tiny")


def test_a_cancelled_one_can_be_started_again_at_once_by_many_threads(shop, hub):
    downloads = shop()
    begun(downloads, hub)
    downloads.cancel("tiny")
    hub.hang_after.clear()
    threads = [threading.Thread(target=downloads.start, args=("tiny",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended(downloads).state == "completed"
    assert hub.sent["tiny.gguf"] == len(WEIGHTS)


# what goes wrong


def failure(downloads, id="tiny"):
    failed = got(downloads, id)
    assert failed.state == "failed"
    return failed.message


def test_an_unknown_model_is_refused(shop):
    with pytest.raises(InvalidInput, match="no model 'nothing'"):
        shop().start("nothing")


def test_no_network_says_so_and_that_what_is_here_still_works(shop):
    said = failure(shop(endpoint="http://127.0.0.1:9"))
    assert said == (
        "There is no connection to 127.0.0.1:9. Check the network. "
        "Models that are on this machine still work."
    )


def test_a_name_that_cannot_be_looked_up_is_no_network(shop):
    assert "no connection to hub.invalid" in failure(shop(endpoint="http://hub.invalid"))


@pytest.mark.parametrize("endpoint", ["hub", "ftp://hub", "http://", "http://[::1"])
def test_an_address_that_is_none_is_said(shop, endpoint):
    assert "HF_ENDPOINT is no address of a server" in failure(shop(endpoint=endpoint))


def test_offline_by_wish_asks_nobody(shop, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in failure(shop())
    assert hub.asked == []


def test_a_gated_model_says_where_its_terms_are_accepted(shop, hub):
    hub.gated.add("lab/Tiny-GGUF")
    said = failure(shop())
    assert "accept its terms" in said and f"{hub.url}/lab/Tiny-GGUF" in said and "HF_TOKEN" in said


def test_a_repository_that_is_gone_is_named(shop, hub):
    del hub.repos["lab/Tiny-GGUF"]
    assert "has no model lab/Tiny-GGUF" in failure(shop())


def test_a_file_that_is_gone_from_the_repository_is_named(shop, hub):
    del hub.repos["lab/Tiny-GGUF"]["tiny.gguf"]
    assert "lab/Tiny-GGUF does not have tiny.gguf any more" in failure(shop())


def test_a_repository_with_pickled_weights_only_is_refused(shop, hub):
    del hub.repos["lab/tiny"]["model.safetensors"]
    assert "no weights that are safe to open" in failure(shop(), "folder")


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (429, {"Retry-After": "90"}, "no more requests now and asks to wait 90 s (429)"),
        (429, {}, "no more requests now (429)"),
        (500, {}, "failed (500). Try again later."),
        (403, {}, "shows it to its owners only (403)"),
        (
            401,
            {"X-Error-Message": "Invalid credentials in Authorization header"},
            "does not accept the access",
        ),
    ],
)
def test_a_refusal_has_a_sentence_of_its_own(shop, hub, status, headers, said):
    hub.refuse["/api/models/lab/Tiny-GGUF"] = status, headers
    assert said in failure(shop())


def test_a_server_that_is_no_hub_is_said(shop, hub):
    hub.refuse["/api/"] = 200, {}
    assert "does not answer as a Hugging Face hub does" in failure(shop())


def test_a_damaged_transfer_is_thrown_away_and_can_be_had_again(shop, hub, shelf):
    downloads = shop()
    hub.damaged.add("tiny.gguf")
    assert "tiny.gguf arrived damaged" in failure(downloads)
    assert view(downloads).done_bytes == len(EYES)
    assert loadable(LlamaCppProvider, shelf) == []
    hub.damaged.clear()
    assert got(downloads).state == "completed"


def test_a_damaged_small_file_is_found_too(shop, hub):
    hub.damaged.add("config.json")
    assert "config.json arrived damaged" in failure(shop(), "folder")


def test_a_disk_without_room_says_how_much_is_missing_before_anything_is_fetched(shop, hub, monkeypatch):
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 0))
    said = failure(shop())
    assert "no room for Tiny" in said and "0.2 GB of space are missing" in said
    assert not hub.sent


def test_a_disk_that_fills_up_on_the_way_keeps_what_is_here(shop, hub, monkeypatch):
    from engine.staging import Part

    add = Part.add

    def full(part, chunk):
        if part.size_bytes > 300_000:
            raise OSError(28, "No space left on device")
        add(part, chunk)

    downloads = shop()
    monkeypatch.setattr(Part, "add", full)
    assert failure(downloads) == FULL
    assert view(downloads).done_bytes > 300_000
    monkeypatch.setattr(Part, "add", add)
    assert got(downloads).state == "completed"
    assert hub.sent["tiny.gguf"] < 2 * len(WEIGHTS)


def test_a_shelf_that_may_not_be_written_is_said(shop, shelf):
    (shelf / ".downloads").write_text("in the way")
    assert "cannot be written" in failure(shop())


def test_a_damaged_catalogue_is_said_and_what_is_under_way_is_still_shown(shop, hub, tmp_path):
    downloads = shop()
    begun(downloads, hub)
    (tmp_path / "catalog.toml").write_text("[[model")
    with pytest.raises(InvalidInput, match="damaged"):
        downloads.offers()
    assert view(downloads).state == "downloading"
    downloads.cancel("tiny")


def test_a_note_of_a_download_that_is_damaged_is_made_anew(shop, hub, shelf):
    first = shop()
    begun(first, hub)
    first.close()
    (shelf / ".downloads" / "tiny" / "plan.json").write_text("{")
    downloads = shop()
    assert view(downloads).total_bytes == 0
    hub.hang_after.clear()
    assert got(downloads).state == "completed"
    assert hub.sent["tiny.gguf"] == len(WEIGHTS)


def test_a_line_that_was_hung_up_before_it_connected_connects_to_nothing(hub):
    line = HubLine(hub.url)
    line.hang_up()
    with pytest.raises(Exception, match=r"broke off|no connection"):
        line.listing("lab/Tiny-GGUF", "main")
    line.close()


# pulled by an Ollama server


@pytest.fixture
def ollama(monkeypatch):
    with OllamaStandIn() as running:
        monkeypatch.setenv("OLLAMA_HOST", running.url)
        yield running


def test_a_pull_tells_its_share_and_ends_with_the_model_on_the_server(shop, ollama):
    downloads = shop()
    downloads.pull(" new:1b ")
    done = ended(downloads, "ollama:new:1b")
    assert (done.state, done.progress) == ("completed", 1.0)
    assert "new:1b" in ollama.models


def test_a_pull_can_be_left_and_started_again_by_its_id(shop, ollama):
    ollama.broken.add("hang-pull")
    downloads = shop()
    downloads.pull("new:1b")
    until(lambda: view(downloads, "ollama:new:1b").progress, "the first bytes")
    downloads.cancel("ollama:new:1b")
    assert view(downloads, "ollama:new:1b").state == "partial"
    assert ollama.left.wait(SOON)
    ollama.broken.clear()
    assert got(downloads, "ollama:new:1b").state == "completed"


def test_a_pull_of_what_nobody_has_says_what_the_server_says(shop, ollama):
    downloads = shop()
    downloads.pull("no-such:model")
    assert "file does not exist" in ended(downloads, "ollama:no-such:model").message


def test_a_pull_without_a_server_says_so(shop, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    downloads = shop()
    downloads.pull("new:1b")
    assert "No Ollama server answers" in ended(downloads, "ollama:new:1b").message


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 500])
def test_a_pull_of_no_name_is_refused(shop, name):
    with pytest.raises(InvalidInput, match="which model"):
        shop().pull(name)


# speed


def test_the_speed_is_that_of_the_last_seconds_and_unknown_at_first_and_at_rest():
    now = [0.0]
    speed = Speed(lambda: now[0])
    speed.add(1000)
    assert speed.now() is None
    for second in range(1, 11):
        now[0] = second
        speed.add(1000 + second * 500)
    assert speed.now() == pytest.approx(500)
    now[0] = 60.0
    assert speed.now() is None or speed.now() < 100
    speed.add(10)  # begun anew
    assert speed.now() is None
