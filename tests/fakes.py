"""A backend that does what a test says, and keeps to the port in everything else."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from engine.backends.base import (
    BackendInfo,
    Finished,
    Frame,
    FrameAnswer,
    FrameTask,
    Message,
    TextDelta,
    Usage,
)
from engine.cancel import CancelToken
from engine.settings import GenerationSettings

INFO = BackendInfo(
    provider="fake", model="fake-1", digest="fake-digest", vision=True, context_length=4096, memory_bytes=1000
)


def frame(index: int, time_us: int | None = None, colour: tuple[int, int, int] = (90, 90, 90)) -> Frame:
    """A small one-coloured frame; one second apart unless a time is given."""
    picture = np.full((8, 12, 3), colour, np.uint8)
    return Frame(index, index * 1_000_000 if time_us is None else time_us, picture)


class CountingToken(CancelToken):
    """Cancels itself when it is asked for the nth time: somewhere inside the computing."""

    def __init__(self, nth: int) -> None:
        super().__init__()
        self.asked, self._nth = 0, nth

    @property
    def cancelled(self) -> bool:
        self.asked += 1
        if self.asked == self._nth:
            self.cancel("counted")
        return super().cancelled


class FakeBackend:
    """Answers every tag with `yes` and every prompt with the frame's number, unless told otherwise.

    `answers` gives, by frame index, what to say: an answer, an exception to raise, or a list of these,
    one for each time that the frame is asked about (the last one stays).
    `on_look(frame)`, `on_stream(word_number)`, `on_warm_up()` and `on_close()` are called before each
    step, on the thread that computes: a test counts, waits on an event, or raises in them.
    """

    def __init__(
        self,
        *,
        answers: Mapping[int, object] | None = None,
        words: Sequence[str] = ("one ", "two ", "three"),
        yes: float = 0.9,
        on_look: Callable[[Frame], None] | None = None,
        on_stream: Callable[[int], None] | None = None,
        on_warm_up: Callable[[], None] | None = None,
        on_close: Callable[[], None] | None = None,
        **info: object,
    ) -> None:
        self.info = replace(INFO, **info)
        self.closed = False
        self.warmed_up = 0
        self.looks: list[list[int]] = []  # frame indexes, a list for each `look`
        self.asked: list[int] = []  # frame indexes, one for each try
        self._answers = {} if answers is None else answers
        self._words, self._yes = tuple(words), yes
        self._on_look, self._on_stream = on_look, on_stream
        self._on_warm_up, self._on_close = on_warm_up, on_close

    def look(self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken) -> Iterator[FrameAnswer]:
        self._refuse_closed()
        self.looks.append([each.index for each in frames])
        for each in frames:
            cancel.raise_if_cancelled()
            if self._on_look:
                self._on_look(each)
            cancel.raise_if_cancelled()
            yield self._answer(each, task)

    def stream(
        self, messages: Sequence[Message], params: GenerationSettings, cancel: CancelToken
    ) -> Iterator[TextDelta | Finished]:
        self._refuse_closed()
        said = 0
        for said, word in enumerate(self._words[: params.max_new_tokens]):
            if self._on_stream:
                self._on_stream(said)
            if cancel.cancelled:
                yield Finished("cancelled", Usage(self.count_tokens(messages), said, 0.0))
                return
            yield TextDelta(word)
        reason = "length" if len(self._words) > params.max_new_tokens else "stop"
        yield Finished(reason, Usage(self.count_tokens(messages), said + 1, 0.0))

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.text.split()) + 10 * len(message.images) for message in messages)

    def warm_up(self, cancel: CancelToken) -> None:
        cancel.raise_if_cancelled()
        self.warmed_up += 1
        if self._on_warm_up:
            self._on_warm_up()
        cancel.raise_if_cancelled()

    def close(self) -> None:
        assert not self.closed, "a backend is closed once"
        self.closed = True
        if self._on_close:
            self._on_close()

    def _answer(self, asked: Frame, task: FrameTask) -> FrameAnswer:
        self.asked.append(asked.index)
        told = self._answers.get(asked.index)
        if isinstance(told, list):
            told = told.pop(0) if len(told) > 1 else told[0]
        if isinstance(told, BaseException):
            raise told
        if told is not None:
            return told
        caption = f"frame {asked.index}" if task.prompt else ""
        return FrameAnswer("answered", dict.fromkeys(task.tags, self._yes), caption)

    def _refuse_closed(self) -> None:
        assert not self.closed, "a closed backend was used"


class Gate:
    """A callback that stops the computing thread until the test lets it through.

    `reached.wait()` in the test returns once somebody stands at the gate; `open()` lets all through.
    """

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def __call__(self, *_: object) -> None:
        self.reached.set()
        assert self._open.wait(60), "nobody opened the gate"

    def open(self) -> None:
        self._open.set()


class Leases:
    """Gives out one backend, and counts."""

    def __init__(self, backend: FakeBackend) -> None:
        self.backend = backend
        self.given = 0
        self.held = 0
        self._counting = threading.Lock()

    @contextmanager
    def __call__(self) -> Iterator[FakeBackend]:
        with self._counting:
            self.given += 1
            self.held += 1
        try:
            yield self.backend
        finally:
            with self._counting:
                self.held -= 1
