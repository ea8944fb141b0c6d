"""The analysis generator, on a backend that does what the test says: order, laziness, retries, cancelling."""

import gc
import weakref

import pytest
from fakes import FakeBackend, Leases, frame

from engine.backends.base import FrameAnswer, FrameTask
from engine.cancel import CancelToken
from engine.errors import Busy, Cancelled, MediaError, ModelError
from engine.events.analysis import AnalysisEnded, FrameLost, FrameRead
from engine.video.analysis import analyse

TASK = FrameTask(("boat",), "What is there?")
FAILED = FrameAnswer("failed", error="no idea")


class Samples:
    """Gives frames one at a time and counts how many were pulled."""

    def __init__(self, items, error=None):
        self.items, self.error, self.pulled = items, error, 0

    def __iter__(self):
        for item in self.items:
            self.pulled += 1
            yield item
        if self.error:
            raise self.error


def run(backend, items, cancel=None, error=None):
    leases = Leases(backend)
    events = analyse(Samples(items, error), leases, TASK, cancel or CancelToken())
    return events, leases


def frames(count):
    return [frame(number) for number in range(count)]


def seen(events):
    """Index and state of every event, as the specification counts them."""
    return [
        (event.index, "lost") if isinstance(event, FrameLost) else (event.frame.index, event.answer.state)
        for event in events
        if not isinstance(event, AnalysisEnded)
    ]


def test_every_sample_is_answered_in_order_and_the_end_counts_them():
    events, _ = run(FakeBackend(), frames(3))
    events = list(events)
    assert seen(events) == [(0, "answered"), (1, "answered"), (2, "answered")]
    assert events[1].answer.tags == {"boat": 0.9}
    assert events[1].answer.caption == "frame 1"
    assert events[1].seconds >= 0
    assert events[-1] == AnalysisEnded(3, 0)


def test_no_samples_are_an_analysis_of_nothing():
    events, leases = run(FakeBackend(), [])
    assert list(events) == [AnalysisEnded(0, 0)]
    assert leases.given == 0


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_a_lost_sample_keeps_its_place_whatever_the_batch(batch_size):
    items = [
        FrameLost(0, 0, "torn"),
        frame(1),
        FrameLost(2, 2, "torn"),
        frame(3),
        frame(4),
        FrameLost(5, 5, "torn"),
    ]
    events, _ = run(FakeBackend(batch_size=batch_size), items)
    events = list(events)
    assert seen(events) == [
        (0, "lost"), (1, "answered"), (2, "lost"), (3, "answered"), (4, "answered"), (5, "lost"),
    ]  # fmt: skip
    assert events[-1] == AnalysisEnded(3, 3)


def test_one_look_gets_as_many_frames_as_the_backend_takes_once_that_is_known():
    backend = FakeBackend(batch_size=3)
    events, leases = run(backend, frames(8))
    assert len(list(events)) == 9
    assert backend.looks == [[0], [1, 2, 3], [4, 5, 6], [7]]
    assert leases.given == 4


def test_samples_are_pulled_one_batch_at_a_time():
    backend = FakeBackend()
    samples = Samples(frames(100))
    events = analyse(samples, Leases(backend), TASK, CancelToken())
    assert samples.pulled == 0
    for expected in (1, 2, 3):
        next(events)
        assert samples.pulled == expected
    events.close()
    assert samples.pulled == 3


def test_one_batch_is_held_at_a_time():
    made, held = [], []

    def many():
        for number in range(20):
            held.append(sum(ref() is not None for ref in made))
            one = frame(number)
            made.append(weakref.ref(one))
            yield one
            del one

    for event in analyse(many(), Leases(FakeBackend(batch_size=4)), TASK, CancelToken()):
        del event
        gc.collect()
    assert max(held) <= 4  # three that wait for the fourth, and the one that was yielded last


def test_the_lease_is_free_while_frames_are_fetched_and_after_the_last_answer_of_a_look():
    backend = FakeBackend(batch_size=2)
    leases, held_at_pull, held_at_event = Leases(backend), [], []

    def watched():
        for number in range(5):
            held_at_pull.append(leases.held)
            yield frame(number)

    for _ in analyse(watched(), leases, TASK, CancelToken()):
        held_at_event.append(leases.held)
    assert held_at_pull == [0] * 5
    assert held_at_event == [0, 1, 0, 1, 0, 0]


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("trouble", [FAILED, ModelError("no idea"), ValueError("no idea")])
@pytest.mark.parametrize(("failures", "state"), [(1, "answered"), (2, "answered"), (3, "failed")])
def test_a_frame_is_tried_three_times_and_the_others_do_not_pay(batch_size, trouble, failures, state):
    good = FrameAnswer("answered", {"boat": 0.9})
    backend = FakeBackend(batch_size=batch_size, answers={3: [trouble] * failures + [good]})
    events, leases = run(backend, frames(6))
    events = list(events)
    expected = [(number, state if number == 3 else "answered") for number in range(6)]
    assert seen(events) == expected
    assert backend.asked.count(3) == min(failures + 1, 3)
    assert "no idea" in events[3].answer.error or state == "answered"
    assert events[-1] == AnalysisEnded(6, 0)
    assert leases.held == 0


def test_a_batch_that_fails_as_a_whole_is_asked_frame_by_frame():
    class Poisoned(FakeBackend):
        def look(self, asked, task, cancel):
            if any(each.index == 2 for each in asked):
                raise ModelError("out of memory")
            yield from super().look(asked, task, cancel)

    events, _ = run(Poisoned(batch_size=4), frames(5))
    assert seen(events) == [
        (0, "answered"), (1, "answered"), (2, "failed"), (3, "answered"), (4, "answered"),
    ]  # fmt: skip


def test_a_look_that_raises_before_it_yields_is_a_failure_of_the_frame():
    class Broken(FakeBackend):
        def look(self, asked, task, cancel):
            raise ModelError("the server is gone")

    events, _ = run(Broken(), frames(2))
    events = list(events)
    assert seen(events) == [(0, "failed"), (1, "failed")]
    assert events[0].answer.error == "the server is gone"


def test_a_backend_that_gives_too_few_answers_fails_the_frames_without_one():
    class Short(FakeBackend):
        def look(self, asked, task, cancel):
            yield from super().look(asked[:2], task, cancel) if len(asked) > 2 else ()

    events, _ = run(Short(batch_size=3), frames(4))
    assert [state for _, state in seen(events)] == ["failed", "answered", "answered", "failed"]


def test_the_time_of_failed_tries_counts():
    took = iter([FAILED, FAILED, FrameAnswer("answered")])
    clock = iter(range(100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.video.analysis.time.perf_counter", lambda: float(next(clock)))
        events, _ = run(FakeBackend(answers={0: list(took)}), frames(1))
        assert next(events).seconds == 3.0


def test_cancelling_between_frames_stops_before_the_next_one_is_pulled():
    cancel, samples, backend = CancelToken(), Samples(frames(10)), FakeBackend()
    events = analyse(samples, Leases(backend), TASK, cancel)
    next(events)
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(events)
    assert backend.asked == [0]
    assert samples.pulled == 1


def test_cancelling_inside_a_batch_keeps_what_was_yielded_and_is_no_failure():
    cancel = CancelToken()
    backend = FakeBackend(batch_size=4, on_look=lambda each: each.index == 3 and cancel.cancel())
    events, leases = run(backend, frames(10), cancel)
    kept = []
    with pytest.raises(Cancelled):
        for event in events:
            kept.append(event)
    assert seen(kept) == [(0, "answered"), (1, "answered"), (2, "answered")]
    assert backend.asked == [0, 1, 2]
    assert leases.held == 0


def test_a_cancelled_analysis_pulls_nothing():
    cancel, samples = CancelToken(), Samples(frames(3))
    cancel.cancel("stop")
    with pytest.raises(Cancelled, match="stop"):
        list(analyse(samples, Leases(FakeBackend()), TASK, cancel))
    assert samples.pulled == 0


def test_a_video_that_breaks_off_has_all_its_frames_answered_first():
    events, _ = run(FakeBackend(batch_size=4), frames(4), error=MediaError("lake.mp4 ends early"))
    kept = []
    with pytest.raises(MediaError, match="ends early"):
        for event in events:
            kept.append(event)
    assert seen(kept) == [(0, "answered"), (1, "answered"), (2, "answered"), (3, "answered")]


def test_what_the_lease_raises_comes_through():
    def none():
        raise Busy("another model is active")

    with pytest.raises(Busy):
        list(analyse(frames(1), none, TASK, CancelToken()))


def test_closing_the_generator_in_mid_batch_gives_the_lease_back():
    events, leases = run(FakeBackend(batch_size=3), frames(7))
    next(events)
    assert isinstance(next(events), FrameRead)
    assert leases.held == 1
    events.close()
    assert leases.held == 0
