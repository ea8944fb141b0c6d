"""How an analysis went that came to its end: by the states of its frames, as a status and a sentence.

A frame whose answer was not understood counts as one without an answer: it is no absence of any tag.
Pictures that nobody looked at are said, however well it went with the others.
"""

from dataclasses import dataclass
from typing import Any

from engine.events.jobs import JobStatus
from storage.records import JobRecord
from storage.store import Store

MOST_SAID = 80  # characters of an answer that are shown
_PASSED_OVER = "passed_over"  # among the notes of a job's sampling


@dataclass(frozen=True)
class Outcome:
    """What the frames of a job add up to."""

    frames: int
    failed: int
    unparsed: int  # answers that say of no tag whether it holds
    worth: int  # frames that say something: a tag, or a caption

    @classmethod
    def of(cls, job_id: str, store: Store) -> "Outcome":
        states = store.runs.states(job_id)
        count = {name: sum(n for state, _, n in states if state == name) for name in ("failed", "unparsed")}
        frames = sum(n for _, _, n in states)
        without = sum(n for state, captioned, n in states if state in count and not captioned)
        return cls(frames, count["failed"], count["unparsed"], frames - without)

    @property
    def status(self) -> JobStatus:
        """That of a job which came to its end with these."""
        if not self.failed and not self.unparsed:
            return "completed"
        return "completed_with_errors" if self.worth else "failed"


def outcome(job: JobRecord, store: Store) -> tuple[JobStatus, str]:
    """The status of a job that came to its end, and what the person is told of what is missing."""
    status, told = _of_frames(job, store)
    if not passed_over(job):
        return status, told
    status = "completed_with_errors" if status == "completed" else status
    return status, f"{told} {_out_of_order(job)}".strip()


def passed_over(job: JobRecord) -> int:
    """How many pictures of the video are out of order, as far as it was read."""
    return int(job.sampling.get(_PASSED_OVER, 0))


def noting_passed_over(job: JobRecord, pictures: int) -> dict[str, Any]:
    """The sampling of a job with that number, which no later run needs to find again."""
    return {**job.sampling, _PASSED_OVER: pictures}


def _of_frames(job: JobRecord, store: Store) -> tuple[JobStatus, str]:
    found = Outcome.of(job.id, store)
    if found.status == "completed":
        return "completed", ""
    told = [_not_understood(found, _first_words(job, store))] if found.unparsed else []
    if found.failed:
        told.append(store.runs.last_error(job.id))
    if found.status == "failed":
        told.insert(0, f"No frame of {job.video_name} could be analysed.")
    elif found.failed:
        read, planned = found.frames - found.failed, max(job.frames_total, found.frames)
        about = "" if planned == found.frames else "about "
        told.insert(0, f"{read} of {about}{planned} frames were read; {found.failed} failed.")
    return found.status, " ".join(filter(None, told))


def _not_understood(found: Outcome, words: str) -> str:
    said = f"The answers about {found.unparsed} of {found.frames} frames were not understood"
    if found.unparsed == 1:
        said = f"The answer about 1 of {found.frames} frames was not understood"
    return f"{said}{f', such as “{words}”' if words else ''}. Another model, or other words, may do better."


def _first_words(job: JobRecord, store: Store) -> str:
    said = " ".join(store.runs.first_said(job.id, "unparsed").split())
    return said if len(said) <= MOST_SAID else f"{said[:MOST_SAID]}…"


def _out_of_order(job: JobRecord) -> str:
    pictures = passed_over(job)
    some = "1 picture" if pictures == 1 else f"{pictures:,} pictures"
    return (
        f"{some} of {job.video_name} could not be looked at, being out of order: the time stamps in "
        "the file run backwards there. Convert it, for example with ffmpeg, and analyse what comes of it."
    )
