"""The library as the page and scripts see it: frozen dataclasses, plain data, no behaviour."""

from dataclasses import dataclass, field
from typing import Any

from engine.events.jobs import JobView

STATES = ("new", "queued", "done", "bad", "gone")


@dataclass(frozen=True)
class FolderView:
    """A watched folder, or a single file that was added."""

    folder_id: int
    folder: str  # its path on this machine
    recursive: bool
    pattern: str  # empty: the usual endings of videos
    asked: dict[str, Any]  # tags, prompt, interval, options
    looking: bool  # it is being looked through now
    looked: bool  # it has been looked through since Haven was started
    trouble: str  # why it cannot be looked through, or why its videos cannot be analysed now
    files: dict[str, int] = field(default_factory=dict)  # how many there are in each of STATES
    requests_per_frame: int = 0  # to the server whose model serves now; 0: the model is on this machine
    tokens_per_frame: int = 0  # about


@dataclass(frozen=True)
class FileView:
    """A video of a watched folder."""

    file_id: int
    folder_id: int
    video: str  # name of the file
    place: str  # its path on this machine
    size: int  # bytes
    state: str  # one of STATES
    reason: str  # why it was set aside, or what is worth knowing
    length: float  # seconds; 0: unknown
    found: tuple[str, ...]  # the tags that hold somewhere in it
    job: JobView | None  # the analysis, where there is one


@dataclass(frozen=True)
class FilesPage:
    """Some of the files, and how many there are of this kind."""

    total: int
    offset: int
    files: tuple[FileView, ...]


@dataclass(frozen=True)
class QueueView:
    """The jobs that run and wait, whoever asked for them."""

    held: bool  # files of the library are not queued until all is resumed
    running: int
    waiting: int
    paused: int
    interrupted: int
    jobs: tuple[JobView, ...]  # that which runs, then those that wait, in their order; not always all of them


@dataclass(frozen=True)
class DiskUse:
    """Bytes on the disk that holds the data folder."""

    thumbnails: int
    uploads: int
    previews: int
    free: int
