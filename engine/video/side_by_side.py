"""Frames that are asked about side by side, for a model that takes several requests at once, as servers do.

The next frame is read and asked about while the ones before it are being answered, so that the model
always has as many as it takes; what comes back comes in the order of the frames. Answers take unequal times:
while the first in line is waited for, those behind it that are answered wait too, and more are asked about in
their place. Knows no backend: what asking is, it is told.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from engine.backends.base import Frame, FrameAnswer
from engine.cancel import CancelToken
from engine.errors import Cancelled, MediaError
from engine.events.analysis import FrameLost, FrameRead
from engine.video.reuse import Reuse

# Samples that are held, for each that is asked about. With one, a server that takes 0.5 to 2 s an answer
# would work at three quarters of its speed, by a simulation; with two it never waits.
_HELD = 2
_MOST_BYTES_WAITING = 256 << 20  # of pictures, from which on no more are held than are asked about

AskOne = Callable[[Frame, CancelToken], FrameRead]  # called on several threads at once
Event = FrameRead | FrameLost


def side_by_side(
    samples: Iterable[Frame | FrameLost],
    ask: AskOne,
    at_once: int,
    cancel: CancelToken,
    reuse: Reuse | None = None,
) -> Generator[Event, None, None]:
    """One event for each sample, in order; at most `at_once` are asked about at a time, twice as many held.

    Raises: what `ask` raises for a frame, after all those before it were yielded; Cancelled, after those that
    are answered by then were yielded, and once every question is over; MediaError of the samples, after all
    those that came before it were yielded. Answers behind a frame that has none are lost where the run ends
    before it, since a run goes on behind the last frame that was yielded: these are asked about again.
    """
    with _Window(ask, at_once, cancel, reuse) as window:
        cancel.raise_if_cancelled()
        try:
            for sample in samples:
                window.add(sample)
                del sample  # or the last one would be held twice over
                cancel.raise_if_cancelled()
                while window.full or window.answered:
                    yield window.take()
                    cancel.raise_if_cancelled()
            while window.waiting:
                yield window.take()
        except MediaError:
            while window.waiting:
                yield window.take()
            raise
        except Cancelled:
            while window.known:
                yield window.take()
            raise


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A sample, and the answer that is on its way; None where it needs none of its own."""

    sample: Frame | FrameLost
    answer: Future[FrameRead] | None


class _Window:
    """The samples that were read and not yielded yet. Leaving the context ends every question."""

    def __init__(self, ask: AskOne, at_once: int, cancel: CancelToken, reuse: Reuse | None) -> None:
        self._ask, self._at_once, self._reuse = ask, at_once, reuse
        self._expected = copy(reuse)  # as `reuse` will be when all that was asked has been answered
        self._line: deque[_Waiting] = deque()
        self._bytes = 0  # of the pictures in line
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="haven-frame")
        self._cancel = CancelToken()  # of the questions: they end when nobody takes the answers any more too
        self._take_back = cancel.on_cancel(lambda: self._cancel.cancel(cancel.reason))

    @property
    def waiting(self) -> bool:
        return bool(self._line)

    @property
    def full(self) -> bool:
        most = self._at_once * (_HELD if self._bytes < _MOST_BYTES_WAITING else 1)
        return len(self._line) >= most

    @property
    def answered(self) -> bool:
        """The first in line can be taken without waiting."""
        if not self._line:
            return False
        first = self._line[0].answer
        return first is None or first.done()

    @property
    def known(self) -> bool:
        """There is an answer for the first in line, and nothing needs to be asked for it."""
        if not self._line:
            return False
        first = self._line[0]
        if isinstance(first.sample, FrameLost):
            return True
        if first.answer is not None:
            return first.answer.done() and first.answer.exception() is None
        return self._reuse is not None and self._reuse.answer_for(first.sample.picture) is not None

    def add(self, sample: Frame | FrameLost) -> None:
        """Ask about it, where it needs an answer of its own."""
        answer = None
        if isinstance(sample, Frame) and not self._expects_to_reuse(sample):
            answer = self._submit(sample)
        self._line.append(_Waiting(sample, answer))
        self._bytes += _size(sample)

    def take(self) -> Event:
        """The first in line, when it is answered. Raises: what asking about it raised."""
        first = self._line[0]
        event = self._event(first)
        self._line.popleft()
        self._bytes -= _size(first.sample)
        if self._reuse is not None and isinstance(event, FrameRead):
            self._reuse.remember(event.frame.picture, event.answer)
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._take_back()
        self._cancel.cancel("the answer is not needed any more")
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _expects_to_reuse(self, frame: Frame) -> bool:
        if self._expected is None:
            return False
        if self._expected.answer_for(frame.picture) is not None:
            return True
        self._expected.remember(frame.picture, FrameAnswer("answered"))
        return False

    def _event(self, first: _Waiting) -> Event:
        if isinstance(first.sample, FrameLost):
            return first.sample
        if first.answer is not None:
            return first.answer.result()
        used = None if self._reuse is None else self._reuse.answer_for(first.sample.picture)
        if used is not None:
            return FrameRead(first.sample, used, 0.0)
        return self._submit(first.sample).result()  # what it is like has failed

    def _submit(self, frame: Frame) -> Future[FrameRead]:
        return self._threads.submit(self._ask, frame, self._cancel)


def _size(sample: Frame | FrameLost) -> int:
    return sample.picture.nbytes if isinstance(sample, Frame) else 0
