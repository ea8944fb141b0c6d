"""One run of one job: read the video, ask the model, keep each answer as it comes; say how it ended.

Runs on the thread of whoever calls it. Knows the store and the slot; does not decide what runs next.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.backends.base import Backend, FrameTask
from engine.cancel import CancelToken
from engine.errors import Cancelled, HavenError
from engine.events import FrameLost, FrameRead, JobStatus
from engine.jobs.videos import check_unchanged
from engine.jobs.views import Pace
from engine.settings import Sampling
from engine.slot import Slot
from engine.video.analysis import analyse
from engine.video.frames import sample
from storage.errors import DiskFull
from storage.records import FrameRecord, JobRecord
from storage.store import Store
from storage.thumbnails import Thumbnails

log = logging.getLogger(__name__)

# why a run is stopped, as its token says, and what becomes of the job
STOPPED: dict[str, tuple[JobStatus, str]] = {
    "pause": ("paused", "user"),
    "cancel": ("cancelled", ""),
    "delete": ("cancelled", ""),
    "shutdown": ("interrupted", ""),
}


class WrongModel(Exception):
    """Another model serves than the one that the job is pinned to."""


@dataclass(frozen=True)
class Ending:
    """How a run ended: the new status of its job."""

    status: JobStatus
    reason: str = ""
    error: str = ""


@dataclass(frozen=True, eq=False)
class Run:
    """A job that is being worked on."""

    job: JobRecord
    cancel: CancelToken
    pace: Pace
    store: Store
    thumbnails: Thumbnails
    slot: Slot

    def work(self) -> Ending:
        """Analyse what is left of the video. Never raises: whatever happens is an ending."""
        try:
            return self._analyse()
        except Cancelled:
            return Ending(*STOPPED[self.cancel.reason])
        except WrongModel:
            return wrong_model(self.job)
        except DiskFull:
            return disk_full(self.store.folder)
        except HavenError as error:
            return Ending("failed", error=str(error))
        except Exception as error:
            log.exception("analysing %s", self.job.video_path)
            return Ending("failed", error=f"Something in Haven broke: {type(error).__name__}: {error}")

    def _analyse(self) -> Ending:
        job = self.job
        check_unchanged(job, self.store, self.cancel)
        sampling = Sampling.from_dict(job.sampling)
        samples = sample(job.video_path, sampling, self.cancel, after_us=job.cursor_us)
        task = FrameTask(job.tags, job.prompt, codes=job.codes)
        for event in analyse(samples, self._lease, task, self.cancel):
            if isinstance(event, FrameRead | FrameLost):
                self._keep(event)
        return self._completed()

    @contextmanager
    def _lease(self) -> Iterator[Backend]:
        with self.slot.lease(self.cancel) as backend:
            if backend.info.identity != identity(self.job):
                raise WrongModel
            yield backend

    def _keep(self, event: FrameRead | FrameLost) -> None:
        """Acknowledged means: in the database. The thumbnail follows on its own thread."""
        self.store.add_frame(frame_record(self.job.id, event), self.pace.tick())
        if isinstance(event, FrameRead):
            self.thumbnails.put(self.job.id, event.frame.time_us, event.frame.picture)

    def _completed(self) -> Ending:
        job = self.store.job(self.job.id)
        if job is None or not job.frames_failed:
            return Ending("completed")
        if job.frames_failed >= job.frames_done:
            return Ending(
                "failed", error=f"No frame of {job.video_name} could be analysed. {self._last_error()}"
            )
        read = job.frames_done - job.frames_failed
        error = (
            f"{read} of {job.frames_done} frames were read; {job.frames_failed} failed. {self._last_error()}"
        )
        return Ending("completed_with_errors", error=error.strip())

    def _last_error(self) -> str:
        errors = (frame.error for frame in self.store.frames(self.job.id, newest_first=True) if frame.error)
        return next(errors, "")


def identity(job: JobRecord) -> tuple[str, str]:
    """The same form as `BackendInfo.identity`."""
    return job.digest, repr(sorted(job.load_options.items()))


def wrong_model(job: JobRecord) -> Ending:
    return Ending(
        "paused", "model", f"This analysis goes on when {job.model} ({job.provider}) is loaded again."
    )


def disk_full(folder: Path) -> Ending:
    return Ending(
        "paused", "disk", f"The disk of {folder} is full. Free some space: the analysis goes on by itself."
    )


def frame_record(job_id: str, event: FrameRead | FrameLost) -> FrameRecord:
    if isinstance(event, FrameLost):
        return FrameRecord(job_id, event.index, event.time_us, "failed", error=event.error, has_picture=False)
    answer = event.answer
    return FrameRecord(
        job_id=job_id,
        index=event.frame.index,
        time_us=event.frame.time_us,
        state=answer.state,
        tags=answer.tags,
        caption=answer.caption,
        facts=answer.facts,
        error=answer.error,
        raw=answer.raw,
    )
