"""What becomes of the files that were found in watched folders: they are handed to the jobs, once each.

A file waits until it has stayed as it is for a moment, is told by its content, and becomes a job unless it
has one: the same content, asked the same of the same model, is analysed once, wherever it lies. Knows no
frames, and never opens anything but plain files. How they are found is the business of `watch`, on whose
thread all of this runs.
"""

import logging
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from engine.backends.base import BackendInfo
from engine.cancel import CancelToken
from engine.errors import DataFolderError, HavenError, InvalidInput, OutOfSpace
from engine.jobs.run import identity
from engine.library import scan
from engine.library.content import Changing, sha256_of
from engine.library.folders import Folders
from engine.settings import Sampling
from engine.video.request import AnalysisRequest
from storage.errors import StorageError
from storage.library import Seen
from storage.records import JobRecord, LibraryFileRecord, LibraryFolderRecord
from storage.store import Store

log = logging.getLogger(__name__)

SETTLE_SECONDS = 2.0  # that a file must have stayed as it is
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


@dataclass(eq=False)
class Queueing:
    """Files on their way to the jobs. `let_go` may be called from any thread."""

    store: Store
    analysis: Analysis
    folders: Folders

    def let_go(self, job_ids: Iterable[str]) -> None:
        """Cancel what no file needs any more of what was made for the library: not what a person asked."""
        for job_id in dict.fromkeys(job_ids):
            job = self.store.job(job_id)
            if job is not None and job.from_library and not self.store.library.uses(job_id):
                self.analysis.cancel(job_id)

    def take(self, folder: LibraryFolderRecord, seen: Sequence[Seen]) -> None:
        """Note that these files are there; jobs about what they were before are cancelled."""
        self.let_go(self.store.library.take(folder.id, seen, time.time()))

    def why_unreadable(self, folder: LibraryFolderRecord) -> OSError | None:
        """Why nothing can be said of its files, none of which is to blame for it; None where it is there."""
        return scan.why_unreadable(folder.path, self.store.library.was_folder(folder.id, folder.path))

    # what became of jobs

    def settle(self, folder: LibraryFolderRecord, cancel: CancelToken) -> None:
        """Note which analyses have ended, since the last time."""
        for file in self._with_job(folder, ("queued", "bad"), DONE, cancel):
            self._done(file, reason=file.reason if file.state == "queued" else "")
        for file in self._with_job(folder, ("queued",), ("failed",), cancel):
            why = self.why_unreadable(folder)
            if why is not None:  # its disk is away, for which no file is to blame
                self.folders.of(folder.id).lost(folder.path, why)
                self._change(file, state="new", reason="", job_id="")
            elif not scan.is_there(file.path):
                self._change(file, state="gone", reason="")
            else:
                job = self.store.job(file.job_id)
                self._change(file, state="bad", reason=job.error if job else "The analysis was deleted.")

    def _with_job(
        self,
        folder: LibraryFolderRecord,
        states: Sequence[str],
        statuses: Sequence[str],
        cancel: CancelToken,
    ) -> Iterator[LibraryFileRecord]:
        while files := self.store.library.with_job(folder.id, states, statuses, BATCH):
            for file in files:
                cancel.raise_if_cancelled()
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

    def queue(self, folder: LibraryFolderRecord, cancel: CancelToken) -> None:
        """Hand files to the jobs, in the order of their paths, until something else is to be done."""
        known = self.folders.of(folder.id)
        after = ""
        while not known.unreadable and self._may_go_on():
            before = time.time() - SETTLE_SECONDS
            file = self.store.library.next_new(folder.id, before, after)
            if file is None or self._refused(folder, file):
                return
            cancel.raise_if_cancelled()
            after = file.path
            self._look_into(folder, file, cancel)

    def _may_go_on(self) -> bool:
        count = self.store.queue.count
        if self.folders.look_is_due() or self._held():
            return False
        if any(count("paused", reason) for reason in ("server", "disk", "database")):
            return False
        return count("queued") < AHEAD

    def _held(self) -> bool:
        return bool(self.store.setting(HELD, False)) or not self.analysis.ready()

    def _is_asked(self, folder: LibraryFolderRecord) -> bool:
        """Whether its files are still to be queued: minutes go by while one is read."""
        return self.store.library.folder(folder.id) == folder and not self._held()

    def _refused(self, folder: LibraryFolderRecord, file: LibraryFileRecord) -> bool:
        """Whether the model that serves cannot do what is asked of this folder at all."""
        known = self.folders.of(folder.id)
        try:
            self.analysis.refuse(request_of(folder, file.path))
            known.refused = ""
        except InvalidInput as error:
            known.refused = str(error)
        return bool(known.refused)

    def _look_into(self, folder: LibraryFolderRecord, file: LibraryFileRecord, cancel: CancelToken) -> None:
        seen = Seen(file.path, file.size, file.mtime_ns)
        try:
            if not scan.is_as_seen(seen):
                raise Changing
            sha256 = sha256_of(seen, self.store, cancel)
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
            if not scan.is_as_seen(Seen(file.path, file.size, file.mtime_ns)):
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
            if job.uploaded or scan.is_there(job.video_path):
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
        why = self.why_unreadable(folder)
        if why is not None:
            self._not_read(folder, file, why)
        elif status is None or not stat.S_ISREG(status.st_mode):
            self._change(file, state="gone", reason="")
        else:
            self.take(folder, [scan.seen_as(file.path, status)])

    def _not_read(self, folder: LibraryFolderRecord, file: LibraryFileRecord, error: OSError) -> None:
        """Where its folder is away no file is to blame; a locked one is set aside; all else may pass."""
        away = self.why_unreadable(folder)
        if away is not None:
            self.folders.of(folder.id).lost(folder.path, away)
        elif isinstance(error, PermissionError):
            self._set_aside(file, f"It cannot be read: {error.strerror}.")
        else:
            self._try_later(folder, file, error)

    def _try_later(self, folder: LibraryFolderRecord, file: LibraryFileRecord, error: OSError) -> None:
        """Put off one that the disk stumbles over, so that it holds up no other; many are its fault."""
        known = self.folders.of(folder.id)
        pause = known.pauses[file.id] = min(
            2 * known.pauses.get(file.id, AGAIN_SECONDS / 2), LONGEST_AGAIN_SECONDS
        )
        said = error.strerror or error
        log.warning("%s cannot be read now: %s", file.path, said)
        reason = f"It cannot be read now ({said}). It is tried again by itself."
        self._change(file, reason=reason, seen_at=time.time() + pause)
        known.stumbles += 1
        if known.stumbles >= STUMBLES:
            known.lost(folder.path, error)

    def _was_read(self, folder: LibraryFolderRecord, file: LibraryFileRecord) -> None:
        known = self.folders.of(folder.id)
        known.stumbles = 0
        known.pauses.pop(file.id, None)


def request_of(folder: LibraryFolderRecord, path: str) -> AnalysisRequest:
    """What is asked of a file in that folder. Raises: InvalidInput."""
    return AnalysisRequest.of(path, **folder.asked)


def _still_holds(job: JobRecord, request: AnalysisRequest) -> bool:
    """Whether a job asks just that, and ended well or still may."""
    same_sampling = Sampling.from_dict(job.sampling).as_dict() == request.sampling.as_dict()
    return job.status in ALIVE and job.prompt_sha256 == request.prompt_sha256 and same_sampling
