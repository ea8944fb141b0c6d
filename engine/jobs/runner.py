"""What people do with jobs, and what they see of them.

Who works on a job, and when, is the worker's business; what becomes of files is that of `videos`, and when
they are hashed that of `hashing`. Knows nothing of frames or models.
"""

import threading
import time
import uuid
from dataclasses import replace
from pathlib import Path

from engine.backends.base import BackendInfo
from engine.cancel import CancelToken
from engine.errors import InvalidInput
from engine.events.jobs import RESUMABLE, JobView
from engine.jobs import videos
from engine.jobs.hashing import Hashing
from engine.jobs.narrowing import all_again, can_be_narrowed, is_again, noting_again, put_back
from engine.jobs.run import STOPPED, SUMMARY_ALONE, Ending, Run, held_up
from engine.jobs.views import job_view, lacks_summary
from engine.jobs.worker import Worker
from engine.slot import Slot
from engine.video.frames import VideoInfo, effective_interval, planned_count
from engine.video.request import AnalysisRequest
from engine.video.span_settings import SpanSettings
from engine.video.tags import details_of
from storage.records import FrameRecord, JobRecord
from storage.store import Store
from storage.thumbnails import Thumbnails

WAITING = ("queued", "paused")
SETTLED = ("interrupted", "cancelled")  # what a dead process left running is at the next start


class JobRunner:
    """Owns the jobs. Every method may be called from any thread."""

    def __init__(self, store: Store, slot: Slot, thumbnails: Thumbnails) -> None:
        self._store = store
        self._slot = slot
        self._worker = Worker(store, slot, thumbnails)
        self.files = threading.Lock()  # no upload is removed while a job about it is made
        self._closing = CancelToken()
        self._hashing = Hashing(store, self._closing)

    def start(self) -> None:
        """Mark what a dead process left running, and begin with what is queued."""
        self._store.interrupt_running()
        for job in all_again(self._store, SETTLED):  # also of a start that was killed right here
            put_back(job, self._store, (job.status,))
        videos.follow_uploads(self._store)
        videos.remove_orphans(self._store)
        self._worker.start()

    def close(self) -> None:
        """Stop the running job, which becomes `interrupted`, and wait for its end."""
        self._closing.cancel("shutdown")
        self._worker.close()
        self._hashing.close()

    # what people do with jobs

    def submit(self, request: AnalysisRequest, info: VideoInfo) -> str:
        """Queue an analysis with the model that serves now; gives the job's id.

        Raises: MediaError when the video cannot be read; OSError when it cannot be kept; storage's errors.
        """
        with videos.reading(request.video):
            path = request.video.resolve()
            if request.uploaded:
                sha256 = self._hashing.of_upload(path)
            else:
                sha256 = videos.known_sha256(path, self._store)
        with self.files, self._worker.held():
            if request.uploaded:
                path = videos.keep_upload(path, sha256, self._store.folder)
                videos.note_upload(request.video.resolve(), path, sha256, self._store)
            with videos.reading(request.video):
                job = _new_job(request, info, self._slot.info, path, sha256, self._store)
            self._store.add_job(job)
        if not sha256:
            self._hashing.keep_with(job)
        return job.id

    def expect_upload(self, path: Path) -> None:
        """Make the hash of a file in the background, which `submit` would have to wait for."""
        self._hashing.expect_upload(path.resolve())

    def pause(self, job_id: str) -> None:
        """Raises: InvalidInput when there is nothing to pause."""
        with self._worker.held():
            paused = Ending(*STOPPED["pause"])
            if self._worker.stop(job_id, "pause") or self._worker.end_unsaved(job_id, paused):
                return
            moved = self._store.move_job(job_id, WAITING, "paused", reason="user", error="")
        if moved is None:
            raise InvalidInput(f"This analysis is {self._status_words(job_id)}: there is nothing to pause.")

    def cancel(self, job_id: str) -> None:
        """Stop a job for good, keeping what was finished; one that has ended is left as it is.

        One whose spans were to be narrowed once more is then what it was before.
        """
        with self._worker.held():
            cancelled = Ending(*STOPPED["cancel"])
            if self._worker.stop(job_id, "cancel") or self._worker.end_unsaved(job_id, cancelled):
                return
            job = self._store.job(job_id)
            if job is not None and is_again(job):
                put_back(job, self._store, WAITING)
            else:
                self._store.move_job(job_id, WAITING, "cancelled", reason="", error="")

    def resume(self, job_id: str) -> None:
        """Queue a job again, to go on behind its last frame; of a failed one, behind its last good frame.

        Of one that has ended without the summary that it was to have, the summary alone is asked for again;
        of one whose threshold was moved since its spans were narrowed, what is between the samples now.

        Raises: InvalidInput when it cannot; MediaError when its video is not as it was.
        """
        job = self._store.job(job_id)
        if job is not None and self._can_narrow(job):  # it has ended well, and is not to fail for that
            videos.check_unchanged(job, self._store, self._closing)
        with self._worker.held():
            job = self._store.job(job_id)
            if job is not None and job.status == "failed":
                self._store.drop_failed_tail(job_id)
            alone = job is not None and lacks_summary(job)
            expected = ("completed_with_errors",) if alone else tuple(RESUMABLE)
            changes: dict[str, object] = {"reason": SUMMARY_ALONE if alone else "", "error": ""}
            if job is not None and not alone and self._can_narrow(job):
                expected, changes["sampling"] = (job.status,), noting_again(job, self._store)
            moved = self._store.move_job(job_id, expected, "queued", ended_at=None, **changes)
        if moved is None:
            raise InvalidInput(f"This analysis is {self._status_words(job_id)}: there is nothing to resume.")

    def delete(self, job_id: str) -> None:
        """Forget a job, its answers and pictures; one that runs is stopped first."""
        with self._worker.held():
            if not self._worker.stop(job_id, "delete"):
                self._worker.forget(job_id)

    # all of them at once

    def pause_all(self) -> int:
        """Pause the job that runs and all that wait, for whatever reason; gives how many these were."""
        with self._worker.held():
            waiting = self._store.queue.move_all(("queued",), "paused", reason="user", error="")
            for reason in ("model", "disk", "database", "server"):
                waiting += self._store.queue.move_all(("paused",), "paused", reason, reason="user", error="")
            self._worker.end_all_unsaved(Ending(*STOPPED["pause"]))
            return waiting + self._worker.stop_run("pause")

    def resume_all(self) -> int:
        """Queue all jobs that a person paused or that a dead process left; gives how many these were."""
        again = {"reason": "", "error": "", "ended_at": None}
        with self._worker.held():
            paused = self._store.queue.move_all(("paused",), "queued", "user", **again)
            return paused + self._store.queue.move_all(("interrupted",), "queued", **again)

    def cancel_all(self) -> int:
        """Cancel the job that runs and all that wait or are paused; gives how many these were."""
        with self._worker.held():
            waiting = self._put_all_back()
            waiting += self._store.queue.move_all(WAITING, "cancelled", reason="", error="")
            self._worker.end_all_unsaved(Ending(*STOPPED["cancel"]))
            return waiting + self._worker.stop_run("cancel")

    def move(self, job_id: str, steps: int | None) -> None:
        """Move a job in the queue, forwards where `steps` is less than 0; None: to the front.

        Raises: InvalidInput where it does not wait there.
        """
        if not self._store.queue.place(job_id, steps):
            raise InvalidInput(
                f"This analysis is {self._status_words(job_id)}: only one that waits can be moved."
            )

    def model_changed(self) -> None:
        """Let the jobs go on that waited for the model which serves now."""
        self._worker.model_changed()

    # what people see of jobs

    def view(self, job: JobRecord, forecast: bool = True) -> JobView:
        """Without `forecast` no earlier jobs are asked how long it will take, which lists would ask often."""
        run = self._worker.run
        run = run if run is not None and run.job.id == job.id else None
        unsaved = self._worker.unsaved(job.id)
        view = job_view(
            job, self._latest(job), run.pace if run else None, self._earlier(job) if forecast else None
        )
        view = replace(view, can_narrow=self._can_narrow(job))
        view = self._as_it_runs(view, run) if run is not None else view
        if unsaved is None:
            return view
        return replace(view, status=unsaved.status, reason=unsaved.reason, error=unsaved.error)

    def _as_it_runs(self, view: JobView, run: Run) -> JobView:
        """With what is not in the database: that of the run, and what the database waits for itself."""
        waits_for = self._store.held_up()
        stopping = view.status == "running" and run.wanted in ("cancel", "delete")
        return replace(
            view,
            writing=run.writing,
            status="cancelling" if stopping else view.status,
            error=held_up(waits_for, run.wanted) if waits_for else view.error,
        )

    def newest_frames(self, job: JobRecord, limit: int) -> list[FrameRecord]:
        """Those answered last, the newest first: by time, but where a run goes back to narrow its spans."""
        if job.sampling.get("refine"):
            return self._store.frames_as_kept(job.id, limit)
        return self._store.frames(job.id, limit=limit, newest_first=True)

    def running(self) -> JobRecord | None:
        """As it is in the database now."""
        run = self._worker.run
        return self._store.job(run.job.id) if run is not None else None

    def _can_narrow(self, job: JobRecord) -> bool:
        if not job.sampling.get("refine"):
            return False
        return can_be_narrowed(job, SpanSettings.from_dict(self._store.corrections.settings(job.id)))

    def _put_all_back(self) -> int:
        """Those that wait to be narrowed once more; gives how many these were."""
        return sum(put_back(job, self._store, WAITING) is not None for job in all_again(self._store, WAITING))

    def _latest(self, job: JobRecord) -> FrameRecord | None:
        return next(iter(self.newest_frames(job, 1)), None) if job.frames_done else None

    def _earlier(self, job: JobRecord) -> tuple[float, int] | None:
        return None if job.frames_done else self._store.earlier_speed(job.digest, job.prompt_sha256)

    def _status_words(self, job_id: str) -> str:
        job = self._store.job(job_id)
        return self.view(job).status.replace("_", " ") if job else "gone"


def _new_job(
    request: AnalysisRequest, info: VideoInfo, model: BackendInfo, path: Path, sha256: str, store: Store
) -> JobRecord:
    stat, now = path.stat(), time.time()
    step_us = round(effective_interval(info, request.sampling) * 1_000_000)
    return JobRecord(
        id=uuid.uuid4().hex,
        status="queued",
        video_path=str(path),
        video_name=_readable(request.name or request.video.name),
        video_size=stat.st_size,
        video_mtime_ns=stat.st_mtime_ns,
        provider=model.provider,
        model=model.model,
        digest=model.digest,
        load_options=dict(model.load_options),
        tags=request.tags,
        tag_details=details_of(request.asked),
        prompt=request.prompt,
        prompt_sha256=request.prompt_sha256,
        sampling={**request.sampling.as_dict(), "step_us": step_us},
        frames_total=planned_count(info, request.sampling),
        created_at=now,
        queue_place=now,
        codes=request.codes,
        summarise=request.summary,
        uploaded=request.uploaded or videos.is_kept(path, store.folder),
        video_sha256=sha256,
        duration_us=info.duration_us,
    )


def _readable(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 become a mark."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
