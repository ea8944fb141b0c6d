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
    tag_details: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # category and description
    summarise: bool = False  # a summary was asked for
    summary: str = ""  # empty until it is written
    queue_place: float = 0.0  # waiting jobs run in this order; at first the time when they were made
    from_library: bool = False  # made for a watched folder, and not by a person


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
class CorrectionRecord:
    """What a person said about one span of a tag: where it was, and where it is; microseconds.

    Without the old times a span was added, without the new ones one was deleted.
    """

    video_sha256: str
    tag: str
    old_start_us: int | None
    old_end_us: int | None
    new_start_us: int | None
    new_end_us: int | None
    made_at: float  # seconds since 1970
    id: int = 0  # given by the store, in the order of making


@dataclass(frozen=True)
class CaptionHit:
    """A caption that was searched for."""

    job_id: str
    time_us: int
    caption: str
    has_picture: bool


@dataclass(frozen=True)
class TagHit:
    """A tag that was searched for, in a job; `peak` is the highest probability of yes of any frame."""

    job_id: str
    tag: str
    peak: float


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


@dataclass(frozen=True)
class LibraryFolderRecord:
    """A folder that is looked through again and again, or a single file, and what is asked of its videos."""

    id: int
    path: str
    recursive: bool
    pattern: str  # several are separated by spaces: *.mp4 *.mov
    asked: Mapping[str, Any]  # tags, prompt, interval and options, as they were asked for
    created_at: float  # seconds since 1970


@dataclass(frozen=True)
class LibraryFileRecord:
    """A file in a watched folder as it was seen last, and what became of it."""

    id: int
    folder_id: int
    path: str
    name: str
    size: int  # bytes
    mtime_ns: int
    seen_at: float  # since when it is as it is, seconds since 1970; to come, where it is put off until then
    sha256: str  # empty until it was made
    state: str  # new, queued (it has a job), done, bad, gone
    reason: str
    job_id: str
    duration_us: int
    found: tuple[str, ...]  # the tags that hold somewhere in it
    changed_ns: int = 0  # when the system last changed anything about it; 0: nobody looked
