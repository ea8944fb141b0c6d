"""The job runner: one thread that takes queued jobs in order, and the verbs that people use on jobs.

The database says what a job's status is; every change of it is one conditional update, so that two clicks,
or a click and the end of a run, cannot both win. Knows nothing of frames or models.
"""

import logging
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from engine.cancel import CancelToken
from engine.errors import Cancelled, InvalidInput
from engine.events import RESUMABLE, JobView
from engine.jobs import videos
from engine.jobs.run import Ending, Run, disk_full, identity
from engine.jobs.views import Pace, job_view
from engine.slot import Slot
from engine.video.frames import VideoInfo, sample_count
from engine.video.request import AnalysisRequest
from storage.errors import DiskFull
from storage.records import FrameRecord, JobRecord
from storage.store import Store
from storage.thumbnails import Thumbnails

log = logging.getLogger(__name__)

STOP_SECONDS = 2.0  # that a verb waits for a run to end before it answers
DISK_RETRY_SECONDS = 2.0
DISK_ROOM = 32 << 20  # bytes that must be free before a job that met a full disk goes on
ALL = 1_000_000  # jobs


class JobRunner:
    """Owns the jobs. Every method may be called from any thread."""

    def __init__(self, store: Store, slot: Slot, thumbnails: Thumbnails) -> None:
        self._store = store
        self._slot = slot
        self._thumbnails = thumbnails
        self._state = threading.Condition()
        self._run: Run | None = None
        self._unsaved: dict[str, Ending] = {}  # endings that a full disk did not take yet
        self._closing = CancelToken()
        self._worker = threading.Thread(target=self._work, name="haven-jobs")
        self._hashing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="haven-hash")

    def start(self) -> None:
        """Mark what a dead process left running, and begin with what is queued."""
        self._store.interrupt_running()
        self._worker.start()

    def close(self) -> None:
        """Stop the running job, which becomes `interrupted`, and wait for its end."""
        self._closing.cancel("shutdown")
        with self._state:
            if self._run is not None:
                self._run.cancel.cancel("shutdown")
            self._state.notify_all()
        if self._worker.is_alive():
            self._worker.join()
        self._hashing.shutdown(wait=True, cancel_futures=True)

    # what people do with jobs

    def submit(self, request: AnalysisRequest, info: VideoInfo) -> str:
        """Queue an analysis with the model that serves now; gives the job's id. Raises: OSError, DiskFull."""
        job = self._new_job(request, info)
        with self._state:
            self._store.add_job(job)
            self._state.notify_all()
        if not job.video_sha256:
            self._hashing.submit(self._hash, job)
        return job.id

    def pause(self, job_id: str) -> None:
        """Raises: InvalidInput when there is nothing to pause."""
        if self._stop_run(job_id, "pause"):
            return
        waiting = ("queued", "paused")
        if self._store.move_job(job_id, waiting, "paused", reason="user", error="") is None:
            raise InvalidInput(f"This analysis is {self._status_words(job_id)}: there is nothing to pause.")

    def cancel(self, job_id: str) -> None:
        """Stop a job for good, keeping what was finished; one that has ended is left as it is."""
        if not self._stop_run(job_id, "cancel"):
            self._store.move_job(job_id, ("queued", "paused"), "cancelled", reason="", error="")

    def resume(self, job_id: str) -> None:
        """Queue a job again, to go on behind its last frame. Raises: InvalidInput when it cannot."""
        with self._state:
            moved = self._store.move_job(
                job_id, tuple(RESUMABLE), "queued", reason="", error="", ended_at=None
            )
            self._state.notify_all()
        if moved is None:
            raise InvalidInput(f"This analysis is {self._status_words(job_id)}: there is nothing to resume.")

    def delete(self, job_id: str) -> None:
        """Forget a job, its answers and pictures; one that runs is stopped first."""
        if not self._stop_run(job_id, "delete"):
            job = self._store.job(job_id)
            if job is not None:
                self._remove(job)

    def model_changed(self) -> None:
        """Let the jobs go on that waited for the model which serves now."""
        for job in self._store.jobs(status="paused", limit=ALL):
            if job.reason == "model" and identity(job) == self._slot.info.identity:
                self._requeue(job)

    # what people see of jobs

    def view(self, job: JobRecord) -> JobView:
        run = self._run
        pace = run.pace if run is not None and run.job.id == job.id else None
        unsaved = self._unsaved.get(job.id)
        view = job_view(job, self._latest(job), pace, self._earlier(job))
        if unsaved is None:
            return view
        return replace(view, status=unsaved.status, reason=unsaved.reason, error=unsaved.error)

    def running(self) -> JobRecord | None:
        """As it is in the database now."""
        run = self._run
        return self._store.job(run.job.id) if run is not None else None

    def _latest(self, job: JobRecord) -> FrameRecord | None:
        return self._store.last_frame(job.id) if job.frames_done else None

    def _earlier(self, job: JobRecord) -> tuple[float, int] | None:
        return None if job.frames_done else self._store.earlier_speed(job.digest, job.prompt_sha256)

    def _status_words(self, job_id: str) -> str:
        job = self._store.job(job_id)
        return job.status.replace("_", " ") if job else "gone"

    # the thread

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                with self._slot.occupy(f"Analysing {job.video_name}", self._canceller(job), self._closing):
                    self._work_on(job)
            except Cancelled:  # closing, while a switch made way
                return
            except DiskFull:  # it could not even be marked as running
                self._unsaved[job.id] = disk_full(self._store.folder)
                self._closing.wait(DISK_RETRY_SECONDS)

    def _canceller(self, job: JobRecord) -> Callable[[], None]:
        return lambda: self.cancel(job.id)

    def _next(self) -> JobRecord | None:
        """The oldest queued job, waiting for one; None when Haven closes."""
        with self._state:
            while not self._closing.cancelled:
                job = self._store.next_queued()
                if job is not None:
                    return job
                self._state.wait(DISK_RETRY_SECONDS if self._disk_was_full else None)
                self._retry_after_full_disk()
        return None

    def _work_on(self, job: JobRecord) -> None:
        run = self._claim(job)
        if run is None:  # cancelled, paused or deleted while it was queued
            return
        ending = run.work()
        self._thumbnails.flush()
        self._settle(run, ending)

    def _claim(self, job: JobRecord) -> Run | None:
        with self._state:
            claimed = self._store.move_job(job.id, ("queued",), "running", started_at=time.time(), error="")
            self._unsaved.pop(job.id, None)
            if claimed is None:
                return None
            self._run = Run(claimed, CancelToken(), Pace(), self._store, self._thumbnails, self._slot)
            if self._closing.cancelled:
                self._run.cancel.cancel("shutdown")
            return self._run

    def _settle(self, run: Run, ending: Ending) -> None:
        with self._state:
            try:
                self._save(run.job.id, ending)
            except DiskFull:
                log.warning("the disk is full: the end of job %s is not saved yet", run.job.id)
                self._unsaved[run.job.id] = ending
            if run.cancel.reason == "delete":
                self._remove(run.job)
            elif ending.reason == "model" and identity(run.job) == self._slot.info.identity:
                self._requeue(run.job)  # its model came back while this was being written
            self._run = None
            self._state.notify_all()

    def _save(self, job_id: str, ending: Ending) -> None:
        changes: dict[str, object] = {"reason": ending.reason, "error": ending.error, "ended_at": time.time()}
        if ending.status.startswith("completed"):
            job = self._store.job(job_id)
            changes["frames_total"] = job.frames_done if job else 0
        self._store.move_job(job_id, ("running", "cancelling"), ending.status, **changes)

    def _stop_run(self, job_id: str, why: str) -> bool:
        """Stop the run of this job, if it runs, and wait a moment for its end; False when it does not."""
        with self._state:
            run = self._run
            if run is None or run.job.id != job_id:
                return False
            run.cancel.cancel(why)
            if why != "pause":
                self._store.move_job(job_id, ("running",), "cancelling")
            self._state.wait_for(lambda: self._run is not run, STOP_SECONDS)
            return True

    # disk

    @property
    def _disk_was_full(self) -> bool:
        return bool(self._unsaved) or any(
            job.reason == "disk" for job in self._store.jobs(status="paused", limit=ALL)
        )

    def _retry_after_full_disk(self) -> None:
        if not self._disk_was_full or shutil.disk_usage(self._store.folder).free < DISK_ROOM:
            return
        try:
            for job_id, ending in list(self._unsaved.items()):
                self._save(job_id, ending)
                del self._unsaved[job_id]
            for job in self._store.jobs(status="paused", limit=ALL):
                if job.reason == "disk":
                    self._requeue(job)
        except DiskFull as error:
            log.info("the disk is still full: %s", error)

    def _requeue(self, job: JobRecord) -> None:
        with self._state:
            self._store.move_job(job.id, ("paused",), "queued", reason="", error="")
            self._state.notify_all()

    # files

    def _new_job(self, request: AnalysisRequest, info: VideoInfo) -> JobRecord:
        path, sha256 = request.video.resolve(), ""
        if request.uploaded:
            path, sha256 = videos.adopt_upload(path, self._store)
        ours = request.uploaded or videos.is_kept(path, self._store)
        stat, model = path.stat(), self._slot.info
        return JobRecord(
            id=uuid.uuid4().hex,
            status="queued",
            video_path=str(path),
            video_name=request.video.name,
            video_size=stat.st_size,
            video_mtime_ns=stat.st_mtime_ns,
            provider=model.provider,
            model=model.model,
            digest=model.digest,
            load_options=dict(model.load_options),
            tags=request.tags,
            prompt=request.prompt,
            prompt_sha256=request.prompt_sha256,
            sampling=request.sampling.as_dict(),
            frames_total=sample_count(info, request.sampling),
            created_at=time.time(),
            codes=request.codes,
            uploaded=ours,
            video_sha256=sha256,
            duration_us=info.duration_us,
        )

    def _hash(self, job: JobRecord) -> None:
        try:
            sha256 = videos.sha256_of(Path(job.video_path), self._store, self._closing)
            self._store.update_job(job.id, video_sha256=sha256)
        except (Cancelled, OSError, DiskFull) as error:  # the run says it, if the file really is gone
            log.info("no hash of %s: %s", job.video_path, error)

    def _remove(self, job: JobRecord) -> None:
        self._store.delete_job(job.id)
        self._thumbnails.delete(job.id)
        if job.uploaded and not self._store.jobs_using(job.video_path):
            Path(job.video_path).unlink(missing_ok=True)
