"""The analysis of a video as a generator: samples come in, what the model says of them comes out, in order.

It holds one batch of frames at a time, or as many frames as the model answers at once, asks again where the
model failed, and never lets one bad frame end the run. Knows neither pages nor SQL, nor where its frames and
its backend come from.
"""

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing

from engine.backends.base import Backend, Frame, FrameAnswer, FrameTask
from engine.cancel import CancelToken
from engine.errors import Cancelled, HavenError, MediaError, ServerAway
from engine.events.analysis import AnalysisEnded, FrameLost, FrameRead
from engine.video.reuse import Reuse
from engine.video.side_by_side import side_by_side

MAX_TRIES = 3  # for each frame, the first one included
_log = logging.getLogger(__name__)

Lease = Callable[[], AbstractContextManager[Backend]]


def analyse(
    samples: Iterable[Frame | FrameLost],
    lease: Lease,
    task: FrameTask,
    cancel: CancelToken,
    reuse: Reuse | None = None,
) -> Generator[FrameRead | FrameLost | AnalysisEnded, None, None]:
    """Ask about every sample, and yield one event for each, in order, as soon as it is there.

    With `reuse`, a frame that hardly differs from the last answered one gets that one's answer.

    Each `look` has a lease of its own, over as many frames as the backend's `batch_size` (the first one
    over a single frame, since only a lease tells). A backend that takes several requests at once is asked
    about as many frames at once, each with a lease of its own. A frame on which the model fails three times
    stands as failed, with the reason; the next ones are asked as if nothing had been.

    Raises:
        Cancelled: `cancel` was set. What was yielded stands.
        MediaError: the samples ended early; raised after all those that came before were yielded.
        ServerAway: the model's server is down now. What was yielded stands.
        Whatever `lease` raises: no backend is to be had.
    """
    model = _Asker(lease, task, cancel)
    read = lost = 0
    with closing(_asked(model, iter(samples), cancel, reuse)) as events:
        for event in events:
            read, lost = (read, lost + 1) if isinstance(event, FrameLost) else (read + 1, lost)
            yield event
    yield AnalysisEnded(read, lost)


def _asked(
    model: "_Asker", samples: Iterator[Frame | FrameLost], cancel: CancelToken, reuse: Reuse | None
) -> Generator[FrameRead | FrameLost, None, None]:
    """In batches; side by side from when a lease has told that the backend takes several requests at once."""
    for batch in _batches(samples, lambda: model.batch_size, cancel):
        with closing(_events(model, batch, reuse)) as events:
            yield from events
        if model.parallel > 1:
            yield from side_by_side(samples, model.ask_one, model.parallel, cancel, reuse)


def _events(
    model: "_Asker", batch: list[Frame | FrameLost], reuse: Reuse | None
) -> Generator[FrameRead | FrameLost, None, None]:
    """One event for each sample of a batch, in order; the batch is emptied on the way."""
    while batch:
        frames = [sample for sample in batch if isinstance(sample, Frame)]
        asked = frames if reuse is None else reuse.to_ask(frames)
        own = {id(frame) for frame in asked}
        with closing(model.ask(asked)) as answers:
            while batch:
                sample = batch[0]
                event: FrameRead | FrameLost | None = sample if isinstance(sample, FrameLost) else None
                if isinstance(sample, Frame):
                    event = next(answers) if id(sample) in own else _reused(sample, reuse)
                if event is None:  # what it is like has failed: it must be asked about itself
                    break
                if isinstance(event, FrameRead) and reuse is not None:
                    reuse.remember(event.frame.picture, event.answer)
                del batch[0]
                yield event


def _reused(frame: Frame, reuse: Reuse | None) -> FrameRead | None:
    answer = reuse.answer_for(frame.picture) if reuse is not None else None
    return None if answer is None else FrameRead(frame, answer, 0.0)


def _batches(
    samples: Iterable[Frame | FrameLost], size: Callable[[], int], cancel: CancelToken
) -> Iterator[list[Frame | FrameLost]]:
    """Up to `size()` samples at a time; those gathered before a MediaError come before it."""
    batch: list[Frame | FrameLost] = []
    cancel.raise_if_cancelled()
    try:
        for sample in samples:
            batch.append(sample)
            if len(batch) >= size():
                yield batch
                batch = []
            cancel.raise_if_cancelled()
    except MediaError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


class _Asker:
    """Asks for answers until each frame has one."""

    def __init__(self, lease: Lease, task: FrameTask, cancel: CancelToken) -> None:
        self._lease, self._task, self._cancel = lease, task, cancel
        self.batch_size = self.parallel = 1  # of the backend that was leased last

    def ask_one(self, frame: Frame, cancel: CancelToken) -> FrameRead:
        """The answer for one frame, on any thread; `cancel` ends this question alone."""
        (read,) = _Asker(self._lease, self._task, cancel).ask([frame])
        return read

    def ask(self, frames: list[Frame]) -> Generator[FrameRead, None, None]:
        """One answer per frame, in order; `frames` is emptied on the way.

        After a failure that frame is asked again by itself: a whole batch may have failed because of
        one of its frames, and the others must not pay for it.
        """
        tries, seconds = 0, 0.0  # of the frame that is first in line
        while frames:
            asked = frames[:1] if tries else list(frames)
            last = None
            with self._lease() as backend, closing(self._look(backend, asked)) as answers:
                self.batch_size, self.parallel = backend.info.batch_size, backend.info.parallel
                for frame, answer, took in answers:
                    tries, seconds = tries + 1, seconds + took
                    if answer.state == "failed" and tries < MAX_TRIES:
                        break
                    read, tries, seconds = FrameRead(frame, answer, seconds), 0, 0.0
                    del frames[0]
                    if frame is asked[-1]:
                        last = read  # whoever waits for the lease need not wait for what is done with it
                    else:
                        yield read
            if last is not None:
                yield last

    def _look(
        self, backend: Backend, frames: list[Frame]
    ) -> Generator[tuple[Frame, FrameAnswer, float], None, None]:
        """The answers of one `look`, with the seconds that each took; what it raises ends it as a failure."""
        with closing(self._answers(backend, frames)) as answers:
            for frame in frames:
                began = time.perf_counter()
                try:
                    answer = next(answers, _NO_ANSWER)
                except (Cancelled, ServerAway):
                    raise
                except Exception as error:  # noqa: BLE001 - a library may raise anything; the frame says so
                    yield frame, _failure(error), time.perf_counter() - began
                    return
                yield frame, answer, time.perf_counter() - began

    def _answers(self, backend: Backend, frames: list[Frame]) -> Generator[FrameAnswer, None, None]:
        yield from backend.look(frames, self._task, self._cancel)


_NO_ANSWER = FrameAnswer("failed", error="The model gave no answer for this frame.")


def _failure(error: Exception) -> FrameAnswer:
    if isinstance(error, HavenError):
        return FrameAnswer("failed", error=str(error))
    _log.error("The model failed on a frame.", exc_info=error)
    return FrameAnswer("failed", error=f"{type(error).__name__}: {error}")
