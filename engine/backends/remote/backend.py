"""A model on a server as a backend. Knows the port and a `Wire`; no protocol and no library."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

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
from engine.backends.remote.asking import Asker
from engine.backends.remote.calls import Patience, once_again
from engine.backends.remote.faults import ServerFault
from engine.backends.remote.pictures import jpeg, small_picture
from engine.backends.remote.talk import Ask, End, Piece, Turn, Wire
from engine.backends.remote.tokens import TokenEstimate
from engine.cancel import CancelToken
from engine.errors import Cancelled, ModelError, ServerAway
from engine.settings import GenerationSettings

PARALLEL = 4  # requests at once, unless chosen: servers queue or batch what comes in, but must not be flooded


class RemoteBackend:
    """One model on one server."""

    def __init__(self, info: BackendInfo, wire: Wire, patience: Patience | None = None) -> None:
        self.info = info
        self._wire = wire
        self._patience = patience or Patience()
        self._asker = Asker(wire, self._patience)
        self._estimate = TokenEstimate()

    def stream(
        self, messages: Sequence[Message], params: GenerationSettings, cancel: CancelToken
    ) -> Iterator[TextDelta | Finished]:
        """As the port says; tokens that the server does not count are estimated. Raises: ModelError."""
        began = time.perf_counter()
        reason: Literal["stop", "length", "cancelled"] = "stop"
        end, written = End(), 0
        try:
            self._refuse_unseen(any(message.images for message in messages))
            for item in self._items(Ask(_turns(messages, cancel), params), cancel):
                if isinstance(item, End):
                    end, reason = item, "length" if item.at_limit else "stop"
                elif text := item.text if written else item.text.lstrip():
                    written += 1
                    yield TextDelta(text)
        except Cancelled:
            reason = "cancelled"
        except ServerFault as fault:
            self._refuse_too_long(messages, fault)
            if fault.away:
                raise ServerAway(str(fault)) from fault
            raise
        if end.prompt_tokens is not None:
            self._estimate.learn(messages, end.prompt_tokens)
        usage = Usage(
            self.count_tokens(messages) if end.prompt_tokens is None else end.prompt_tokens,
            written if end.completion_tokens is None else end.completion_tokens,
            time.perf_counter() - began,
        )
        yield Finished(reason, usage)

    def look(self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken) -> Iterator[FrameAnswer]:
        """Tags with probabilities where the server tells them; else votes, or 1 or 0, as `facts` say."""
        try:
            self._refuse_unseen(bool(frames))
        except ModelError as error:
            for _ in frames:
                cancel.raise_if_cancelled()
                yield FrameAnswer("failed", dict.fromkeys(task.tags), error=str(error))
            return
        yield from self._asker.answers(frames, task, cancel)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """An estimate, never too hopeful by what the server has counted so far: see `TokenEstimate`."""
        return self._estimate.of(messages)

    def warm_up(self, cancel: CancelToken) -> None:
        """Raises: ModelError, Cancelled."""
        doing = "answer"
        try:
            self._asker.reply(Ask.greedy(Turn("user", "Hello"), 1), cancel)
            if self.info.vision:
                doing = "look at a picture"
                self._asker.prove(small_picture(), cancel)
                self.info = replace(self.info, asking=self._asker.asking)
        except ServerFault as fault:
            raise ModelError(f"{self.info.model} cannot {doing}: {fault}") from fault
        cancel.raise_if_cancelled()

    def close(self) -> None:
        self._wire.close()

    def _items(self, ask: Ask, cancel: CancelToken) -> Iterator[Piece | End]:
        return once_again(lambda: self._wire.talk(ask, cancel), cancel, self._patience)

    def _refuse_unseen(self, pictures: bool) -> None:
        if pictures and not self.info.vision:
            raise ModelError(
                f"{self.info.model} reads text only and cannot look at a picture. Load a model that sees."
            )

    def _refuse_too_long(self, messages: Sequence[Message], fault: ServerFault) -> None:
        """Say so where that is likely the reason: servers word it variously, or just break off."""
        tokens, most = self.count_tokens(messages), self.info.context_length
        if fault.understood and tokens > most:
            raise ModelError(
                f"The conversation has about {tokens:,} tokens; {self.info.model} reads at most {most:,}. "
                f"Start a new one, or ask with fewer pictures or less text. ({fault})"
            ) from fault


def _turns(messages: Sequence[Message], cancel: CancelToken) -> tuple[Turn, ...]:
    cancel.raise_if_cancelled()
    return tuple(
        Turn(message.role, message.text, tuple(jpeg(picture) for picture in message.images))
        for message in messages
    )
