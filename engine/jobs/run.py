"""One run of one job: read the video, ask the model, keep each answer as it comes; say how it ended.

Runs on the thread of whoever calls it, and keeps each answer beside it. Knows the store and the slot;
does not decide what runs next.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.backends.base import Backend, Frame, FrameTask
from engine.cancel import CancelToken
from engine.errors import Cancelled, HavenError
from engine.events import FrameLost, FrameRead, JobStatus
from engine.jobs.videos import check_unchanged
from engine.jobs.views import Pace
from engine.keeping import Keeping
from engine.settings import Sampling
from engine.slot import Slot
from engine.video.analysis import analyse
from engine.video.frames import sample
from engine.video.tags import with_details
from storage.errors import DiskFull
from storage.records import FrameRecord, JobRecord
from storage.store import Store
from storage.thumbnails import Thumbnails

log = logging.getLogger(__name__)

PICTURES_AT_RISK = 64  # kept frames whose thumbnail may not have been written when a process was killed
# Why a run is stopped, the weakest wish first, and what becomes of the job.
STOPPED: dict[str, tuple[JobStatus, str]] = {
    "": ("interrupted", ""),
    "shutdown": ("interrupted", ""),
    "pause": ("paused", "user"),
    "cancel": ("cancelled", ""),
    "delete": ("cancelled", ""),
}
_STRENGTH = {wish: strength for strength, wish in enumerate(STOPPED)}


class WrongModel(Exception):
    """Another model serves than the one that the job is pinned to."""


@dataclass(frozen=True)
class Ending:
    """How a run ended: the new status of its job."""

    status: JobStatus
    reason: str = ""
    error: str = ""


@dataclass(eq=False)
class Run:
    """A job that is being worked on. `wanted` is how it should end, where somebody wants it to end."""

    job: JobRecord
    cancel: CancelToken
    pace: Pace
    store: Store
    thumbnails: Thumbnails
    slot: Slot
    wanted: str = ""

    def stop(self, why: str) -> None:
        """End soon; of several wishes the strongest counts, whichever came first."""
        if _STRENGTH[why] > _STRENGTH[self.wanted]:
            self.wanted = why
        self.cancel.cancel(why)

    def stopped(self) -> Ending:
        """The ending that was wished for."""
        return Ending(*STOPPED[self.wanted])

    def work(self) -> Ending | None:
        """Analyse what is left of the video; None when the run was stopped. Never raises."""
        try:
            return self._analyse()
        except Cancelled:
            return None
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
        described = with_details(job.tags, job.tag_details)
        task = FrameTask(job.tags, job.prompt, codes=job.codes, described=described)
        with Keeping(self._keep) as keeping:
            for event in analyse(self._samples(), self._lease, task, self.cancel):
                if isinstance(event, FrameRead | FrameLost):
                    keeping.put(event, self.pace.tick())
        return self._completed()

    def _samples(self) -> Iterator[Frame | FrameLost]:
        """What is left to ask about. Thumbnails of kept frames that a kill took are made on the way."""
        cursor = self.job.cursor_us
        sampling = Sampling.from_dict(self.job.sampling)
        since = self._whole_until()
        for item in sample(self.job.video_path, sampling, self.cancel, after_us=since):
            if cursor is None or item.time_us > cursor:
                yield item
            elif isinstance(item, Frame):
                self.thumbnails.put(self.job.id, item.time_us, item.picture)

    def _whole_until(self) -> int | None:
        """The time of the last kept frame before the first one that lacks its thumbnail."""
        newest = self.store.frames(self.job.id, limit=PICTURES_AT_RISK, newest_first=True)
        before: list[int | None] = [frame.time_us for frame in newest[1:]]
        before.append(None if len(newest) < PICTURES_AT_RISK else newest[-1].time_us)
        since = self.job.cursor_us
        for frame, time_us in zip(newest, before, strict=False):
            if frame.has_picture and not self.thumbnails.path(frame.job_id, frame.time_us).exists():
                since = time_us
        return since

    @contextmanager
    def _lease(self) -> Iterator[Backend]:
        with self.slot.lease(self.cancel) as backend:
            if backend.info.identity != identity(self.job):
                raise WrongModel
            yield backend

    def _keep(self, event: FrameRead | FrameLost, seconds: float) -> None:
        """Acknowledged means: in the database. The thumbnail follows on its own thread."""
        kept = self.store.add_frame(frame_record(self.job.id, event), seconds)
        if kept and isinstance(event, FrameRead):
            self.thumbnails.put(self.job.id, event.frame.time_us, event.frame.picture)

    def _completed(self) -> Ending:
        job = self.store.job(self.job.id)
        if job is None or not job.frames_failed:
            return Ending("completed")
        if job.frames_failed >= job.frames_done:
            return Ending(
                "failed", error=f"No frame of {job.video_name} could be analysed. {self._last_error()}"
            )
        read, planned = job.frames_done - job.frames_failed, max(job.frames_total, job.frames_done)
        about = "" if planned == job.frames_done else "about "
        error = (
            f"{read} of {about}{planned} frames were read; {job.frames_failed} failed. {self._last_error()}"
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
