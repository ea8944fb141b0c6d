"""What an export is made of: the result of a job, and what the formats have to know of its video.

Times are integers of microseconds here; every format rounds them once, to what it can hold. Knows no format.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from engine.events.jobs import JobResult

CATEGORY = "tags"  # of a tag that was asked without one
THRESHOLD = 0.5
_NOT_TEXT = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of pairs, ends of lines and paragraphs


@dataclass(frozen=True)
class Stretch:
    """A time in which a tag holds, from `start_us` up to, and not including, `end_us`."""

    category: str
    tag: str
    start_us: int
    end_us: int
    confidence: float | None
    hits: int
    corrected: bool  # by a person: its times are not the model's


@dataclass(frozen=True)
class Spoken:
    """What the model said of a frame, and how long that stands."""

    text: str
    start_us: int
    end_us: int


@dataclass(frozen=True)
class Material:
    """All that is known of one job."""

    result: JobResult
    video: Path  # where the file is
    interval_us: int  # from one sample to the next
    uploaded: bool = False  # the file lies in the data folder, under a name that nobody knows
    rate: Fraction | None = None  # pictures a second; None: unknown, or not asked for
    thresholds: Mapping[str, float] = field(default_factory=dict)  # tag -> the confidence from which it holds
    categories: Mapping[str, str] = field(default_factory=dict)  # tag -> category, where it has one
    asked: Mapping[str, Any] = field(default_factory=dict)  # what was asked of what, and how: plain JSON

    @property
    def name(self) -> str:
        """The video's name as the person knows it, on one line."""
        return one_line(self.result.job.video)

    @property
    def duration_us(self) -> int:
        """Of the video; where it is unknown, up to the end of what was found."""
        known = microseconds(self.result.job.duration)
        return known or max((s.end_us for s in self.stretches()), default=0)

    def category(self, tag: str) -> str:
        return self.categories.get(tag) or CATEGORY

    def threshold(self, tag: str) -> float:
        return self.thresholds.get(tag, THRESHOLD)

    def stretches(self) -> list[Stretch]:
        """The spans in the order of time; those that begin together in the order of the tags."""
        places = {tag: place for place, tag in enumerate(self.result.job.tags)}
        found = [
            Stretch(
                self.category(span.tag),
                span.tag,
                microseconds(span.start),
                microseconds(span.end),
                span.confidence,
                span.hits,
                span.corrected,
            )
            for span in self.result.spans
        ]
        return sorted(found, key=lambda s: (s.start_us, places.get(s.tag, len(places)), s.end_us))

    def spoken(self) -> list[Spoken]:
        """The captions in the order of time; each stands until the next frame."""
        frames = self.result.frames
        end_us = microseconds(self.result.job.duration)
        spoken = []
        for place, frame in enumerate(frames):
            start_us = microseconds(frame.time)
            if place + 1 < len(frames):
                until_us = microseconds(frames[place + 1].time)
            else:
                until_us = start_us + self.interval_us
                until_us = min(until_us, end_us) if end_us else until_us
            if frame.caption.strip():
                spoken.append(Spoken(frame.caption, start_us, max(until_us, start_us + 1)))
        return spoken


def microseconds(seconds: float) -> int:
    """Of a time as the views have it: exact, since they hold microseconds over a million."""
    return round(seconds * 1_000_000)


def rounded(time_us: int, unit: Fraction | int) -> int:
    """A time in whole units of which there are `unit` in a second, rounded once, halves upwards."""
    whole, part = unit.numerator, unit.denominator  # in integers: a long video has many times
    return (2 * time_us * whole + 1_000_000 * part) // (2_000_000 * part)


def one_line(text: str) -> str:
    """A text without line breaks and control characters, its spaces single."""
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(c) in _NOT_TEXT else c for c in text)
    return " ".join(text.split())
