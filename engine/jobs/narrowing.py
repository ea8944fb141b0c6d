"""From which probability a tag holds while the starts and ends of its spans are narrowed to one frame.

Narrowing asks about the frames at which an answer crosses the threshold. Where that is moved afterwards, the
spans start and end elsewhere, between samples that nobody looked between: then they can be narrowed again.
A job whose spans are narrowed again had come to its end: where that is given up, or fails, it is put back.
"""

import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from engine.jobs.outcome import outcome
from engine.video.open_edges import opened
from engine.video.span_settings import SpanSettings
from engine.video.spans import Sample
from storage.records import JobRecord
from storage.store import Store

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
    """By tag, at which threshold starts and ends are known to one frame; empty where they are not.

    Nothing is known of one that is narrowed again until that has ended: what is answered midway may open
    spans that nobody has looked beside.
    """
    return _narrowed_before(job) if _has_ended(job) else {}


def can_be_narrowed(job: JobRecord, settings: SpanSettings) -> bool:
    """Whether a job that has ended was narrowed at other thresholds than its spans are made by now."""
    return _has_ended(job) and narrowed_at(job) != thresholds(job, settings)


def noting_again(job: JobRecord, store: Store) -> dict[str, Any]:
    """The sampling of a job that has ended, and whose spans are to be narrowed once more."""
    return {**job.sampling, _AGAIN: True, _BEHIND: store.newest_answer(job.id)}


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

    What was answered meanwhile is kept, and it can be narrowed again. `why` it failed, where it did. None,
    with nothing changed, where its status is none of `expected`.
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
        sampling=noted(job, _still_narrow(job, store)),
    )


def _has_ended(job: JobRecord) -> bool:
    """Whether a job whose spans were to be narrowed is at rest."""
    return bool(job.sampling.get("refine")) and came_to_its_end(job) and not is_again(job)


def _narrowed_before(job: JobRecord) -> dict[str, float]:
    """As it was noted last; an older Haven noted nothing, and knew one threshold."""
    narrowed = job.sampling.get(_AT)
    return dict.fromkeys(job.tags, USUAL) if narrowed is None else dict(narrowed)


def _still_narrow(job: JobRecord, store: Store) -> dict[str, float]:
    """What was known before, but for the tags of which an answer since has opened a span.

    As for one that nobody saw before, since it is shorter than an interval.
    """
    before = _narrowed_before(job)
    added = store.answered_behind(job.id, job.sampling.get(_BEHIND, 0))
    if not added:
        return before
    samples = (Sample(*answer[:3]) for answer in store.corrections.answers(job.id))
    beside = [pair for pair in pairwise(samples) if not added.isdisjoint(one.time_us for one in pair)]
    return {tag: at for tag, at in before.items() if not opened(beside, tag, at)}


def _without_again(job: JobRecord) -> dict[str, Any]:
    return {name: value for name, value in job.sampling.items() if name not in (_AGAIN, _BEHIND)}
