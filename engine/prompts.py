"""Tag lists and questions that a person keeps by name: what may be kept, and how it is written in a field.

A question may as well be asked in a chat. Knows nothing of where they are kept.
"""

from collections.abc import Iterable

from engine.chat.texts import printable
from engine.errors import InvalidInput
from engine.events import SavedPrompt
from engine.video.tags import read_tags

MAX_NAME = 80  # characters
MAX_PROMPT = 20_000


def prompt_to_save(name: str, prompt: str, tags: str | Iterable[str]) -> SavedPrompt:
    """From what people and scripts write. Raises: InvalidInput, naming what is off."""
    if not isinstance(prompt, str) or len(prompt) > MAX_PROMPT:
        raise InvalidInput(f"The question must be a text of at most {MAX_PROMPT:,} characters.")
    kept = SavedPrompt(checked_name(name), _tags(tags), printable(prompt).strip())
    if not kept.tags and not kept.prompt:
        raise InvalidInput("There is nothing to save: write tags or a question first.")
    return kept


def checked_name(name: str) -> str:
    """On one line, without blanks around it. Raises: InvalidInput."""
    said = printable(" ".join(name.split())) if isinstance(name, str) else ""
    if not said or len(said) > MAX_NAME:
        raise InvalidInput(f"Give it a name of at most {MAX_NAME} characters.")
    return said


def tags_text(tags: Iterable[str]) -> str:
    """As a person would write the list; `read_tags` reads it back."""
    return ", ".join(tag.written for tag in read_tags(tags))


def _tags(written: str | Iterable[str]) -> tuple[str, ...]:
    """Each as a text that is read as this tag alone: a name, or a name with what is known of it."""
    return tuple(filter(None, (printable(tag.alone) for tag in read_tags(written))))
