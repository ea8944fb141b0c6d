"""How long a text gets that an operation of a chat template is about to make, told before it makes it.

For what Python does in one step, which no clock can stop. Counts too much rather than too little.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from string import Formatter
from typing import Any

MOST = 20_000_000  # characters; a hundred times what a model reads
_WIDEST = 100_000  # that a number in a template may ask for
_MOST_FIELDS = 10_000  # in a text that others are put into
_PERCENT = re.compile(r"%(?:\([^)]*\))?[-+ #0-9.*]*")
_NUMBER = re.compile("[0-9]+")


def of(value: object) -> int:
    """Characters of a text; items of a list."""
    return len(value) if isinstance(value, (str, bytes, list, tuple)) else 0


def written(value: object) -> int:
    """Characters of what is written for it, with all that it holds; more than MOST is not counted out."""
    length, left = 0, [value]
    while left and length <= MOST:
        each = left.pop()
        length += of(each) + 1
        if isinstance(each, Mapping):
            left.extend(each)
            left.extend(each.values())
        elif isinstance(each, (list, tuple)):
            left.extend(each)
    return length


def called(text: str | bytes, verb: str, given: Sequence[Any]) -> int:
    """Of what a method of a text makes."""
    if verb in ("format", "format_map"):
        return _formatted(str(text), given)
    if verb == "replace":
        return replaced(text, *given[:2])
    if verb == "join":
        return joined(text, *given[:1])
    if verb in ("expandtabs", "translate"):
        return len(text) * (1 + max(map(_asked, given), default=8))
    return len(text) + widest(given)


def widest(given: Iterable[Any]) -> int:
    """The largest number among them; one that no template has a use for counts as too long."""
    number = max((each for each in given if isinstance(each, int)), default=0)
    return MOST + 1 if number > _WIDEST else max(number, 0)


def spread(value: object, given: Iterable[Any]) -> int:
    """Of what puts something before each line or item."""
    return written(value) * (1 + max(map(_asked, given), default=8))


def replaced(text: Any, old: Any = "", new: Any = "") -> int:
    """Of a text with one thing put for another."""
    if isinstance(text, str) and isinstance(old, str):
        return len(text) + text.count(old) * of(new)
    return written(text) * (1 + of(new))


def joined(between: object, parts: object = ()) -> int:
    """Of the parts with a text between each two."""
    return written(parts) + of(parts) * of(between)


def percent(text: str, given: object) -> int:
    """Of `text % given`."""
    if text.count("%") > _MOST_FIELDS:
        return MOST + 1
    fields = _PERCENT.findall(text)
    if any("*" in field for field in fields):
        return MOST + 1
    return len(text) + sum(map(_numbers, fields)) + len(fields) * written(given)


def _formatted(text: str, given: Sequence[Any]) -> int:
    if text.count("{") > _MOST_FIELDS:
        return MOST + 1
    forms = [form or "" for _, name, form, _ in Formatter().parse(text) if name is not None]
    if any("{" in form for form in forms):
        return MOST + 1
    return len(text) + sum(map(_numbers, forms)) + len(forms) * written(list(given))


def _numbers(form: str) -> int:
    return sum(int(number) if len(number) < 9 else MOST + 1 for number in _NUMBER.findall(form))


def _asked(given: object) -> int:
    return widest([given]) if isinstance(given, int) else written(given)
