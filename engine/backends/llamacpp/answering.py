"""Answering a conversation, piece by piece. Knows no frames and no tags."""

from collections.abc import Iterator, Sequence

from engine.backends.base import Finished, Message, TextDelta
from engine.backends.llamacpp.loading import Loaded
from engine.backends.llamacpp.prompts import Prompts
from engine.backends.llamacpp.sampling import sampler
from engine.backends.llamacpp.sequences import CHAT, Sequences
from engine.backends.llamacpp.units import size
from engine.backends.llamacpp.vocabulary import Detokenizer, Vocabulary
from engine.backends.local import Count
from engine.cancel import CancelToken
from engine.errors import Cancelled, ModelError
from engine.settings import GenerationSettings


class Answerer:
    """Lets one model write. A conversation that goes on computes only what is new in it."""

    def __init__(
        self, loaded: Loaded, vocabulary: Vocabulary, prompts: Prompts, sequences: Sequences
    ) -> None:
        self._loaded, self._vocabulary = loaded, vocabulary
        self._prompts, self._sequences = prompts, sequences

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
        yield count.finished()

    def _pieces(
        self,
        messages: Sequence[Message],
        settings: GenerationSettings,
        cancel: CancelToken,
        count: Count,
    ) -> Iterator[str]:
        """The answer's text without the white space before it. Raises: ModelError, Cancelled."""
        units = self._prompts.of_messages(messages, cancel)
        count.read = size(units)
        most = min(settings.max_new_tokens, self._room(count.read))
        self._sequences.hold(CHAT, units, cancel, afresh=1)
        text = Detokenizer(self._vocabulary)
        with sampler(self._loaded, settings) as chosen:
            while count.written < most:
                token = chosen.next_token()
                if self._vocabulary.is_end(token):
                    count.reason = "stop"
                    return
                count.written += 1
                piece = text.push(token)
                if piece:
                    yield piece
                if count.written < most:
                    self._sequences.append(CHAT, token, cancel)

    def _room(self, read: int) -> int:
        room = self._loaded.context_length - read
        if room < 1:
            raise ModelError(
                f"The conversation has {read:,} tokens; the model reads at most "
                f"{self._loaded.context_length:,}. Start a new one, ask with fewer pictures or less text, or "
                "load the model with a larger n_ctx."
            )
        return room
