"""What a job lives through: a full disk, a database out of reach, a server away, a kill, the end of Haven."""

import sqlite3
import threading

import pytest

from engine.cancel import CancelToken
from engine.errors import ServerAway
from engine.jobs import retries, worker
from storage.errors import DiskFull, StorageError
from tests.held import ALL_TIMES, FRAMES, WAIT, House, stopped_at_frame_4


def test_thumbnails_that_a_kill_took_are_made_again_on_resuming(house, clip):
    job_id = stopped_at_frame_4(house, clip, house.runner.pause)
    house.wait_for(job_id, "paused")
    for time_us in ALL_TIMES[2:4]:
        house.thumbnails.path(job_id, time_us).unlink()
    house.runner.resume(job_id)
    house.wait_for(job_id, "completed")
    assert all(house.thumbnails.path(job_id, time_us).is_file() for time_us in ALL_TIMES)
    with house.slot.lease(CancelToken()) as backend:
        assert backend.asked == list(range(FRAMES)), "a kept frame was asked about again"


def test_the_worker_outlives_a_database_that_cannot_be_used_for_a_while(house, clip, monkeypatch):
    monkeypatch.setattr(worker, "DISK_RETRY_SECONDS", 0.01)
    move_job, broken = house.store.move_job, [1, 1, 1]

    def move_unless_broken(*args, **changes):
        if broken:
            broken.pop()
            raise StorageError("disk I/O error")
        return move_job(*args, **changes)

    monkeypatch.setattr(house.store, "move_job", move_unless_broken)
    house.wait_for(house.submit(clip), "completed")
    assert not broken


def test_the_end_of_haven_interrupts_a_job_which_then_goes_on_in_the_next_one(house, clip, tmp_path):
    gate = house.hold_at(4)
    job_id = house.submit(clip)
    assert gate.reached.wait(WAIT)
    closing = threading.Thread(target=house.close)
    closing.start()
    gate.open()
    closing.join(WAIT)
    again = House(tmp_path / "data")
    try:
        assert again.store.job(job_id).status == "interrupted"
        again.runner.start()
        again.runner.resume(job_id)
        again.wait_for(job_id, "completed")
        assert again.times(job_id) == ALL_TIMES
    finally:
        again.close()
        house.close = lambda: None


def test_a_job_left_running_by_a_dead_process_is_offered_for_resuming(tmp_path, clip):
    house = House(tmp_path / "data")
    job_id = house.submit(clip)  # the runner never started, as if it had died
    house.store.move_job(job_id, ("queued",), "running")
    house.close()
    again = House(tmp_path / "data")
    again.runner.start()
    assert again.store.job(job_id).status == "interrupted"
    again.close()


def test_a_full_disk_pauses_the_job_which_goes_on_by_itself(house, clip, monkeypatch):
    monkeypatch.setattr(worker, "DISK_RETRY_SECONDS", 0.01)
    add_frame, full, met = house.store.add_frame, threading.Event(), threading.Event()
    full.set()

    def add_unless_full(frame, seconds):
        if frame.index == 5 and full.is_set():
            met.set()
            raise DiskFull("no room") from sqlite3.OperationalError("database or disk is full")
        return add_frame(frame, seconds)

    monkeypatch.setattr(house.store, "add_frame", add_unless_full)
    monkeypatch.setattr(worker, "DISK_ROOM", 1 << 62)
    job_id = house.submit(clip)
    assert met.wait(WAIT)
    paused = house.wait_for(job_id, "paused")
    assert paused.reason == "disk" and "full" in paused.error and paused.frames_done == 5
    full.clear()
    monkeypatch.setattr(worker, "DISK_ROOM", 0)
    house.wait_for(job_id, "completed")
    assert house.times(job_id) == ALL_TIMES


@pytest.mark.parametrize("trouble", ["server", "disk"])
def test_a_job_that_waits_for_a_server_or_room_goes_on_before_the_rest_of_the_queue(
    house, clip, monkeypatch, trouble
):
    monkeypatch.setattr(worker, "DISK_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(retries, "FIRST_SECONDS", 0.0)
    why = {"server": ServerAway("No server answers."), "disk": DiskFull("no room")}[trouble]
    gate, add_frame, times = house.hold_at(0), house.store.add_frame, iter([why])

    def add_or_fail(frame, seconds):
        error = next(times, None)
        if error is not None:
            raise error
        return add_frame(frame, seconds)

    monkeypatch.setattr(house.store, "add_frame", add_or_fail)
    first, second = house.submit(clip), house.submit(clip)
    assert gate.reached.wait(WAIT)
    house.runner._hashing._jobs.submit(lambda: None).result(WAIT)  # behind the hashes, which hold it too
    gate.open()
    house.wait_for(second, "completed")
    house.wait_for(first, "completed")
    assert house.store.job(first).started_at < house.store.job(second).started_at
    assert house.times(first) == house.times(second) == ALL_TIMES


def test_a_status_that_a_full_disk_does_not_take_is_shown_and_written_later(house, clip, monkeypatch):
    monkeypatch.setattr(worker, "DISK_RETRY_SECONDS", 0.01)
    gate = house.hold_at(4)
    job_id = house.submit(clip)
    assert gate.reached.wait(WAIT)
    move_job, full = house.store.move_job, threading.Event()
    full.set()

    def move_unless_full(*args, **changes):
        if full.is_set():
            raise DiskFull("no room")
        return move_job(*args, **changes)

    monkeypatch.setattr(house.store, "move_job", move_unless_full)
    stopping = threading.Thread(target=house.runner.pause, args=(job_id,))
    stopping.start()
    assert house.runner._worker.run.cancel.wait(WAIT)
    gate.open()
    stopping.join(WAIT)
    assert house.store.job(job_id).status == "running"
    assert house.runner.view(house.store.job(job_id)).status == "paused"
    house.runner.cancel(job_id)
    assert house.runner.view(house.store.job(job_id)).status == "cancelled"
    full.clear()
    house.wait_for(job_id, "cancelled")
