"""Starts and ends are narrowed for the threshold that spans are made by, also for one that is set afterwards;
what that costs is counted beforehand, at a variable rate too."""

import itertools
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from fractions import Fraction

import pytest

from engine.backends.base import FrameAnswer
from engine.engine import Engine
from engine.errors import InvalidInput, MediaError, ModelError
from engine.jobs import run
from engine.jobs.findings import Findings
from engine.settings import Sampling
from engine.video.edge_cost import EdgeCost, edge_cost
from engine.video.frames import probe
from engine.video.request import AnalysisRequest
from storage import job_queue, store
from storage.rows import job_record
from storage.store import Store
from tests.fixtures.videos import constant, numbered_video
from tests.running import WAIT, Running, until
from tests.truth import SETS, Oracle, truth
from ui import cards, panels, spans

RATE, COUNT = 24, 240
DATABASE = "haven.db"  # in a data folder
BOTH = {"tags": ["dog", "cat"], "interval": 1, "options": {"refine": True}}
DENSE = (*constant(60, 1), *constant(61, 60, start=60))  # a picture a second, then sixty of them


FLASH = 84  # the first picture that is asked about between the third second and the fourth


class Ramp(Oracle):
    """Grows ever surer that there is a dog; the cat is there in the second half."""

    def __init__(self, **more) -> None:
        super().__init__({}, **more)

    def _sure(self, tag, number):
        return number / COUNT if tag == "dog" else float(number >= COUNT // 2)


class Flashing(Ramp):
    """As that, and sure of a dog in one picture, which no sample shows."""

    def _sure(self, tag, number):
        return 0.9 if (tag, number) == ("dog", FLASH) else super()._sure(tag, number)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "lake.mp4"
    numbered_video(path, constant(COUNT, RATE), gop=48)
    return path


@pytest.fixture
def running(tmp_path):
    running = Running(tmp_path / "data", Ramp())
    yield running
    running.close()


def starts(running, job):
    """When the first span of each tag starts, as its job's rules have it."""
    found = Findings(running.store).spans(job.id).spans
    return {tag: next(span.start for span in found if span.tag == tag) for tag in job.tags}


def first_picture(threshold):
    return pytest.approx(next(n for n in range(COUNT) if n / COUNT >= threshold) / RATE, abs=12e-6)


def test_a_threshold_that_is_set_before_is_the_one_that_starts_are_narrowed_for(clip, running):
    def lower(asked) -> None:
        if asked.index == 0:
            job = running.runner.running()
            Findings(running.store).set_settings(job.id, {"tags": {"dog": {"threshold": 0.31}}})

    running.backend._on_look = lower
    job = running.run(clip, **BOTH)
    assert starts(running, job) == {"dog": first_picture(0.31), "cat": 5.0}
    view = Findings(running.store).spans(job.id)
    assert view.exact_for == {"dog": 0.31, "cat": 0.5}
    assert not running.runner.view(job).can_narrow


def test_for_one_that_is_set_afterwards_it_is_said_and_they_are_narrowed_again(clip, running):
    job = running.run(clip, **BOTH)
    findings = Findings(running.store)
    assert starts(running, job) == {"dog": first_picture(0.5), "cat": 5.0}
    assert "exact to one frame" not in spans.table(findings.spans(job.id))
    findings.set_settings(job.id, {"tags": {"dog": {"threshold": 0.31}}})
    assert starts(running, job)["dog"] == 4.0, "the first sample from there on"
    assert "exact to one frame for dog at 50\xa0%" in spans.table(findings.spans(job.id))
    view = running.runner.view(job)
    assert view.can_narrow and "Narrow spans again" in panels.run(view)
    assert 'data-act="resume"' in cards.job_row(view, 0.0)
    before = len(running.backend.asked)
    job = running.resume(job.id)
    assert (job.status, job.frames_done) == ("completed", job.frames_total)
    assert starts(running, job) == {"dog": first_picture(0.31), "cat": 5.0}
    assert 0 < len(running.backend.asked) - before <= 5, "log2 of 24, and nothing that was asked before"
    assert not running.runner.view(job).can_narrow
    with pytest.raises(InvalidInput, match="nothing to resume"):
        running.runner.resume(job.id)


def test_an_analysis_that_ended_well_is_left_so_where_its_video_is_gone(tmp_path, running):
    video = tmp_path / "a.mp4"
    numbered_video(video, constant(48, RATE))
    job = running.run(video, **BOTH)
    Findings(running.store).set_settings(job.id, {"threshold": 0.1})
    video.unlink()
    with pytest.raises(MediaError, match="not there any more"):
        running.runner.resume(job.id)
    assert running.store.job(job.id) == job


def narrowed_again(running, clip, number, do):
    """A job that has ended, resumed for another threshold; as it was before, and as it is then.

    `do` is called before the question of that number is answered, counted from 1.
    """
    before, questions = running.run(clip, **BOTH), itertools.count(1)
    Findings(running.store).set_settings(before.id, {"tags": {"dog": {"threshold": 0.31}}})
    running.backend._on_look = lambda asked: next(questions) == number and do()
    after = running.resume(before.id)
    running.backend._on_look = None
    return before, after


def is_as_before(running, before, after):
    """Ended as it was, with some more answers, and ready to be narrowed."""
    assert (after.status, after.reason, after.error) == (before.status, before.reason, before.error)
    assert before.frames_done < after.frames_done == after.frames_total == len(running.frames(after.id))
    view = Findings(running.store).spans(after.id)
    assert view.exact_for == {"dog": 0.5, "cat": 0.5}
    assert {span.end for span in view.spans} == {COUNT / RATE}, "the whole video was looked at before"
    assert "Narrow spans again" in panels.run(running.runner.view(after))


@pytest.mark.parametrize("how", ["cancel", "shutdown"])
def test_to_stop_it_midway_leaves_the_analysis_as_it_was(clip, running, how):
    before, after = narrowed_again(running, clip, 3, lambda: running.runner._worker.run.stop(how))
    is_as_before(running, before, after)
    asked = len(running.backend.asked)
    job = running.resume(before.id)
    assert (job.status, starts(running, job)) == ("completed", {"dog": first_picture(0.31), "cat": 5.0})
    assert 0 < len(running.backend.asked) - asked <= 3, "log2 of 24, without the two that were answered"


@pytest.mark.parametrize("starts_killed", [0, 1])
def test_a_process_that_is_killed_meanwhile_leaves_it_as_it_was(clip, running, tmp_path, starts_killed):
    left = tmp_path / "left"

    def copy() -> None:
        """What a kill leaves on the disk, once the answer before is written."""
        job = running.runner.running()
        until(lambda: len(running.frames(job.id)), lambda kept: kept == len(running.backend.asked))
        assert running.store.job(job.id).status == "running"
        shutil.copytree(running.store.folder, left, ignore=shutil.ignore_patterns("*.lock", "thumbnails"))

    before, _ = narrowed_again(running, clip, 2, copy)
    for _ in range(starts_killed):  # right behind its first step
        killed = Store.open(left)
        assert [job.status for job in killed.interrupt_running()] == ["interrupted"]
        killed.close()
    again = Running(left, Ramp())
    try:
        is_as_before(again, before, again.store.job(before.id))
        job = again.resume(before.id)
        assert starts(again, job) == {"dog": first_picture(0.31), "cat": 5.0}
        assert 0 < len(again.backend.asked) <= 4
    finally:
        again.close()


def test_a_span_that_turned_up_midway_is_not_called_exact_where_the_threshold_is_moved_back(clip, tmp_path):
    running = Running(tmp_path / "data", Flashing())
    findings, seen = Findings(running.store), []

    def move_back() -> None:
        job = running.runner.running()
        until(lambda: len(running.frames(job.id)), lambda kept: kept == len(running.backend.asked))
        seen.append(findings.set_settings(job.id, {"tags": {"dog": None}}).exact_for)
        running.runner._worker.run.stop("cancel")

    try:
        before, after = narrowed_again(running, clip, 2, move_back)
        assert (before.status, after.status) == ("completed", "completed")
        flash = findings.spans(after.id).spans[0]
        assert (flash.tag, flash.start, flash.end) == ("dog", pytest.approx(FLASH / RATE, abs=12e-6), 4.0)
        assert seen == [{}], "while it runs nothing is known"
        assert findings.spans(after.id).exact_for == {"cat": 0.5}
        assert running.runner.view(after).can_narrow
        job = running.resume(after.id)
        flash = findings.spans(job.id).spans[0]
        assert (flash.start, flash.end) == pytest.approx((FLASH / RATE, (FLASH + 1) / RATE), abs=12e-6)
        assert findings.spans(job.id).exact_for == {"dog": 0.5, "cat": 0.5}
        assert not running.runner.view(job).can_narrow
    finally:
        running.close()


def test_while_it_waits_it_can_be_given_up(clip, running):
    before, paused = narrowed_again(running, clip, 2, lambda: running.runner._worker.run.stop("pause"))
    assert (paused.status, paused.reason) == ("paused", "user")
    assert {span.end for span in Findings(running.store).spans(paused.id).spans} == {COUNT / RATE}
    assert not running.runner.view(paused).can_narrow
    running.runner.cancel(paused.id)
    is_as_before(running, before, running.store.job(paused.id))


def test_to_stop_it_at_its_very_end_leaves_the_analysis_as_it_was(clip, running, monkeypatch):
    """Every question is answered, and it is only looked whether the video is still the same."""
    looks = itertools.count(1)

    def look(job, store, cancel):
        if next(looks) == 2:  # the first run looked behind its questions too
            running.runner._worker.run.stop("cancel")
            cancel.raise_if_cancelled()

    monkeypatch.setattr(run, "check_unchanged", look)
    before, after = narrowed_again(running, clip, 0, None)
    assert next(looks) == 3
    is_as_before(running, before, after)


def test_what_was_still_to_be_asked_counts_as_no_lost_frame(clip, running):
    running.backend._answers = {2: ModelError("The model stumbled.")}
    stop = lambda: running.runner._worker.run.stop("cancel")  # noqa: E731
    before, after = narrowed_again(running, clip, 2, stop)
    assert before.error == f"{before.frames_done - 1} of {before.frames_done} frames were read; " + (
        "1 failed. The model stumbled."
    )
    assert after.error.startswith(f"{after.frames_done - 1} of {after.frames_done} frames were read; 1 ")


def test_it_is_given_up_with_all_others_which_are_not_read_for_it(clip, running, monkeypatch):
    def hold(asked) -> None:
        reached.set()
        running.runner._worker.run.cancel.wait(WAIT)

    job, reached = running.run(clip, **BOTH), threading.Event()
    Findings(running.store).set_settings(job.id, {"threshold": 0.31})
    running.backend._on_look = hold
    held = running.submit(clip, tags=["dog"], interval=1)
    assert reached.wait(WAIT)
    running.runner.resume(job.id)
    assert running.store.job(job.id).status == "queued"
    others = [replace(job, id=f"{number:032x}", status="queued") for number in range(100)]
    for other in others:
        running.store.add_job(other)
    read = []
    for module in (store, job_queue):
        monkeypatch.setattr(module, "job_record", lambda row: read.append(row) or job_record(row))
    assert running.runner.cancel_all() == 2 + len(others)
    assert running.wait(held).status == "cancelled"
    assert len(read) < len(others)
    assert {running.store.job(other.id).status for other in others} == {"cancelled"}
    assert running.store.job(job.id).status == "completed"
    assert running.runner.view(running.store.job(job.id)).can_narrow


def test_where_it_fails_that_is_said_and_the_analysis_stays(clip, tmp_path, running):
    video, away = tmp_path / "a.mp4", tmp_path / "away.mp4"
    shutil.copy(clip, video)
    before, after = narrowed_again(running, video, 2, lambda: video.rename(away))
    assert (before.status, after.status) == ("completed", "completed_with_errors")
    assert "could not be narrowed again" in after.error and "a.mp4" in after.error
    assert running.runner.view(after).can_narrow
    away.rename(video)
    job = running.resume(before.id)
    assert (job.status, job.error) == ("completed", "")
    assert starts(running, job) == {"dog": first_picture(0.31), "cat": 5.0}


def test_of_a_file_that_is_replaced_meanwhile_nothing_is_added(clip, tmp_path, running):
    """No player minds how; it is found when the run looks once more at its end."""
    video, seen = tmp_path / "a.mp4", []
    shutil.copy(clip, video)
    findings = Findings(running.store)

    def replace_it() -> None:
        job = running.runner.running()
        until(lambda: len(running.frames(job.id)), lambda kept: kept == len(running.backend.asked))
        seen.append(len(findings.found(job.id).samples))
        with video.open("ab") as file:
            file.write(b"another")

    before, after = narrowed_again(running, video, 3, replace_it)
    kept = before.frames_done + 2
    assert seen == [kept], "about the first file"
    assert sorted(frame.index for frame in running.frames(after.id)) == list(range(kept))
    assert len(findings.found(after.id).samples) == after.frames_done == after.frames_total == kept
    assert after.status == "completed_with_errors"
    assert "could not be narrowed again: a.mp4 has changed" in after.error


@pytest.mark.parametrize("how", ["cancel", "shutdown", "pause", "kill"])
def test_however_it_ends_no_answer_about_a_file_that_was_put_in_its_place_stays(clip, tmp_path, running, how):
    """Of the same size and date. Only the first question is answered before."""
    video, other, left = tmp_path / "a.mp4", tmp_path / "other.mp4", tmp_path / "left"
    shutil.copy(clip, video)
    content = bytearray(clip.read_bytes())
    content[-1] ^= 1
    other.write_bytes(content)
    questions = itertools.count(1)

    def end(asked) -> None:
        number = next(questions)
        if number == 2:
            was = video.stat()
            other.replace(video)
            os.utime(video, ns=(was.st_atime_ns, was.st_mtime_ns))
        elif number >= 4 and how != "kill":
            running.runner._worker.run.stop(how)
        if number >= 2:  # as a kill leaves it now
            shutil.rmtree(left, ignore_errors=True)
            left.mkdir()
            with closing(sqlite3.connect(running.store.folder / DATABASE)) as database:
                database.execute("VACUUM INTO ?", (str(left / DATABASE),))

    before = running.run(video, **BOTH)
    until(lambda: running.store.job(before.id).video_sha256, bool)
    Findings(running.store).set_settings(before.id, {"tags": {"dog": {"threshold": 0.31}}})
    running.backend._on_look = end
    running.resume(before.id)
    running.runner.cancel(before.id)
    kept = running.frames(before.id)
    if how == "kill":
        again = Running(left, Ramp())
        kept = again.frames(before.id)
        again.close()
    assert len(kept) == before.frames_done + 1


def test_what_is_touched_meanwhile_is_the_same_all_the_same(clip, tmp_path, running):
    video = tmp_path / "a.mp4"
    shutil.copy(clip, video)
    _, job = narrowed_again(running, video, 2, video.touch)
    assert (job.status, starts(running, job)) == ("completed", {"dog": first_picture(0.31), "cat": 5.0})


def test_a_summary_is_not_written_again_for_it(clip, tmp_path):
    class Telling(Ramp):
        def look(self, frames, task, cancel):
            for answer in super().look(frames, task, cancel):
                yield FrameAnswer("answered", answer.tags, "A dog.")

    said = []
    running = Running(tmp_path / "data", Telling(on_stream=said.append))
    try:
        options = {"refine": True, "summary": True}
        job = running.run(clip, tags=["dog"], prompt="What?", interval=1, options=options)
        assert job.summary and said
        said.clear()
        Findings(running.store).set_settings(job.id, {"threshold": 0.31})
        assert running.resume(job.id).summary == job.summary
        assert said == []
    finally:
        running.close()


@pytest.mark.parametrize("name", SETS)
def test_never_more_is_asked_than_was_said(name, tmp_path):
    made = truth(name, tmp_path)
    running = Running(tmp_path / "data", Oracle(made.spans))
    try:
        tags = list(made.spans)
        plain = running.run(made.clip.path, tags=tags, interval=1)
        narrowed = running.run(made.clip.path, tags=tags, interval=1, options={"refine": True})
        found = sum(map(len, running.spans(plain.id).values()))
        cost = edge_cost(probe(made.clip.path), Sampling.of(1))
        assert cost.counted
        assert narrowed.frames_done - plain.frames_done <= 2 * cost.questions * found
    finally:
        running.close()


def test_pictures_that_come_in_a_rush_are_counted_where_they_do(tmp_path):
    spans = {"dog": [(75, 121)]}
    clip = numbered_video(tmp_path / "a.mp4", DENSE)
    cost = edge_cost(probe(clip.path), Sampling.of(1))
    assert cost == EdgeCost(6, counted=True), "sixty in a second"
    running = Running(tmp_path / "data", Oracle(spans))
    try:
        plain = running.run(clip.path, tags=["dog"], interval=1)
        job = running.run(clip.path, tags=["dog"], interval=1, options={"refine": True})
        assert running.spans(job.id)["dog"][0][0] == pytest.approx(60.25, abs=12e-6)
        assert 2 < job.frames_done - plain.frames_done <= cost.questions
    finally:
        running.close()


def test_where_a_file_does_not_list_its_pictures_the_plan_says_about(tmp_path):
    clip = numbered_video(tmp_path / "a.mkv", constant(48, RATE))
    assert edge_cost(probe(clip.path), Sampling.of(1)) == EdgeCost(5, counted=False)
    engine = Engine(Store.open(tmp_path / "data"), tmp_path / "models")
    try:
        request = AnalysisRequest.of(clip.path, "dark", interval=1, options={"refine": True})
        plan = engine.plan(request)
        assert (plan.extra_per_span, plan.extra_is_about) == (10, True)
    finally:
        engine.close()


def test_a_rate_that_nobody_knows_gives_no_number(tmp_path):
    clip = numbered_video(tmp_path / "a.mkv", constant(48, RATE))
    info = probe(clip.path)
    unknown = type(info)(**{**vars(info), "rate": None})
    assert edge_cost(unknown, Sampling.of(1)) == EdgeCost(0, counted=False)
    assert edge_cost(info, Sampling(interval=Fraction(1, 30))) == EdgeCost(0, counted=False)
