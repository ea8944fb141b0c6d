"""From which probability a tag holds while the starts and ends of its spans are narrowed to one frame.

Narrowing asks about the frames at which an answer crosses the threshold. Where that is moved afterwards, the
spans start and end elsewhere, between samples that nobody looked between: then they can be narrowed again.
"""

from collections.abc import Mapping
from typing import Any

from engine.video.span_settings import SpanSettings
from storage.records import JobRecord

USUAL = SpanSettings().everywhere.threshold


def thresholds(job: JobRecord, settings: SpanSettings) -> dict[str, float]:
    """By tag, as the spans of the job are made now."""
    return {tag: settings.rule(tag).threshold for tag in job.tags}


def noted(job: JobRecord, narrowed: Mapping[str, float]) -> dict[str, Any]:
    """The sampling of a job that was narrowed at these thresholds."""
    return {**job.sampling, "narrowed_at": dict(narrowed)}


def narrowed_at(job: JobRecord) -> dict[str, float]:
    """By tag, at which threshold starts and ends are known to one frame; empty where they are not."""
    if not job.sampling.get("refine") or not job.status.startswith("completed"):
        return {}
    return dict(job.sampling.get("narrowed_at") or dict.fromkeys(job.tags, USUAL))


def can_be_narrowed(job: JobRecord, settings: SpanSettings) -> bool:
    """Whether a job that has ended was narrowed at other thresholds than its spans are made by now."""
    narrowed = narrowed_at(job)
    return bool(narrowed) and narrowed != thresholds(job, settings)
