"""Putting messages and pictures as the tensors that a model reads.

The chat template and the processor (or, where the model reads text only, the tokenizer) that came with the
model decide how. Knows nothing of how the model answers.
"""

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from jinja2 import TemplateError
from PIL import Image
from transformers import PreTrainedTokenizerBase, ProcessorMixin

from engine.backends.base import LONG_INSTRUCTION, Message, Picture
from engine.backends.chat_template import ChatTemplate, RefusedConversation, Turn
from engine.backends.system_turn import without_system
from engine.cancel import CancelToken
from engine.errors import ModelError

Conversation = list[dict[str, Any]]
Around: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]  # tokens before a picture, and behind it
Reader: TypeAlias = ProcessorMixin | PreTrainedTokenizerBase  # of a model that sees, of one that does not

_ANY_PICTURE = np.zeros((32, 32, 3), np.uint8)
_MOST_KEPT = 1024  # texts whose tokens are remembered


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
        self._tried: set[int] = set()  # hashes of conversations that the template was seen to end with

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
        for conversation in conversations:
            self._refuse_endless(conversation, cancel)
        padding = {"processor_kwargs": {"padding": True}} if self.sees else {"padding": True}
        try:
            made = self._reader.apply_chat_template(
                conversations,
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
                sanitize_control_tokens=True,
                **padding,
            )
        except TemplateError as error:  # its sandbox may refuse what ours let pass
            raise RefusedConversation(f"The model's chat template refuses this: {error}.") from error
        return {name: self._moved(value) for name, value in made.items() if isinstance(value, torch.Tensor)}

    def _refuse_endless(self, conversation: Conversation, cancel: CancelToken | None) -> None:
        """Write it within bounds first, once: the library, which writes it then, has none and cannot stop."""
        turns = [_without_pictures(turn) for turn in conversation]
        known = hash(json.dumps(turns))
        if known in self._tried:
            return
        self._template.render(turns, cancel)
        if len(self._tried) >= _MOST_KEPT:
            self._tried.clear()
        self._tried.add(known)

    def _moved(self, tensor: torch.Tensor) -> torch.Tensor:
        """Numbers that the model computes with get its format; token ids and masks keep theirs."""
        return tensor.to(self._device, self._dtype if tensor.is_floating_point() else None)


def template_of(reader: Reader) -> str:
    """The chat template that the library takes; empty where there is none."""
    found = getattr(reader, "chat_template", None) or ""
    return str(found.get("default", "")) if isinstance(found, dict) else str(found)


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
