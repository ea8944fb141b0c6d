"""What pictures and uploads take of the disk, and giving it back. Knows folders and files."""

import logging
import os
import shutil
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from engine.errors import InvalidInput
from engine.library.views import DiskUse
from storage.store import Store

log = logging.getLogger(__name__)

KEPT_SECONDS = 30.0  # that what was counted holds: there may be a million small pictures
KINDS = {"thumbnails": "thumbnails", "uploads": "videos", "previews": "previews"}  # and their folders
BUSY = ("queued", "running", "cancelling", "paused", "interrupted")
UNFINISHED = (".partial", ".part")  # ends of the names of what is being written


class Disk:
    """Counts on a thread of its own. Every method may be called from any thread."""

    def __init__(self, store: Store, files: threading.Lock) -> None:
        """`files` is held while an upload is taken in, until there is a job about it."""
        self._store = store
        self._files = files
        self._began = time.time()
        self._lock = threading.Lock()
        self._counter = ThreadPoolExecutor(1, thread_name_prefix="haven-disk")
        self._counting: Future[DiskUse] | None = None
        self._counted = 0.0  # monotonic
        self._last: DiskUse | None = None

    def use(self) -> DiskUse | None:
        """As it was counted last; None before the first time. Never waits."""
        with self._lock:
            self._collect()
            if self._counting is None and time.monotonic() - self._counted > KEPT_SECONDS:
                self._counting = self._counter.submit(self.count)
            return self._last

    def count(self) -> DiskUse:
        """Go through the files now."""
        folder = self._store.folder
        free = shutil.disk_usage(folder).free
        return DiskUse(**{kind: _bytes_in(folder / name) for kind, name in KINDS.items()}, free=free)

    def clear(self, kind: str) -> DiskUse:
        """Remove thumbnails, uploads or previews that no analysis needs any more; gives what is left.

        Raises: InvalidInput for another kind.
        """
        if kind not in KINDS:
            raise InvalidInput(f"Say what to clear: {' or '.join(KINDS)}, not {kind!r}.")
        folder = self._store.folder / KINDS[kind]
        for entry in list(os.scandir(folder)) if folder.is_dir() else []:
            with self._files:  # for each one, so that a new analysis waits for one at most
                if not self._is_needed(entry, kind):
                    _remove(entry)
        with self._lock:
            self._last, self._counted = self.count(), time.monotonic()
            return self._last

    def _is_needed(self, entry: "os.DirEntry[str]", kind: str) -> bool:
        if entry.name.endswith(UNFINISHED):
            return kind != "uploads" and self._is_being_written(entry)  # no upload is, while `files` is held
        places = {entry.path, str(Path(entry.path).parent.resolve() / entry.name)}
        return self._store.queue.needs(entry.name, sorted(places), BUSY)

    def _is_being_written(self, entry: "os.DirEntry[str]") -> bool:
        """What is older than this process was left by one that was killed: only one uses the data folder."""
        try:
            return entry.stat(follow_symlinks=False).st_mtime >= self._began
        except FileNotFoundError:
            return True

    def close(self) -> None:
        self._counter.shutdown(wait=True, cancel_futures=True)

    def _collect(self) -> None:
        if self._counting is not None and self._counting.done():
            self._last, self._counted = self._counting.result(), time.monotonic()
            self._counting = None


def _remove(entry: "os.DirEntry[str]") -> None:
    try:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    except OSError as error:  # the next count shows that it is still there
        log.warning("%s was not removed: %s", entry.path, error)


def _bytes_in(folder: Path) -> int:
    """Of all files below a folder, without a stop at those that go meanwhile."""
    total, waiting = 0, [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError as error:
            log.debug("not counted: %s", error)
    return total
