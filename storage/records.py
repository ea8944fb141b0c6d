"""The plain frozen records that storage hands out. No peewee instance leaves this package."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class JobRecord:
    """One analysis of one video: what was asked, of which model, and how far it is."""

    id: str
    status: str
    video_path: str  # where the file is now
    video_name: str  # how the person knows it
    video_size: int  # bytes
    video_mtime_ns: int
    provider: str
    model: str
    digest: str
    load_options: Mapping[str, Any]
    tags: tuple[str, ...]
    prompt: str
    prompt_sha256: str  # of tags and prompt together: what makes two runs comparable
    sampling: Mapping[str, Any]
    frames_total: int  # planned
    created_at: float  # seconds since 1970
    codes: bool = False
    uploaded: bool = False  # the file is ours, in the data folder, and goes with its last job
    video_sha256: str = ""  # empty until it was made
    duration_us: int = 0
    frames_done: int = 0
    frames_failed: int = 0
    cursor_us: int | None = None  # time of the last frame that was kept
    compute_seconds: float = 0.0  # spent on the frames done, over all runs of this job
    started_at: float | None = None
    ended_at: float | None = None
    reason: str = ""
    error: str = ""


@dataclass(frozen=True)
class FrameRecord:
    """What was kept of one analysed frame."""

    job_id: str
    index: int
    time_us: int
    state: str
    tags: Mapping[str, float | None] = field(default_factory=dict)
    caption: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    raw: str = ""
    has_picture: bool = True  # False: it could not be decoded, so there is no thumbnail


@dataclass(frozen=True)
class SessionRecord:
    """One conversation. Deleted ones stay until they are purged, so that a deletion can be undone."""

    id: str
    title: str
    created_at: float  # seconds since 1970
    updated_at: float
    deleted_at: float | None = None


@dataclass(frozen=True)
class PromptRecord:
    """A tag list and a question that are kept by name; either may be empty."""

    name: str
    tags: tuple[str, ...]
    prompt: str
    saved_at: float  # seconds since 1970


@dataclass(frozen=True)
class MessageRecord:
    """One message of a conversation; an answer also says which model gave it, how, and what went wrong."""

    session_id: str
    role: str  # user, assistant
    text: str
    created_at: float
    id: int = 0  # given by the store, in the order of the conversation
    images: tuple[str, ...] = ()  # file names in the session's folder
    state: str = "done"  # answering, done, stopped, failed
    error: str = ""
    notice: str = ""  # what was left out of the context, for the person
    provider: str = ""
    model: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    finish_reason: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)
