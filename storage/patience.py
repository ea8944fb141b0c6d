"""How long a change waits for another program that holds the database: by who waits for the change.

What runs by itself can wait. A person who pressed something cannot, nor may anybody whom that person has to
wait for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LONG_SECONDS = 30.0
SHORT_SECONDS = 2.0

_told_soon = ContextVar("told_soon", default=False)


@contextmanager
def told_soon() -> Iterator[None]:
    """What this thread changes meanwhile waits SHORT_SECONDS only, then it is refused."""
    before = _told_soon.set(True)
    try:
        yield
    finally:
        _told_soon.reset(before)


def seconds() -> float:
    """What a change that this thread asks for now may wait."""
    return SHORT_SECONDS if _told_soon.get() else LONG_SECONDS
