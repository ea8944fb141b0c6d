"""How many tokens a server's model reads, guessed without its tokenizer. Knows no server."""

import math
import threading
from collections.abc import Sequence

from engine.backends.base import Message

_CHARACTERS_PER_TOKEN = 4.0  # of English prose in the usual vocabularies
_TOKENS_PER_MESSAGE = 4  # role and ends of a turn
_LEAST_TO_LEARN_FROM = 400  # characters: below, the template around the text weighs too much
_TOKENS_PER_PICTURE = 1024  # a picture of about a megapixel in the usual vision models


class TokenEstimate:
    """How many tokens messages take, without the server's tokenizer.

    Four characters a token, four tokens a message, 1,024 a picture. A server that counts more for a
    conversation without pictures lowers the characters per token for what comes; one that counts less
    (it may leave out what it had in its cache) changes nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._characters_per_token = _CHARACTERS_PER_TOKEN

    def of(self, messages: Sequence[Message], more_pictures: int = 0) -> int:
        """Of these messages, and of pictures that are not at hand."""
        pictures = more_pictures + sum(len(message.images) for message in messages)
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
