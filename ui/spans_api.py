"""The endpoints about spans, about two runs of a video, and the search.

As in `api`, names, order and defaults are a promise.
"""

from collections.abc import Callable
from typing import Any

from ui.endpoints import plain, spoken
from ui.house import House
from ui.off_loop import slow


def endpoints(house: House) -> list[Callable[..., Any]]:
    """What a script can ask about spans."""
    findings = house.engine.findings

    @spoken
    async def spans(job_id: str) -> dict:
        """The spans of a job without its frames, how they are made, totals, and what was looked at."""
        return plain(await slow(findings.spans, job_id))

    @spoken
    async def span_settings(job_id: str) -> dict:
        """How spans are made: `{threshold, max_gap, min_duration, tags}`."""
        return plain((await slow(findings.spans, job_id)).settings)

    @spoken
    async def set_span_settings(job_id: str, settings: dict) -> dict:
        """Change some of them; gives the spans that this makes, as `/spans` does."""
        return plain(await slow(findings.set_settings, job_id, settings))

    @spoken
    async def correct_span(
        job_id: str, tag: str, old: list[float] | None = None, new: list[float] | None = None
    ) -> dict:
        """Move a span from `old` to `new`, add one without `old`, delete one without `new`."""
        return plain(await slow(findings.correct, job_id, tag, old, new))

    @spoken
    async def undo_correction(job_id: str) -> dict:
        """Take the last correction of this video back."""
        return plain(await slow(findings.undo, job_id))

    @spoken
    async def search(query: str, limit: int = 20) -> list[dict]:
        """Where something is, over all videos, the newest analyses first."""
        return plain(await slow(house.engine.search.find, query, limit))

    @spoken
    async def compare_jobs(job_id: str, other_id: str) -> dict:
        """Two jobs about the same video, side by side: how far they agree, and where they differ."""
        return plain(await slow(house.engine.comparisons.compare, job_id, other_id))

    return [spans, span_settings, set_span_settings, correct_span, undo_correction, search, compare_jobs]
