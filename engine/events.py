"""Everything that a stream can yield: frozen dataclasses, plain data, no behaviour.

Times are integers of microseconds inside the engine (`..._us`); the views that the page and scripts get
have seconds as floats, because that is what people and players read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.backends.base import Frame, FrameAnswer

SwitchPhase = Literal[
    "waiting", "validating", "closing", "loading", "warming", "restoring", "done", "failed", "cancelled"
]
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
DownloadState = Literal["waiting", "downloading", "partial", "completed", "failed"]
RESUMABLE: frozenset[str] = frozenset({"paused", "interrupted", "cancelled", "failed"})


@dataclass(frozen=True)
class SwitchProgress:
    """One step of a model switch; `progress` is a true share of the work in [0, 1]."""

    phase: SwitchPhase
    progress: float
    message: str


@dataclass(frozen=True)
class SwitchFinished(SwitchProgress):
    """The last step. `provider` and `model` are what serves now, whether or not the switch succeeded."""

    success: bool
    provider: str
    model: str
    seconds: float
    interruption_seconds: float  # time in which no request could start


@dataclass(frozen=True)
class Status:
    """What serves now."""

    state: Literal["ready", "loading"]
    provider: str
    model: str
    vision: bool
    memory_bytes: int
    generation: int  # counts the flips: the same number means the same loaded model
    busy: tuple[str, ...]  # what is running on it, for the person
    last_error: str  # why the last switch failed; empty after one that succeeded


@dataclass(frozen=True)
class ProviderStatus:
    """One line of the provider dropdown."""

    id: str
    label: str
    available: bool
    reason: str  # why not; empty when available


@dataclass(frozen=True)
class Fit:
    """Whether a model fits into memory."""

    fits: bool = True
    said: str = ""  # a sentence: what is closed for it, or why it does not fit; empty when it fits as it is


@dataclass(frozen=True)
class ModelOffer:
    """A model that is worth getting, and whether this machine could take it."""

    id: str  # stays the same from version to version
    label: str  # for the person, such as "SmolVLM2 500M"
    provider: str  # that loads it: llamacpp or transformers
    repo: str  # owner/name on the Hugging Face Hub
    revision: str
    files: tuple[str, ...]  # names, or patterns with *
    vision: bool
    download_bytes: int  # about; the true size is asked of the hub when a download starts
    memory_bytes: int  # about what a loaded model and its context take
    licence: str
    licence_url: str
    about: str  # one line
    here: bool  # whole on this machine already, on the shelf or in the Hugging Face cache
    fits: Fit  # into the memory that is free now


@dataclass(frozen=True)
class DownloadView:
    """How far a download is. One that was stopped is `partial`: the next start goes on from there."""

    id: str  # that of its offer, or "ollama:<name>" for a model that an Ollama server pulls
    state: DownloadState
    done_bytes: int
    total_bytes: int  # 0: not known yet
    bytes_per_second: float | None  # of the last seconds; None: unknown, or it stands still
    eta_seconds: float | None  # None: unknown
    message: str  # for the person: what is done now, or why it stopped
    progress: float | None = None  # share of it in [0, 1]; a pull knows no more than this; None: unknown


@dataclass(frozen=True, eq=False)
class FrameRead:
    """A frame and what the model said of it."""

    frame: Frame
    answer: FrameAnswer
    seconds: float  # that the model took


@dataclass(frozen=True)
class FrameLost:
    """A sample that could not be decoded."""

    index: int
    time_us: int
    error: str


@dataclass(frozen=True)
class AnalysisEnded:
    """The last event of an analysis that was not cancelled."""

    frames_read: int
    frames_lost: int


@dataclass(frozen=True)
class FrameView:
    """One analysed frame as the page and scripts see it."""

    index: int
    time: float  # seconds
    state: str
    tags: Mapping[str, float | None]
    caption: str
    facts: Mapping[str, Any]
    error: str
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


@dataclass(frozen=True)
class SpanView:
    """A stretch of time in which a tag holds; seconds, half-open."""

    tag: str
    start: float
    end: float
    confidence: float | None
    hits: int
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


@dataclass(frozen=True)
class SearchHit:
    """Where something that was searched for is."""

    job_id: str
    video: str  # file name, for the person
    kind: Literal["tag", "caption"]
    text: str  # the tag, or the caption
    start: float  # seconds
    end: float | None  # None: a single frame
    confidence: float | None
    thumbnail: str  # URL below the server's root; empty when there is no picture


@dataclass(frozen=True)
class JobResult:
    """Everything that is known of one job."""

    job: JobView
    frames: tuple[FrameView, ...]
    spans: tuple[SpanView, ...]
    summary: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ServerView:
    """An OpenAI-compatible server that somebody named. Its key is not among it."""

    name: str
    base_url: str
    has_key: bool
    named_by: Literal["page", "environment"]


@dataclass(frozen=True)
class ServersView:
    """The servers that models may come from."""

    openai: tuple[ServerView, ...]
    ollama: str  # the address that was named on the page; empty: the usual one counts
    usual_ollama: str  # what OLLAMA_HOST says, else this machine's
    no_keyring: str  # why no key can be kept here, and what to do instead; empty where one can


@dataclass(frozen=True)
class SavedPrompt:
    """A tag list and a question that a person keeps by name; one of the two may be empty."""

    name: str
    tags: tuple[str, ...]
    prompt: str


@dataclass(frozen=True)
class ChatUpdate:
    """How far an answer is: `text` is all of it so far."""

    session_id: str
    text: str
    done: bool
    finish_reason: str  # stop, length, cancelled, error; empty while it is written
    usage: Mapping[str, Any]
    notice: str  # what was left out of the context, or why there is no answer


@dataclass(frozen=True)
class SessionView:
    """One conversation in the list."""

    session_id: str
    title: str
    created_at: float  # seconds since 1970
    updated_at: float


@dataclass(frozen=True)
class MessageView:
    """One message as the page and scripts see it."""

    message_id: int
    role: str
    text: str
    images: tuple[str, ...]  # URLs below the server's root
    state: str  # answering, done, stopped, failed
    error: str
    notice: str
    provider: str
    model: str
    settings: Mapping[str, Any]
    finish_reason: str
    usage: Mapping[str, Any]
    created_at: float


@dataclass(frozen=True)
class Conversation:
    """A session with all that was said in it."""

    session: SessionView
    messages: tuple[MessageView, ...]
