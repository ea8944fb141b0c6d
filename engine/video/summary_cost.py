"""How many questions a summary takes, and how many tokens, before anything was said: about.

As if each caption were as long as it may be. One that is shorter, or the same as the one before it, makes it
less. Knows no model and no server.
"""

from dataclasses import dataclass
from math import ceil

from engine.video.summary import LEAST_TOKENS, MOST_TOKENS, RESERVE, SHARE

_TOKENS_OF_TIME = 6  # that stands before what was said, and the end of the line


@dataclass(frozen=True)
class SummaryCost:
    """Of a whole summary; tokens that are read and that are written. 0: the model has no room for one."""

    questions: int
    tokens: int


def summary_cost(captions: int, caption_tokens: int, instruction_tokens: int, context: int) -> SummaryCost:
    """Of so many captions, at most so long, by a model with a context of so many tokens."""
    left = context - RESERVE - instruction_tokens
    answer = min(MOST_TOKENS, left // SHARE)
    if answer < LEAST_TOKENS or not captions:
        return SummaryCost(0, 0)
    lines, line, room = captions, _TOKENS_OF_TIME + caption_tokens, left - answer
    questions, tokens, parts = 0, 0, _parts(lines, line, room)
    while parts > 1:
        questions += parts
        tokens += lines * line + parts * (instruction_tokens + answer)
        lines, line = parts, _TOKENS_OF_TIME + answer
        parts = min(parts - 1, _parts(lines, line, room))
    return SummaryCost(questions + 1, tokens + lines * line + instruction_tokens + answer)


def _parts(lines: int, line: int, room: int) -> int:
    """Questions that hold so many lines, each of so many tokens; one that is too long is divided."""
    together = room // line
    return ceil(lines / together) if together else lines * ceil(line / room)
