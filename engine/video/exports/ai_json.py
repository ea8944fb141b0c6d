"""`.AI.json`, schema version 1: the file that taggers put beside a video, and media libraries read there.

`json_result` says which model found what, `video_tag_info` sums it up for the video. `reading.py` reads it.
"""

import json
import zlib
from typing import Any

from engine.video.exports.material import Material, Stretch

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
    model = {
        "frame_interval": material.interval_us / 1e6,
        "threshold": material.threshold,
        "version": MODEL_VERSION,
        "ai_model_id": model_number(job.provider, job.model),
        "file_name": job.model,
    }
    duration = material.duration_us / 1e6
    return {
        "json_result": {
            "schema_version": SCHEMA_VERSION,
            "metadata": {"duration": duration, "models": dict.fromkeys(categories or found, model)},
            "timespans": _each(found, lambda spans: [_span(span, "confidence") for span in spans]),
        },
        "video_tag_info": {
            "video_duration": duration,
            "video_tags": {category: list(tags) for category, tags in found.items()},
            "tag_totals": _each(found, lambda spans: sum(s.end_us - s.start_us for s in spans) / 1e6),
            "tag_timespans": _each(found, lambda spans: [_span(span, "totalConfidence") for span in spans]),
        },
    }


def _by_tag(material: Material) -> dict[str, dict[str, list[Stretch]]]:
    """The spans by category and tag, in the order in which they were asked."""
    found: dict[str, dict[str, list[Stretch]]] = {}
    places = {tag: place for place, tag in enumerate(material.result.job.tags)}
    ordered = sorted(material.stretches(), key=lambda s: places.get(s.tag, len(places)))
    for stretch in ordered:
        found.setdefault(stretch.category, {}).setdefault(stretch.tag, []).append(stretch)
    return found


def _each(found: dict[str, dict[str, list[Stretch]]], make: Any) -> dict[str, dict[str, Any]]:
    return {
        category: {tag: make(stretches) for tag, stretches in tags.items()}
        for category, tags in found.items()
    }


def _span(stretch: Stretch, confidence: str) -> dict[str, float | None]:
    return {
        "start": stretch.start_us / 1e6,
        "end": stretch.end_us / 1e6,
        confidence: stretch.confidence,
    }
