"""Putting messages and pictures as the tensors that a model reads.

The chat template and the processor (or, where the model reads text only, the tokenizer) that came with the
model decide how. The template is run within our bounds alone: the library gets the text that it wrote. Knows
nothing of how the model answers.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedTokenizerBase, ProcessorMixin
from transformers.utils.chat_template_utils import mark_control_tokens

from engine.backends.base import LONG_INSTRUCTION, Message, Picture
from engine.backends.chat_template import ChatTemplate, RefusedConversation, Turn
from engine.backends.system_turn import without_system
from engine.cancel import CancelToken
from engine.errors import ModelError

Conversation = list[dict[str, Any]]
Around: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]  # tokens before a picture, and behind it
Reader: TypeAlias = ProcessorMixin | PreTrainedTokenizerBase  # of a model that sees, of one that does not

_ANY_PICTURE = np.zeros((32, 32, 3), np.uint8)
_MOST_KEPT = 1024  # questions of which is remembered how they are written, or their tokens
_WRITTEN = "{{ messages[0].written }}"  # a template of our own, for what was written already


class Prompts:
    """What the model's processor or tokenizer makes of conversations."""

    def __init__(self, reader: Reader, device: torch.device, dtype: torch.dtype) -> None:
        self._reader = reader
        self._device, self._dtype = device, dtype
        self.sees = not isinstance(reader, PreTrainedTokenizerBase)
        self.tokenizer: PreTrainedTokenizerBase = reader.tokenizer if self.sees else reader
        self.image_token: int | None = getattr(reader, "image_token_id", None)
        self.tokenizer.padding_side = "left"  # so that the next token of each row is behind its last
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self._around: dict[tuple[str, bool], Around | None] = {}
        self._template = ChatTemplate(template_of(reader), self.tokenizer.special_tokens_map)
        self._control = _control_tokens(self.tokenizer, self._template)
        self._questions: dict[str, str] = {}  # of one turn, which all frames have in common, as written

    def of_messages(
        self, messages: Sequence[Message], cancel: CancelToken | None = None
    ) -> dict[str, torch.Tensor]:
        """One row for one conversation.

        Raises: ModelError when the template refuses it or does not end, or when there are pictures and the
        model sees none; Cancelled.
        """
        if not self.sees and any(message.images for message in messages):
            raise ModelError(
                "The model does not see pictures. Load one that does, or ask without the pictures."
            )
        turn = _turn if self.sees else _text_turn
        try:
            return self._tensors([[turn(message) for message in messages]], cancel)
        except RefusedConversation:
            folded = without_system(messages)
            if len(folded) == len(messages):
                raise
        return self.of_messages(folded, cancel)

    def of_pictures(
        self, pictures: Sequence[Picture], text: str, leading: bool = False
    ) -> dict[str, torch.Tensor]:
        """One row for each picture that `text` is asked about; it stands before them if it is `leading`."""
        images = [Image.fromarray(picture) for picture in pictures]
        return self._tensors([[_said("user", text, [image], leading)] for image in images])

    def of_picture(self, picture: Picture, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """One row for each text that is asked about the one picture."""
        image = Image.fromarray(picture)
        return self._tensors([[_said("user", text, [image])] for text in texts])

    def leads(self, instruction: str) -> bool:
        """Whether it is so long that it goes before the picture, where it is the same for all frames."""
        return len(self.tokenizer.encode(instruction, add_special_tokens=False)) >= LONG_INSTRUCTION

    def around_picture(self, text: str, leading: bool = False) -> Around | None:
        """The tokens before and behind a picture that `text` is asked about, whatever picture it is.

        None where they cannot be told from those of the picture.
        """
        key = text, leading
        if key not in self._around:
            if len(self._around) >= _MOST_KEPT:
                self._around.clear()
            self._around[key] = self._split_at_picture(text, leading)
        return self._around[key]

    def _split_at_picture(self, text: str, leading: bool) -> Around | None:
        tokens = self.of_pictures([_ANY_PICTURE], text, leading)["input_ids"][0].tolist()
        if self.image_token is None or self.image_token not in tokens:
            return None
        first, last = tokens.index(self.image_token), tokens[::-1].index(self.image_token)
        return tuple(tokens[:first]), tuple(tokens[len(tokens) - last :])

    def _tensors(
        self, conversations: list[Conversation], cancel: CancelToken | None = None
    ) -> dict[str, torch.Tensor]:
        """Input tensors by name, on the device; `input_ids` is (rows, tokens), padded on the left.

        Control tokens that a person typed are read as plain text: they close no turn, place no picture.
        Raises: as `of_messages`.
        """
        texts = [self._written(conversation, cancel) for conversation in conversations]
        how = {"padding": True, "sanitize_control_tokens": True}
        if self.sees:
            made = self._reader.apply_chat_template(
                [_carrying(text, turns) for text, turns in zip(texts, conversations, strict=True)],
                chat_template=_WRITTEN,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs=how,
            )
        else:
            made = self.tokenizer(texts, add_special_tokens=False, return_tensors="pt", **how)
        return {name: self._moved(value) for name, value in made.items() if isinstance(value, torch.Tensor)}

    def _written(self, conversation: Conversation, cancel: CancelToken | None) -> str:
        """What the template makes of it, with marks round the control tokens that a person typed."""
        turns = [_without_pictures(turn) for turn in mark_control_tokens(conversation, self._control)]
        question = json.dumps(turns) if len(turns) == 1 and not self._template.asks_the_time else ""
        if question in self._questions:
            return self._questions[question]
        text = self._template.render(turns, cancel)
        if question:
            if len(self._questions) >= _MOST_KEPT:
                self._questions.clear()
            self._questions[question] = text
        return text

    def _moved(self, tensor: torch.Tensor) -> torch.Tensor:
        """Numbers that the model computes with get its format; token ids and masks keep theirs."""
        return tensor.to(self._device, self._dtype if tensor.is_floating_point() else None)


def template_of(reader: Reader) -> str:
    """The chat template that the library takes; empty where there is none."""
    found = getattr(reader, "chat_template", None) or ""
    return str(found.get("default", "")) if isinstance(found, dict) else str(found)


def _control_tokens(tokenizer: PreTrainedTokenizerBase, template: ChatTemplate) -> re.Pattern[str]:
    """Those that only the template may write, by the library's rule: the special ones, and those it names.

    Where the tokenizer names none, those count that stand in the template, unless they are blank.
    """
    named = tokenizer.chat_control_tokens
    among = template.words() if named is None else named
    tokens = [
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.special or (token.content in among and (named is not None or not token.content.isspace()))
    ]
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")  # which nothing is


def _carrying(text: str, turns: Conversation) -> Conversation:
    return [{**turns[0], "written": text}, *turns[1:]]


def _turn(message: Message) -> dict[str, Any]:
    return _said(message.role, message.text, [Image.fromarray(picture) for picture in message.images])


def _text_turn(message: Message) -> dict[str, Any]:
    """The templates of text-only models know no blocks."""
    return {"role": message.role, "content": message.text}


def _without_pictures(turn: Turn) -> Turn:
    """As the library shows it to a template: of what is no text, only that it is there."""
    if isinstance(turn["content"], str):
        return turn
    parts = [{name: _named(value) for name, value in part.items()} for part in turn["content"]]
    return {**turn, "content": parts}


def _named(value: object) -> str:
    return value if isinstance(value, str) else f"<{type(value).__name__}>"


def _said(role: str, text: str, images: Sequence[Image.Image], text_first: bool = False) -> dict[str, Any]:
    pictures = [{"type": "image", "image": image} for image in images]
    words = [{"type": "text", "text": text}]
    return {"role": role, "content": [*words, *pictures] if text_first else [*pictures, *words]}
