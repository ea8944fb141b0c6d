"""One run of one job: read the video, ask the model, keep each answer as it comes; say how it ended.

Runs on the thread of whoever calls it, and keeps each answer beside it. Knows the store and the slot;
does not decide what runs next.
"""

import logging
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from engine.backends.base import Backend, Frame, FrameAnswer, FrameTask, identity_of
from engine.cancel import CancelToken
from engine.errors import Cancelled, HavenError, ModelError, ServerAway
from engine.events.analysis import FrameLost, FrameRead
from engine.events.jobs import JobStatus
from engine.jobs.forecast import Forecast
from engine.jobs.narrowing import is_again, noted, thresholds
from engine.jobs.outcome import noting_passed_over, outcome, passed_over
from engine.jobs.videos import SameFile, check_unchanged
from engine.jobs.views import Pace
from engine.keeping import Keeping
from engine.settings import Sampling
from engine.slot import Slot
from engine.video.analysis import analyse
from engine.video.frames import sample
from engine.video.refine import Refinement
from engine.video.reuse import Reuse
from engine.video.span_settings import SpanSettings
from engine.video.spans import Sample
from engine.video.summary import SummaryStep, summarise
from engine.video.tags import descriptions_of, with_details
from storage.errors import DatabaseLocked, DiskFull
from storage.records import FrameRecord, JobRecord
from storage.store import Store
from storage.thumbnails import Thumbnails

log = logging.getLogger(__name__)

SUMMARY_ALONE = "summary"  # why a job is queued, or has errors, of which nothing else is left to do
PICTURES_AT_RISK = 64  # kept frames whose thumbnail may not have been written when a process was killed
# Why a run is stopped, the weakest wish first, and what becomes of the job.
STOPPED: dict[str, tuple[JobStatus, str]] = {
    "": ("interrupted", ""),
    "shutdown": ("interrupted", ""),
    "pause": ("paused", "user"),
    "cancel": ("cancelled", ""),
    "delete": ("cancelled", ""),
}
WISHES = frozenset({"pause", "cancel", "delete"})  # of a person
_STRENGTH = {wish: strength for strength, wish in enumerate(STOPPED)}

Samples = Generator[Frame | FrameLost, None, None]


class WrongModel(Exception):
    """Another model serves than the one that the job is pinned to."""


@dataclass(frozen=True)
class Ending:
    """How a run ended: the new status of its job."""

    status: JobStatus
    reason: str = ""
    error: str = ""
    deleted: bool = False  # it is to be forgotten altogether


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
    writing: float | None = None  # share of the summary's questions that are answered, while it is written

    def __post_init__(self) -> None:
        self._planned = self.job.frames_total
        self._same_file = SameFile(self.job, self.store, self.cancel)

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
        except DatabaseLocked as error:
            return database_locked(error)
        except ServerAway as error:
            return Ending("paused", "server", f"{error} The analysis goes on by itself when it is back.")
        except HavenError as error:
            return Ending("failed", error=str(error))
        except Exception as error:
            log.exception("analysing %s", self.job.video_path)
            return Ending("failed", error=f"Something in Haven broke: {type(error).__name__}: {error}")

    def _analyse(self) -> Ending:
        if self.job.reason != SUMMARY_ALONE:
            self._ask_about_frames()
        ending = self._completed()
        lacks_summary = self.job.summarise and not self.job.summary and ending.status != "failed"
        return self._summarised(ending) if lacks_summary else ending

    def _ask_about_frames(self) -> None:
        self._same_file.check()
        sampling = Sampling.from_dict(self.job.sampling)
        asked = with_details(self.job.tags, self.job.tag_details)
        task = FrameTask(
            self.job.tags,
            self.job.prompt,
            codes=self.job.codes,
            described=descriptions_of(asked),
            votes=sampling.votes,
        )
        self._remake_thumbnails()
        self._scan(sampling, task)
        narrowed = self._refine(task) if sampling.refine else None
        self.thumbnails.flush()
        self._stop_without_room()
        self._check_still_unchanged()
        if narrowed is not None:  # until now, to narrow once more could be given up
            self._note(noted(self.job, narrowed))

    def _check_still_unchanged(self) -> None:
        """Answers about two contents are not mixed; one that was deleted meanwhile was read to its end."""
        job = self.store.job(self.job.id)  # with the hash that was made meanwhile
        if job is not None and Path(job.video_path).exists():
            check_unchanged(job, self.store, self.cancel)

    def _scan(self, sampling: Sampling, task: FrameTask) -> None:
        """Ask about the samples that are left."""
        last = self.store.last_frame(self.job.id)
        samples = self._samples(sampling, None if last is None else last.time_us)
        forecast = self._forecast(sampling)
        with (
            Keeping(self._keep) as keeping,
            self._said(samples, task, self._reuse(sampling)) as events,
        ):
            for event in events:
                keeping.put(event, self.pace.tick())
                if forecast is not None:
                    self._plan(forecast.after(_answered(event)))

    @contextmanager
    def _said(
        self, samples: Samples, task: FrameTask, reuse: Reuse | None = None
    ) -> Iterator[Iterator[FrameRead | FrameLost]]:
        """What the model says of the samples; the asking and the decoding end however the block does."""
        with closing(samples), closing(analyse(samples, self._lease, task, self.cancel, reuse)) as events:
            yield (event for event in events if isinstance(event, FrameRead | FrameLost))

    def _forecast(self, sampling: Sampling) -> Forecast | None:
        """None where the number of frames is known from the beginning."""
        if sampling.mode in ("interval", "times") and not sampling.refine:
            return None
        return Forecast.of(self.job.video_path, self._thresholds(), sampling, self._kept())

    def _thresholds(self) -> dict[str, float]:
        """From which a tag holds, by the rules that the spans of this job are made by now."""
        settings = SpanSettings.from_dict(self.store.corrections.settings(self.job.id))
        return thresholds(self.job, settings)

    def _kept(self) -> list[Sample]:
        return [Sample(frame.time_us, frame.state, frame.tags) for frame in self.store.frames(self.job.id)]

    def _samples(self, sampling: Sampling, after_us: int | None) -> Samples:
        """What is left to ask about, numbered on from what is kept."""
        number, path = count(self.job.frames_done), self.job.video_path
        for item in sample(path, sampling, self.cancel, after_us, self._note_passed_over):
            yield replace(item, index=next(number))

    def _refine(self, task: FrameTask) -> dict[str, float]:
        """Narrow the starts and ends of spans, where the kept answers say that they are not narrow yet.

        Gives the thresholds, by tag, that they are narrow for now.
        """
        kept = self._kept()
        number, asked = count(len(kept)), len(kept)
        narrowed, path = self._thresholds(), self.job.video_path
        refinement = Refinement(path, kept, narrowed, self.cancel, self._note_passed_over)
        while refinement.gaps:
            self._plan(asked + refinement.most_questions)
            pictures = refinement.pictures(number)
            with Keeping(self._keep) as keeping, self._said(pictures, task) as events:
                for event in events:
                    keeping.put(event, self.pace.tick())
                    refinement.learn(_answered(event))
                    asked += 1
            refinement.narrow()
        self._plan(asked)
        return narrowed

    def _summarised(self, ending: Ending) -> Ending:
        """Write the summary of what is kept; the frames stand where the model fails at it."""
        captions = [(frame.time_us, frame.caption) for frame in self.store.frames(self.job.id)]
        try:
            for event in summarise(captions, self._lease, self.cancel):
                if isinstance(event, SummaryStep):
                    self.writing = event.done / event.planned
                else:
                    self.store.update_job(self.job.id, summary=event.text)
        except (Cancelled, ServerAway):
            raise
        except ModelError as error:
            said = f"{ending.error} The summary could not be written: {error}".strip()
            reason = SUMMARY_ALONE if ending.status == "completed" else ""
            return Ending("completed_with_errors", reason, said)
        finally:
            self.writing = None
        return ending

    def _reuse(self, sampling: Sampling) -> Reuse | None:
        """With the picture that was answered last, where the run goes on behind it."""
        if sampling.reuse is None:
            return None
        reuse = Reuse(sampling.reuse)
        newest = self.store.frames(self.job.id, newest_first=True)
        last = next((frame for frame in newest if frame.state == "answered"), None)
        if last is not None:
            answer = FrameAnswer("answered", last.tags, last.caption, last.facts)
            for picture in self._pictures([last.time_us]):
                reuse.remember(picture.picture, answer)
        return reuse

    def _remake_thumbnails(self) -> None:
        """Those of kept frames that a kill took, or that found no room."""
        self.thumbnails.begin(self.job.id)
        newest = self.store.frames_as_kept(self.job.id, PICTURES_AT_RISK)
        missing = [
            frame.time_us
            for frame in newest
            if frame.has_picture and not self.thumbnails.path(frame.job_id, frame.time_us).exists()
        ]
        with closing(self._pictures(missing)) as pictures:
            for frame in pictures:
                self.thumbnails.put(self.job.id, frame.time_us, frame.picture)
        self.thumbnails.flush()
        self._stop_without_room()

    def _pictures(self, times_us: list[int]) -> Generator[Frame, None, None]:
        """The pictures at these times, once more."""
        if times_us:
            listed = Sampling(mode="times", times_us=tuple(sorted(times_us)))
            for item in sample(self.job.video_path, listed, self.cancel):
                if isinstance(item, Frame):
                    yield item

    def _plan(self, frames: int) -> None:
        """Say how many frames there will be, where that is not what was said."""
        if frames != self._planned:
            self._planned = frames
            self.store.update_job(self.job.id, frames_total=frames)

    @contextmanager
    def _lease(self) -> Iterator[Backend]:
        with self.slot.lease(self.cancel) as backend:
            if backend.info.identity != identity(self.job):
                raise WrongModel
            yield backend

    def _keep(self, event: FrameRead | FrameLost, seconds: float) -> None:
        """Acknowledged means: in the database. The thumbnail follows on its own thread.

        A job that had ended stays as it was, however this run ends: no answer about another file is added.
        """
        if is_again(self.job):
            self._same_file.check()
        kept = self.store.add_frame(frame_record(self.job.id, event), seconds)
        if kept and isinstance(event, FrameRead):
            self.thumbnails.put(self.job.id, event.frame.time_us, event.frame.picture)
            self._stop_without_room()

    def _stop_without_room(self) -> None:
        """Before more pictures are missing than the next run makes. Raises: DiskFull."""
        if self.thumbnails.lacks_room(self.job.id):
            raise DiskFull(f"The disk that holds {self.store.folder} is full.")

    def _note_passed_over(self, pictures: int) -> None:
        if pictures > passed_over(self.job):
            self._note(noting_passed_over(self.job, pictures))

    def _note(self, sampling: dict[str, Any]) -> None:
        """Keep what was found out with what the job is pinned to."""
        self.job = self.store.update_job(self.job.id, sampling=sampling) or self.job

    def _completed(self) -> Ending:
        job = self.store.job(self.job.id)
        if job is None:
            return Ending("completed")
        status, said = outcome(job, self.store)
        return Ending(status, error=said)


def identity(job: JobRecord) -> tuple[str, str]:
    """The same form as `BackendInfo.identity`."""
    return identity_of(job.digest, job.load_options)


def wrong_model(job: JobRecord) -> Ending:
    return Ending(
        "paused", "model", f"This analysis goes on when {job.model} ({job.provider}) is loaded again."
    )


def disk_full(folder: Path) -> Ending:
    return Ending(
        "paused", "disk", f"The disk of {folder} is full. Free some space: the analysis goes on by itself."
    )


def database_locked(error: DatabaseLocked) -> Ending:
    return Ending("paused", "database", held_up(str(error)))


def held_up(by_whom: str, wanted: str = "") -> str:
    """What is said of an analysis that waits for another program, and of one that is to end as `wanted`."""
    then = {"pause": "It pauses then.", "cancel": "It ends then.", "delete": "It ends then."}
    return f"{by_whom} {then.get(wanted, 'The analysis goes on by itself.')}"


def _answered(event: FrameRead | FrameLost) -> Sample:
    if isinstance(event, FrameLost):
        return Sample(event.time_us, "failed", {})
    return Sample(event.frame.time_us, event.answer.state, event.answer.tags)


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
