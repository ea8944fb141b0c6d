"""Several downloads at once: two are fetched, the others wait their turn."""

import threading

import pytest

from engine.download_run import WAITS
from engine.errors import InvalidInput, ModelError
from tests.fetching import SOON, WEIGHTS, begun, ended, got, left, until, view


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
