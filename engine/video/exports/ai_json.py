"""`.AI.json`, schema version 1: the file that taggers put beside a video, and media libraries read there.

`json_result` says which model found what, `video_tag_info` sums it up for the video. `reading.py` reads it.
The schema has no place for what a person corrected, nor for a threshold of a single tag. Where there is such
a thing it stands beside these two, under `haven`, which other programs pass over.
"""

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from engine.errors import InvalidInput
from engine.video.exports.material import THRESHOLD, Material, Stretch

SCHEMA_VERSION = 1
MODEL_VERSION = 1.0  # the schema wants a number; models here are told apart by name
MOST_SPANS = 1_000_000  # that are read back: more than 50 tags that come and go each second for ten hours
MOST_BYTES = 300 * MOST_SPANS  # a span stands in it twice, and once more where it was corrected
ByTag = dict[str, dict[str, list[Stretch]]]  # by category and tag
_encode = json.JSONEncoder(ensure_ascii=False).encode


def ai_json(material: Material) -> str:
    """The whole file, a line a span; times in seconds, exact to the microsecond.

    Raises: InvalidInput for more spans than Haven reads back.
    """
    found = len(material.result.spans)
    if found > MOST_SPANS:
        raise InvalidInput(
            f"This analysis has {found:,} spans, and no .AI.json with more than {MOST_SPANS:,} is read. "
            "Allow longer gaps, or choose another format."
        )
    return "".join(_laid_out(_content(material))) + "\n"


def model_number(provider: str, model: str) -> int:
    """A number for a model that stays the same: the schema has one in the place of a name."""
    return zlib.crc32(f"{provider}/{model}".encode())


def _content(material: Material) -> dict[str, Any]:
    job = material.result.job
    stretches = material.stretches()
    found = _by_tag(material, stretches)
    categories = dict.fromkeys(material.category(tag) for tag in job.tags)
    models = {category: _model(material, category) for category in categories or found}
    duration = material.duration_us / 1e6
    content = {
        "json_result": {
            "schema_version": SCHEMA_VERSION,
            "metadata": {"duration": duration, "models": models},
            "timespans": _each(found, lambda spans: (_span(span, "confidence") for span in spans)),
        },
        "video_tag_info": {
            "video_duration": duration,
            "video_tags": {category: list(tags) for category, tags in found.items()},
            "tag_totals": _each(found, lambda spans: sum(s.end_us - s.start_us for s in spans) / 1e6),
            "tag_timespans": _each(found, lambda spans: (_span(span, "totalConfidence") for span in spans)),
        },
    }
    own = _own(material, [stretch for stretch in stretches if stretch.corrected])
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


def _own(material: Material, corrected: Iterable[Stretch]) -> dict[str, Any]:
    """The thresholds of tags where they are not all the same, and the spans that a person corrected."""
    own: dict[str, Any] = {}
    thresholds = {tag: material.threshold(tag) for tag in material.result.job.tags}
    if len(set(thresholds.values())) > 1:
        own["thresholds"] = thresholds
    by_tag = _by_tag(material, corrected)
    if by_tag:
        own["corrected"] = _each(by_tag, lambda spans: map(_times, spans))
    return own


def _by_tag(material: Material, stretches: Iterable[Stretch]) -> ByTag:
    """By category and tag, in the order in which they were asked."""
    found: ByTag = {}
    places = {tag: place for place, tag in enumerate(material.result.job.tags)}
    for stretch in sorted(stretches, key=lambda s: places.get(s.tag, len(places))):
        found.setdefault(stretch.category, {}).setdefault(stretch.tag, []).append(stretch)
    return found


def _each(found: ByTag, make: Callable[[list[Stretch]], Any]) -> dict[str, dict[str, Any]]:
    return {
        category: {tag: make(stretches) for tag, stretches in tags.items()}
        for category, tags in found.items()
    }


def _laid_out(part: Any, indent: str = "") -> Iterator[str]:
    """The text of a part. The spans of a tag come one by one, so that they are never all held twice."""
    if isinstance(part, Iterator):
        yield "[\n" + ",\n".join(map(_encode, part)) + f"\n{indent}]"
    elif isinstance(part, dict) and part:
        opened = "{"
        for name, inner in part.items():
            yield f"{opened}\n{indent} {_encode(name)}: "
            yield from _laid_out(inner, indent + " ")
            opened = ","
        yield f"\n{indent}}}"
    else:
        yield _encode(part)


def _span(stretch: Stretch, confidence: str) -> dict[str, float | None]:
    return {**_times(stretch), confidence: stretch.confidence}


def _times(stretch: Stretch) -> dict[str, float]:
    return {"start": stretch.start_us / 1e6, "end": stretch.end_us / 1e6}
