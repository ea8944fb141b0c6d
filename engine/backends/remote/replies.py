"""Reading tags out of what a model wrote: log-probabilities, JSON, and plain words.

Strict first, then lenient; what says neither yes nor no is None. Knows no server.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.backends.remote.talk import TokenOdds
from engine.backends.yesno import Odds

_LEAST_MASS = 0.01  # below it the model was not about to say yes or no at all
_MARKS = " \t\r\n\"'`*_.,:;!?()[]{}▁Ġ"
_YES, _NO = {"yes", "true"}, {"no", "false"}
_WORDS_OF_TRUTH = r"(yes|true|no|false)\b"
# "No doubt", "yes or no" and "not true" begin with a word of truth, or hold one, and are none.
_OR_THE_OTHER = rf"\s*(?:/|\bor\b)\s*{_WORDS_OF_TRUTH}"
_NO_ANSWER = re.compile(
    r"\bno\s+(?:doubt|question|idea|clue|way\s+to)\b"
    rf"|\b(?:not|cannot|\w+n['’]t)\s+(?:\w+\s+)?{_WORDS_OF_TRUTH}(?:{_OR_THE_OTHER})?"
    rf"|\b{_WORDS_OF_TRUTH}{_OR_THE_OTHER}",
    re.IGNORECASE,
)
_QUOTES = "\"'`*_"
_CLOSED = rf"[\s{_QUOTES})\]}}]*+"  # what closes around an answer
_AN_ANSWER = re.compile(
    rf"(?<![:=–—-])[:=–—-]++[ \t{_QUOTES}]*+{_WORDS_OF_TRUTH}"
    rf"(?=[ \t{_QUOTES})\]}}]*+(?:[,;.!({{\r\n]|[-–—]\s|$))",
    re.IGNORECASE,
)
_AFTER_AN_ANSWER = re.compile(rf"{_CLOSED}[,;.!]?{_CLOSED}")
_BEFORE_A_KEY = re.compile(r"[\s{\[]*(?:(?:[-•*+]|\d+[.)])\s+)?")  # brackets, a bullet or a number


def odds_of_yes(told: Sequence[TokenOdds]) -> Odds | None:
    """At the token that is likeliest to be a yes or a no, the first of those that likely are; else None.

    Each is summed over the ways to begin that word, in either case, blanks and marks around it aside.
    """
    found = [odds for odds in map(_odds_at, told) if odds.mass >= _LEAST_MASS]
    first = next((odds for odds in found if not odds.doubtful), None)
    return first or max(found, key=lambda odds: odds.mass, default=None)


def said_yes(text: str) -> float | None:
    """1.0 or 0.0 as the text says; None where it says neither, or both.

    A word that stands alone at the start is the answer; otherwise all that are there must say the same.
    """
    text = _NO_ANSWER.sub(" ", text)
    alone = re.match(rf"\W*{_WORDS_OF_TRUTH}\s*(?:[^\w\s]|$)", text, re.IGNORECASE)
    if alone is not None:
        return _truth(alone[1])
    said = {_truth(word) for word in re.findall(rf"\b{_WORDS_OF_TRUTH}", text, re.IGNORECASE)}
    return said.pop() if len(said) == 1 else None


def stated_tags(text: str, tags: Sequence[str]) -> dict[str, float | None]:
    """Every tag with what the text states of it: a JSON object, in a code fence or not, else `tag: yes`.

    A tag is the whole of a key: what is said of a hot dog is said of no dog.
    """
    asked = [tag.casefold() for tag in tags]
    told = _as_object(text)
    told = _in_words(text) if told is None else _within(told, asked)
    return {tag: _truth(told.get(key)) for tag, key in zip(tags, asked, strict=True)}


def schema_of(tags: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of an answer that says yes or no to every tag."""
    return {
        "type": "object",
        "properties": {tag: {"type": "boolean"} for tag in tags},
        "required": list(tags),
        "additionalProperties": False,
    }


def _odds_at(place: TokenOdds) -> Odds:
    yes = sum(math.exp(logprob) for token, logprob in place.likeliest if _begins(token, "yes"))
    no = sum(math.exp(logprob) for token, logprob in place.likeliest if _begins(token, "no"))
    mass = yes + no
    return Odds(yes / mass if mass else 0.0, mass)


def _begins(token: str, word: str) -> bool:
    bare = token.strip(_MARKS).casefold()
    return bool(bare) and word.startswith(bare)


def _as_object(text: str) -> Mapping[str, Any] | None:
    """The outermost JSON object in the text, its keys in lower case; None where there is none."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        told = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    return _keyed(told)


def _within(told: Mapping[str, Any], asked: Sequence[str]) -> Mapping[str, Any]:
    """The object itself, or the one that it wraps under a name that was not asked for."""
    while len(told) == 1 and not told.keys() & set(asked):
        (inner,) = told.values()
        if not isinstance(inner, dict):
            break
        told = _keyed(inner)
    return told


def _keyed(told: Mapping[str, Any]) -> dict[str, Any]:
    return {" ".join(key.split()).casefold(): value for key, value in told.items()}


def _truth(value: object) -> float | None:
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, (int, float)) and 0 <= value <= 1:
        return float(value)
    if isinstance(value, str):
        word = value.strip(_MARKS).casefold()
        return 1.0 if word in _YES else 0.0 if word in _NO else None
    return None


def _in_words(text: str) -> dict[str, str]:
    """Each `key: yes`, keys in lower case: a key begins with its line, or after the answer before it."""
    told: dict[str, str] = {}
    end = 0
    for answer in _AN_ANSWER.finditer(text):
        line = text.rfind("\n", end, answer.start()) + 1
        key = text[line or end : answer.start()]
        if end and not line:
            key = _AFTER_AN_ANSWER.sub("", key, count=1)
        key = _BEFORE_A_KEY.sub("", key, count=1).strip().strip(_QUOTES)
        told.setdefault(key.casefold(), answer[1])
        end = answer.end()
    return told
