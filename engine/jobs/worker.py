"""The thread that works on jobs, one after the other, and what it is told while it does.

Every change of a job's status is one conditional update of the database. Whatever the database throws, the
thread lives on: an ending that cannot be written yet is shown, and written later. Who holds the state keeps
others waiting, a person among them, so that no change of these waits long for another program.
"""

import logging
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from engine.backends.base import identity_of
from engine.cancel import CancelToken
from engine.errors import Cancelled
from engine.jobs.narrowing import is_again, put_back
from engine.jobs.retries import Retries
from engine.jobs.run import WISHES, Ending, Run, database_locked, disk_full, identity
from engine.jobs.videos import remove_upload
from engine.jobs.views import Pace
from engine.slot import Slot
from storage.errors import DatabaseLocked, DiskFull, StorageError
from storage.patience import told_soon
from storage.records import JobRecord
from storage.store import Store
from storage.thumbnails import Thumbnails

log = logging.getLogger(__name__)

STOP_SECONDS = 2.0  # that `stop` waits for a run to end before it answers
DISK_RETRY_SECONDS = 2.0
DISK_ROOM = 32 << 20  # bytes that must be free before a job that met a full disk goes on
SHORT = ("cancelled", "interrupted", "failed")  # how a run ends before its work is done
UNWRITABLE = ("disk", "database")  # why jobs are paused that go on when the data folder can be written again


class Worker:
    """Takes queued jobs in order. Every method may be called from any thread."""

    def __init__(self, store: Store, slot: Slot, thumbnails: Thumbnails) -> None:
        self._store = store
        self._slot = slot
        self._thumbnails = thumbnails
        self._state = threading.Condition()
        self._run: Run | None = None
        self._unsaved: dict[str, Ending] = {}
        self._model_came = False  # and jobs that wait for it may not have been queued again yet
        self._retries = Retries()
        self._disk_due = 0.0  # monotonic: when it is looked again whether the disk has room
        self._closing = CancelToken()
        self._thread = threading.Thread(target=self._work, name="haven-jobs")

    def start(self) -> None:
        """Begin with what is queued."""
        self._thread.start()

    def close(self) -> None:
        """Stop the run under way, and wait for its end."""
        self._closing.cancel("shutdown")
        with self._state:
            if self._run is not None:
                self._run.stop("shutdown")
            self._state.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    @contextmanager
    def held(self) -> Iterator[None]:
        """No job begins or ends meanwhile; afterwards the thread looks for work."""
        with told_soon(), self._state:
            try:
                yield
            finally:
                self._state.notify_all()

    @property
    def run(self) -> Run | None:
        """The run under way."""
        return self._run

    def unsaved(self, job_id: str) -> Ending | None:
        """How a job ended, where that could not be written yet."""
        return self._unsaved.get(job_id)

    def end_unsaved(self, job_id: str, ending: Ending) -> bool:
        """Give a job that waits for room on the disk another ending; False when it does not wait.

        One that is to be deleted then is deleted all the same.
        """
        with self._state:
            before = self._unsaved.get(job_id)
            if before is None:
                return False
            self._unsaved[job_id] = before if before.deleted else ending
            return True

    def stop(self, job_id: str, why: str) -> bool:
        """Stop the run of this job, if it runs, and wait a moment for its end; False when it does not.

        Needs no database: where it cannot be written now, what was wished for is written later.
        """
        with told_soon(), self._state:
            run = self._run
            if run is None or run.job.id != job_id:
                return False
            until = time.monotonic() + STOP_SECONDS
            run.stop(why)
            if why != "pause":
                self._note_cancelling(job_id)
            self._state.wait_for(lambda: self._run is not run, max(0.0, until - time.monotonic()))
            return True

    def _note_cancelling(self, job_id: str) -> None:
        try:
            self._store.move_job(job_id, ("running",), "cancelling")
        except (DiskFull, DatabaseLocked) as error:
            log.warning("that job %s is being cancelled could not be written: %s", job_id, error)

    def end_all_unsaved(self, ending: Ending) -> None:
        """As `end_unsaved`, for every job that waits for room on the disk."""
        with self._state:
            for job_id in self._unsaved:
                self.end_unsaved(job_id, ending)

    def stop_run(self, why: str) -> int:
        """As `stop`, for whichever job runs; gives how many these were, 0 or 1."""
        with self._state:
            return int(self._run is not None and self.stop(self._run.job.id, why))

    def forget(self, job_id: str) -> None:
        """Remove a job that does not run, its answers and pictures, and its upload if no other is about it.

        The job goes first: should the process end just then, the upload is removed at the next start.
        Raises: StorageError, with nothing removed but the pictures where the disk is full.
        """
        with self._state:  # no job about the upload is made meanwhile
            job = self._store.job(job_id)
            if job is None:
                return
            try:
                self._store.delete_job(job_id)
            except DiskFull:  # its pictures make room for the rest
                self._thumbnails.delete(job_id)
                self._thumbnails.flush()
                self._store.delete_job(job_id)
            self._thumbnails.delete(job_id)
            remove_upload(job, self._store)

    def model_changed(self) -> None:
        """Let the jobs go on that waited for the model which serves now, as soon as that can be written."""
        with self.held():
            self._model_came = True
            self._go_on_with_model()

    def requeue(self, job: JobRecord) -> None:
        """Let a paused job go on."""
        with self.held():
            self._store.move_job(job.id, ("paused",), "queued", reason="", error="")

    # the thread

    def _work(self) -> None:
        while not self._closing.cancelled:
            try:
                job = self._next()
                if job is not None:
                    self._occupy_and_work_on(job)
            except Cancelled:  # closing, while a switch made way
                return
            except StorageError as error:
                log.warning("jobs go on when the data folder can be used again: %s", error)
                self._closing.wait(DISK_RETRY_SECONDS)

    def _next(self) -> JobRecord | None:
        """The oldest queued job, waiting for one; None when Haven closes.

        What goes on by itself is queued again first: it would wait for the end of a long queue else.
        """
        with told_soon(), self._state:
            while not self._closing.cancelled:
                wait = self._retry()
                job = self._store.next_queued()
                if job is not None and job.id not in self._unsaved:
                    return job
                self._state.wait(wait)
        return None

    def _occupy_and_work_on(self, job: JobRecord) -> None:
        def stop() -> None:
            self.stop(job.id, "cancel")

        with self._slot.occupy(f"Analysing {job.video_name}", stop, self._closing):
            run = self._claim(job)
            if run is None:  # cancelled, paused or deleted while it was queued
                return
            ending = run.work()
            self._thumbnails.flush()
            self._settle(run, ending)

    def _claim(self, job: JobRecord) -> Run | None:
        with told_soon(), self._state:
            try:
                claimed = self._store.move_job(
                    job.id, ("queued",), "running", started_at=time.time(), error=""
                )
            except DiskFull:
                self._unsaved[job.id] = disk_full(self._store.folder)
                raise
            except DatabaseLocked as error:
                self._unsaved[job.id] = database_locked(error)
                raise
            if claimed is None:
                return None
            self._run = Run(claimed, CancelToken(), Pace(), self._store, self._thumbnails, self._slot)
            if self._closing.cancelled:
                self._run.stop("shutdown")
            return self._run

    def _settle(self, run: Run, ending: Ending | None) -> None:
        with told_soon(), self._state:
            ending = self._wished(run, ending)  # here, since a stronger wish may have come meanwhile
            try:
                self._save(run.job.id, ending)
                self._after(run, ending)
            except StorageError:
                log.warning("the end of job %s could not be written yet", run.job.id, exc_info=True)
                self._unsaved[run.job.id] = ending
                self._disk_due = time.monotonic() + DISK_RETRY_SECONDS
            finally:
                self._run = None
                self._state.notify_all()

    def _wished(self, run: Run, ending: Ending | None) -> Ending:
        """What a person wishes goes before a pause that would end by itself."""
        if ending is None or (ending.status == "paused" and run.wanted in WISHES):
            ending = run.stopped()
        return replace(ending, deleted=True) if run.wanted == "delete" else ending

    def _after(self, run: Run, ending: Ending) -> None:
        if ending.deleted:
            self.forget(run.job.id)
        elif ending.reason == "model" and identity(run.job) == self._slot.info.identity:
            self.requeue(run.job)  # its model came back while this was being written
        elif ending.reason in UNWRITABLE:
            self._disk_due = time.monotonic() + DISK_RETRY_SECONDS
        elif ending.reason == "server":
            job = self._store.job(run.job.id)
            self._retries.failed(run.job.id, job.frames_done if job else 0)

    def _save(
        self, job_id: str, ending: Ending, expected: tuple[str, ...] = ("running", "cancelling")
    ) -> None:
        changes: dict[str, object] = {"reason": ending.reason, "error": ending.error, "ended_at": time.time()}
        job = self._store.job(job_id)
        if job is not None and is_again(job) and ending.status in SHORT:
            put_back(job, self._store, expected, ending.error)
            return
        # What was planned was an estimate; after errors it stays, to be compared with.
        if job is not None and ending.status == "completed":
            changes["frames_total"] = job.frames_done
        self._store.move_job(job_id, expected, ending.status, **changes)

    # jobs that go on by themselves

    def _go_on_with_model(self) -> None:
        info, queue = self._slot.info, self._store.queue
        waiting = queue.paused_for_model(info.digest).items()
        queue.queue_again(
            [job_id for job_id, options in waiting if identity_of(info.digest, options) == info.identity]
        )
        self._model_came = False

    def _retry(self) -> float | None:
        """Queue again what is due; gives the seconds until more may be, None where nothing waits."""
        pauses = []
        if self._model_came:
            self._go_on_with_model()
        if self._unsaved or any(self._store.queue.count("paused", reason) for reason in UNWRITABLE):
            if self._disk_due <= time.monotonic():
                self._disk_due = time.monotonic() + DISK_RETRY_SECONDS
                self._retry_writing()
            pauses.append(max(0.0, self._disk_due - time.monotonic()))
        due_in = {job_id: self._retries.due_in(job_id) for job_id in self._store.queue.paused("server")}
        self._store.queue.queue_again([job_id for job_id, seconds in due_in.items() if seconds <= 0])
        pauses += [seconds for seconds in due_in.values() if seconds > 0]
        return min(pauses, default=None)

    def _retry_writing(self) -> None:
        """Asks first whether it can be done: pages that want something of the jobs wait meanwhile."""
        if shutil.disk_usage(self._store.folder).free < DISK_ROOM or not self._store.is_free():
            return
        try:
            for job_id, ending in list(self._unsaved.items()):
                self._save(job_id, ending, ("queued", "running", "cancelling"))
                if ending.deleted:
                    self.forget(job_id)
                del self._unsaved[job_id]
            for reason in UNWRITABLE:
                self._store.queue.move_all(("paused",), "queued", reason, reason="", error="")
        except (DiskFull, DatabaseLocked) as error:
            log.info("the data folder still cannot be written: %s", error)
