"""What people write into a chat, checked: messages and titles. Knows nothing of sessions."""

from collections.abc import Sequence

from engine.errors import InvalidInput

MAX_TEXT = 500_000  # characters of one message
MAX_TITLE = 120


def printable(text: str) -> str:
    """Without control characters, and without half a surrogate pair, which no database can write."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")


def title_of(text: str) -> str:
    """The first words of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_TITLE else line[: MAX_TITLE - 1] + "…"


def checked_text(text: str, images: Sequence[object]) -> str:
    """A message without control characters. Raises: InvalidInput when it is too long, or nothing."""
    if not isinstance(text, str):
        raise InvalidInput(f"A message must be a text, not {text!r}.")
    if len(text) > MAX_TEXT:
        raise InvalidInput(f"The message has {len(text):,} characters; {MAX_TEXT:,} is the most.")
    readable = printable(text)
    if not readable.strip() and not images:
        raise InvalidInput("Write something first.")
    return readable.strip()
