"""The database held by another program, and a disk that fills up: what waits, what is said, what goes on.

The other program is a real one, with SQLite's own lock; the full disk is SQLite's own, with real pages.
"""

import errno
import os
import threading
from pathlib import Path

import pytest

from engine.backends.base import FrameAnswer
from engine.jobs import worker
from storage import patience
from storage.errors import DatabaseLocked
from storage.store import Store
from tests.fakes import FakeBackend
from tests.fixtures.another_program import AnotherProgram
from tests.fixtures.videos import constant, numbered_video
from tests.running import WAIT, Running, until

FRAMES = 10
ALL_TIMES = [n * 100_000 for n in range(FRAMES)]
ASKED = {"tags": "boat", "interval": 0.1}


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return numbered_video(tmp_path_factory.mktemp("clips") / "lake.mp4", constant(FRAMES, 10)).path


@pytest.fixture
def soon(monkeypatch):
    """A lock is waited for a moment only, and what waits for the data folder looks again at once."""
    monkeypatch.setattr(patience, "LONG_SECONDS", 0.1)
    monkeypatch.setattr(patience, "SHORT_SECONDS", 0.1)
    monkeypatch.setattr(worker, "DISK_RETRY_SECONDS", 0.05)


def test_a_lock_of_seconds_is_waited_for_by_whatever_runs_by_itself(tmp_path, clip):
    assert patience.LONG_SECONDS > 20, "so long another program may well take"
    with AnotherProgram(tmp_path / "data") as other:
        backend = FakeBackend(on_look=lambda frame: other.take() if frame.index == 3 else None)
        house = Running(tmp_path / "data", backend)
        try:
            job_id = house.submit(clip, **ASKED)
            until(lambda: backend.asked, lambda asked: 3 in asked)
            beside = threading.Thread(target=house.store.set_setting, args=("said", "meanwhile"))
            beside.start()
            writer = house.store._connections._writer
            until(writer._work_queue.qsize, lambda waiting: waiting > 0)
            kept = len(house.frames(job_id))
            assert kept <= 4 and beside.is_alive(), "what is kept can be read, and both changes wait"
            other.let_go()
            beside.join(WAIT)
            job = house.wait(job_id)
            assert (job.status, job.frames_failed, job.error) == ("completed", 0, "")
            assert [frame.time_us for frame in house.frames(job_id)] == ALL_TIMES
            assert backend.asked == list(range(FRAMES)), "no frame was asked twice"
            assert house.store.setting("said") == "meanwhile"
        finally:
            other.let_go()
            house.close()


def test_a_lock_that_lasts_pauses_the_job_which_says_so_and_goes_on_by_itself(soon, tmp_path, clip):
    with AnotherProgram(tmp_path / "data") as other:
        backend = FakeBackend(on_look=lambda frame: other.take() if frame.index == 3 and not held else None)
        held: list[bool] = []
        house = Running(tmp_path / "data", backend)
        try:
            job_id = house.submit(clip, **ASKED)

            def view():
                return house.runner.view(house.store.job(job_id))

            shown = until(view, lambda job: job.status == "paused")
            held.append(True)
            assert shown.reason == "database"
            assert "Another program holds" in shown.error and "haven.db" in shown.error
            assert "goes on by itself" in shown.error
            other.let_go()
            done = until(view, lambda job: job.status in ("completed", "failed", "completed_with_errors"))
            assert (done.status, done.error, done.frames_done) == ("completed", "", FRAMES)
            assert [frame.time_us for frame in house.frames(job_id)] == ALL_TIMES
        finally:
            other.let_go()
            house.close()


@pytest.mark.parametrize("wanted", ["", "paused", "cancelled"])
def test_a_queued_job_that_meets_a_lock_says_so_and_pages_that_want_something_of_it_do_not_wait(
    soon, tmp_path, clip, monkeypatch, wanted
):
    with AnotherProgram(tmp_path / "data") as other:
        house = Running(tmp_path / "data", FakeBackend())
        is_free, move_job = house.store.is_free, house.store.move_job
        looks: list[bool] = []
        moves: list[str] = []

        def look():
            looks.append(is_free())
            return looks[-1]

        def move(job_id, expected, status, **changes):
            moves.append(status)
            return move_job(job_id, expected, status, **changes)

        monkeypatch.setattr(house.store, "is_free", look)
        monkeypatch.setattr(house.store, "move_job", move)
        try:
            with house.runner._worker.held():  # so that it is queued before, and begins after
                job_id = house.submit(clip, **ASKED)
                other.take()

            def view():
                return house.runner.view(house.store.job(job_id))

            shown = until(view, lambda job: job.status != "queued")
            assert (shown.status, shown.reason) == ("paused", "database")
            assert "Another program holds" in shown.error and "goes on by itself" in shown.error
            until(lambda: len(looks), lambda times: times > 2)
            assert moves == ["running"] and not any(looks), "it looks, and tries nothing that would wait"
            if wanted:
                {"paused": house.runner.pause, "cancelled": house.runner.cancel}[wanted](job_id)
                assert view().status == wanted and moves == ["running"]
            other.let_go()
            ended = until(lambda: house.store.job(job_id), lambda job: job.status == (wanted or "completed"))
            assert ended.error == "" and ended.frames_done == (0 if wanted else FRAMES)
            if wanted == "paused":
                assert house.resume(job_id).status == "completed"
        finally:
            other.let_go()
            house.close()


def test_a_start_beside_another_program_waits_for_it_or_says_so(soon, tmp_path):
    Store.open(tmp_path).close()
    with AnotherProgram(tmp_path) as other:
        other.take()
        try:
            store = Store.open(tmp_path)
        except DatabaseLocked as error:
            assert "Another program holds" in str(error)
        else:
            with pytest.raises(DatabaseLocked, match="Another program holds"):
                store.set_setting("key", 1)
            store.close()
    store = Store.open(tmp_path)
    store.set_setting("key", 1)
    assert store.setting("key") == 1
    store.close()


def test_a_disk_that_fills_up_midway_pauses_the_job_which_goes_on_when_there_is_room(
    tmp_path, clip, monkeypatch
):
    monkeypatch.setattr(worker, "DISK_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(worker, "DISK_ROOM", 0)  # the disk itself has room; it is the database that has none

    def leave(pages: int) -> None:
        database = house.store._connections.database
        room = lambda: database.pragma("max_page_count", database.pragma("page_count") + pages)  # noqa: E731
        house.store._connections.write_alone(room)

    long = FrameAnswer("answered", {"boat": 0.9}, "so it is " * 5_000)
    filled: list[bool] = []

    def fill(frame):
        if frame.index == 5 and not filled:
            filled.append(True)
            leave(0)

    backend = FakeBackend(answers=dict.fromkeys(range(FRAMES), long), on_look=fill)
    house = Running(tmp_path / "data", backend)
    try:
        job_id = house.submit(clip, **ASKED)

        def view():
            return house.runner.view(house.store.job(job_id))

        shown = until(view, lambda job: (job.status, job.reason) == ("paused", "disk"))
        assert "is full" in shown.error and "goes on by itself" in shown.error
        kept = [frame.time_us for frame in house.frames(job_id)]
        assert kept == ALL_TIMES[: len(kept)] and 4 <= len(kept) < FRAMES
        leave(10_000)
        done = until(view, lambda job: job.status in ("completed", "failed", "completed_with_errors"))
        assert (done.status, done.error) == ("completed", "")
        frames = house.frames(job_id)
        assert [frame.time_us for frame in frames] == ALL_TIMES
        assert {frame.caption for frame in frames} == {long.caption}
    finally:
        house.close()


@pytest.mark.parametrize("full_from", [3, FRAMES - 1])
def test_a_disk_without_room_for_pictures_pauses_the_job_and_none_is_missing_at_its_end(
    tmp_path, clip, monkeypatch, full_from
):
    """The database has room inside its file for a while; the pictures have none."""
    monkeypatch.setattr(worker, "DISK_RETRY_SECONDS", 0.05)
    full, once = threading.Event(), [full_from]

    def fill(frame):
        if frame.index in once:  # it is looked at again where its picture was not the first without room
            once.clear()
            full.set()

    backend = FakeBackend(on_look=fill)
    house = Running(tmp_path / "data", backend)
    sync = os.fsync

    def refuse(descriptor):
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr("storage.thumbnails.os.fsync", refuse)
    try:
        job_id = house.submit(clip, **ASKED)
        shown = until(lambda: house.store.job(job_id), lambda job: job.status == "paused")
        assert shown.reason == "disk" and "is full" in shown.error
        full.clear()
        until(lambda: house.store.job(job_id), lambda job: job.status == "completed")
        frames = house.frames(job_id)
        assert [frame.time_us for frame in frames] == ALL_TIMES
        assert all(house.thumbnails.path(job_id, frame.time_us).exists() for frame in frames)
    finally:
        full.clear()
        house.close()
