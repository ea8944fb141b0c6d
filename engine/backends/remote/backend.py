"""A model on a server as a backend. Knows the port and a `Wire`; no protocol and no library."""

import math
import threading
import time
from collections.abc import Iterator, Sequence
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
from engine.cancel import CancelToken
from engine.errors import Cancelled, ModelError, ServerAway
from engine.settings import GenerationSettings

PARALLEL = 4  # requests at once, unless chosen: servers queue or batch what comes in, but must not be flooded
_CHARACTERS_PER_TOKEN = 4.0  # of English prose in the usual vocabularies
_TOKENS_PER_MESSAGE = 4  # role and ends of a turn
_LEAST_TO_LEARN_FROM = 400  # characters: below, the template around the text weighs too much
_TOKENS_PER_PICTURE = 1024  # a picture of about a megapixel in the usual vision models


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
        """Tags with probabilities where the server tells them; else 1 or 0, with `facts` saying "stated"."""
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


class TokenEstimate:
    """How many tokens messages take, without the server's tokenizer.

    Four characters a token, four tokens a message, 1,024 a picture. A server that counts more for a
    conversation without pictures lowers the characters per token for what comes; one that counts less
    (it may leave out what it had in its cache) changes nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._characters_per_token = _CHARACTERS_PER_TOKEN

    def of(self, messages: Sequence[Message]) -> int:
        pictures = sum(len(message.images) for message in messages)
        around = _TOKENS_PER_MESSAGE * len(messages) + _TOKENS_PER_PICTURE * pictures
        return around + math.ceil(_characters(messages) / self._characters_per_token)

    def learn(self, messages: Sequence[Message], counted: int) -> None:
        """Take in what the server counted for these messages."""
        inside = counted - _TOKENS_PER_MESSAGE * len(messages)
        characters = _characters(messages)
        if characters < _LEAST_TO_LEARN_FROM or any(message.images for message in messages):
            return
        with self._lock:
            self._characters_per_token = min(self._characters_per_token, characters / max(1, inside))


def _characters(messages: Sequence[Message]) -> int:
    return sum(len(message.text) for message in messages)


def _turns(messages: Sequence[Message], cancel: CancelToken) -> tuple[Turn, ...]:
    cancel.raise_if_cancelled()
    return tuple(
        Turn(message.role, message.text, tuple(jpeg(picture) for picture in message.images))
        for message in messages
    )
