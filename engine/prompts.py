"""Tag lists and questions that a person keeps by name: what may be kept, and how it is written in a field.

A question may as well be asked in a chat.
"""

import time
from collections.abc import Iterable

from engine.chat.texts import printable
from engine.errors import InvalidInput
from engine.events.jobs import SavedPrompt
from engine.trouble import storage_said
from engine.video.tags import read_tags
from storage.prompts import PromptStore
from storage.records import PromptRecord

MAX_NAME = 80  # characters
MAX_PROMPT = 20_000


class SavedPrompts:
    """What is kept. Every verb may be called from any thread."""

    def __init__(self, store: PromptStore) -> None:
        self._store = store

    def all(self) -> list[SavedPrompt]:
        """The tag lists and questions that were saved, by name."""
        return [_saved(record) for record in self._store.all()]

    def save(
        self, name: str, prompt: str = "", tags: str | Iterable[str] = ""
    ) -> tuple[SavedPrompt, SavedPrompt | None]:
        """Keep a question, a tag list or both; gives it, and the one of that name that it replaces.

        Raises: InvalidInput.
        """
        kept = prompt_to_save(name, prompt, tags)
        with storage_said():
            before = self._store.save(PromptRecord(kept.name, kept.tags, kept.prompt, time.time()))
        return kept, _saved(before) if before else None

    def delete(self, name: str) -> SavedPrompt:
        """Forget it; gives how it was. Raises: InvalidInput for a name that is not known."""
        known = self._store.named(checked_name(name))
        with storage_said():
            if known is None or not self._store.delete(known.name):
                raise InvalidInput(f"Nothing is saved under {name!r}; it may have been deleted.")
        return _saved(known)


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


def _saved(record: PromptRecord) -> SavedPrompt:
    return SavedPrompt(record.name, record.tags, record.prompt)
