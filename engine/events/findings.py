"""What was found in videos: stretches of time, and hits of a search. Times are seconds as floats."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class SpanView:
    """A stretch of time in which a tag holds; seconds, half-open."""

    tag: str
    start: float
    end: float
    confidence: float | None  # the mean over its hits, in [0, 1]; None where it is known of none
    hits: int  # frames in which the tag holds
    corrected: bool = False  # by a person


@dataclass(frozen=True)
class LookedView:
    """A stretch of time that was looked at; seconds, half-open. What lies between two was not."""

    start: float
    end: float
    answered: bool  # False: in vain


@dataclass(frozen=True)
class SpansView:
    """The spans of a job, how they were made, and what was looked at."""

    job_id: str
    duration: float  # of the video, in seconds
    tags: tuple[str, ...]
    settings: Mapping[str, Any]  # threshold, max_gap, min_duration; tags: what differs for some
    spans: tuple[SpanView, ...]
    totals: Mapping[str, Mapping[str, float]]  # by tag: seconds, spans, hits
    looked: tuple[LookedView, ...]
    corrections: int  # that were made in this video
    # The same by tag, of those alone of which some answers do not say whether they hold.
    looked_for: Mapping[str, tuple[LookedView, ...]] = field(default_factory=dict)
    exact_for: Mapping[str, float] = field(default_factory=dict)  # by tag: threshold, narrowed to one frame
    # By tag, where its threshold is that one: starts and ends of which that could not be found out.
    not_narrowed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SearchHit:
    """Where something that was searched for is."""

    job_id: str
    video: str  # file name, for the person
    kind: Literal["tag", "caption"]
    text: str  # the tag, or the caption
    start: float  # seconds
    end: float | None  # None: a single frame
    confidence: float | None  # as that of a span; None as well for a caption
    thumbnail: str  # URL below the server's root; empty when there is no picture
