"""The thread that looks through the watched folders and hands what is new to the jobs.

A file waits until it has stayed as it is for a moment, is told by its content, and becomes a job unless it
has one: the same content, asked the same of the same model, is analysed once, wherever it lies. Knows no
frames, and never opens anything but plain files.
"""

import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from engine.backends.base import BackendInfo
from engine.cancel import CancelToken
from engine.errors import Cancelled, DataFolderError, HavenError, InvalidInput, OutOfSpace
from engine.jobs.run import identity
from engine.library import scan
from engine.library.content import Changing, sha256_of
from engine.settings import Sampling
from engine.video.request import AnalysisRequest
from storage.errors import StorageError
from storage.library import Seen
from storage.records import JobRecord, LibraryFileRecord, LibraryFolderRecord
from storage.store import Store

log = logging.getLogger(__name__)

SETTLE_SECONDS = 2.0  # that a file must have stayed as it is
SCAN_SECONDS = 10.0  # from the end of one look at a folder to the next
SCAN_SHARE = 0.05  # of the time, at most, that looking takes: a large folder is looked at less often
TICK_SECONDS = 1.0  # between two looks whether a file has settled or a job ended
RETRY_SECONDS = 2.0
AGAIN_SECONDS = 5.0  # until a file that could not be read is tried again; each further time twice as long
LONGEST_AGAIN_SECONDS = 600.0
STUMBLES = 3  # files one after the other that cannot be read, until their folder is left for a while
AHEAD = 200  # jobs that wait at a time; more files are read and queued as these are done
BATCH = 500  # files
DONE = ("completed", "completed_with_errors")
ALIVE = (*DONE, "queued", "running", "paused", "interrupted", "cancelling")
HELD = "library/held"  # the setting under which it is kept that nothing is to be queued


@dataclass(frozen=True)
class Analysis:
    """What the library asks of the rest of the engine."""

    submit: Callable[[AnalysisRequest], str]  # gives the job's id; raises as `Engine.submit_video`
    refuse: Callable[[AnalysisRequest], None]  # raises InvalidInput when the model cannot do that at all
    cancel: Callable[[str], None]
    ready: Callable[[], bool]  # False while another model is being loaded: its videos are not for this one
    found: Callable[[str], Sequence[str]]  # the tags that hold somewhere, by the answers of a job
    model: Callable[[], BackendInfo]


@dataclass
class _Folder:
    """What is known of a folder as long as the process lives."""

    due: float = 0.0  # monotonic: when it is looked through again
    looking: bool = False
    looked: bool = False
    unreadable: str = ""
    refused: str = ""  # why its videos cannot be analysed with the model that serves
    stumbles: int = 0  # files one after the other that could not be read
    pauses: dict[int, float] = field(default_factory=dict)  # of each such file, seconds that it waits


@dataclass(eq=False)
class Watcher:
    """Owns the thread. Every public method may be called from any thread."""

    store: Store
    analysis: Analysis
    _state: threading.Condition = field(default_factory=threading.Condition)
    _closing: CancelToken = field(default_factory=CancelToken)
    _folders: dict[int, _Folder] = field(default_factory=dict)
    _woken: bool = False

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._work, name="haven-library", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop, in the middle of a file if need be, and wait for it."""
        self._closing.cancel("shutdown")
        self._wake()
        if self._thread.is_alive():
            self._thread.join()

    def scan(self, folder_id: int = 0) -> None:
        """Look through that folder now, or through all of them; returns at once."""
        with self._state:
            for known, folder in self._folders.items():
                if folder_id in (0, known):
                    folder.due = 0.0
            if folder_id:
                self._folders.setdefault(folder_id, _Folder()).due = 0.0
        self._wake()

    def forget(self, folder_id: int) -> None:
        with self._state:
            self._folders.pop(folder_id, None)

    def looking(self, folder_id: int) -> bool:
        return self._folder(folder_id).looking

    def looked(self, folder_id: int) -> bool:
        return self._folder(folder_id).looked

    def trouble(self, folder_id: int) -> str:
        """Why a folder cannot be looked through, or why its videos cannot be analysed now."""
        folder = self._folder(folder_id)
        return folder.unreadable or folder.refused

    def let_go(self, job_ids: Iterable[str]) -> None:
        """Cancel what no file needs any more of what was made for the library: not what a person asked."""
        for job_id in dict.fromkeys(job_ids):
            job = self.store.job(job_id)
            if job is not None and job.from_library and not self.store.library.uses(job_id):
                self.analysis.cancel(job_id)

    def _folder(self, folder_id: int) -> _Folder:
        with self._state:
            return self._folders.get(folder_id, _Folder())

    def _wake(self) -> None:
        with self._state:
            self._woken = True
            self._state.notify_all()

    # the thread

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
            with self._state:
                self._state.wait_for(lambda: self._woken or self._closing.cancelled, wait)
                self._woken = False

    def _round(self) -> bool:
        """Look, settle and queue once; whether there is anything to come back for."""
        folders = self.store.library.folders()
        for folder in folders:
            if self._due(folder):
                self._look(folder)
        for folder in folders:
            self._settle(folder)
        for folder in folders:
            self._queue(folder)
        return bool(folders)

    def _due(self, folder: LibraryFolderRecord) -> bool:
        with self._state:
            return self._folders.setdefault(folder.id, _Folder()).due <= time.monotonic()

    # looking

    def _look(self, folder: LibraryFolderRecord) -> None:
        known = self._folder(folder.id)
        began = time.monotonic()
        known.looking, known.due = True, float("inf")
        try:
            self._scan(folder)
            known.unreadable, known.stumbles = "", 0
        except OSError as error:
            known.unreadable = _not_read(folder, error)
        finally:
            now = time.monotonic()
            known.looking, known.looked = False, True
            with self._state:  # somebody may have asked for another look meanwhile
                if known.due == float("inf"):
                    known.due = now + max(SCAN_SECONDS, (now - began) / SCAN_SHARE)

    def _scan(self, folder: LibraryFolderRecord) -> None:
        fits = scan.matcher(folder.pattern)
        root = Path(folder.path)
        found = scan.walk(root, folder.recursive, fits, self.store.folder.resolve(), self._closing)
        while seen := list(islice(found, BATCH)):
            if any(self._cannot_be_kept(one) for one in seen):
                seen = [one for one in seen if not self._cannot_be_kept(one)]
            self._take(folder, seen)
        self._miss(folder, root, fits)

    @staticmethod
    def _cannot_be_kept(seen: Seen) -> bool:
        return seen.size >= 2**63 or not -(2**63) <= seen.mtime_ns < 2**63

    def _take(self, folder: LibraryFolderRecord, seen: Sequence[Seen]) -> None:
        self.let_go(self.store.library.take(folder.id, seen, time.time()))  # what they are about is not there

    def _miss(self, folder: LibraryFolderRecord, root: Path, fits: Callable[[str], bool]) -> None:
        """Note which files are gone, and forget those that are not asked for any more."""
        after = ""
        while rows := self.store.library.paths_after(folder.id, after, BATCH):
            self._closing.raise_if_cancelled()
            strange = [i for i, path in rows if not scan.belongs(path, root, folder.recursive, fits)]
            gone = [i for i, path in rows if i not in strange and not _is_there(path)]
            if strange:
                self.store.library.delete_files(strange)
            if gone:
                self.store.library.change_files(gone, state="gone", reason="")
            after = rows[-1][1]

    # what became of jobs

    def _settle(self, folder: LibraryFolderRecord) -> None:
        """Note which analyses have ended, since the last time."""
        for file in self._with_job(folder, ("queued", "bad"), DONE):
            self._done(file, reason=file.reason if file.state == "queued" else "")
        for file in self._with_job(folder, ("queued",), ("failed",)):
            why = _why_unreadable(folder)
            if why is not None:  # its disk is away, for which no file is to blame
                self._folder(folder.id).unreadable = _not_read(folder, why)
                self._change(file, state="new", reason="", job_id="")
            elif not _is_there(file.path):
                self._change(file, state="gone", reason="")
            else:
                job = self.store.job(file.job_id)
                self._change(file, state="bad", reason=job.error if job else "The analysis was deleted.")

    def _with_job(
        self, folder: LibraryFolderRecord, states: Sequence[str], statuses: Sequence[str]
    ) -> Iterator[LibraryFileRecord]:
        while files := self.store.library.with_job(folder.id, states, statuses, BATCH):
            for file in files:
                self._closing.raise_if_cancelled()
                yield file

    def _done(self, file: LibraryFileRecord, job_id: str = "", reason: str = "") -> bool:
        job = self.store.job(job_id or file.job_id)
        if job is None:  # deleted just now
            return False
        found = list(self.analysis.found(job.id))
        about = {"job_id": job.id, "duration_us": job.duration_us, "found": found, "reason": reason}
        return self._change(file, state="done", **about)

    def _set_aside(self, file: LibraryFileRecord, reason: str) -> None:
        """One that was looked into; a job that it had before is about another content."""
        self._change(file, state="bad", reason=reason, job_id="")
        self.let_go([file.job_id])

    def _change(self, file: LibraryFileRecord, **changes: object) -> bool:
        """False, with nothing changed, where it was forgotten, changed or asked something else meanwhile."""
        return self.store.library.change_file(file, **changes)

    # queueing

    def _queue(self, folder: LibraryFolderRecord) -> None:
        """Hand files to the jobs, in the order of their paths, until something else is to be done."""
        known = self._folder(folder.id)
        after = ""
        while not known.unreadable and self._may_go_on():
            before = time.time() - SETTLE_SECONDS
            file = self.store.library.next_new(folder.id, before, after)
            if file is None or self._refused(folder, file):
                return
            self._closing.raise_if_cancelled()
            after = file.path
            self._look_into(folder, file)

    def _may_go_on(self) -> bool:
        with self._state:
            if self._woken or any(known.due <= time.monotonic() for known in self._folders.values()):
                return False
        if self._held() or any(
            self.store.queue.count("paused", reason) for reason in ("server", "disk", "database")
        ):
            return False
        return self.store.queue.count("queued") < AHEAD

    def _held(self) -> bool:
        return bool(self.store.setting(HELD, False)) or not self.analysis.ready()

    def _is_asked(self, folder: LibraryFolderRecord) -> bool:
        """Whether its files are still to be queued: minutes go by while one is read."""
        return self.store.library.folder(folder.id) == folder and not self._held()

    def _refused(self, folder: LibraryFolderRecord, file: LibraryFileRecord) -> bool:
        """Whether the model that serves cannot do what is asked of this folder at all."""
        known = self._folder(folder.id)
        try:
            self.analysis.refuse(request_of(folder, file.path))
            known.refused = ""
        except InvalidInput as error:
            known.refused = str(error)
        return bool(known.refused)

    def _look_into(self, folder: LibraryFolderRecord, file: LibraryFileRecord) -> None:
        seen = Seen(file.path, file.size, file.mtime_ns)
        try:
            if not _is_as_seen(seen):
                raise Changing
            sha256 = sha256_of(seen, self.store, self._closing)
            self._was_read(folder, file)
            if not self._is_asked(folder):
                return
            request = request_of(folder, file.path)
            alike = self._alike(file, sha256, request)
            if alike is None:
                self._submit(folder, file, request, sha256)
            elif self._join(file, alike) and alike.id != file.job_id:
                self.let_go([file.job_id])
        except Changing:
            self._look_again(folder, file)
        except OSError as error:
            self._not_read(folder, file, error)

    def _submit(
        self, folder: LibraryFolderRecord, file: LibraryFileRecord, request: AnalysisRequest, sha256: str
    ) -> None:
        try:
            job_id = self.analysis.submit(request)
        except (OutOfSpace, DataFolderError):
            raise  # not the file's fault
        except HavenError as error:
            if not _is_as_seen(Seen(file.path, file.size, file.mtime_ns)):
                raise Changing from error
            if not self._refused(folder, file):  # another model may have come meanwhile
                self._set_aside(file, str(error))
            return
        except (OSError, StorageError):
            raise
        except Exception as error:  # a defect, which this file alone may meet: the others are not held up
            log.exception("looking into %s", file.path)
            self._set_aside(file, f"Something in Haven broke: {type(error).__name__}: {error}")
            return
        job = self.store.update_job(job_id, from_library=True)
        about = {
            "sha256": sha256,
            "reason": "",
            "job_id": job_id,
            "duration_us": job.duration_us if job else 0,
            "found": [],
        }
        if self._is_asked(folder) and self._change(file, state="queued", **about):
            self.let_go([file.job_id])
        else:  # it was forgotten, paused or asked something else just now
            self.let_go([job_id])

    def _alike(self, file: LibraryFileRecord, sha256: str, request: AnalysisRequest) -> JobRecord | None:
        """An analysis of this content, asked the same of the same model, that ended well or still may.

        Of whichever model, where it is the file's own: to be touched, or away for a while, changes nothing.
        """
        model = self.analysis.model()
        own = self.store.job(file.job_id) if file.job_id else None
        if own is not None and own.video_sha256 == sha256 and _still_holds(own, request):
            return own
        for job in self.store.queue.alike(sha256, model.digest, request.prompt_sha256):
            if _still_holds(job, request) and identity(job) == model.identity:
                return job
        return None

    def _join(self, file: LibraryFileRecord, job: JobRecord) -> bool:
        """This file has been analysed already, or waits to be, here or at another place."""
        reason = ""
        if job.video_path != file.path:
            if job.uploaded or _is_there(job.video_path):
                reason = f"The same video as {job.video_name}: it is analysed once."
            else:  # it was moved here
                size, mtime_ns = file.size, file.mtime_ns
                self.store.update_job(job.id, video_path=file.path, video_size=size, video_mtime_ns=mtime_ns)
        if job.status in DONE:
            return self._done(file, job.id, reason)
        about = {"job_id": job.id, "duration_us": job.duration_us, "found": [], "reason": reason}
        return self._change(file, state="queued", **about)

    def _look_again(self, folder: LibraryFolderRecord, file: LibraryFileRecord) -> None:
        """It is not as it was seen: gone, replaced, or being written."""
        try:
            status = os.lstat(file.path)
        except (FileNotFoundError, NotADirectoryError):
            status = None
        except OSError as error:
            self._not_read(folder, file, error)
            return
        why = _why_unreadable(folder)
        if why is not None:
            self._not_read(folder, file, why)
        elif status is None or not stat.S_ISREG(status.st_mode):
            self._change(file, state="gone", reason="")
        else:
            self._take(folder, [Seen(file.path, status.st_size, status.st_mtime_ns)])

    def _not_read(self, folder: LibraryFolderRecord, file: LibraryFileRecord, error: OSError) -> None:
        """Where its folder is away no file is to blame; a locked one is set aside; all else may pass."""
        away = _why_unreadable(folder)
        if away is not None:
            self._folder(folder.id).unreadable = _not_read(folder, away)
        elif isinstance(error, PermissionError):
            self._set_aside(file, f"It cannot be read: {error.strerror}.")
        else:
            self._try_later(folder, file, error)

    def _try_later(self, folder: LibraryFolderRecord, file: LibraryFileRecord, error: OSError) -> None:
        """Put off one that the disk stumbles over, so that it holds up no other; many are its fault."""
        known = self._folder(folder.id)
        pause = known.pauses[file.id] = min(
            2 * known.pauses.get(file.id, AGAIN_SECONDS / 2), LONGEST_AGAIN_SECONDS
        )
        said = error.strerror or error
        log.warning("%s cannot be read now: %s", file.path, said)
        reason = f"It cannot be read now ({said}). It is tried again by itself."
        self._change(file, reason=reason, seen_at=time.time() + pause)
        known.stumbles += 1
        if known.stumbles >= STUMBLES:
            known.unreadable = _not_read(folder, error)

    def _was_read(self, folder: LibraryFolderRecord, file: LibraryFileRecord) -> None:
        known = self._folder(folder.id)
        known.stumbles = 0
        known.pauses.pop(file.id, None)


def request_of(folder: LibraryFolderRecord, path: str) -> AnalysisRequest:
    """What is asked of a file in that folder. Raises: InvalidInput."""
    return AnalysisRequest.of(path, **folder.asked)


def _not_read(folder: LibraryFolderRecord, error: OSError) -> str:
    return f"{folder.path} cannot be read ({error.strerror}). Is its disk connected?"


def _why_unreadable(folder: LibraryFolderRecord) -> OSError | None:
    """Why nothing can be said of what is in a folder; None where it can be listed."""
    try:
        if stat.S_ISDIR(os.lstat(folder.path).st_mode):
            with os.scandir(folder.path) as entries:
                next(entries, None)
    except OSError as error:
        return error
    return None


def _still_holds(job: JobRecord, request: AnalysisRequest) -> bool:
    """Whether a job asks just that, and ended well or still may."""
    same_sampling = Sampling.from_dict(job.sampling).as_dict() == request.sampling.as_dict()
    return job.status in ALIVE and job.prompt_sha256 == request.prompt_sha256 and same_sampling


def _is_there(path: str) -> bool:
    """What cannot be looked at counts as there: it will be said when it is read."""
    try:
        return scan.is_file(path)
    except OSError:
        return True


def _is_as_seen(seen: Seen) -> bool:
    """Raises: OSError other than its absence."""
    if not scan.is_file(seen.path):
        return False
    status = os.lstat(seen.path)
    return (status.st_size, status.st_mtime_ns) == (seen.size, seen.mtime_ns)
