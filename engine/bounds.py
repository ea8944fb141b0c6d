"""What somebody gives, held against what it may be. A message names the thing, the value and the bounds."""

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from engine.errors import BadSetting, InvalidInput, Name

_BEYOND_READING = 1e300  # a larger whole number may not even be a float, and no message has room for it


def number(name: str, value: object, low: float, high: float, meaning: str = "") -> float:
    """`value` as a finite float within [low, high].

    Raises:
        BadSetting: it is no number, or out of bounds; named by `name`, with its `meaning` behind that.
    """
    if not _is_finite(value):
        raise BadSetting(
            Name(name), f"{meaning} must be a number from {low:g} to {high:g}, not {value!r:.80}."
        )
    if not low <= value <= high:
        shown = f"{value:g}" if abs(value) <= _BEYOND_READING else f"one beyond {_BEYOND_READING:g}"
        raise BadSetting(Name(name), f"{meaning} must be from {low:g} to {high:g}, not {shown}.")
    return float(value)


def _is_finite(value: object) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, int) or math.isfinite(value)  # an int may be too large to become a float


def whole(name: str, value: object, low: int, high: int) -> int:
    """`value` as an int within [low, high]; a float without a fraction counts. Raises: BadSetting."""
    as_float = number(name, value, low, high)
    if not as_float.is_integer():
        raise BadSetting(Name(name), f" must be a whole number, not {value!r:.80}.")
    return int(as_float)


def truth(name: str, value: object) -> bool:
    """`value`, which is true or false. Raises: BadSetting."""
    if not isinstance(value, bool):
        raise BadSetting(Name(name), f" must be true or false, not {value!r:.80}.")
    return value


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
