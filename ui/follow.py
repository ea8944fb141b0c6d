"""What a page that is open has to redraw: the engine's state now, less what that page has drawn already.

The page asks four times a second while something moves, once a second while nothing does, and at once when
something was done. Nothing is kept here between two questions, so a closed tab leaves nothing behind, and a
reloaded or second one simply asks.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

from engine.errors import InvalidInput
from engine.events.jobs import FrameView, JobView
from ui import cards, panels
from ui.wording import printable

if TYPE_CHECKING:
    from engine.engine import Engine

MOST_CARDS = 60  # at once; older ones come when they are asked for
# At once of a job that is running: more cannot be looked at, and drawing fifty a second takes a core from it.
MOVING_CARDS = 2
BUSY_MS, IDLE_MS = 250, 1000


@dataclass(frozen=True)
class Drawn:
    """What a page shows already."""

    job_id: str = ""
    frames: int = 0  # of that job, among its cards
    parts: Mapping[str, str] = field(default_factory=dict)  # name -> mark of the text that is there
    wants_jobs: bool = False  # the history is in sight


def changes(engine: "Engine", drawn: Drawn) -> dict[str, Any]:
    """Plain JSON: marks and texts of the parts that differ, new cards newest first, and when to ask again."""
    status, switch = engine.status(), engine.switch_progress()
    job = _known(engine, drawn.job_id)
    parts = {"chip": panels.chip(status, switch), "run": panels.run(job), "summary": _summary(engine, job)}
    if drawn.wants_jobs:
        parts["jobs"] = cards.job_list(engine.jobs(), time.time())
    active = engine.active_job()
    new = _new_frames(engine, job, drawn.frames)
    moving = switch is not None or (active is not None and active.status in panels.MOVING)
    return {
        "every_ms": BUSY_MS if moving else IDLE_MS,
        "title": printable(panels.title(job)),
        "generation": status.generation,
        "loading": switch is not None,
        "active": active.job_id if active else "",
        "job": {
            "job_id": job.job_id,
            "status": job.status,
            "moving": job.status in panels.MOVING,
            "spans": engine.findings.revision,  # another one: they may be made otherwise now
            "frames": new[0].index + 1 if new else drawn.frames,
            # Of the new cards; above what the page has drawn, others lie between that were not sent.
            "from": new[-1].index if new else drawn.frames,
        }
        if job
        else None,
        "parts": differing(parts, drawn.parts),
        "cards": _cards(engine, new, job) if job and new else [],
    }


def older_cards(engine: "Engine", job_id: str, below: int) -> list[str]:
    """The next cards below that frame, newest first. Raises: InvalidInput for an unknown job."""
    job = engine.job(job_id)
    newer = max(job.frames_done - below, 0) + MOST_CARDS  # some may have come since the job was read
    frames = engine.frames(job_id, limit=newer + MOST_CARDS, newest_first=True)
    older = [frame for frame in frames if frame.index < below][:MOST_CARDS]
    return _cards(engine, older, job)


def _cards(engine: "Engine", frames: Sequence[FrameView], job: JobView) -> list[str]:
    sure = engine.findings.thresholds(job.job_id, job.tags)
    return [printable(cards.frame_card(frame, job, sure)) for frame in frames]


def mark(text: str) -> str:
    """A short name of a text: the same text has the same one."""
    return f"{crc32(text.encode('utf-8', 'replace')):08x}"


def _known(engine: "Engine", job_id: str) -> JobView | None:
    if not job_id:
        return None
    try:
        return engine.job(job_id)
    except InvalidInput:  # deleted meanwhile, perhaps in another window
        return None


def differing(parts: Mapping[str, str], drawn: Mapping[str, str]) -> dict[str, list[str]]:
    """The parts whose mark is not the one that is drawn, with their marks."""
    marked = {name: [mark(text), printable(text)] for name, text in parts.items()}
    return {name: pair for name, pair in marked.items() if drawn.get(name) != pair[0]}


def _new_frames(engine: "Engine", job: JobView | None, drawn: int) -> list[FrameView]:
    """The newest frames behind the first `drawn`; more may have come since the job was read."""
    if job is None or job.frames_done <= drawn:
        return []
    most = MOVING_CARDS if drawn and job.status in panels.MOVING else MOST_CARDS
    newest = engine.frames(job.job_id, limit=most, newest_first=True)
    return [frame for frame in newest if frame.index >= drawn]


def _summary(engine: "Engine", job: JobView | None) -> str:
    if job is None or job.status in panels.MOVING or not job.frames_done:
        return ""
    return _totals(engine, job.job_id, job.frames_done, job.status, engine.findings.revision)


@lru_cache(maxsize=8)
def _totals(engine: "Engine", job_id: str, frames_done: int, status: str, revision: int) -> str:
    """Kept, since it reads every frame; one more frame, a summary, or spans made otherwise, make it anew."""
    del frames_done, status, revision  # part of the key only
    return cards.totals(engine.job_result(job_id))
