"""The queue of the videos that were found."""

import os
import shutil

import pytest

from engine.errors import InvalidInput
from engine.library import queueing
from tests.running import until
from tests.watching import put, states, watched


def names_of(view):
    return [job.video for job in view.jobs]


def test_the_queue_is_in_the_order_of_the_paths_and_can_be_changed(queue):
    view = queue.queue()
    assert names_of(view) == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    running, second, third, last = (job.job_id for job in view.jobs)
    assert names_of(queue.move_job(last, "first")) == ["a.mp4", "d.mp4", "b.mp4", "c.mp4"]
    assert names_of(queue.move_job(third, "up")) == ["a.mp4", "d.mp4", "c.mp4", "b.mp4"]
    assert names_of(queue.move_job(last, "down")) == ["a.mp4", "c.mp4", "d.mp4", "b.mp4"]
    with pytest.raises(InvalidInput, match="only one that waits"):
        queue.move_job(running, "first")
    with pytest.raises(InvalidInput, match="up, down, first"):
        queue.move_job(second, "sideways")


def test_all_are_paused_and_resumed_and_nothing_new_begins_meanwhile(queue, engine, clips, films):
    paused = queue.pause_all()
    assert paused.held
    view = until(lambda: queue.queue(), lambda view: view.running == 0)
    assert (view.waiting, view.paused, names_of(view)) == (0, 4, [])
    video = put(clips, "red.mp4", films)
    os.utime(video)
    until(lambda: states(engine).get("red.mp4"), lambda state: state == "new")
    queue.scan()
    until(lambda: queue.folders()[0].looking, lambda looking: not looking)
    assert states(engine)["red.mp4"] == "new"
    view = queue.resume_all()
    assert not view.held and view.paused == 0
    until(lambda: states(engine)["red.mp4"], lambda state: state == "queued")


def test_all_are_cancelled_and_what_was_finished_is_kept(queue, engine):
    running = queue.queue().jobs[0].job_id
    until(lambda: engine.job(running).frames_done, lambda frames: frames > 3)
    queue.cancel_all()
    until(lambda: [job.status for job in engine.jobs()], lambda found: set(found) == {"cancelled"})
    assert engine.job(running).frames_done > 3
    assert queue.held, "files that wait in the library do not begin by themselves after that"
    engine.resume_job(running)
    until(lambda: engine.job(running).status, lambda status: status == "running")


def test_a_changed_file_takes_its_waiting_job_away(queue, engine, clips, films):
    last = queue.queue().jobs[-1]
    put(clips, "red.mp4", films, "d.mp4")
    until(lambda: engine.job(last.job_id).status, lambda status: status == "cancelled")
    until(lambda: engine.library.files(search="d.mp4").files[0], lambda file: file.state == "queued")


def test_a_file_that_is_only_touched_keeps_its_place_in_the_queue(queue, engine, films):
    before = [job.job_id for job in queue.queue().jobs]
    os.utime(films / "d.mp4", ns=(1, 1))
    until(
        lambda: engine._store.library.files("d.mp4")[0],
        lambda file: (file.mtime_ns, file.state) == (1, "queued"),
    )
    assert [engine.job(job_id).status for job_id in before[1:]] == ["queued"] * 3
    assert len(engine.jobs()) == 4


def test_a_file_that_was_changed_to_another_of_its_size_takes_its_waiting_job_away(queue, engine, films):
    last = queue.queue().jobs[-1]
    with (films / "d.mp4").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"z")
    until(lambda: engine.job(last.job_id).status, lambda status: status == "cancelled")
    file = until(lambda: engine.library.files(search="d.mp4").files[0], lambda file: file.state == "queued")
    assert file.job.job_id != last.job_id


def test_asking_something_else_cancels_what_waits_but_for_what_another_folder_asks(
    queue, engine, clips, films, tmp_path
):
    jobs = [job.job_id for job in queue.queue().jobs]
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(films / "d.mp4", other / "copy.mp4")
    watched(engine, other, interval=0.04)
    until(lambda: states(engine).get("copy.mp4"), lambda state: state == "queued")
    watched(engine, films, tags="mostly red", interval=0.04)
    until(lambda: [engine.job(job).status for job in jobs[:3]], lambda found: set(found) == {"cancelled"})
    assert engine.job(jobs[3]).status != "cancelled"


def test_only_so_many_wait_at_a_time(engine, clips, films, monkeypatch):
    monkeypatch.setattr(queueing, "AHEAD", 2)
    for number in range(6):
        video = put(clips, "long.mp4", films, f"{number}.mp4")
        with video.open("ab") as file:
            file.write(bytes([number]))
    watched(engine, films, interval=0.04)
    view = until(lambda: engine.library.queue(), lambda view: view.waiting == 2)
    assert view.running + view.waiting <= 3
    counts = engine.library.folders()[0].files
    assert counts["new"] >= 3
