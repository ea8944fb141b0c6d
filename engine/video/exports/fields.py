"""What a file says in one place, held against what belongs there; the message names the place.

Each takes the value and `at`, the names that lead to it, with points between. Raises: InvalidInput.
"""

from collections.abc import Mapping
from typing import Any

from engine.errors import InvalidInput

MOST_SECONDS = 3_200_000_000.0  # a hundred years
_NUMBERS = (float, int)  # of JSON; true and false are none


def needed(described: Mapping[str, Any], key: str, at: str) -> Any:
    if key not in described:
        raise InvalidInput(f"{at}{key} is missing.")
    return described[key]


def as_mapping(value: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{at} must be an object with names, not {value!r:.40}.")
    return value


def as_list(value: Any, at: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidInput(f"{at} must be a list, not {value!r:.40}.")
    return value


def as_name(value: Any, at: str) -> str:
    if value is not None and not isinstance(value, str):
        raise InvalidInput(f"{at} must be a text, not {value!r:.40}.")
    return value or ""


def as_seconds(value: Any, at: str) -> float:
    if type(value) not in _NUMBERS:
        raise InvalidInput(f"{at} must be a number of seconds, not {value!r:.40}.")
    if not 0 <= value <= MOST_SECONDS:
        raise InvalidInput(f"{at} is {value!r:.40}; it must lie between 0 and {MOST_SECONDS:g} seconds.")
    return float(value)


def as_probability(value: Any, at: str) -> float | None:
    if value is None:
        return None
    if type(value) not in _NUMBERS:
        raise InvalidInput(f"{at} must be a number from 0 to 1, not {value!r:.40}.")
    if not 0 <= value <= 1:
        raise InvalidInput(f"{at} is {value!r:.40}; it must lie between 0 and 1.")
    return float(value)
