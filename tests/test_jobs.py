"""Jobs: what becomes of an analysis that is paused, stopped, starved, interrupted, or asked for twice."""

import hashlib
import os
import shutil
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeBackend, Gate
from fixtures.videos import constant, numbered_video

from engine.backends.base import Frame, LoadPlan
from engine.cancel import CancelToken
from engine.errors import InvalidInput, ModelError, ServerAway
from engine.jobs import JobRunner, retries, videos, worker
from engine.jobs.run import identity
from engine.jobs.views import job_spans, samples_of
from engine.loading import Candidate
from engine.slot import Slot
from engine.video.frames import probe
from engine.video.request import AnalysisRequest
from storage.errors import DiskFull, StorageError
from storage.store import Store
from storage.thumbnails import Thumbnails

WAIT = 30  # seconds after which a test gives up
FRAMES = 10


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "lake.mp4"
    numbered_video(path, constant(FRAMES, 10))
    return path


class House:
    """A store, a slot with a fake backend, and a runner: the engine without its front door."""

    def __init__(self, folder: Path) -> None:
        self.gate_at: dict[int, Gate] = {}
        self.answers: dict[int, object] = {}
        self.store = Store.open(folder)
        self.slot = Slot(self.model("first"))
        self.thumbnails = Thumbnails(folder / "thumbnails")
        self.runner = JobRunner(self.store, self.slot, self.thumbnails)

    def model(self, name: str) -> Candidate:
        def load(progress, cancel) -> FakeBackend:
            return FakeBackend(model=name, digest=name, on_look=self._pass_gate, answers=self.answers)

        return Candidate("fake", name, {}, lambda: LoadPlan(name, 1, 100), load)

    def _pass_gate(self, frame: Frame) -> None:
        if frame.index in self.gate_at:
            self._wait_until_kept(frame.index)
            self.gate_at.pop(frame.index)()

    def _wait_until_kept(self, frames: int) -> None:
        """The answer before is kept beside the look at this frame, and a test counts on it."""
        pause = threading.Event()
        while (job := self.runner.running()) and job.frames_done < frames:
            pause.wait(0.002)

    def hold_at(self, index: int) -> Gate:
        self.gate_at[index] = Gate()
        return self.gate_at[index]

    def submit(self, path: Path, **how) -> str:
        request = AnalysisRequest.of(path, **({"tags": "boat", "interval": 0.1} | how))
        return self.runner.submit(request, probe(path))

    def wait_for(self, job_id: str, *statuses: str):
        """Until the job has one of these statuses and is off the thread."""
        pause = threading.Event()
        for _ in range(WAIT * 200):
            job, running = self.store.job(job_id), self.runner.running()
            if job.status in statuses and (running is None or running.id != job_id):
                return job
            pause.wait(0.005)
        raise AssertionError(f"the job is {job.status}, {job.error}")

    def times(self, job_id: str) -> list[int]:
        return [frame.time_us for frame in self.store.frames(job_id)]

    def switch(self, name: str, when_busy: str = "refuse") -> bool:
        cancel = CancelToken()
        result = self.slot.switch(self.model(name), when_busy, lambda p: None, cancel, lambda i: None)
        self.runner.model_changed()
        return result.success

    def close(self) -> None:
        self.runner.close()
        self.slot.close()
        self.thumbnails.close()
        self.store.close()


@pytest.fixture
def house(tmp_path: Path):
    house = House(tmp_path / "data")
    house.runner.start()
    yield house
    house.close()


ALL_TIMES = [n * 100_000 for n in range(FRAMES)]


def test_a_job_runs_to_its_end_and_keeps_every_answer(house, clip):
    job_id = house.submit(clip)
    job = house.wait_for(job_id, "completed")
    assert house.times(job_id) == ALL_TIMES
    assert (job.frames_done, job.frames_total, job.frames_failed) == (FRAMES, FRAMES, 0)
    assert all(house.thumbnails.path(job_id, time).is_file() for time in ALL_TIMES)


def test_jobs_run_one_after_the_other_in_the_order_they_came(house, clip):
    gate = house.hold_at(0)
    first, second = house.submit(clip), house.submit(clip)
    assert gate.reached.wait(WAIT)
    assert house.store.job(second).status == "queued"
    gate.open()
    ends = [house.wait_for(job_id, "completed").ended_at for job_id in (first, second)]
    assert ends == sorted(ends)


def stopped_at_frame_4(house: House, clip: Path, verb) -> str:
    gate = house.hold_at(4)
    job_id = house.submit(clip)
    assert gate.reached.wait(WAIT)
    stopping = threading.Thread(target=verb, args=(job_id,))
    stopping.start()
    run = house.runner._worker.run
    assert run is None or run.cancel.wait(WAIT)
    gate.open()
    stopping.join(WAIT)
    return job_id


def test_cancel_stops_the_computing_and_keeps_what_was_finished(house, clip):
    job_id = stopped_at_frame_4(house, clip, house.runner.cancel)
    job = house.wait_for(job_id, "cancelled")
    assert house.times(job_id) == ALL_TIMES[:4] and job.frames_done == 4
    with house.slot.lease(CancelToken()) as backend:
        assert 5 not in backend.asked, "frames were analysed after the cancel"


@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_a_stopped_job_goes_on_behind_its_last_frame(house, clip, verb):
    job_id = stopped_at_frame_4(house, clip, getattr(house.runner, verb))
    house.wait_for(job_id, "paused", "cancelled")
    house.runner.resume(job_id)
    house.wait_for(job_id, "completed")
    assert house.times(job_id) == ALL_TIMES
    with house.slot.lease(CancelToken()) as backend:
        assert backend.asked == list(range(FRAMES)), "a frame was asked about twice"


def test_a_paused_job_does_not_make_the_model_busy(house, clip):
    job_id = stopped_at_frame_4(house, clip, house.runner.pause)
    assert house.wait_for(job_id, "paused").reason == "user"
    assert house.slot.busy == () and house.switch("second")


def test_a_running_job_makes_the_model_busy_and_is_named(house, clip):
    gate = house.hold_at(2)
    job_id = house.submit(clip)
    assert gate.reached.wait(WAIT)
    assert house.slot.busy == ("Analysing lake.mp4",)
    assert not house.switch("second", "refuse")
    gate.open()
    house.wait_for(job_id, "completed")


def test_a_switch_that_cancels_stops_the_job_and_loses_nothing_of_it(house, clip):
    gate = house.hold_at(3)
    job_id = house.submit(clip)
    assert gate.reached.wait(WAIT)
    run = house.runner._worker.run
    switching = threading.Thread(target=house.switch, args=("second", "cancel"))
    switching.start()
    assert run.cancel.wait(WAIT)
    gate.open()
    switching.join(WAIT)
    assert house.wait_for(job_id, "cancelled").frames_done == 3
    assert house.slot.info.model == "second"


def test_a_job_of_another_model_waits_for_it_and_goes_on_by_itself(house, clip):
    job_id = stopped_at_frame_4(house, clip, house.runner.pause)
    house.wait_for(job_id, "paused")
    assert house.switch("second")
    house.runner.resume(job_id)
    waiting = house.wait_for(job_id, "paused")
    assert waiting.reason == "model" and "first" in waiting.error
    assert house.switch("first")
    house.wait_for(job_id, "completed")
    assert house.times(job_id) == ALL_TIMES


def test_a_job_that_waits_in_the_queue_can_be_paused_resumed_and_cancelled(house, clip):
    gate = house.hold_at(0)
    first, second = house.submit(clip), house.submit(clip)
    assert gate.reached.wait(WAIT)
    house.runner.pause(second)
    assert house.store.job(second).status == "paused"
    house.runner.resume(second)
    house.runner.cancel(second)
    gate.open()
    house.wait_for(first, "completed")
    assert house.store.job(second).status == "cancelled" and house.times(second) == []


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_what_cannot_be_done_to_a_finished_job_is_refused_in_words(house, clip, verb):
    job_id = house.submit(clip)
    house.wait_for(job_id, "completed")
    with pytest.raises(InvalidInput, match="completed"):
        getattr(house.runner, verb)(job_id)


def test_cancelling_a_finished_job_changes_nothing(house, clip):
    job_id = house.submit(clip)
    before = house.wait_for(job_id, "completed")
    house.runner.cancel(job_id)
    assert house.store.job(job_id) == before


@pytest.mark.parametrize(
    ("first", "then", "ending"), [("pause", "cancel", "cancelled"), ("cancel", "pause", "cancelled")]
)
def test_the_stronger_of_two_wishes_wins_whichever_came_first(house, clip, first, then, ending, monkeypatch):
    monkeypatch.setattr(worker, "STOP_SECONDS", 0.0)
    gate = house.hold_at(4)
    job_id = house.submit(clip)
    assert gate.reached.wait(WAIT)
    getattr(house.runner, first)(job_id)
    getattr(house.runner, then)(job_id)
    gate.open()
    assert house.wait_for(job_id, "paused", "cancelled").status == ending


def test_a_job_that_is_deleted_while_it_is_being_paused_is_gone(house, clip, monkeypatch):
    monkeypatch.setattr(worker, "STOP_SECONDS", 0.0)
    gate = house.hold_at(4)
    job_id = house.submit(clip)
    assert gate.reached.wait(WAIT)
    house.runner.pause(job_id)
    house.runner.delete(job_id)
    gate.open()
    other = house.submit(clip)
    house.wait_for(other, "completed")
    assert house.store.job(job_id) is None and house.times(job_id) == []


@pytest.mark.parametrize("verb", ["pause", "cancel", "delete"])
def test_a_verb_that_meets_the_beginning_of_a_job_is_not_lost(house, clip, verb, monkeypatch):
    """Between the look whether a job runs and the change of its status, nobody claims it."""
    stop, asked = house.runner._worker.stop, threading.Event()

    def slow_stop(job_id, why):
        found = stop(job_id, why)
        asked.set()
        threading.Event().wait(0.05)  # time enough for the worker to claim, were it free to
        return found

    blocker = house.hold_at(0)
    first, job_id = house.submit(clip), house.submit(clip)
    assert blocker.reached.wait(WAIT)
    monkeypatch.setattr(house.runner._worker, "stop", slow_stop)
    acting = threading.Thread(target=getattr(house.runner, verb), args=(job_id,))
    acting.start()
    assert asked.wait(WAIT)
    blocker.open()
    acting.join(WAIT)
    house.wait_for(first, "completed")
    job = house.store.job(job_id)
    assert (job.status if job else "deleted") in ("paused", "cancelled", "deleted")
    assert house.times(job_id) == []


def test_trying_a_failed_job_again_asks_again_what_had_failed(house, clip):
    house.answers.update({n: ModelError("it choked") for n in range(3, FRAMES)})
    job_id = house.submit(clip)
    house.wait_for(job_id, "completed_with_errors")
    house.store.move_job(job_id, ("completed_with_errors",), "failed")
    house.answers.clear()
    house.runner.resume(job_id)
    job = house.wait_for(job_id, "completed")
    assert house.times(job_id) == ALL_TIMES and job.frames_failed == 0 and job.frames_done == FRAMES


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


def test_spans_end_with_the_range_that_was_analysed(house, clip):
    job_id = house.submit(clip, options={"end": 0.55})
    house.wait_for(job_id, "completed")
    job = house.store.job(job_id)
    found = job_spans(job, samples_of(house.store.frames(job_id)))
    assert [(s.start_us, s.end_us) for s in found] == [(0, 550_000)]


def test_a_deleted_job_takes_its_answers_and_pictures_with_it(house, clip):
    job_id = stopped_at_frame_4(house, clip, house.runner.delete)
    assert house.store.job(job_id) is None and house.times(job_id) == []
    house.thumbnails.flush()
    assert not any(house.thumbnails.path(job_id, time).exists() for time in ALL_TIMES)
    other = house.submit(clip)  # and the runner lives
    house.wait_for(other, "completed")


def test_a_frame_that_the_model_fails_on_is_marked_and_the_others_stand(house, clip):
    house.answers[3] = ModelError("it choked")
    job = house.wait_for(house.submit(clip), "completed_with_errors")
    states = [frame.state for frame in house.store.frames(job.id)]
    assert states == ["answered"] * 3 + ["failed"] + ["answered"] * 6
    assert "9 of 10 frames" in job.error and "it choked" in job.error


def test_a_model_that_fails_on_every_frame_fails_the_job(house, clip):
    house.answers.update({n: ModelError("it choked") for n in range(FRAMES)})
    job = house.wait_for(house.submit(clip), "failed")
    assert "it choked" in job.error


def test_a_file_that_is_gone_is_named_and_the_job_can_be_resumed_when_it_is_back(house, clip, tmp_path):
    mine = Path(shutil.copy2(clip, tmp_path / "mine.mp4"))
    job_id = stopped_at_frame_4(house, mine, house.runner.pause)
    away = mine.rename(tmp_path / "away.mp4")
    house.wait_for(job_id, "paused")
    house.runner.resume(job_id)
    assert "mine.mp4" in house.wait_for(job_id, "failed").error
    away.rename(mine)
    house.runner.resume(job_id)
    house.wait_for(job_id, "completed")
    assert house.times(job_id) == ALL_TIMES


def test_a_file_that_was_replaced_is_not_mixed_with_the_old_one(house, clip, tmp_path):
    mine = Path(shutil.copy2(clip, tmp_path / "mine.mp4"))
    job_id = stopped_at_frame_4(house, mine, house.runner.pause)
    house.wait_for(job_id, "paused")
    numbered_video(mine, constant(FRAMES + 5, 10))
    house.runner.resume(job_id)
    failed = house.wait_for(job_id, "failed")
    assert "changed" in failed.error and failed.frames_done == 4


def in_its_place(video: Path) -> None:
    """Another video where that one was, of the same size and date, as a copy that keeps dates leaves it."""
    was = video.stat()
    other = numbered_video(video.with_name("other.mp4"), constant(3, 10)).path
    other.write_bytes(other.read_bytes().ljust(was.st_size, b"\0"))
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
    other.replace(video)
    assert (video.stat().st_size, video.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)


@pytest.mark.parametrize("uploaded", [True, False])
def test_another_file_of_the_same_size_and_date_is_known_for_another_one(house, clip, tmp_path, uploaded):
    mine = Path(shutil.copy2(clip, tmp_path / "mine.mp4"))
    hashes = []
    for _ in range(2):
        job_id = house.submit(mine, uploaded=uploaded)
        house.wait_for(job_id, "completed")
        house.runner._hashing.submit(lambda: None).result(WAIT)  # behind the hash of the file
        hashes.append(house.store.job(job_id).video_sha256)
        assert hashes[-1] == hashlib.sha256(mine.read_bytes()).hexdigest()
        in_its_place(mine)
    assert hashes[0] != hashes[1]


def test_a_job_does_not_go_on_with_another_file_of_the_same_size_and_date(house, clip, tmp_path):
    mine = Path(shutil.copy2(clip, tmp_path / "mine.mp4"))
    job_id = stopped_at_frame_4(house, mine, house.runner.pause)
    house.wait_for(job_id, "paused")
    house.runner._hashing.submit(lambda: None).result(WAIT)  # behind the hash of the file
    in_its_place(mine)
    house.runner.resume(job_id)
    failed = house.wait_for(job_id, "failed")
    assert "mine.mp4 has changed since the analysis began" in failed.error and failed.frames_done == 4


def test_a_file_that_was_only_touched_is_the_same_file(house, clip, tmp_path):
    mine = Path(shutil.copy2(clip, tmp_path / "mine.mp4"))
    job_id = stopped_at_frame_4(house, mine, house.runner.pause)
    house.wait_for(job_id, "paused")
    house.runner._hashing.submit(lambda: None).result(WAIT)  # behind the hash of the file
    os.utime(mine, ns=(1, 1))
    house.runner.resume(job_id)
    house.wait_for(job_id, "completed")


def test_an_upload_is_kept_under_its_hash_and_goes_with_its_last_job(house, clip, tmp_path):
    upload = Path(shutil.copy2(clip, tmp_path / "upload.mp4"))
    jobs = [house.submit(upload, uploaded=True) for _ in range(2)]
    kept = [Path(house.wait_for(job_id, "completed").video_path) for job_id in jobs]
    assert kept[0] == kept[1] and kept[0].parent == house.store.folder / "videos"
    assert kept[0].stem == house.store.job(jobs[0]).video_sha256 and len(kept[0].stem) == 64
    upload.unlink()
    house.runner.delete(jobs[0])
    assert kept[0].is_file()
    house.runner.delete(jobs[1])
    assert not kept[0].exists()


def test_an_upload_is_read_before_anybody_asks_about_it(house, clip, tmp_path, monkeypatch):
    upload = Path(shutil.copy2(clip, tmp_path / "upload.mp4"))
    house.runner.expect_upload(upload)
    house.runner._uploads.submit(lambda: None).result(WAIT)  # behind the hash of the file
    monkeypatch.setattr(videos, "hashlib", None)  # a second reading would fail
    house.wait_for(house.submit(upload, uploaded=True), "completed")


def test_an_upload_that_was_kept_is_not_read_again(house, clip, tmp_path, monkeypatch):
    upload = Path(shutil.copy2(clip, tmp_path / "upload.mp4"))
    first = house.submit(upload, uploaded=True)
    house.wait_for(first, "completed")
    monkeypatch.setattr(videos, "hashlib", None)  # a second reading would fail
    house.wait_for(house.submit(upload, uploaded=True), "completed")
    house.wait_for(house.submit(Path(house.store.job(first).video_path)), "completed")


def test_uploads_that_no_job_is_about_are_removed_at_the_start(tmp_path, clip):
    """As a process that ended between the job and its upload leaves one."""
    house = House(tmp_path / "data")
    uploads = [tmp_path / name for name in ("kept.mp4", "left.mp4")]
    for number, upload in enumerate(uploads, 3):
        numbered_video(upload, constant(number, 10))
    stays, left = (house.store.job(house.submit(upload, uploaded=True)) for upload in uploads)
    partial = Path(left.video_path).with_name(f"{'0' * 32}.partial")
    another = partial.with_name("of somebody else.mp4")
    for place in (partial, another):
        place.write_bytes(b"x")
    house.store.delete_job(left.id)
    house.close()
    again = House(tmp_path / "data")
    again.runner.start()
    try:
        assert sorted(partial.parent.iterdir()) == sorted([Path(stays.video_path), another])
        again.wait_for(stays.id, "completed")
    finally:
        again.close()


def test_an_upload_that_is_gone_before_it_is_read_harms_nothing(house, clip, tmp_path):
    house.runner.expect_upload(tmp_path / "gone.mp4")
    upload = Path(shutil.copy2(clip, tmp_path / "upload.mp4"))
    house.wait_for(house.submit(upload, uploaded=True), "completed")


def test_an_upload_that_is_analysed_again_from_where_it_is_kept_goes_with_its_last_job_too(
    house, clip, tmp_path
):
    upload = Path(shutil.copy2(clip, tmp_path / "upload.mp4"))
    first = house.submit(upload, uploaded=True)
    kept = Path(house.wait_for(first, "completed").video_path)
    second = house.submit(kept)
    house.wait_for(second, "completed")
    house.runner.delete(first)
    assert kept.is_file()
    house.runner.delete(second)
    assert not kept.exists()


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


def test_progress_is_frames_done_over_frames_planned(house, clip):
    gate = house.hold_at(4)
    job_id = house.submit(clip)
    assert gate.reached.wait(WAIT)
    view = house.runner.view(house.store.job(job_id))
    assert (view.frames_done, view.frames_total, view.progress) == (4, 10, 0.4)
    assert view.frames_per_second > 0 and view.eta_seconds == pytest.approx(6 / view.frames_per_second)
    assert view.latest.index == 3 and view.latest.tags == {"boat": 0.9}
    gate.open()
    house.wait_for(job_id, "completed")
    assert house.runner.view(house.store.job(job_id)).progress == 1.0


def test_time_left_is_unknown_before_the_first_frame_and_known_from_earlier_jobs(house, clip):
    gate = house.hold_at(0)
    first = house.submit(clip)
    assert gate.reached.wait(WAIT)
    assert house.runner.view(house.store.job(first)).eta_seconds is None
    gate.open()
    house.wait_for(first, "completed")
    gate = house.hold_at(0)
    second = house.submit(clip)
    assert gate.reached.wait(WAIT)
    earlier = house.store.job(first)
    expected = earlier.compute_seconds / earlier.frames_done * FRAMES
    assert house.runner.view(house.store.job(second)).eta_seconds == pytest.approx(expected)
    gate.open()
    house.wait_for(second, "completed")


def test_a_job_is_pinned_to_the_load_options_too(house, clip):
    job_id = stopped_at_frame_4(house, clip, house.runner.pause)
    job = house.wait_for(job_id, "paused")
    assert identity(job) == house.slot.info.identity
    assert identity(replace(job, load_options={"quantization": "4bit"})) != house.slot.info.identity
