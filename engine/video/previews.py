"""Small copies of videos that a browser cannot play: made in the background, kept, one at a time.

A copy is found again by path, size and date of the video; that it is of what lies there now is told by when
the system last changed anything about the video, and where that was since, by its content. No video is read
while somebody waits for an answer. How a copy is made is the business of `preview_copy`. Knows no jobs and
no pages.
"""

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
from engine.paths import finds_no_room
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


@dataclass(eq=False)
class _Making:
    cancel: CancelToken
    view: PreviewView

    @property
    def busy(self) -> bool:
        return self.view.state in ("waiting", "making")


Work = Callable[[Path, Path, _Making], None]


class Previews:
    """Makes copies below `folder` on a thread of its own. Every method may be called from any thread.

    Copies that are there are held against their videos on another: none waits for one that is being made.
    """

    def __init__(self, folder: Path, digest: Digest) -> None:
        self._folder = folder
        self._digest = digest
        self._lock = threading.Lock()  # never held while a video is looked at
        self._placing = threading.Lock()  # while a copy is put in its place, marked or removed
        self._makings: dict[Path, _Making] = {}
        self._marks: dict[Path, tuple[int, int]] = {}  # when its video had changed, and the date that it got
        self._comparer = ThreadPoolExecutor(1, thread_name_prefix="haven-preview-compare")
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="haven-preview")
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
        place, changed_ns = self._found(video)
        self._begin(video, place, changed_ns)
        return self._view(place, changed_ns)

    def view(self, video: Path) -> PreviewView:
        """How far the copy of a video is. Raises: OSError for a missing video."""
        return self._asked(video, *self._found(video))

    def file(self, video: Path) -> Path | None:
        """The copy, once it is whole. Raises: OSError for a missing video.

        A film that plays goes on while its copy is held against a video that was touched.
        """
        place, changed_ns = self._found(video)
        known = self._asked(video, place, changed_ns).state != "failed"
        return place if known and place.exists() else None

    def stop(self, video: Path) -> PreviewView:
        """Make it no longer; what there is of it is thrown away. Raises: OSError for a missing video."""
        place, changed_ns = self._found(video)
        with self._lock:
            making = self._makings.pop(place, None)
        if making is not None:
            making.cancel.cancel("it was stopped")
        return self._view(place, changed_ns)

    def close(self) -> None:
        """Stop what is being made, and wait for it."""
        with self._lock:
            self._closed = True
            for making in self._makings.values():
                making.cancel.cancel("Haven is closing")
        self._comparer.shutdown(wait=True, cancel_futures=True)  # first: it hands on to the other
        self._maker.shutdown(wait=True, cancel_futures=True)

    def _found(self, video: Path) -> tuple[Path, int]:
        """The place of its copy, and when the system last changed anything about the video."""
        status = video.stat()
        named = f"{video.absolute()}\0{status.st_size}\0{status.st_mtime_ns}"
        digest = hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()
        return self._folder / f"{digest[:32]}.mp4", status.st_ctime_ns

    def _asked(self, video: Path, place: Path, changed_ns: int) -> PreviewView:
        """How far it is; a copy whose video was touched is held against it."""
        view = self._view(place, changed_ns)
        if view.state != "none" or not place.exists():
            return view
        self._begin(video, place, changed_ns)
        return self._view(place, changed_ns)

    def _view(self, place: Path, changed_ns: int) -> PreviewView:
        with self._lock:  # before the mark is looked at, which is there by the time that a copy is ready
            making = self._makings.get(place)
            view = making.view if making is not None else PreviewView("none")
        if self._is_marked(place, changed_ns):
            return PreviewView("ready", 1.0)
        return view if view.state != "ready" else PreviewView("none")

    def _begin(self, video: Path, place: Path, changed_ns: int) -> None:
        with self._lock:
            making = self._makings.get(place)
            busy = making is not None and making.busy
            if busy or self._closed or self._is_marked(place, changed_ns):
                return
            there = place.exists()
            making = self._makings[place] = _Making(CancelToken(), PreviewView("waiting"))
            if there:
                self._comparer.submit(self._do, self._compare, video, place, making)
            else:
                self._maker.submit(self._do, self._make, video, place, making)

    def _do(self, work: Work, video: Path, place: Path, making: _Making) -> None:
        try:
            work(video, place, making)
        except Cancelled:
            making.view = PreviewView("none")
        except Exception as error:  # the page says it; the analysis does not need this
            log.info("no preview of %s", video, exc_info=True)
            making.view = PreviewView("failed", message=_said(error))

    def _compare(self, video: Path, place: Path, making: _Making) -> None:
        """Hold a copy against what lies at `video` now; if it is of another, it goes, and one is made.

        A file may be touched, linked or moved and be the same, so that its content tells. An older Haven
        wrote no content into a copy: that one has to be younger than the last change.
        """
        changed_ns, sha256 = video.stat().st_ctime_ns, self._digest(video, making.cancel)
        with self._placing:
            made_ns, of = _date_ns(place), made_of(place)
            same = made_ns is not None and (of == sha256 if of else changed_ns < made_ns)
            if same:
                self._mark(place, changed_ns)
            else:
                _remove(place)
        if same:
            making.view = PreviewView("ready", 1.0)
        else:
            self._maker.submit(self._do, self._make, video, place, making)

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
            with self._placing:
                part.replace(place)
                self._mark(place, changed_ns)
            making.view = PreviewView("ready", 1.0)
        finally:
            part.unlink(missing_ok=True)

    def _is_marked(self, place: Path, changed_ns: int) -> bool:
        """Whether a copy is there, and nothing about its video has changed since it was held against it."""
        date_ns = _date_ns(place)
        return date_ns is not None and (
            date_ns == changed_ns or self._marks.get(place) == (changed_ns, date_ns)
        )

    def _mark(self, copy: Path, changed_ns: int) -> None:
        """As the date of the copy, so that nothing else has to be kept beside it.

        A file system may keep a date less finely, or not take it: what it has then is known until the end.
        """
        try:
            os.utime(copy, ns=(changed_ns, changed_ns))
        except OSError as error:
            log.info("%s was not marked: %s", copy, error)
        date_ns = _date_ns(copy)
        if date_ns is not None:
            self._marks[copy] = (changed_ns, date_ns)


def _date_ns(copy: Path) -> int | None:
    """None where there is no copy."""
    try:
        return copy.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _remove(place: Path) -> None:
    try:
        place.unlink(missing_ok=True)
    except OSError as error:  # it may be open in another program; it is counted as long as it is there
        log.warning("%s was not removed: %s", place, error)


def _said(error: Exception) -> str:
    if isinstance(error, HavenError):
        return str(error)
    if finds_no_room(error):
        return FULL
    return f"No preview can be made: {getattr(error, 'strerror', None) or error}."
