"""One beginning that is read once, and many short endings that each go on from there.

The endings stand behind one another in a single row; a mask lets each see the beginning and itself alone,
and each is numbered as if it came right behind the beginning. So the cache of the beginning is shared and
never copied, however many endings there are. Knows tokens and the library's cache; nothing of pictures,
questions or what an answer means.
"""

from collections.abc import Iterator, Mapping, Sequence

import torch
from transformers import DynamicCache, PreTrainedModel

from engine.backends.transformers.following import can_cut_back
from engine.backends.transformers.interrupt import Interrupt
from engine.cancel import CancelToken

_MASKABLE = frozenset({"sdpa", "eager"})  # kinds of attention that take a mask of any shape
_WHOLE_ROW = frozenset({"attention_mask"})  # what there is of every token, and of no use without padding

# Models that see, of which it was tried that an ending gets what it would get alone. In all of them a token
# sees nothing behind it, pictures included. Some number a picture's tokens by its shape: text goes on behind
# the largest of these numbers, which the model then keeps as `rope_deltas`.
_TRIED = frozenset({"llava", "idefics3", "smolvlm", "qwen2_vl", "qwen2_5_vl", "qwen3_vl"})


class Beginning:
    """What one model has read so far of one row, and what could come behind it."""

    def __init__(self, model: PreTrainedModel, interrupt: Interrupt) -> None:
        self._model, self._interrupt = model, interrupt
        self.cache = DynamicCache(config=model.config.get_text_config(decoder=True))

    @property
    def length(self) -> int:
        """Tokens read."""
        return self.cache.get_seq_length()

    def read(self, inputs: Mapping[str, torch.Tensor], cancel: CancelToken) -> None:
        """Read what is in `inputs` behind what was read before; `input_ids` is (1, tokens), not padded.

        Raises: Cancelled, and then this beginning is of no more use.
        """
        new = {name: tensor for name, tensor in inputs.items() if name not in _WHOLE_ROW}
        self._interrupt.run(
            cancel,
            lambda: self._model(**new, past_key_values=self.cache, use_cache=True, logits_to_keep=1),
        )

    def read_before(self, tokens: Sequence[int], at_once: int, cancel: CancelToken) -> None:
        """Read what stands before any picture, `at_once` tokens in a pass. Raises: as `read`."""
        for start in range(0, len(tokens), at_once):
            self._read_text(tokens[start : start + at_once], self.length, cancel)

    def read_on(self, tokens: Sequence[int], cancel: CancelToken) -> None:
        """Read a few tokens that stand behind the picture. Raises: as `read`."""
        if tokens:
            self._read_text(tokens, self._next_place, cancel)

    def logits_behind(
        self, endings: Sequence[Sequence[int]], at_once: int, cancel: CancelToken
    ) -> Iterator[torch.Tensor]:
        """The logits, (endings, vocabulary), behind each ending; one tensor for those of one pass.

        Args:
            at_once: tokens that one pass reads at most, unless a single ending has more.

        Raises: Cancelled, and then this beginning is of no more use.
        """
        for group in _groups(endings, at_once):
            yield self._side_by_side(group, cancel)

    def cut_back(self, length: int) -> None:
        """Forget what is behind the first `length` tokens."""
        for layer in self.cache.layers:
            layer.crop(length - layer.get_seq_length())  # takes how many to remove, as a negative number

    @property
    def _next_place(self) -> int:
        """The number of the token behind the picture and what was read after it."""
        return self.length + _ahead(self._model)

    def _read_text(self, tokens: Sequence[int], place: int, cancel: CancelToken) -> None:
        ids = torch.tensor([tokens], device=self._model.device)
        places = torch.arange(place, place + len(tokens), device=ids.device)[None]
        self.read({"input_ids": ids, "position_ids": places}, cancel)

    def _side_by_side(self, endings: Sequence[Sequence[int]], cancel: CancelToken) -> torch.Tensor:
        start, device = self.length, self._model.device
        lengths = [len(ending) for ending in endings]
        places = [self._next_place + place for length in lengths for place in range(length)]
        ends = torch.tensor(lengths, device=device).cumsum(0) - 1
        outputs = self._interrupt.run(
            cancel,
            lambda: self._model(
                input_ids=torch.tensor([[token for ending in endings for token in ending]], device=device),
                position_ids=torch.tensor([places], device=device),
                attention_mask=_each_alone(lengths, start, self.cache.layers[0].keys.dtype, device),
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=ends,
            ),
        )
        self.cut_back(start)
        return outputs.logits[0]


def can_branch(model: PreTrainedModel) -> bool:
    """Whether endings read side by side are certain to get what each would get alone."""
    attention = model.config.get_text_config(decoder=True)._attn_implementation
    return can_cut_back(model) and model.config.model_type in _TRIED and attention in _MASKABLE


def _ahead(model: PreTrainedModel) -> int:
    """How far the number of the next token is from how many there are; not 0 if pictures have a shape."""
    ahead = getattr(model.base_model, "rope_deltas", None)
    return 0 if ahead is None else int(ahead)


def _groups(endings: Sequence[Sequence[int]], at_once: int) -> Iterator[list[Sequence[int]]]:
    group: list[Sequence[int]] = []
    for ending in endings:
        if group and sum(map(len, group)) + len(ending) > at_once:
            yield group
            group = []
        group.append(ending)
    if group:
        yield group


def _each_alone(lengths: Sequence[int], start: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """(1, 1, tokens, start + tokens), to be added to the scores: everybody sees the first `start` tokens,
    and behind them those of the own ending up to itself."""
    ending = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    unseen = torch.ones(len(ending), len(ending), dtype=torch.bool).triu(1) | (ending[:, None] != ending)
    mask = torch.zeros(1, 1, len(ending), start + len(ending), dtype=dtype)
    mask[..., start:].masked_fill_(unseen, torch.finfo(dtype).min)
    return mask.to(device)
