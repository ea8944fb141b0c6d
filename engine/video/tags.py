"""What is asked of a frame: reading a tag list as people write it.

A tag list is a set of independent yes/no questions: any number may hold at once. Between commas or on lines
of their own stand tags, each with a category before it and a description behind it if it has any:

    boat, "red, round sign", animal: dog = "any dog, also partly visible"

What holds a comma stands in double quotes, with `""` for one of them. A category ends with a colon and a
blank, so `12:30` has none; a name in quotes is taken as it is, colons and all. Knows no model: how
one is asked about a tag is in `backends/yesno`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from engine.errors import InvalidInput
from engine.settings import MAX_TAGS

MAX_TAG_LENGTH = 200  # characters, of a name and of a category
MAX_DESCRIPTION = 500  # characters
_ENDS = ",\n"
_CATEGORY = re.compile(r'([^:,="]+):\s+(.+)|([^:,="]+):', re.DOTALL)


@dataclass(frozen=True)
class Tag:
    """One yes/no question about a frame. Answers are kept by `name`."""

    name: str
    category: str = ""
    description: str = ""  # what counts as it; part of the question

    @property
    def written(self) -> str:
        """As a person would write it in a list; it reads back as this tag."""
        category = f"{self.category}: " if self.category else ""
        description = f" = {_quoted(self.description)}" if self.description else ""
        return f"{category}{_guarded(self.name)}{description}"

    @property
    def alone(self) -> str:
        """The same as one of a list of texts: most names need no quotes there."""
        return self.name if read_tags([self.name]) == (self,) else self.written

    @property
    def details(self) -> dict[str, str]:
        """Category and description as plain JSON, what there is of them."""
        known = {"category": self.category, "description": self.description}
        return {name: text for name, text in known.items() if text}


def read_tags(text: str | Iterable[str]) -> tuple[Tag, ...]:
    """The tags of a comma- or line-separated list, or of a list of texts, in order and each once.

    In a list of texts each is one tag, commas and all. Two tags whose names differ in case or spacing only
    are one, the first; answers are kept by the name, so that the same one in two categories is refused.

    Raises:
        InvalidInput: neither a text nor a list of texts, more than `MAX_TAGS` tags, one with a part that is
            longer than it may be, a description without a name, or a name that stands twice, each time with
            another category or description.
    """
    if isinstance(text, (Mapping, bytes)) or not isinstance(text, Iterable):
        raise InvalidInput(f"The tags must be a text or a list of texts, not {text!r:.80}.")
    found: dict[str, Tag] = {}
    for parts in _split(text, _ENDS) if isinstance(text, str) else map(_single, text):
        tag = _tag(parts)
        if tag.name:
            _refuse_another(found.setdefault(tag.name.casefold(), tag), tag)
    if len(found) > MAX_TAGS:
        raise InvalidInput(f"{len(found)} tags are too many; {MAX_TAGS} is the most for one analysis.")
    return tuple(found.values())


def _refuse_another(known: Tag, tag: Tag) -> None:
    """Raises: InvalidInput where two tags of one name are not the same question."""
    if (known.category.casefold(), known.description) != (tag.category.casefold(), tag.description):
        raise InvalidInput(
            f"{tag.name[:40]!r} stands twice, as {known.written:.80} and as {tag.written:.80}. Answers are "
            "kept by the name: leave one out, or give it another name."
        )


def parse_tags(text: str | Iterable[str]) -> tuple[str, ...]:
    """The names of `read_tags` alone. Raises: InvalidInput."""
    return tuple(tag.name for tag in read_tags(text))


def details_of(tags: Iterable[Tag]) -> dict[str, dict[str, str]]:
    """What there is beside the names, by name, as plain JSON; `with_details` reads it back."""
    return {tag.name: tag.details for tag in tags if tag.details}


def with_details(names: Iterable[str], details: Mapping[str, Mapping[str, str]]) -> tuple[Tag, ...]:
    """The tags of these names; `details` may lack any of them, or all."""
    return tuple(Tag(name, **details.get(name, {})) for name in names)


def descriptions_of(tags: Iterable[Tag]) -> dict[str, str]:
    """What counts as each, by name, of those that have a description."""
    return {tag.name: tag.description for tag in tags if tag.description}


@dataclass(frozen=True)
class _Part:
    """A piece of one tag, in double quotes or not."""

    text: str
    quoted: bool = False


def _tag(parts: list[_Part]) -> Tag:
    if not parts:
        return Tag("")
    description, head = "", parts
    described_at = next((at for at in range(1, len(parts)) if _is_description(parts, at)), None)
    if described_at is not None:
        if described_at < len(parts) - 1:
            behind = parts[described_at + 1].text.strip()
            raise InvalidInput(f"Put a comma before {behind[:40]!r}: a description ends a tag.")
        description = parts[-1].text
        head = [*parts[:-2], _Part(_bare(parts[-2])[:-1])]
    category = ""
    if not head[0].quoted and (match := _CATEGORY.fullmatch(head[0].text.strip())):
        rest = head[1:]
        if match[2] or (rest and rest[0].quoted):
            category = match[1] or match[3]
            head = [_Part(match[2] or ""), *rest]
    return _checked(Tag(*map(_on_one_line, ("".join(part.text for part in head), category, description))))


def _is_description(parts: list[_Part], at: int) -> bool:
    return parts[at].quoted and _bare(parts[at - 1]).endswith("=")


def _checked(tag: Tag) -> Tag:
    for text, most in ((tag.name, MAX_TAG_LENGTH), (tag.category, MAX_TAG_LENGTH)):
        if len(text) > most:
            raise InvalidInput(
                f"The tag {text[:40]!r}… has {len(text)} characters; a tag has at most {most} characters. "
                "Put a comma between two."
            )
    if len(tag.description) > MAX_DESCRIPTION:
        raise InvalidInput(
            f"The description of {tag.name[:40]!r} has {len(tag.description)} characters; "
            f"{MAX_DESCRIPTION} is the most."
        )
    if not tag.name and (tag.category or tag.description):
        raise InvalidInput(
            f"{tag.description or tag.category!r:.60} describes no tag: write a name before the =."
        )
    return tag


def _single(item: object) -> list[_Part]:
    """The parts of one text that is one tag, whatever stands in it."""
    if not isinstance(item, str):
        raise InvalidInput(f"A tag must be a text, not {item!r}.")
    parts = next(_split(item, ""))
    in_quotes_throughout = len(parts) < 2 or _is_description(parts, len(parts) - 1)
    return parts if not parts or not parts[0].quoted or in_quotes_throughout else [_Part(item)]


def _split(text: str, ends: str) -> Iterator[list[_Part]]:
    """The parts of each tag. Quotes count at the start, and right behind a colon or an equals sign."""
    text = text.replace("\r", "\n")
    parts: list[_Part] = []
    start = place = 0
    while place < len(text):
        letter = text[place]
        if letter in ends:
            yield _with(parts, text[start:place])
            parts, start = [], place + 1
        elif letter == '"' and _may_open(text[start:place], bool(parts)):
            quoted, closed = _until_closed(text, place + 1)
            parts = [*_with(parts, text[start:place]), _Part(quoted, quoted=True)]
            place = closed
            start = place + 1
        place += 1
    yield _with(parts, text[start:])


def _with(parts: list[_Part], text: str) -> list[_Part]:
    return [*parts, _Part(text)] if text.strip() else parts


def _may_open(before: str, later: bool) -> bool:
    bare = before.strip()
    return bare[-1:] in (":", "=") if bare else not later


def _until_closed(text: str, start: int) -> tuple[str, int]:
    """The text in quotes that begins at `start`, and where the closing one is; it may be missing."""
    pieces = []
    while (end := text.find('"', start)) >= 0 and text[end + 1 : end + 2] == '"':
        pieces.append(text[start : end + 1])
        start = end + 2
    end = len(text) if end < 0 else end
    return "".join([*pieces, text[start:end]]), end


def _bare(part: _Part) -> str:
    return "" if part.quoted else part.text.strip()


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _guarded(text: str) -> str:
    """In quotes where it would otherwise be read as something else."""
    plain = not set(text) & set(f'"{_ENDS}=') and not re.search(r":(\s|$)", text)
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
