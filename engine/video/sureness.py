"""How the number that an answer gives for a tag came about: by probabilities, or only said.

Where a model only says yes or no, the number is 1 or 0, by which the tag holds or does not; how sure that is
nobody knows. Backends leave it in the facts of an answer. Knows no backend.
"""

from collections.abc import Mapping, Sequence
from typing import Any


def stated(facts: Mapping[str, Any], tags: Sequence[str]) -> frozenset[str]:
    """The tags of which the model only said yes or no."""
    if facts.get("confidence") == "stated":
        return frozenset(tags)
    return _named(facts.get("stated"), tags)


def doubtful(facts: Mapping[str, Any], tags: Sequence[str]) -> frozenset[str]:
    """The tags at which the model was about to say neither yes nor no, so that its yes is worth little."""
    return _named(facts.get("doubtful"), tags)


def unmeasured(facts: Mapping[str, Any], tags: Sequence[str]) -> frozenset[str]:
    """The tags whose number says whether they hold, and not how sure that is."""
    return stated(facts, tags) | doubtful(facts, tags) if facts else frozenset()


def _named(names: Any, tags: Sequence[str]) -> frozenset[str]:
    listed = names.split(", ") if isinstance(names, str) else names or ()  # a text, before there were lists
    return frozenset(listed) & frozenset(tags)
