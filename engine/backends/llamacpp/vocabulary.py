"""The tokens of one model: text to tokens and back. Knows no chats and no pictures."""

import codecs
import ctypes
import re
from collections.abc import Sequence

import llama_cpp.llama_cpp as lib

_CONTROL = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
_LONGEST_PIECE = 64  # bytes; a longer one is asked for again


class Vocabulary:
    """What the model's tokenizer does."""

    def __init__(self, model: int) -> None:
        self._vocab = lib.llama_model_get_vocab(model)
        self.count = lib.llama_vocab_n_tokens(self._vocab)
        self.bos = lib.llama_vocab_bos(self._vocab)
        self.adds_bos = bool(lib.llama_vocab_get_add_bos(self._vocab))
        self.bos_text = self._text(self.bos)
        self.eos_text = self._text(lib.llama_vocab_eos(self._vocab))

    def control_texts(self) -> list[str]:
        """How the control tokens are written, those that a person must not be able to type."""
        marked = (t for t in range(self.count) if lib.llama_vocab_get_attr(self._vocab, t) & _CONTROL)
        return [text for text in map(self._text, marked) if text]

    def tokens(self, text: str, special: bool = False) -> list[int]:
        """Nothing is added; `special` reads control tokens as what they are instead of as plain text."""
        raw = text.encode(errors="replace")
        room = len(raw) + 8
        buffer = (lib.llama_token * room)()
        count = lib.llama_tokenize(self._vocab, raw, len(raw), buffer, room, False, special)
        if count < 0:
            buffer = (lib.llama_token * -count)()
            count = lib.llama_tokenize(self._vocab, raw, len(raw), buffer, -count, False, special)
        return list(buffer[:count])

    def is_end(self, token: int) -> bool:
        """Whether the token ends an answer."""
        return bool(lib.llama_vocab_is_eog(self._vocab, token))

    def piece(self, token: int) -> bytes:
        """The bytes that the token stands for, which may be part of a character; none for a control token."""
        room = _LONGEST_PIECE
        while True:
            buffer = ctypes.create_string_buffer(room)
            count = lib.llama_token_to_piece(self._vocab, token, buffer, room, 0, False)
            if count >= 0:
                return buffer.raw[:count]
            room = -count

    def _text(self, token: int) -> str:
        if token < 0:
            return ""
        return (lib.llama_vocab_get_text(self._vocab, token) or b"").decode(errors="replace")


class Detokenizer:
    """Turns the tokens of one answer into text as they come, without ever cutting a character in two.

    Each token is decoded once, so that a long answer costs no more a token than a short one.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._begun = False

    def push(self, token: int) -> str:
        """The text that this token completes; empty while a character is unfinished."""
        text = self._decoder.decode(self._vocabulary.piece(token))
        text = text if self._begun else text.lstrip()
        self._begun = self._begun or bool(text)
        return text


def written(vocabulary: Vocabulary, tokens: Sequence[int]) -> str:
    """A whole answer, without the white space around it."""
    return b"".join(map(vocabulary.piece, tokens)).decode(errors="ignore").strip()


def any_of(texts: Sequence[str]) -> re.Pattern[str]:
    """Matches any of the texts, the longest first; nothing when there are none."""
    longest_first = sorted(filter(None, set(texts)), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
