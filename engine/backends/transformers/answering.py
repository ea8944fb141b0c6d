"""Answering a conversation, piece by piece. Knows no frames and no tags."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace

from transformers import PreTrainedModel

from engine.backends.base import Finished, Message, TextDelta
from engine.backends.local import Count
from engine.backends.transformers.decoding import Detokenizer, decode, end_tokens
from engine.backends.transformers.following import KeptConversation
from engine.backends.transformers.interrupt import Interrupt
from engine.backends.transformers.loading import explain
from engine.backends.transformers.prompts import Prompts
from engine.cancel import CancelToken
from engine.errors import Cancelled, HavenError, ModelError
from engine.settings import GenerationSettings

log = logging.getLogger(__name__)


class Answerer:
    """Lets one model write. What a follow-up turn shares with the turn before it is computed once."""

    def __init__(
        self, model: PreTrainedModel, prompts: Prompts, interrupt: Interrupt, context_length: int
    ) -> None:
        self._model, self._prompts, self._interrupt = model, prompts, interrupt
        self._kept = KeptConversation(model, prompts.image_token)
        self._context_length = context_length
        self._ends = end_tokens(model)

    def stream(
        self, messages: Sequence[Message], settings: GenerationSettings, cancel: CancelToken
    ) -> Iterator[TextDelta | Finished]:
        """As the port says. Raises: ModelError."""
        count = Count()
        try:
            cancel.raise_if_cancelled()
            for piece in self._pieces(messages, settings, cancel, count):
                yield TextDelta(piece)
        except Cancelled:
            count.reason = "cancelled"
        except HavenError:
            raise
        except Exception as error:  # whatever the code of a model raises at what it was given
            self._kept.drop()  # it may have failed between two halves of a change to the cache
            log.warning("answering", exc_info=True)
            raise explain(error) from error
        yield count.finished()

    def _pieces(
        self,
        messages: Sequence[Message],
        settings: GenerationSettings,
        cancel: CancelToken,
        count: Count,
    ) -> Iterator[str]:
        """The answer's text without the white space around it. Raises: ModelError, Cancelled."""
        inputs = self._prompts.of_messages(messages, cancel)
        count.read = inputs["input_ids"].shape[1]
        settings = self._within_context(settings, count.read)
        pictures = [picture for message in messages for picture in message.images]
        resumed = self._kept.resume(inputs, pictures)
        text = Detokenizer(self._prompts.tokenizer)
        begun = False
        for (token,) in decode(self._model, self._interrupt, resumed, settings, cancel):
            self._kept.wrote(token)
            if token in self._ends:
                count.reason = "stop"
                break
            count.written += 1
            piece = text.push(token)
            piece = piece if begun else piece.lstrip()
            if piece:
                begun = True
                yield piece
        rest = text.flush()
        if rest:
            yield rest

    def _within_context(self, settings: GenerationSettings, read: int) -> GenerationSettings:
        room = self._context_length - read
        if room < 1:
            raise ModelError(
                f"The conversation has {read:,} tokens; the model reads at most {self._context_length:,}. "
                "Start a new one, or ask with fewer pictures or less text."
            )
        return replace(settings, max_new_tokens=min(settings.max_new_tokens, room))
