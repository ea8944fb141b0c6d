"""Writing token by token: which token comes next, and which text the tokens are.

`generate()` prepares everything that differs from model to model (positions, masks, caches, logits
processors) and hands over to `_each_token`, which keeps the loop in our own hands: it can be stopped between
any two tokens, and needs no second thread. Knows no chats and no pictures.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteriaList,
)

from engine.backends.transformers.interrupt import Interrupt
from engine.cancel import CancelToken
from engine.settings import GenerationSettings

_UNFINISHED = "\ufffd"  # what the bytes of half a character decode to
_CPU_TOKENS = 256  # of a prompt that a CPU reads in one pass
_LONGEST_HELD = 12  # tokens that may wait for the rest of a character before they are given out as they are


def decode(
    model: PreTrainedModel,
    interrupt: Interrupt,
    inputs: Mapping[str, Any],
    settings: GenerationSettings,
    cancel: CancelToken,
) -> Iterator[list[int]]:
    """The next token of every row, `max_new_tokens` times; where an answer ends is for the caller to see.

    Args:
        inputs: what the processor made; `input_ids` is (rows, tokens), padded on the left. With
            `past_key_values`, the cache of their first tokens, only the others are computed.

    Raises: Cancelled, once the computing has stopped.
    """
    steps = interrupt.run(
        cancel,
        lambda: model.generate(
            **inputs,
            **_sampling(settings),
            max_new_tokens=settings.max_new_tokens,
            prefill_chunk_size=_read_at_once(model, inputs),
            custom_generate=_each_token,
            chance=_chance(settings, model.device),
        ),
    )
    for _ in range(settings.max_new_tokens):
        yield interrupt.run(cancel, lambda: next(steps))


def first_logits(
    model: PreTrainedModel, interrupt: Interrupt, inputs: Mapping[str, torch.Tensor], cancel: CancelToken
) -> torch.Tensor:
    """The logits of the first token of each row's answer, (rows, vocabulary). Raises: Cancelled."""
    return interrupt.run(
        cancel,
        lambda: model.generate(
            **inputs, do_sample=False, max_new_tokens=1, use_cache=False, custom_generate=_first_logits
        ),
    )


def end_tokens(model: PreTrainedModel) -> frozenset[int]:
    """The tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    return frozenset(ends if isinstance(ends, (list, tuple)) else [ends])


def _each_token(
    model: PreTrainedModel,
    input_ids: torch.Tensor,
    logits_processor: LogitsProcessorList,
    generation_config: GenerationConfig,
    stopping_criteria: StoppingCriteriaList,
    chance: torch.Generator | None,
    **state: Any,
) -> Iterator[list[int]]:
    """Called by `generate()` in the place of its own loop; `state` is what the model carries along."""
    if state.get("past_key_values") is None:
        generation_config.prefill_chunk_size = None  # a model without such a cache reads everything at once
    outputs = model._prefill(input_ids, generation_config, state)
    while True:
        state = model._update_model_kwargs_for_generation(outputs, state)
        logits = outputs.logits[:, -1].to(copy=True, dtype=torch.float32, device=input_ids.device)
        del outputs  # the logits of a prompt are large
        token = _choose(logits_processor(input_ids, logits), chance)
        input_ids = torch.cat([input_ids, token], dim=-1)
        yield token[:, 0].tolist()
        fresh = model.prepare_inputs_for_generation(
            input_ids, next_sequence_length=1, is_first_iteration=False, **state
        )
        outputs = model(**fresh, return_dict=True)


def _first_logits(
    model: PreTrainedModel,
    input_ids: torch.Tensor,
    logits_processor: LogitsProcessorList,
    generation_config: GenerationConfig,
    stopping_criteria: StoppingCriteriaList,
    **state: Any,
) -> torch.Tensor:
    """Called by `generate()` in the place of its loop; the model's own view, before any logits processor."""
    fresh = model.prepare_inputs_for_generation(input_ids, is_first_iteration=True, **state)
    return model(**fresh, return_dict=True).logits[:, -1]


def _read_at_once(model: PreTrainedModel, inputs: Mapping[str, Any]) -> int | None:
    """How many tokens of a prompt one pass may read; None for all, as with pictures, which are not divided.

    A pass can be stopped between two of the model's operations, and on a CPU each of them takes its time.
    """
    in_one = model.device.type != "cpu" or any(name.startswith("pixel") for name in inputs)
    return None if in_one else _CPU_TOKENS


def _choose(scores: torch.Tensor, chance: torch.Generator | None) -> torch.Tensor:
    """(rows, vocabulary) to (rows, 1): the likeliest, or one drawn by `chance`."""
    if chance is None:
        return scores.argmax(dim=-1, keepdim=True)
    return torch.multinomial(scores.softmax(dim=-1), num_samples=1, generator=chance)


def _sampling(settings: GenerationSettings) -> dict[str, Any]:
    if settings.temperature == 0:
        return {"do_sample": False}
    return {
        "do_sample": True,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": settings.top_k,
    }


def _chance(settings: GenerationSettings, device: torch.device) -> torch.Generator | None:
    if settings.temperature == 0:
        return None
    source = torch.Generator(device)
    if settings.seed == -1:
        source.seed()
    else:
        source.manual_seed(settings.seed)
    return source


class Detokenizer:
    """Turns the tokens of one answer into text as they come, without ever cutting a character in two.

    Only the last piece and what waits behind it are decoded again, so that a long answer costs no more
    a token than a short one.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._given: list[int] = []  # the tokens of the last piece, which the next one's spacing hangs on
        self._held: list[int] = []

    def push(self, token: int) -> str:
        """The text that this token completes; empty while a character is unfinished."""
        self._held.append(token)
        piece = self._new_text()
        if piece.endswith(_UNFINISHED) and len(self._held) < _LONGEST_HELD:
            return ""
        if piece:  # a token without text, like a special one, must not become the context of the next
            self._given, self._held = self._held, []
        return piece

    def flush(self) -> str:
        """What is left at the end of the answer, without the bytes of an unfinished character."""
        return self._new_text().rstrip(_UNFINISHED)

    def _new_text(self) -> str:
        before = self._text(self._given)
        return self._text(self._given + self._held)[len(before) :]

    def _text(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
