"""Reading tags out of what a model wrote: log-probabilities, JSON, and plain words.

Strict first, then lenient; what says neither yes nor no is None. Knows no server.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.backends.remote.talk import TokenOdds

_LEAST_MASS = 0.01  # below it the model was not about to say yes or no at all
_MARKS = " \t\r\n\"'`*_.,:;!?()[]{}▁Ġ"
_YES, _NO = {"yes", "true"}, {"no", "false"}
_WORDS_OF_TRUTH = r"(yes|true|no|false)\b"


def probability_of_yes(odds: Sequence[TokenOdds]) -> float | None:
    """p(yes) / (p(yes) + p(no)) at the first token that has one of them among its likeliest; else None.

    Each is summed over the ways to begin that word, in either case, blanks and marks around it aside.
    """
    for place in odds:
        yes = sum(math.exp(logprob) for token, logprob in place.likeliest if _begins(token, "yes"))
        no = sum(math.exp(logprob) for token, logprob in place.likeliest if _begins(token, "no"))
        if yes + no >= _LEAST_MASS:
            return yes / (yes + no)
    return None


def said_yes(text: str) -> float | None:
    """1.0 or 0.0 as the first word of truth in the text says; None where there is none."""
    found = re.search(rf"\b{_WORDS_OF_TRUTH}", text, re.IGNORECASE)
    return None if found is None else _truth(found[1])


def stated_tags(text: str, tags: Sequence[str]) -> dict[str, float | None]:
    """Every tag with what the text states of it: a JSON object, in a code fence or not, else `tag: yes`."""
    told = _as_object(text)
    stated = {tag: _truth(told.get(tag.casefold())) for tag in tags}
    return {tag: _stated_in_words(text, tag) if value is None else value for tag, value in stated.items()}


def schema_of(tags: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of an answer that says yes or no to every tag."""
    return {
        "type": "object",
        "properties": {tag: {"type": "boolean"} for tag in tags},
        "required": list(tags),
        "additionalProperties": False,
    }


def _begins(token: str, word: str) -> bool:
    bare = token.strip(_MARKS).casefold()
    return bool(bare) and word.startswith(bare)


def _as_object(text: str) -> Mapping[str, Any]:
    """The outermost JSON object in the text, its keys in lower case; empty where there is none."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return {}
    try:
        told = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return {}
    return {str(key).casefold(): value for key, value in told.items()}


def _truth(value: object) -> float | None:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, (int, float)) and 0 <= value <= 1:
        return float(value)
    if isinstance(value, str):
        word = value.strip(_MARKS).casefold()
        return 1.0 if word in _YES else 0.0 if word in _NO else None
    return None


def _stated_in_words(text: str, tag: str) -> float | None:
    found = re.search(
        rf"(?<!\w){re.escape(tag)}[\"'`*_]*\s*[:=–—-]+\s*[\"'`*_]*{_WORDS_OF_TRUTH}", text, re.IGNORECASE
    )
    return None if found is None else _truth(found[1])
