"""`.AI.json`, schema version 1: the file that taggers put beside a video, and media libraries read there.

`json_result` says which model found what, `video_tag_info` sums it up for the video. `reading.py` reads it.
The schema has no place for what a person corrected, nor for a threshold of a single tag. Where there is such
a thing it stands beside these two, under `haven`, which other programs pass over.
"""

import json
import zlib
from typing import Any

from engine.video.exports.material import THRESHOLD, Material, Stretch

SCHEMA_VERSION = 1
MODEL_VERSION = 1.0  # the schema wants a number; models here are told apart by name


def ai_json(material: Material) -> str:
    """The whole file; times in seconds, exact to the microsecond."""
    return json.dumps(_content(material), indent=1, ensure_ascii=False) + "\n"


def model_number(provider: str, model: str) -> int:
    """A number for a model that stays the same: the schema has one in the place of a name."""
    return zlib.crc32(f"{provider}/{model}".encode())


def _content(material: Material) -> dict[str, Any]:
    job = material.result.job
    found = _by_tag(material)
    categories = dict.fromkeys(material.category(tag) for tag in job.tags)
    models = {category: _model(material, category) for category in categories or found}
    duration = material.duration_us / 1e6
    content = {
        "json_result": {
            "schema_version": SCHEMA_VERSION,
            "metadata": {"duration": duration, "models": models},
            "timespans": _each(found, lambda spans: [_span(span, "confidence") for span in spans]),
        },
        "video_tag_info": {
            "video_duration": duration,
            "video_tags": {category: list(tags) for category, tags in found.items()},
            "tag_totals": _each(found, lambda spans: sum(s.end_us - s.start_us for s in spans) / 1e6),
            "tag_timespans": _each(found, lambda spans: [_span(span, "totalConfidence") for span in spans]),
        },
    }
    own = _own(material)
    return {**content, "haven": own} if own else content


def _model(material: Material, category: str) -> dict[str, Any]:
    job = material.result.job
    thresholds = [material.threshold(tag) for tag in job.tags if material.category(tag) == category]
    return {
        "frame_interval": material.interval_us / 1e6,
        "threshold": min(thresholds, default=THRESHOLD),  # every span of the category has it
        "version": MODEL_VERSION,
        "ai_model_id": model_number(job.provider, job.model),
        "file_name": job.model,
    }


def _own(material: Material) -> dict[str, Any]:
    """The thresholds of tags where they are not all the same, and the spans that a person corrected."""
    own: dict[str, Any] = {}
    thresholds = {tag: material.threshold(tag) for tag in material.result.job.tags}
    if len(set(thresholds.values())) > 1:
        own["thresholds"] = thresholds
    corrected = _by_tag(material, only_corrected=True)
    if corrected:
        own["corrected"] = _each(corrected, lambda spans: [_times(span) for span in spans])
    return own


def _by_tag(material: Material, only_corrected: bool = False) -> dict[str, dict[str, list[Stretch]]]:
    """The spans by category and tag, in the order in which they were asked."""
    found: dict[str, dict[str, list[Stretch]]] = {}
    places = {tag: place for place, tag in enumerate(material.result.job.tags)}
    ordered = sorted(material.stretches(), key=lambda s: places.get(s.tag, len(places)))
    for stretch in ordered:
        if only_corrected and not stretch.corrected:
            continue
        found.setdefault(stretch.category, {}).setdefault(stretch.tag, []).append(stretch)
    return found


def _each(found: dict[str, dict[str, list[Stretch]]], make: Any) -> dict[str, dict[str, Any]]:
    return {
        category: {tag: make(stretches) for tag, stretches in tags.items()}
        for category, tags in found.items()
    }


def _span(stretch: Stretch, confidence: str) -> dict[str, float | None]:
    return {**_times(stretch), confidence: stretch.confidence}


def _times(stretch: Stretch) -> dict[str, float]:
    return {"start": stretch.start_us / 1e6, "end": stretch.end_us / 1e6}
