"""Putting messages and pictures as what the model reads: tokens, and parts of pictures.

How a picture is written differs from template to template and is found out by trying: the library wants
the place of a picture, not the template's words for it. What a person typed is never read as a control
token. Knows nothing of how the model answers.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from engine.backends.base import LONG_INSTRUCTION, Message, Picture
from engine.backends.chat_template import ChatTemplate, RefusedConversation
from engine.backends.llamacpp.pictures import Pictures
from engine.backends.llamacpp.units import Unit
from engine.backends.llamacpp.vocabulary import Vocabulary, any_of
from engine.backends.system_turn import without_system
from engine.cancel import CancelToken
from engine.errors import ModelError

# Marks in a rendered text, of code points that are no characters and never stand in a text.
_OPEN, _CLOSE, _PLACE = "\ufdd0", "\ufdd1", "\ufdd2"
_PROBE = "\ufdd3"
_MARKED = re.compile(f"({_PLACE}|{_OPEN}[0-9]+{_CLOSE})")
_OUR_MARKS = re.compile("[\ufdd0-\ufdd3]")


class Prompts:
    """What template and tokenizer make of conversations. Raises: ModelError for a template of no use."""

    def __init__(self, template: ChatTemplate, vocabulary: Vocabulary, pictures: Pictures | None) -> None:
        self._template, self._vocabulary, self._pictures = template, vocabulary, pictures
        self._takes_parts, self._picture_words = self._tried()
        self._unsafe = any_of([*vocabulary.control_texts(), self._picture_words])
        self._around_picture = lru_cache(maxsize=1024)(self._split_at_picture)

    def close(self) -> None:
        """Let go of what was kept, which holds on to us. Nothing may be asked afterwards."""
        del self._around_picture

    def of_messages(self, messages: Sequence[Message], cancel: CancelToken | None = None) -> list[Unit]:
        """Raises: ModelError when the template refuses them or does not end, or there are pictures that are
        not seen; Cancelled.
        """
        pictures = [picture for message in messages for picture in message.images]
        if pictures and self._pictures is None:
            raise ModelError("This model reads text only. Leave the pictures out, or pick a model that sees.")
        before, *behind = self._pieces(messages, cancel=cancel)
        if len(behind) != len(pictures):
            raise ModelError("The model's chat template leaves pictures out. Pick another file of the model.")
        units: list[Unit] = list(before)
        for picture, tokens in zip(pictures, behind, strict=True):
            assert self._pictures is not None
            units += [*self._pictures.units(picture), *tokens]
        return units

    def of_picture(self, picture: Picture) -> list[Unit]:
        """The picture alone, to be put between what `around_picture` gives. Raises: ModelError."""
        if self._pictures is None:
            raise ModelError("This model reads text only. Pick a model that sees pictures.")
        return self._pictures.units(picture)

    def leads(self, instruction: str) -> bool:
        """Whether it is so long that it goes before the picture, where it is the same for all frames."""
        return len(self._vocabulary.tokens(instruction)) >= LONG_INSTRUCTION

    def around_picture(self, text: str, leading: bool = False) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The tokens before and behind a picture that `text` is asked about. Raises: ModelError."""
        return self._around_picture(text, leading)

    def _split_at_picture(self, text: str, leading: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
        pieces = self._pieces([Message("user", text, (_NO_PICTURE,))], text_first=leading)
        if len(pieces) != 2:
            raise ModelError("The model's chat template leaves pictures out. Pick another file of the model.")
        return tuple(pieces[0]), tuple(pieces[1])

    def _pieces(
        self, messages: Sequence[Message], text_first: bool = False, cancel: CancelToken | None = None
    ) -> list[list[int]]:
        """The tokens before, between and behind the pictures."""
        try:
            return self._tokens(*self._rendered(messages, text_first, cancel))
        except RefusedConversation:
            folded = without_system(messages)
            if len(folded) == len(messages):
                raise
        return self._pieces(folded, text_first, cancel)

    def _rendered(
        self, messages: Sequence[Message], text_first: bool, cancel: CancelToken | None
    ) -> tuple[str, list[str]]:
        """The text with marks in it, and what the marks with numbers stand for."""
        literals: list[str] = []

        def marked(match: re.Match[str]) -> str:
            literals.append(match.group())
            return f"{_OPEN}{len(literals) - 1}{_CLOSE}"

        turns = []
        for message in messages:
            text = self._unsafe.sub(marked, _OUR_MARKS.sub("", message.text))
            content = self._content(text, len(message.images), text_first)
            turns.append({"role": message.role, "content": content})
        rendered = self._template.render(turns, cancel)
        if self._picture_words:
            rendered = rendered.replace(self._picture_words, _PLACE)
        return rendered, literals

    def _content(self, text: str, pictures: int, text_first: bool) -> str | list[dict[str, Any]]:
        if not self._takes_parts or (pictures and not self._picture_words):
            places = _PLACE * pictures
            both = [text, places] if text_first else [places, text]
            return "\n".join(filter(None, both)) if pictures else text
        images = [{"type": "image"} for _ in range(pictures)]
        words = [{"type": "text", "text": text}]
        return [*words, *images] if text_first else [*images, *words]

    def _tokens(self, rendered: str, literals: list[str]) -> list[list[int]]:
        """Cut at the pictures; the first piece begins the way that the model expects."""
        bos = self._vocabulary.bos_text
        begins_with_bos = bool(bos) and rendered.startswith(bos)
        rendered = rendered.removeprefix(bos) if begins_with_bos else rendered
        begin = [self._vocabulary.bos] if begins_with_bos or self._vocabulary.adds_bos else []
        pieces: list[list[int]] = [begin]
        for part in _MARKED.split(rendered):
            if part == _PLACE:
                pieces.append([])
            elif part.startswith(_OPEN):
                pieces[-1] += self._vocabulary.tokens(literals[int(part[1:-1])])
            elif part:
                pieces[-1] += self._vocabulary.tokens(part, special=True)
        return pieces

    def _tried(self) -> tuple[bool, str]:
        """Whether the template takes a list of parts, and what it writes for a picture in one."""
        parts = [{"type": "text", "text": _PROBE}]
        listed = self._attempt(parts)
        if listed is None or listed.count(_PROBE) != 1 or "'text'" in listed:
            plain = self._attempt(_PROBE)
            if plain is None or _PROBE not in plain:
                raise ModelError("The model's chat template writes no user's turn. Pick a chat model.")
            return False, ""
        seen = self._attempt([{"type": "image"}, *parts])
        words = _what_is_new(listed, seen).strip() if seen else ""
        twice = self._attempt([{"type": "image"}, {"type": "image"}, *parts]) or ""
        return True, words if words and twice.count(words) == 2 else ""

    def _attempt(self, content: Any) -> str | None:
        try:
            return self._template.render([{"role": "user", "content": content}])
        except RefusedConversation:
            return None


_NO_PICTURE: Any = None  # holds the place of a picture that is put in later


def _what_is_new(without: str, with_picture: str) -> str:
    """What stands before the probe in one text and not in the other."""
    short, long = without.split(_PROBE)[0], with_picture.split(_PROBE)[0]
    same = 0
    while same < len(short) and long.startswith(short[: same + 1]):
        same += 1
    rest = short[same:]
    return long[same:].removesuffix(rest) if rest else long[same:]
