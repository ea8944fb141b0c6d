"""Frames asked about side by side: order, how many at once, faults, cancelling. Nothing is timed."""

import threading
from contextlib import contextmanager

import pytest
from fakes import FakeBackend, Gate, Leases, frame

from engine.backends.base import FrameAnswer, FrameTask
from engine.cancel import CancelToken
from engine.errors import Busy, Cancelled, MediaError, ServerAway
from engine.events.analysis import AnalysisEnded, FrameLost
from engine.settings import LoadOptions
from engine.video.analysis import analyse
from engine.video.reuse import Reuse
from tests.fixtures import talking
from tests.fixtures.colours import COLOURS
from tests.fixtures.faulty_server import BLIND, FaultyServer, provider_of, works

TASK = FrameTask(prompt="What is there?")
FAILED = FrameAnswer("failed", error="no idea")
LONG = 60  # seconds, for what happens at once or never


def frames(count):
    return [frame(number) for number in range(count)]


def answers(backend, items, cancel=None, reuse=None):
    return analyse(items, Leases(backend), TASK, cancel or CancelToken(), reuse)


def seen(events):
    return [
        (event.index, "lost") if isinstance(event, FrameLost) else (event.frame.index, event.answer.state)
        for event in events
        if not isinstance(event, AnalysisEnded)
    ]


def answered(count):
    return [(number, "answered") for number in range(count)]


class Crowd:
    """Lets nobody go on until that many stand there at once, and counts the most that ever did."""

    def __init__(self, size):
        self._barrier = threading.Barrier(size)
        self._lock = threading.Lock()
        self.here = self.most = 0

    def __call__(self):
        with self._lock:
            self.here += 1
            self.most = max(self.most, self.here)
        self._barrier.wait(LONG)
        with self._lock:
            self.here -= 1


def test_as_many_are_asked_at_once_as_the_backend_takes_and_never_more():
    crowd = Crowd(4)
    backend = FakeBackend(parallel=4, on_look=lambda each: each.index and crowd())
    assert seen(answers(backend, frames(1 + 5 * 4))) == answered(21)
    assert crowd.most == 4
    assert all(len(look) == 1 for look in backend.looks)


def test_the_order_is_that_of_the_frames_whatever_the_order_of_the_answers():
    over = [threading.Event() for _ in range(5)]

    def later_ones_first(each):
        if 0 < each.index < 4:
            assert over[each.index + 1].wait(LONG)
        over[each.index].set()

    backend = FakeBackend(parallel=4, on_look=later_ones_first)
    events = list(answers(backend, frames(5)))
    assert seen(events) == answered(5)
    assert [event.answer.caption for event in events[:-1]] == [f"frame {number}" for number in range(5)]
    assert events[-1] == AnalysisEnded(5, 0)


@pytest.mark.parametrize(("most_bytes", "held"), [(1 << 40, 6), (1, 3)])
def test_no_more_samples_are_read_ahead_than_twice_as_many_as_are_asked_about(monkeypatch, most_bytes, held):
    monkeypatch.setattr("engine.video.side_by_side._MOST_BYTES_WAITING", most_bytes)
    read, over = [], threading.Event()
    backend = FakeBackend(parallel=3, on_look=lambda each: each.index == 1 and over.wait(LONG))

    def samples():
        for each in frames(50):
            read.append(each.index)
            if len(read) == 1 + held:  # nothing more is read before the first of these is answered
                over.set()
            yield each

    events = answers(backend, samples())
    for taken in range(1, 10):
        next(events)
        assert len(read) <= taken + held
    assert over.is_set()
    events.close()
    assert len(read) <= 9 + held


def test_others_are_asked_about_while_the_first_in_line_takes_its_time():
    late, met = threading.Event(), threading.Barrier(3)

    def look(each):
        if each.index == 1:
            assert late.wait(LONG)
        elif each.index in (5, 6, 7):  # behind the first three that are asked about beside it
            met.wait(LONG)
            late.set()

    backend = FakeBackend(parallel=4, on_look=look)
    assert seen(answers(backend, frames(12))) == answered(12)


def test_a_frame_that_fails_is_tried_three_times_and_the_others_are_answered():
    backend = FakeBackend(parallel=4, answers={3: FAILED, 5: [ValueError("torn"), FrameAnswer("answered")]})
    assert seen(answers(backend, frames(9))) == [
        (number, "failed" if number == 3 else "answered") for number in range(9)
    ]
    assert (backend.asked.count(3), backend.asked.count(5)) == (3, 2)


def test_lost_samples_keep_their_places():
    items = [FrameLost(0, 0, "torn"), *frames(5)[1:], FrameLost(5, 5, "torn")]
    events = list(answers(FakeBackend(parallel=4), items))
    assert seen(events) == [(0, "lost"), *answered(5)[1:], (5, "lost")]
    assert events[-1] == AnalysisEnded(4, 2)


def test_a_video_that_breaks_off_has_its_frames_answered_first():
    def torn():
        yield from frames(6)
        raise MediaError("lake.mp4 ends early")

    kept = []
    with pytest.raises(MediaError, match="ends early"):
        for event in answers(FakeBackend(parallel=4), torn()):
            kept.append(event)
    assert seen(kept) == answered(6)


def test_a_lease_that_is_refused_ends_the_run_behind_what_was_answered_before_it():
    backend, given = FakeBackend(parallel=4), []
    lock = threading.Lock()

    @contextmanager
    def lease():
        with lock:
            given.append(None)
            if len(given) > 3:
                raise Busy("another model is active")
        yield backend

    kept = []
    with pytest.raises(Busy):
        for event in analyse(frames(20), lease, TASK, CancelToken()):
            kept.append(event)
    assert seen(kept) == answered(len(kept))
    assert 1 <= len(kept) <= 3


def test_cancelling_ends_every_question_and_keeps_what_came_before():
    cancel, gate = CancelToken(), Gate()
    backend = FakeBackend(parallel=4, on_look=lambda each: each.index > 2 and gate())
    leases, kept = Leases(backend), []

    def stop():
        assert gate.reached.wait(LONG)
        cancel.cancel("enough")
        gate.open()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Cancelled):
        for event in analyse(frames(40), leases, TASK, cancel):
            kept.append(event)
    thread.join()
    assert seen(kept) == answered(len(kept))
    assert len(kept) <= 3
    assert leases.held == 0


def test_what_is_answered_in_order_is_kept_when_the_run_is_cancelled():
    behind, over, cancel, kept = threading.Event(), threading.Event(), CancelToken(), []
    met = threading.Barrier(2, action=behind.set)

    def look(each):
        if each.index == 1:
            assert behind.wait(LONG)
        elif each.index == 4:
            assert over.wait(LONG)
        elif each.index in (5, 6):  # both under way: the two threads that are left are done with 2 and 3
            met.wait(LONG)

    with pytest.raises(Cancelled):
        for event in answers(FakeBackend(parallel=4, on_look=look), frames(40), cancel):
            kept.append(event)
            if event.frame.index == 1:
                cancel.cancel("enough")
                over.set()
    assert seen(kept) == answered(4), "all but what is behind the one that was broken off"


def test_what_stands_for_others_is_kept_too_when_the_run_is_cancelled_and_nothing_more_is_asked():
    behind, over, cancel, kept = threading.Event(), threading.Event(), CancelToken(), []
    red, blue = (255, 0, 0), (0, 0, 255)
    colours = [(0, 0, 0), red, red, red, blue, blue]
    items = [frame(number, colour=colour) for number, colour in enumerate(colours)]
    items[3] = FrameLost(3, 3_000_000, "torn")

    def samples():
        yield from items
        behind.set()
        yield frame(6, colour=blue)

    def look(each):
        if each.index:
            assert (behind if each.index == 1 else over).wait(LONG)

    backend = FakeBackend(parallel=3, on_look=look)
    with pytest.raises(Cancelled):
        for event in answers(backend, samples(), cancel, Reuse(2.0)):
            kept.append(event)
            if len(kept) == 2:
                cancel.cancel("enough")
                over.set()
    assert seen(kept) == [(0, "answered"), (1, "answered"), (2, "reused"), (3, "lost")]
    assert backend.asked == [0, 1]


def test_a_server_that_goes_away_ends_the_run_behind_all_that_was_answered_before():
    later = threading.Event()
    backend = FakeBackend(
        parallel=4,
        answers={3: ServerAway("it is gone")},
        on_look=lambda each: later.wait(LONG) if each.index == 1 else each.index == 4 and later.set(),
    )
    kept = []
    with pytest.raises(ServerAway):
        for event in answers(backend, frames(20)):
            kept.append(event)
    assert seen(kept) == answered(3)


def test_leaving_the_run_ends_every_question():
    backend = FakeBackend(parallel=4)
    leases = Leases(backend)
    events = analyse(frames(40), leases, TASK, CancelToken())
    next(events), next(events)
    events.close()
    assert leases.held == 0
    assert len(backend.asked) <= 11


def test_a_picture_that_hardly_differs_needs_no_answer_of_its_own():
    grey, red = (90, 90, 90), (255, 0, 0)
    items = [frame(number, colour=red if number in (4, 5) else grey) for number in range(8)]
    backend = FakeBackend(parallel=4)
    events = list(answers(backend, items, reuse=Reuse(2.0)))
    asked = (0, 4, 6)
    assert seen(events) == [(n, "answered" if n in asked else "reused") for n in range(8)]
    assert [event.answer.caption for event in events[:-1]] == [
        f"frame {number}" for number in (0, 0, 0, 0, 4, 4, 6, 6)
    ]
    assert sorted(backend.asked) == list(asked)


def test_a_picture_like_one_that_failed_is_asked_about_itself():
    items = [frame(number, colour=(255, 0, 0) if number else (0, 0, 0)) for number in range(4)]
    backend = FakeBackend(parallel=4, answers={1: FAILED})
    events = list(answers(backend, items, reuse=Reuse(2.0)))
    assert seen(events) == [(0, "answered"), (1, "failed"), (2, "answered"), (3, "reused")]


# with a server


@contextmanager
def asked_of(server, **options):
    provider = provider_of(server)
    (entry,) = provider.models(None)
    backend = provider.load(entry, LoadOptions.of(options), lambda share, what: None, CancelToken())
    try:
        yield backend
    finally:
        backend.close()


def coloured(count):
    names = list(COLOURS)
    return [talking.frame(names[number % len(names)], number) for number in range(count)]


def test_a_server_that_takes_16_requests_gets_16_at_once_and_the_answers_keep_their_order():
    crowd, well = Crowd(16), works()

    def together(exchange, asked):
        crowd()
        well(exchange, asked)

    items = coloured(1 + 3 * 16)
    with FaultyServer(well, together) as server, asked_of(server, parallel=16) as backend:
        server.behaviours = [well, together]
        events = list(analyse(items, Leases(backend), TASK, CancelToken()))
        names = list(COLOURS)
        assert [event.answer.caption for event in events[:-1]] == [
            f"It is {names[number % len(names)]}." for number in range(49)
        ]
    assert crowd.most == 16


def test_cancelling_hangs_up_on_the_server_everywhere_at_once():
    come, gone, cancel = threading.Semaphore(0), threading.Semaphore(0), CancelToken()

    def hangs(exchange, asked):
        come.release()
        exchange.wait_for_leaving()
        gone.release()

    def stop():
        for _ in range(8):
            assert come.acquire(timeout=LONG)
        cancel.cancel()

    with FaultyServer(works()) as server, asked_of(server, parallel=8) as backend:
        server.behaviours = [works(), hangs]
        thread = threading.Thread(target=stop)
        thread.start()
        with pytest.raises(Cancelled):
            list(analyse(coloured(30), Leases(backend), TASK, cancel))
        thread.join()
        assert all(gone.acquire(timeout=LONG) for _ in range(8))
        assert len(server.chats()) <= 2 + 1 + 8  # two to find out what it can, the first frame, those at once


def test_how_many_are_asked_at_once_changes_no_answer_so_a_job_goes_on_with_another_number():
    with (
        FaultyServer(works(), listing=BLIND) as server,
        asked_of(server) as usual,
        asked_of(server, parallel=64) as many,
    ):
        assert (usual.info.parallel, many.info.parallel) == (4, 64)
        assert usual.info.identity == many.info.identity
