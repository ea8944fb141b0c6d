"""Starts and ends narrowed to one frame: how many questions, what a stop leaves, and what cannot be known."""

from dataclasses import replace
from fractions import Fraction

import pytest

from engine.cancel import CancelToken
from engine.engine import Engine
from engine.jobs.findings import Findings
from engine.jobs.forecast import Forecast
from engine.jobs.views import job_result, job_spans, samples_of
from engine.settings import Sampling
from engine.video.edge_cost import EdgeCost, edge_cost
from engine.video.frames import probe
from engine.video.refine import Gap, Refinement, pictures_between
from engine.video.request import AnalysisRequest
from engine.video.span_settings import SpanSettings
from engine.video.spans import Sample
from storage.store import Store
from tests.fixtures.videos import constant, numbered_video, variable
from tests.running import Running
from tests.truth import Oracle, Truth
from ui import spans as spans_page

COUNT, RATE = 240, 24
SPANS = {"dog": [(30, 90), (150, 201)], "cat": [(77, 160)]}
REFINED = {"tags": list(SPANS), "interval": 1, "options": {"refine": True}}
SAMPLES = 11  # one a second, and the last picture


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    path = tmp_path_factory.mktemp("made") / "lake.mp4"
    return Truth(numbered_video(path, constant(COUNT, RATE), gop=48, b_frames=2), SPANS)


def exactly(made: Truth) -> dict[str, list]:
    return {tag: [pytest.approx(span, abs=12e-6) for span in made.seconds(tag)] for tag in made.spans}


class Stopping(Oracle):
    """Is interrupted before each of some questions, counted from the first."""

    def __init__(self, spans, *before: int) -> None:
        super().__init__(spans, on_look=self._maybe_stop)
        self.before = set(before)
        self.running: Running | None = None
        self.times: list[int] = []  # of the pictures that were asked about

    def _maybe_stop(self, asked) -> None:
        if len(self.times) in self.before:
            self.before.remove(len(self.times))
            self.running.interrupt()
        else:
            self.times.append(asked.time_us)


def run_to_the_end(running: Running, made: Truth):
    """Resumed as often as it is stopped; the job, and how often it was."""
    running.backend.running = running
    job, stops = running.run(made.clip.path, **REFINED), 0
    while job.status == "interrupted":
        job, stops = running.resume(job.id), stops + 1
    assert job.status == "completed", job.error
    return job, stops


@pytest.fixture(scope="module")
def undisturbed(made, tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("run") / "data", Stopping(SPANS))
    job, _ = run_to_the_end(running, made)
    yield running, job
    running.close()


def test_each_start_and_end_takes_as_many_questions_as_was_said(made, undisturbed):
    running, job = undisturbed
    assert running.spans(job.id) == exactly(made)
    extra = len(running.backend.times) - SAMPLES
    cost = edge_cost(probe(made.clip.path), Sampling.of(1))
    assert cost == EdgeCost(5, counted=True), "log2 of 24, rounded up"
    assert 0 < extra <= 6 * cost.questions


@pytest.mark.parametrize("step", [1, 3, 5])
def test_a_run_that_is_stopped_again_and_again_asks_nothing_twice(made, undisturbed, step, tmp_path):
    running = Running(tmp_path / "data", Stopping(SPANS, *range(2, 60, step)))
    try:
        job, stops = run_to_the_end(running, made)
        whole, whole_job = undisturbed
        assert stops >= 7
        assert sorted(running.backend.times) == sorted(whole.backend.times)
        assert running.spans(job.id) == whole.spans(whole_job.id)
        frames = running.frames(job.id)
        assert sorted(frame.index for frame in frames) == list(range(len(frames)))
        assert all(running.thumbnails.path(job.id, frame.time_us).is_file() for frame in frames)
    finally:
        running.close()


def test_a_new_process_goes_on_where_the_last_one_was(made, undisturbed, tmp_path):
    first = Running(tmp_path / "data", Stopping(SPANS, SAMPLES + 4))
    first.backend.running = first
    job = first.run(made.clip.path, **REFINED)
    first.close()
    second = Running(tmp_path / "data", Stopping(SPANS))
    try:
        assert second.resume(job.id).status == "completed"
        asked = first.backend.times + second.backend.times
        assert sorted(asked) == sorted(undisturbed[0].backend.times)
    finally:
        second.close()


def test_cancel_stops_it_and_keeps_what_was_found(made, tmp_path):
    running = Running(tmp_path / "data", Stopping(SPANS))

    def cancel(asked) -> None:
        running.backend.times.append(asked.time_us)
        if len(running.backend.times) == SAMPLES + 3:
            running.runner._worker.run.stop("cancel")

    running.backend._on_look = cancel
    try:
        job = running.run(made.clip.path, **REFINED)
        assert (job.status, job.frames_done) == ("cancelled", SAMPLES + 2)
        assert job.frames_total > job.frames_done
    finally:
        running.close()


def test_progress_counts_the_extra_questions_as_soon_as_they_are_known(made, tmp_path):
    running = Running(tmp_path / "data", Oracle(SPANS))
    said = []

    def note(asked) -> None:
        job = running.runner.running()
        said.append((job.frames_done, job.frames_total))

    running.backend._on_look = note
    try:
        job = running.run(made.clip.path, **REFINED)
        totals = [total for _, total in said]
        edges = 6
        assert totals[0] == SAMPLES
        assert max(totals) <= SAMPLES + 5 * edges
        in_refinement = totals[SAMPLES + 1 :]
        assert in_refinement == sorted(in_refinement, reverse=True), "it never grows once all was scanned"
        assert all(done < total for done, total in said)
        assert job.frames_done == job.frames_total
    finally:
        running.close()


def test_where_a_picture_gets_no_answer_nothing_more_is_asked(made, tmp_path):
    backend = Oracle(SPANS, on_look=None)
    running = Running(tmp_path / "data", backend)

    def fail(asked) -> None:
        if asked.index >= SAMPLES:
            raise RuntimeError("no idea")

    backend._on_look = fail
    try:
        job = running.run(made.clip.path, **REFINED)
        assert job.status == "completed_with_errors"
        assert running.spans(job.id)["cat"] == [(4.0, 6.5)], "within an interval, for what failed is no hit"
        assert job.frames_failed == 4, "one for each second in which something changes"
    finally:
        running.close()


class Shy(Oracle):
    """Says nothing of the dog while starts and ends are narrowed."""

    def look(self, frames, task, cancel):
        for frame, answer in zip(frames, super().look(frames, task, cancel), strict=True):
            unknown = {"dog": None} if frame.index >= SAMPLES else {}
            yield replace(answer, tags={**answer.tags, **unknown})


def test_starts_and_ends_that_could_not_be_narrowed_are_counted_and_said(made, undisturbed, tmp_path):
    running = Running(tmp_path / "data", Shy(SPANS))
    try:
        job = running.run(made.clip.path, **REFINED)
        assert job.status == "completed"
        assert running.spans(job.id)["cat"] == exactly(made)["cat"]
        view = Findings(running.store).spans(job.id)
        assert view.exact_for == {"dog": 0.5, "cat": 0.5}
        assert view.not_narrowed == {"dog": 4}
        assert "4 starts and ends could not be narrowed to one frame" in spans_page.table(view)
        found = job_spans(job, samples_of(running.frames(job.id)), usual := SpanSettings(), ())
        result = job_result(running.runner.view(job), job, running.frames(job.id), found, usual)
        assert (result.summary["exact_for"], result.summary["not_narrowed"]) == (
            {"dog": 0.5, "cat": 0.5},
            {"dog": 4},
        )
        another = Findings(running.store).set_settings(job.id, {"threshold": 0.4})
        assert another.not_narrowed == {}, "of another threshold it is said that nothing was narrowed"
        whole, whole_job = undisturbed
        view = Findings(whole.store).spans(whole_job.id)
        assert view.not_narrowed == {} and "could not be narrowed" not in spans_page.table(view)
    finally:
        running.close()


def test_what_shows_up_only_while_narrowing_is_narrowed_too(tmp_path):
    """At 1 s and 2 s there is no cat; in the middle picture of the dog's edge there is one."""
    spans = {"dog": [(40, 100)], "cat": [(35, 38)]}
    clip = numbered_video(tmp_path / "a.mp4", constant(120, RATE), gop=48)
    running = Running(tmp_path / "data", Oracle(spans))
    try:
        job = running.run(clip.path, tags=list(spans), interval=1, options={"refine": True})
        assert running.spans(job.id) == exactly(Truth(clip, spans))
    finally:
        running.close()


def test_what_lies_between_listed_times_is_claimed_by_none_of_them(made, tmp_path):
    """The dog is there at 3 s and at 7 s, and away in between: these two agree, so nobody looks there."""
    running = Running(tmp_path / "data", Oracle(SPANS))
    try:
        listed = {"times": [0.5, 2, 3, 7, 8, 9.5], "refine": True}
        job = running.run(made.clip.path, tags=["dog"], interval=0.5, options=listed)
        times = [frame.time_us / 1e6 for frame in running.frames(job.id)]
        assert not [time for time in times if 3 < time < 7]
        spans = running.spans(job.id)["dog"]
        narrowed = made.seconds("dog")[0][0], made.seconds("dog")[1][1]
        assert (spans[0][0], spans[-1][1]) == pytest.approx(narrowed, abs=12e-6), "where two disagree"
        assert (3.0, 3.5) in spans and not [span for span in spans if span[0] < 7 < span[1]]
        view = Findings(running.store).spans(job.id)
        for stretch in (*view.spans, *view.looked):
            looks = [stretch.start, *(time for time in times if stretch.start < time < stretch.end)]
            after = [*looks[1:], stretch.end]
            assert all(b - a <= 0.5 + 1e-6 for a, b in zip(looks, after, strict=True)), stretch
    finally:
        running.close()


@pytest.mark.parametrize("name", ["a.mp4", "b.mkv", "c.ts", "d.avi"])
def test_the_pictures_between_two_samples_are_found_without_decoding(name, tmp_path):
    avi = {"codec": "libx264", "clock": Fraction(1, 25)} if name.endswith("avi") else {}
    clip = numbered_video(tmp_path / name, constant(300, 25), gop=30, b_frames=2, **avi)
    gaps = [Gap(Sample(a * 40_000, "", {}), Sample(b * 40_000, "", {}), 1) for a, b in [(10, 13), (249, 260)]]
    near = [pytest.approx([n * 40_000 for n in range(a + 1, b)], abs=600) for a, b in [(10, 13), (249, 260)]]
    assert pictures_between(clip.path, gaps, CancelToken()) == near


def test_neighbouring_pictures_leave_nothing_to_ask(tmp_path):
    clip = numbered_video(tmp_path / "a.mp4", variable(20))
    samples = [Sample(clip.time_us(n), "answered", {"dog": float(n > 9)}) for n in range(20)]
    assert Refinement(clip.path, samples, {"dog": 0.5}, CancelToken()).gaps == []


def test_the_plan_says_what_a_span_may_cost_more(made, tmp_path):
    engine = Engine(Store.open(tmp_path / "data"), tmp_path / "models")
    try:
        plan = engine.plan(AnalysisRequest.of(made.clip.path, "dark", interval=1, options={"refine": True}))
        assert (plan.frames, plan.extra_per_span, plan.at_least, plan.reuse) == (SAMPLES, 10, False, None)
        plan = engine.plan(
            AnalysisRequest.of(made.clip.path, "dark", interval=1, options={"mode": "shots", "reuse": 3})
        )
        assert (plan.frames, plan.extra_per_span, plan.at_least, plan.reuse) == (SAMPLES, 0, True, 3.0)
        most = {"mode": "shots", "max_frames": 3}
        plan = engine.plan(AnalysisRequest.of(made.clip.path, "dark", interval=1, options=most))
        assert (plan.frames, plan.at_least) == (3, False)
        plan = engine.plan(AnalysisRequest.of(made.clip.path, "dark", options={"mode": "keyframes"}))
        assert plan.frames == 5
        listed = {"times": [0, 1, 9], "refine": True}
        plan = engine.plan(AnalysisRequest.of(made.clip.path, "dark", options=listed))
        assert (plan.frames, plan.extra_per_span) == (3, 16), "8 s of 24 pictures each"
    finally:
        engine.close()


def test_a_run_over_shots_says_how_many_frames_are_likely_by_how_far_it_is():
    forecast = Forecast(10)
    forecast._range = (0, 100_000_000)
    said = [forecast.after(Sample(at * 1_000_000, "answered", {})) for at in range(0, 50, 2)]
    assert said[0] == 10
    assert said[-1] == pytest.approx(50, rel=0.1)
