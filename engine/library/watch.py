"""The thread that looks through the watched folders, and notes which files are there, new, changed or gone.

What becomes of a file that was found is the business of `queueing`, which has its turn after every look.
Opens no file.
"""

import logging
import threading
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from engine.cancel import CancelToken
from engine.errors import Cancelled, DataFolderError, OutOfSpace
from engine.library import scan
from engine.library.folders import Folders
from engine.library.queueing import Queueing
from storage.errors import StorageError
from storage.library import Seen
from storage.records import LibraryFolderRecord
from storage.store import Store

log = logging.getLogger(__name__)

SCAN_SECONDS = 10.0  # from the end of one look at a folder to the next
SCAN_SHARE = 0.05  # of the time, at most, that looking takes: a large folder is looked at less often
TICK_SECONDS = 1.0  # between two looks whether a file has settled or a job ended
RETRY_SECONDS = 2.0
BATCH = 500  # files


class Watcher:
    """Owns the thread, which has its turn at `queueing` too."""

    def __init__(self, store: Store, folders: Folders, queueing: Queueing) -> None:
        self._store = store
        self._folders = folders
        self._queueing = queueing
        self._closing = CancelToken()
        self._thread = threading.Thread(target=self._work, name="haven-library", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop, in the middle of a file if need be, and wait for it."""
        self._closing.cancel("shutdown")
        self._folders.wake()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._closing.cancelled:
            try:
                wait = TICK_SECONDS if self._round() else None
            except Cancelled:
                return
            except (StorageError, OutOfSpace, DataFolderError) as error:
                log.warning("the library goes on when the data folder can be used again: %s", error)
                wait = RETRY_SECONDS
            except Exception:  # a defect: it must not end the watching of every other folder
                log.exception("looking after the library")
                wait = RETRY_SECONDS
            self._folders.sleep(wait)

    def _round(self) -> bool:
        """Look, settle and queue once; whether there is anything to come back for."""
        folders = self._store.library.folders()
        for folder in folders:
            if self._folders.is_due(folder.id):
                self._look(folder)
        self._folders.keep([folder.id for folder in self._store.library.folders()])
        for folder in folders:
            self._queueing.settle(folder, self._closing)
        for folder in folders:
            self._queueing.queue(folder, self._closing)
        return bool(folders)

    def _look(self, folder: LibraryFolderRecord) -> None:
        known = self._folders.begin(folder.id)
        began = time.monotonic()
        try:
            self._scan(folder)
            known.unreadable, known.stumbles = "", 0
        except OSError as error:
            known.lost(folder.path, error)
        finally:
            took = time.monotonic() - began
            self._folders.end(known, again_in=max(SCAN_SECONDS, took / SCAN_SHARE))

    def _scan(self, folder: LibraryFolderRecord) -> None:
        fits = scan.matcher(folder.pattern)
        root = Path(folder.path)
        own = self._store.folder.resolve()
        was_folder = self._store.library.was_folder(folder.id, folder.path)
        found = scan.walk(root, folder.recursive, fits, own, self._closing, was_folder)
        while seen := list(islice(found, BATCH)):
            self._queueing.take(folder, [one for one in seen if _can_be_kept(one)])
        self._miss(folder, root, fits)

    def _miss(self, folder: LibraryFolderRecord, root: Path, fits: Callable[[str], bool]) -> None:
        """Note which files are gone, and forget those that are not asked for any more."""
        after = ""
        while rows := self._store.library.paths_after(folder.id, after, BATCH):
            self._closing.raise_if_cancelled()
            strange = [i for i, path in rows if not scan.belongs(path, root, folder.recursive, fits)]
            gone = [i for i, path in rows if i not in strange and not scan.is_there(path)]
            if strange:
                self._store.library.delete_files(strange)
            if gone:
                if (why := self._queueing.why_unreadable(folder)) is not None:
                    raise why  # the folder went away in the middle of the look: no file of it is gone
                self._store.library.change_files(gone, state="gone", reason="")
            after = rows[-1][1]


def _can_be_kept(seen: Seen) -> bool:
    """Whether its numbers fit into a database."""
    return seen.size < 2**63 and -(2**63) <= seen.mtime_ns < 2**63
