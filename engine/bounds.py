"""What somebody gives, held against what it may be. A message names the thing, the value and the bounds."""

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from engine.errors import InvalidInput

_BEYOND_READING = 1e300  # a larger whole number may not even be a float, and no message has room for it


def number(name: str, value: object, low: float, high: float) -> float:
    """`value` as a finite float within [low, high].

    Raises:
        InvalidInput: it is no number, or out of bounds; named by `name`.
    """
    if not _is_finite(value):
        raise InvalidInput(f"{name} must be a number from {low:g} to {high:g}, not {value!r:.80}.")
    if not low <= value <= high:
        shown = f"{value:g}" if abs(value) <= _BEYOND_READING else f"one beyond {_BEYOND_READING:g}"
        raise InvalidInput(f"{name} must be from {low:g} to {high:g}, not {shown}.")
    return float(value)


def _is_finite(value: object) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, int) or math.isfinite(value)  # an int may be too large to become a float


def whole(name: str, value: object, low: int, high: int) -> int:
    """`value` as an int within [low, high]; a float without a fraction counts. Raises: InvalidInput."""
    as_float = number(name, value, low, high)
    if not as_float.is_integer():
        raise InvalidInput(f"{name} must be a whole number, not {value!r:.80}.")
    return int(as_float)


def named(what: str, given: object) -> dict[str, Any]:
    """`given` as settings by name; None for none. Raises: InvalidInput for what has no names."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidInput(f"{what} must be given by name, as in {{'name': value}}; not as {given!r:.80}.")
    return dict(given)


def refuse_unknown(what: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Raises: InvalidInput, naming the first key of `given` that is not in `known`."""
    for key in given:
        if key not in known:
            raise InvalidInput(f"{what} has no setting {key!r:.80}. It knows: {', '.join(known)}.")
