"""From which probability a tag holds while the starts and ends of its spans are narrowed to one frame.

Narrowing asks about the frames at which an answer crosses the threshold. Where that is moved afterwards, the
spans start and end elsewhere, between samples that nobody looked between: then they can be narrowed again.
A job whose spans are narrowed again had come to its end: where that is given up, or fails, it is put back.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.jobs.outcome import outcome
from engine.video.span_settings import SpanSettings
from storage.records import JobRecord
from storage.store import Store

log = logging.getLogger(__name__)

USUAL = SpanSettings().everywhere.threshold
# Among the notes of a job's sampling; the last is which of its answers was the newest before.
_AT, _AGAIN, _BEHIND = "narrowed_at", "narrowing_again", "narrowing_behind"


def thresholds(job: JobRecord, settings: SpanSettings) -> dict[str, float]:
    """By tag, as the spans of the job are made now."""
    return {tag: settings.rule(tag).threshold for tag in job.tags}


def noted(job: JobRecord, narrowed: Mapping[str, float]) -> dict[str, Any]:
    """The sampling of a job that was narrowed at these thresholds."""
    return {**_without_again(job), _AT: dict(narrowed)}


def narrowed_at(job: JobRecord) -> dict[str, float]:
    """By tag, at which threshold starts and ends are known to one frame; empty where they are not."""
    if not job.sampling.get("refine") or not came_to_its_end(job):
        return {}
    return dict(job.sampling.get(_AT) or dict.fromkeys(job.tags, USUAL))


def can_be_narrowed(job: JobRecord, settings: SpanSettings) -> bool:
    """Whether a job that has ended was narrowed at other thresholds than its spans are made by now."""
    narrowed = narrowed_at(job)
    return bool(narrowed) and not is_again(job) and narrowed != thresholds(job, settings)


def noting_again(job: JobRecord, store: Store) -> dict[str, Any]:
    """The sampling of a job that has ended, and whose spans are to be narrowed once more."""
    return {**job.sampling, _AGAIN: True, _BEHIND: store.newest_answer(job.id)}


def drop_what_was_added(job: JobRecord, store: Store) -> None:
    """Forget what was answered since a job that `is_again` had ended: it may be about another content."""
    if _BEHIND in job.sampling:  # an older Haven did not note it
        dropped = store.drop_answers_behind(job.id, job.sampling[_BEHIND])
        log.info("%d answers about another content than that of job %s were dropped", dropped, job.id)


def is_again(job: JobRecord) -> bool:
    """Whether a job that is queued, runs or is paused had come to its end, and is only narrowed once more."""
    return bool(job.sampling.get(_AGAIN))


def all_again(store: Store, statuses: tuple[str, ...]) -> list[JobRecord]:
    """The jobs with one of these statuses that are only narrowed once more."""
    return store.queue.noted(statuses, _AGAIN)


def came_to_its_end(job: JobRecord) -> bool:
    """Whether the whole range of a job was looked at."""
    return job.status.startswith("completed") or is_again(job)


def put_back(job: JobRecord, store: Store, expected: tuple[str, ...], why: str = "") -> JobRecord | None:
    """End the narrowing of one that `is_again` before its time: it is what its answers make it, as before.

    What was answered meanwhile is kept, where it was not dropped, and it can be narrowed again. `why` it
    failed, where it did. None, with nothing changed, where its status is none of `expected`.
    """
    job = replace(job, frames_total=job.frames_done)  # what was still to be asked is asked no more
    status, said = outcome(job, store)
    if why:
        status = "completed_with_errors"
        said = f"{said} Starts and ends of spans could not be narrowed again: {why}".strip()
    return store.move_job(
        job.id,
        expected,
        status,
        reason="",
        error=said,
        ended_at=time.time(),
        frames_total=job.frames_total,
        sampling=_without_again(job),
    )


def _without_again(job: JobRecord) -> dict[str, Any]:
    return {name: value for name, value in job.sampling.items() if name not in (_AGAIN, _BEHIND)}
