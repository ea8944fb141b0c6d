"""Analyses as the page and scripts see them: what they would cost, how far they are, what they found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.events.findings import SpanView

JobStatus = Literal[
    "queued",
    "running",
    "paused",
    "cancelling",
    "cancelled",
    "completed",
    "completed_with_errors",
    "failed",
    "interrupted",
]
ENDED: frozenset[str] = frozenset(
    {"completed", "completed_with_errors", "failed", "cancelled", "interrupted"}
)
RESUMABLE: frozenset[str] = frozenset({"paused", "interrupted", "cancelled", "failed"})


@dataclass(frozen=True)
class FrameView:
    """One analysed frame as the page and scripts see it."""

    index: int  # among the frames that are looked at, from 0
    time: float  # seconds
    state: str  # answered, reused, failed, unparsed
    tags: Mapping[str, float | None]  # every one that was asked: how likely it is, in [0, 1]; None: unknown
    caption: str
    facts: Mapping[str, Any]  # what the built-in model measured, by its names
    error: str  # why it failed; empty where it did not
    thumbnail: str  # URL below the server's root; empty when there is no picture
    raw: str = ""  # what a server's model wrote of the tags, word by word


@dataclass(frozen=True)
class JobView:
    """One job as the page and scripts see it."""

    job_id: str
    video: str  # file name, for the person
    status: JobStatus
    reason: str  # why it is paused: user, model, disk, database, server; `summary`: it has all but that
    provider: str
    model: str
    frames_done: int
    frames_total: int
    progress: float  # frames done over frames planned, in [0, 1]
    eta_seconds: float | None  # None: unknown
    frames_per_second: float | None
    latest: FrameView | None
    error: str
    tags: tuple[str, ...] = ()  # what was asked
    prompt: str = ""
    created_at: float = 0.0  # seconds since 1970
    duration: float = 0.0  # of the video, in seconds; 0: unknown
    writing: float | None = None  # how much of the summary is, while it is being written
    lacks_summary: bool = False  # it could not be written; resumed, the job tries that again, no frame
    can_narrow: bool = False  # its threshold was moved; resumed, the job narrows starts and ends for that


@dataclass(frozen=True)
class AnalysisPlan:
    """What an analysis would cost, before it is started."""

    frames: int  # 0: not known before it runs
    interval: float  # seconds between frames, after widening
    seconds: float | None  # None: there is no earlier run to go by
    based_on: int  # earlier runs of the same shape
    at_least: bool = False  # the frames: more come where the video says so
    reuse: float | None = None  # per cent of change up to which a frame costs no question
    extra_per_span: int = 0  # questions that narrow its start and its end, at most
    extra_is_about: bool = False  # that may be more where pictures follow each other faster than on average
    # Of a server for all these frames, or for one where their number is not known; 0: the model is here.
    requests: int = 0
    tokens: int = 0  # about, those that are read and those that are written
    summary: bool = False  # is asked; it takes its own time, after the frames
    summary_requests: int = 0  # of a server, on top of the others, about; 0: unknown, or the model is here
    summary_tokens: int = 0


@dataclass(frozen=True)
class JobResult:
    """Everything that is known of one job."""

    job: JobView
    frames: tuple[FrameView, ...]
    spans: tuple[SpanView, ...]
    summary: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SavedPrompt:
    """A tag list and a question that a person keeps by name; one of the two may be empty."""

    name: str
    tags: tuple[str, ...]
    prompt: str
