"""What a follow-up turn need not compute again: the model's cache of the last conversation.

A prompt that begins like the last conversation, pictures included, is computed from the first token that
differs. Where it is not certain that this gives what computing everything gives, nothing is kept. Knows
tokens and the library's cache; nothing of messages or of how a token is chosen.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from engine.backends.base import Picture

# Models that see, and that read pictures as tokens like any other: each position hangs on nothing but what
# stands before it. Others number positions by the pictures' shape, or let a prompt look ahead.
_SEEING = frozenset({"llava"})
_STRETCHED = ("dynamic", "longrope")  # positions that change with the length of the whole text
_PER_TOKEN = frozenset({"input_ids", "attention_mask"})


class KeptConversation:
    """The cache of one conversation, and the tokens and pictures that it is of.

    `resume` before an answer, `wrote` for every token that comes, `drop` if anything but a cancellation
    ends it. A pass that was broken off leaves some layers longer than others: only what finished passes
    have read counts, and the next `resume` cuts every layer back to that.
    """

    def __init__(self, model: PreTrainedModel, image_token: int | None) -> None:
        self._config = model.config
        self._able = can_follow(model)
        self._image_token = image_token
        self.drop()

    def drop(self) -> None:
        """Forget everything; the memory is free at once."""
        self._cache: DynamicCache | None = None
        self._tokens: list[int] = []  # what finished passes have read
        self._pictures: list[bytes] = []
        self._next: tuple[list[int], list[bytes]] = ([], [])  # what the pass under way reads

    def resume(self, inputs: Mapping[str, torch.Tensor], pictures: Sequence[Picture]) -> dict[str, Any]:
        """What to give `generate`: `inputs` of one row, with the cache of what need not be read again.

        Args:
            pictures: those of the conversation, in the order in which `inputs` has them.
        """
        if not self._able or any(name.endswith("token_type_ids") for name in inputs):
            self.drop()
            return dict(inputs)
        prompt, seen_by = inputs["input_ids"][0].tolist(), [identity(picture) for picture in pictures]
        of_pictures = {name: tensor for name, tensor in inputs.items() if name not in _PER_TOKEN}
        apart = all(len(tensor) == len(pictures) for tensor in of_pictures.values())
        keep, seen = self._shared(prompt, seen_by, apart)
        cache = self._cut_to(keep)
        if cache.get_seq_length() != keep:  # a layer that shares another's states, say
            keep, seen, cache = 0, 0, self._new_cache()
        self._cache, self._tokens, self._pictures = cache, prompt[:keep], seen_by[:seen]
        self._next = prompt[keep:], seen_by[seen:]
        text = {name: tensor for name, tensor in inputs.items() if name in _PER_TOKEN}
        if seen:
            of_pictures = {
                name: tensor[seen:] for name, tensor in of_pictures.items() if seen < len(pictures)
            }
        return {**text, **of_pictures, "past_key_values": cache}

    def wrote(self, token: int) -> None:
        """A pass has finished; `token` is what the next one reads."""
        if self._cache is not None:
            tokens, pictures = self._next
            self._tokens += tokens
            self._pictures += pictures
            self._next = [token], []

    def _shared(self, prompt: list[int], pictures: list[bytes], apart: bool) -> tuple[int, int]:
        """How many tokens and pictures at the beginning need not be computed; the last token always is.

        Pictures that cannot be told apart in the inputs are kept or computed all together.
        """
        keep, seen = min(_common(self._tokens, prompt), len(prompt) - 1), len(self._pictures)
        image = self._image_token
        if not (pictures or seen):
            return keep, 0
        if image is None or image not in prompt:
            return 0, 0
        whole = (
            pictures[:seen] == self._pictures
            and prompt[:keep].count(image) == self._tokens.count(image)
            and (image in prompt[keep:]) == (seen < len(pictures))
            and not (seen and prompt[keep] == image)  # the last picture may be longer than it was
            and (apart or seen in (0, len(pictures)))
        )
        return (keep, seen) if whole else (min(keep, prompt.index(image)), 0)

    def _cut_to(self, length: int) -> DynamicCache:
        """The cache of the first `length` tokens, or an empty one."""
        cache = self._cache
        if cache is None or length == 0 or any(layer.get_seq_length() < length for layer in cache.layers):
            return self._new_cache()
        for layer in cache.layers:
            layer.crop(length - layer.get_seq_length())  # takes how many to remove, as a negative number
        return cache

    def _new_cache(self) -> DynamicCache:
        return DynamicCache(config=self._config.get_text_config(decoder=True))


def can_follow(model: PreTrainedModel) -> bool:
    """Whether a conversation that goes on can be computed from where it was left."""
    reads_text_only = model.config.get_text_config(decoder=True) is model.config
    return can_cut_back(model) and (reads_text_only or model.config.model_type in _SEEING)


def can_cut_back(model: PreTrainedModel) -> bool:
    """Whether the text model's cache can be cut back to any length and then is that of the shorter text."""
    config, writing = model.config, model.generation_config
    text = config.get_text_config(decoder=True)
    if config.is_encoder_decoder or writing.cache_implementation or writing.use_cache is False:
        return False
    if not model._supports_default_dynamic_cache() or _stretches(getattr(text, "rope_parameters", None)):
        return False
    # Layers with a window or a state forget: they cannot go back.
    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=text).layers)


def identity(picture: Picture) -> bytes:
    """Equal for two pictures with the same pixels."""
    return hashlib.sha256(repr((picture.shape, picture.dtype.str)).encode() + picture.tobytes()).digest()


def _stretches(rope: object) -> bool:
    """Whether the numbering of positions hangs on how long the text becomes; it may differ by layer."""
    if not isinstance(rope, Mapping):
        return False
    return rope.get("rope_type") in _STRETCHED or any(_stretches(part) for part in rope.values())


def _common(one: Iterable[int], other: Iterable[int]) -> int:
    """How many items at the beginning are the same."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
