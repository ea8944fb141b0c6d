"""Two analyses of the same video, side by side. Times and lengths are seconds as floats."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.events.findings import LookedView, SpanView
from engine.events.jobs import JobView


@dataclass(frozen=True)
class ComparedRun:
    """One of two analyses of a video that are held side by side."""

    job: JobView
    settings: Mapping[str, Any]  # by which its own spans are made
    looked: tuple[LookedView, ...]
    looked_for: Mapping[str, tuple[LookedView, ...]] = field(default_factory=dict)  # as `SpansView` has it


@dataclass(frozen=True)
class ComparedTag:
    """One tag in two analyses. Lengths are in seconds, and add up to the duration of the video."""

    tag: str
    asked: Literal["both", "first", "second"]
    first: tuple[SpanView, ...]  # its spans there
    second: tuple[SpanView, ...]
    both: float
    only_first: float
    only_second: float
    neither: float
    left_out: float  # one of them did not look there, or got no answer: this is no difference
    agreement: float | None  # both and neither as a share of what was compared; None where that is nothing


@dataclass(frozen=True)
class DifferenceView:
    """A stretch in which a tag holds in one analysis and not in the other; seconds, half-open."""

    tag: str
    start: float
    end: float
    only_in: Literal["first", "second"]


@dataclass(frozen=True)
class CaptionPair:
    """What two analyses say of the same moment, or nearly; times in seconds."""

    first_time: float
    first: str
    second_time: float
    second: str


@dataclass(frozen=True)
class ComparisonView:
    """Two analyses of the same video, side by side."""

    first: ComparedRun
    second: ComparedRun
    duration: float  # of the video, in seconds
    agreement: float | None  # over all tags that both were asked
    tags: tuple[ComparedTag, ...]  # of the first, then those of the second alone
    differences: tuple[DifferenceView, ...]  # the longest first
    captions: tuple[CaptionPair, ...]
