"""What of a conversation fits into a model's context, and what was left out.

The rule: the system prompt and the question always stay; of the turns before it the oldest are left out
first, whole turns at a time, pictures and all. Tokens are counted by the backend's own tokenizer. Knows
nothing of storage or threads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.backends.base import Message
from engine.errors import InvalidInput

Turn = tuple[Message, ...]  # a question and its answer; the last one is the question alone


@dataclass(frozen=True, eq=False)
class Context:
    """What a model is given, and what the person should know about it."""

    messages: tuple[Message, ...]
    tokens: int
    turns_left_out: int
    pictures_left_out: int  # of what stayed, since the model does not see

    @property
    def notice(self) -> str:
        """One line for the person; empty when nothing was left out."""
        parts = []
        if self.turns_left_out == 1:
            parts.append("The oldest turn does not fit into the model's context and was left out.")
        elif self.turns_left_out:
            turns = self.turns_left_out
            parts.append(f"The oldest {turns} turns do not fit into the model's context and were left out.")
        if self.pictures_left_out:
            parts.append("Earlier pictures are not seen: this model reads text only.")
        return " ".join(parts)


def fit(
    system_prompt: str,
    turns: Sequence[Turn],
    room: int,
    count: Callable[[Sequence[Message]], int],
    vision: bool,
) -> Context:
    """The messages of as many of the newest turns as fit into `room` tokens.

    `count` is asked at most log2(turns) + 2 times. With `vision` off, pictures of earlier turns are left
    out of what is given; the question's own are for the caller to refuse.

    Raises: InvalidInput when the question alone does not fit.
    """
    seen = list(turns) if vision else [tuple(replace(m, images=()) for m in turn) for turn in turns]
    start = _first_that_fits(system_prompt, seen, room, count)
    messages = _joined(system_prompt, seen[start:])
    blind = 0 if vision else sum(len(m.images) for turn in turns[start:] for m in turn)
    return Context(messages, count(messages), start, blind)


def _first_that_fits(
    system_prompt: str, turns: Sequence[Turn], room: int, count: Callable[[Sequence[Message]], int]
) -> int:
    def fits(start: int) -> bool:
        return count(_joined(system_prompt, turns[start:])) <= room

    if fits(0):
        return 0
    low, high = 1, len(turns) - 1  # fewer turns take fewer tokens, so the border can be bisected
    if high < 1 or not fits(high):
        tokens = count(_joined(system_prompt, turns[-1:]))
        raise InvalidInput(
            f"The question has {tokens:,} tokens and the model has room for {room:,}. Shorten it, "
            "or load a model with a longer context."
        )
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle + 1, high)
    return low


def _joined(system_prompt: str, turns: Sequence[Turn]) -> tuple[Message, ...]:
    head = (Message("system", system_prompt),) if system_prompt else ()
    return (*head, *(message for turn in turns for message in turn))
