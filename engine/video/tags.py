"""What is asked of a frame: reading a tag list as people write it, and putting a tag as a question.

A tag list is a set of independent yes/no questions: any number may hold at once. Knows no model.
"""

import csv
from collections.abc import Iterable, Mapping

from engine.errors import InvalidInput
from engine.settings import MAX_TAGS

MAX_TAG_LENGTH = 200  # characters


def parse_tags(text: str | Iterable[str]) -> tuple[str, ...]:
    """The tags of a comma- or line-separated list, or of a list of texts, in order and each once.

    A tag that holds a comma stands in double quotes, as in CSV: `boat, "red, round sign"`. Two tags that
    differ in case or spacing only are one.

    Raises:
        InvalidInput: neither a text nor a list of texts, more than `MAX_TAGS` tags, or one longer than
            `MAX_TAG_LENGTH` characters.
    """
    if isinstance(text, (Mapping, bytes)) or not isinstance(text, Iterable):
        raise InvalidInput(f"The tags must be a text or a list of texts, not {text!r:.80}.")
    found: dict[str, str] = {}
    for item in _split(text) if isinstance(text, str) else text:
        if not isinstance(item, str):
            raise InvalidInput(f"A tag must be a text, not {item!r}.")
        tag = " ".join(item.split())
        if len(tag) > MAX_TAG_LENGTH:
            raise InvalidInput(
                f"The tag {tag[:40]!r}… has {len(tag)} characters; {MAX_TAG_LENGTH} is the most."
            )
        if tag:
            found.setdefault(tag.casefold(), tag)
    if len(found) > MAX_TAGS:
        raise InvalidInput(f"{len(found)} tags are too many; {MAX_TAGS} is the most for one analysis.")
    return tuple(found.values())


def question(tag: str) -> str:
    """The yes/no question that a language model is asked about one tag."""
    return f"Is there {tag} in this picture? Answer yes or no."


def _split(text: str) -> Iterable[str]:
    lines = text.replace("\r", "\n").split("\n")
    try:
        for row in csv.reader(lines, skipinitialspace=True):
            yield from row
    except csv.Error as error:  # a field beyond what the reader takes, which no tag may come near
        raise InvalidInput(
            f"The tag list cannot be read ({error}). A tag has at most {MAX_TAG_LENGTH} characters; "
            "put a comma between two."
        ) from error
