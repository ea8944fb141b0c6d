"""The course of a job: from the queue to its end, paused, stopped, deleted, and how far it is meanwhile."""

import threading

import pytest

from engine.cancel import CancelToken
from engine.errors import InvalidInput
from engine.jobs import worker
from engine.jobs.views import job_spans, samples_of
from engine.video.span_settings import SpanSettings
from storage.rows import job_record
from tests.held import ALL_TIMES, FRAMES, WAIT, stopped_at_frame_4


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


def test_jobs_that_a_person_paused_are_not_looked_at_when_others_end(house, clip, monkeypatch):
    gate = house.hold_at(0)
    first = house.submit(clip)
    assert gate.reached.wait(WAIT)
    paused = [house.submit(clip) for _ in range(3)]
    for job_id in paused:
        house.runner.pause(job_id)
    read = []

    def noting(row):
        read.append(row["id"])
        return job_record(row)

    for place in ("store", "job_queue"):
        monkeypatch.setattr(f"storage.{place}.job_record", noting)
    gate.open()
    house.wait_for(first, "completed")
    house.wait_for(house.submit(clip), "completed")
    assert first in read and not set(paused) & set(read)


def test_spans_end_with_the_range_that_was_analysed(house, clip):
    job_id = house.submit(clip, options={"end": 0.55})
    house.wait_for(job_id, "completed")
    job = house.store.job(job_id)
    found = job_spans(job, samples_of(house.store.frames(job_id)), SpanSettings(), ())
    assert [(s.start_us, s.end_us) for s in found] == [(0, 550_000)]


def test_a_deleted_job_takes_its_answers_and_pictures_with_it(house, clip):
    job_id = stopped_at_frame_4(house, clip, house.runner.delete)
    assert house.store.job(job_id) is None and house.times(job_id) == []
    house.thumbnails.flush()
    assert not any(house.thumbnails.path(job_id, time).exists() for time in ALL_TIMES)
    other = house.submit(clip)  # and the runner lives
    house.wait_for(other, "completed")


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
