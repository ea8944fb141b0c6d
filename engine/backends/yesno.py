"""A tag as a yes/no question; which tokens begin a yes, and which a no, and what their odds are worth.

Knows no library, only what turns text to tokens.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import ModelError

_YES = ("yes", "Yes", "YES", " yes", " Yes", " YES")
_NO = ("no", "No", "NO", " no", " No", " NO")

_WORTH_MUCH = 0.5  # from which on a model was about to say yes or no rather than anything else


def question(tag: str, description: str = "") -> str:
    """The yes/no question that a language model is asked about one tag.

    The tag stands last: what all questions begin with is read once for all of them.
    """
    return f"Answer yes or no: does this picture show {described(tag, description)}?"


def described(tag: str, description: str = "") -> str:
    """A tag as it is put to a model."""
    return f"{tag} ({description})" if description else tag


@dataclass(frozen=True)
class Odds:
    """How likely yes is among yes and no, and how likely either was to be said at all."""

    yes: float  # p(yes) / (p(yes) + p(no))
    mass: float  # p(yes) + p(no)

    @property
    def doubtful(self) -> bool:
        """The model was about to say something else, so that its yes is worth little."""
        return self.mass < _WORTH_MUCH


def doubts(found: Mapping[str, Odds]) -> dict[str, Any]:
    """What the facts of an answer say about tags at which the model was about to say neither yes nor no."""
    doubtful = [tag for tag, odds in found.items() if odds.doubtful]
    return {"doubtful": doubtful} if doubtful else {}


def yes_no_tokens(encode: Callable[[str], Sequence[int]]) -> tuple[list[int], list[int]]:
    """The tokens of yes and those of no, in order; `encode` adds no special tokens.

    Of the ways to write a word, those that are one token count; only where none is, the first tokens
    do. A token that could begin both words counts for neither.

    Raises: ModelError for a vocabulary that cannot tell the two words apart.
    """
    yes, no = _beginnings(encode, _YES), _beginnings(encode, _NO)
    if not yes - no or not no - yes:
        raise ModelError("The model's vocabulary cannot tell yes from no, so it cannot answer tags.")
    return sorted(yes - no), sorted(no - yes)


def _beginnings(encode: Callable[[str], Sequence[int]], words: Iterable[str]) -> set[int]:
    written = [encode(word) for word in words]
    whole = {tokens[0] for tokens in written if len(tokens) == 1}
    return whole or {tokens[0] for tokens in written if tokens}
