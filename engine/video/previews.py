"""Small copies of videos that a browser cannot play: made in the background, kept, one at a time.

A copy is found again by path, size and date of the video; that it is of what lies there now is told by when
the system last changed anything about the video, and where that was since, by its content. How one is made
is the business of `preview_copy`. Knows no jobs and no pages.
"""

import errno
import hashlib
import logging
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.cancel import CancelToken
from engine.errors import Cancelled, HavenError, MediaError
from engine.video.preview_copy import made_of, make_preview

log = logging.getLogger(__name__)

PreviewState = Literal["none", "waiting", "making", "ready", "failed"]
FULL = "The disk is full. Free some space, then choose the video again."
_PART = re.compile(r"[0-9a-f]{32}\.[0-9]+\.part")  # the name of a copy that is being made


@dataclass(frozen=True)
class PreviewView:
    """How far a copy is."""

    state: PreviewState
    progress: float = 0.0  # share of the video's length, in [0, 1]
    message: str = ""  # why there is none


Digest = Callable[[Path, CancelToken], str]  # the SHA-256 of a file, in hex; raises OSError and Cancelled


def sha256_of(video: Path, _cancel: CancelToken) -> str:
    """Read each time, for whoever keeps no digests. Raises: OSError."""
    with video.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(eq=False)
class _Making:
    cancel: CancelToken
    view: PreviewView


class Previews:
    """Makes copies below `folder` on a thread of its own. Every method may be called from any thread."""

    def __init__(self, folder: Path, digest: Digest = sha256_of) -> None:
        self._folder = folder
        self._digest = digest
        self._closing = CancelToken()
        self._lock = threading.Lock()
        self._comparing = threading.Lock()  # while a copy is held against its video, or put in its place
        self._makings: dict[Path, _Making] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="haven-preview")
        self._closed = False

    def start(self) -> None:
        """Remove what a process that was killed had begun; before any copy is begun here.

        Only the one process that owns the data folder ever writes there.
        """
        for place in self._folder.iterdir() if self._folder.is_dir() else ():
            if _PART.fullmatch(place.name):
                _remove(place)

    def begin(self, video: Path) -> PreviewView:
        """Have a copy made, unless there is one or it is being made. Raises: OSError for a missing video."""
        place = self._place(video)
        made = self._shows(place, video)
        with self._lock:
            making = self._makings.get(place)
            busy = making is not None and making.view.state in ("waiting", "making")
            if not (busy or made or self._closed):
                making = self._makings[place] = _Making(CancelToken(), PreviewView("waiting"))
                self._thread.submit(self._make, video, place, making)
        return self.view(video)

    def view(self, video: Path) -> PreviewView:
        """How far the copy of a video is. Raises: OSError for a missing video."""
        place = self._place(video)
        if self._shows(place, video):
            return PreviewView("ready", 1.0)
        with self._lock:
            making = self._makings.get(place)
            return making.view if making is not None and making.view.state != "ready" else PreviewView("none")

    def file(self, video: Path) -> Path | None:
        """The copy, once it is whole. Raises: OSError for a missing video."""
        place = self._place(video)
        return place if self._shows(place, video) else None

    def stop(self, video: Path) -> PreviewView:
        """Make it no longer; what there is of it is thrown away. Raises: OSError for a missing video."""
        place = self._place(video)
        with self._lock:
            making = self._makings.pop(place, None)
        if making is not None:
            making.cancel.cancel("it was stopped")
        return self.view(video)

    def close(self) -> None:
        """Stop what is being made, and wait for it."""
        self._closing.cancel("Haven is closing")
        with self._lock:
            self._closed = True
            for making in self._makings.values():
                making.cancel.cancel("Haven is closing")
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _place(self, video: Path) -> Path:
        status = video.stat()
        named = f"{video.absolute()}\0{status.st_size}\0{status.st_mtime_ns}"
        digest = hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()
        return self._folder / f"{digest[:32]}.mp4"

    def _shows(self, place: Path, video: Path) -> bool:
        """Whether the copy there is one of what lies at `video` now; if not, it goes.

        It is where nothing about the video has changed since. A file may be touched, linked or moved and be
        the same, so that its content tells then. An older Haven wrote no content into a copy: that one has to
        be younger than the last change. Raises: OSError for a missing video.
        """
        changed_ns = video.stat().st_ctime_ns
        if _marked_ns(place) in (None, changed_ns):
            return place.exists()
        with self._comparing:
            marked_ns = _marked_ns(place)
            if marked_ns in (None, changed_ns):  # somebody else has just seen to it
                return marked_ns is not None
            try:
                sha256 = made_of(place)
                same = self._digest(video, self._closing) == sha256 if sha256 else changed_ns < marked_ns
            except Cancelled:
                return False
            if same:
                _mark(place, changed_ns)
            else:
                _remove(place)
            return same

    def _make(self, video: Path, place: Path, making: _Making) -> None:
        def progress(share: float) -> None:
            making.view = PreviewView("making", share)

        part = place.with_suffix(f".{threading.get_native_id()}.part")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            changed_ns, sha256 = video.stat().st_ctime_ns, self._digest(video, making.cancel)
            make_preview(video, part, making.cancel, progress, sha256)
            before_ns, changed_ns = changed_ns, video.stat().st_ctime_ns
            if changed_ns != before_ns and self._digest(video, making.cancel) != sha256:
                raise MediaError(f"{video.name} changed while its copy was made. Choose the video again.")
            with self._comparing:
                part.replace(place)
                _mark(place, changed_ns)
            making.view = PreviewView("ready", 1.0)
        except Cancelled:
            making.view = PreviewView("none")
        except Exception as error:  # the page says it; the analysis does not need this
            log.info("no preview of %s", video, exc_info=True)
            making.view = PreviewView("failed", message=_said(error))
        finally:
            part.unlink(missing_ok=True)


def _marked_ns(copy: Path) -> int | None:
    """When its video had changed last, as the copy was found to be one of it; None where there is no copy."""
    try:
        return copy.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _mark(copy: Path, changed_ns: int) -> None:
    """As the date of the copy, so that nothing else has to be kept beside it."""
    try:
        os.utime(copy, ns=(changed_ns, changed_ns))
    except OSError as error:  # it is held against the video once more, the next time
        log.info("%s was not marked: %s", copy, error)


def _remove(place: Path) -> None:
    try:
        place.unlink(missing_ok=True)
    except OSError as error:  # it may be open in another program; it is counted as long as it is there
        log.warning("%s was not removed: %s", place, error)


def _said(error: Exception) -> str:
    if isinstance(error, HavenError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FULL
    return f"No preview can be made: {getattr(error, 'strerror', None) or error}."
