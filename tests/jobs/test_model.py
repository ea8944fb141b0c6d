"""Jobs and the model they are asked of: which keep it busy, which wait for it, and what it fails on."""

import threading
from dataclasses import replace

from engine.errors import ModelError
from engine.jobs.run import identity
from tests.held import ALL_TIMES, FRAMES, WAIT, stopped_at_frame_4


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


def test_a_job_is_pinned_to_the_load_options_too(house, clip):
    job_id = stopped_at_frame_4(house, clip, house.runner.pause)
    job = house.wait_for(job_id, "paused")
    assert identity(job) == house.slot.info.identity
    assert identity(replace(job, load_options={"quantization": "4bit"})) != house.slot.info.identity


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


def test_trying_a_failed_job_again_asks_again_what_had_failed(house, clip):
    house.answers.update({n: ModelError("it choked") for n in range(3, FRAMES)})
    job_id = house.submit(clip)
    house.wait_for(job_id, "completed_with_errors")
    house.store.move_job(job_id, ("completed_with_errors",), "failed")
    house.answers.clear()
    house.runner.resume(job_id)
    job = house.wait_for(job_id, "completed")
    assert house.times(job_id) == ALL_TIMES and job.frames_failed == 0 and job.frames_done == FRAMES
