"""How answers become spans: threshold, gap and minimum, for all tags or for one. Typed, with bounds.

A length is in seconds, or in per cent of the video. Knows nothing of where settings are kept.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from engine.bounds import named, number, refuse_unknown
from engine.errors import BadSetting, InvalidInput, Name

LONGEST = 1e6  # seconds
RULES = ("threshold", "max_gap", "min_duration")
_WRITTEN = re.compile(r"\s*([0-9.,e+-]+)\s*(s|%)?\s*")


@dataclass(frozen=True)
class Length:
    """A length of time: seconds, or per cent of the video."""

    amount: float = 0.0
    percent: bool = False

    @classmethod
    def of(cls, name: str, value: object) -> Self:
        """From a number of seconds, or a text such as "2 s" or "1.5 %". Raises: InvalidInput, naming it."""
        percent = False
        if isinstance(value, str):
            written = _WRITTEN.fullmatch(value)
            try:
                value = float(written[1].replace(",", ".")) if written else None
            except ValueError:
                value = None
            if written is None or value is None:
                raise BadSetting(Name(name), ' must be seconds, as in 2 or "2 s", or a share, as in "1.5 %".')
            percent = written[2] == "%"
        if percent:
            return cls(number(name, value, 0, 100, " in per cent"), True)
        return cls(number(name, value, 0, LONGEST))

    def in_us(self, duration_us: int) -> int:
        """Microseconds in a video of that length; a share of an unknown length (0) is nothing."""
        return round(duration_us * self.amount / 100 if self.percent else self.amount * 1_000_000)

    def plain(self) -> float | str:
        """As `of` reads it."""
        return f"{repr(self.amount).removesuffix('.0')} %" if self.percent else self.amount


@dataclass(frozen=True)
class SpanRule:
    """How the spans of one tag are made of its answers."""

    threshold: float = 0.5  # probability of yes from which a frame is a hit
    max_gap: Length = Length()  # spans no further apart are one
    min_duration: Length = Length()  # what is shorter is dropped

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """A copy with `changes`, as `SpanSettings` takes them. Raises: InvalidInput."""
        refuse_unknown("Making spans", changes, RULES)
        return type(self)(
            number("threshold", changes.get("threshold", self.threshold), 0, 1),
            Length.of("max_gap", changes.get("max_gap", self.max_gap.plain())),
            Length.of("min_duration", changes.get("min_duration", self.min_duration.plain())),
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "threshold": self.threshold,
            "max_gap": self.max_gap.plain(),
            "min_duration": self.min_duration.plain(),
        }


@dataclass(frozen=True)
class SpanSettings:
    """The rule for all tags, and what is different for some of them."""

    everywhere: SpanRule = SpanRule()
    tags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # only what differs

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `as_dict`."""
        rule = SpanRule().changed({name: value for name, value in data.items() if name in RULES})
        return cls(rule, data.get("tags", {}))

    def rule(self, tag: str) -> SpanRule:
        """The one that holds for a tag."""
        return self.everywhere.changed(self.tags.get(tag, {}))

    def changed(self, changes: object, known: Iterable[str]) -> Self:
        """A copy with some of `threshold`, `max_gap`, `min_duration`, and `tags`: the same by tag.

        For a tag, None in place of a value, or of all its values, gives it back to the rule for all.
        Raises: InvalidInput for a name that is not known, a tag that is not in `known`, a bad value.
        """
        given = named("Span settings", changes)
        refuse_unknown("Making spans", given, (*RULES, "tags"))
        tags = dict(self.tags)
        known = tuple(known)
        for tag, rule in named("The tags of span settings", given.pop("tags", None)).items():
            if tag not in known:
                raise InvalidInput(
                    f"{tag!r:.80} was not asked for. The tags are: {', '.join(known) or 'none'}."
                )
            tags[tag] = _merged(tags.get(tag, {}), rule)
        return type(self)(self.everywhere.changed(given), {tag: rule for tag, rule in tags.items() if rule})

    @property
    def lowest(self) -> float:
        """The lowest threshold of any tag."""
        own = (rule["threshold"] for rule in self.tags.values() if "threshold" in rule)
        return min([self.everywhere.threshold, *own])

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**self.everywhere.as_dict(), "tags": {tag: dict(rule) for tag, rule in self.tags.items()}}


def _merged(old: Mapping[str, Any], changes: object) -> dict[str, Any]:
    if changes is None:
        return {}
    given = named("The span settings of a tag", changes)
    wanted = {**old, **given}
    kept = {name: value for name, value in wanted.items() if value is not None}
    checked = SpanRule().changed(kept).as_dict()
    return {name: checked[name] for name in kept}
