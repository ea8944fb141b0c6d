"""Reading time spans back: `.AI.json`, and the two older and newer forms that other taggers write.

Strict: what does not fit the form is refused, and the message names the place. Nothing is guessed but one
thing that the forms leave open: a span without an end, or that ends where it starts, is a single frame, and
lasts one sampling interval.
"""

import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from engine.errors import InvalidInput
from engine.paths import why_not
from engine.video.exports.ai_json import MOST_BYTES, MOST_SPANS
from engine.video.exports.fields import as_list, as_mapping, as_name, as_seconds, needed
from engine.video.exports.material import CATEGORY, microseconds
from engine.video.exports.pieces import NO_LARGER, Taker, Way, read_pieces
from engine.video.exports.times import PassedOver, Room, Times

TOO_LARGE = f"has more than {MOST_BYTES // 1_000_000:,} MB. {NO_LARGER}"
WHAT_IS_READ = "Haven reads .AI.json files of schema version 1 and 3, and those with a list of tags."


@dataclass(frozen=True, slots=True)
class ReadSpan:
    """A stretch of time in which a tag holds, as a file says; seconds, half-open."""

    category: str
    tag: str
    start: float
    end: float
    confidence: float | None


@dataclass(frozen=True)
class ReadSpans:
    """What a file says of a video."""

    form: str  # version 1, version 3, tags
    duration: float | None  # seconds; None: it does not say
    models: tuple[str, ...]  # names of the models that it says it is from
    spans: tuple[ReadSpan, ...]  # by category and tag, in the order of the file


def read_spans(path: Path) -> ReadSpans:
    """The spans in a file. Raises: InvalidInput, naming the file, the place in it and what is wrong."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput(f"{path.name} is no file. Name a .AI.json file.")
        if status.st_size > MOST_BYTES:
            raise InvalidInput(f"{path.name} {TOO_LARGE}")
        with path.open("rb") as file:
            return _read(file, path.name)
    except (OSError, ValueError) as error:
        raise InvalidInput(why_not(path, error)) from error


def _read(file: BinaryIO, name: str) -> ReadSpans:
    try:
        return spans_of(file)
    except InvalidInput as error:
        raise InvalidInput(f"{name} cannot be read as time spans: {error}") from None


def spans_of(file: BinaryIO) -> ReadSpans:
    """The spans in an open file. Raises: InvalidInput, naming the place and what is wrong; OSError."""
    top = as_mapping(read_pieces(file, _taker()), "the file")
    if "json_result" in top:
        return _version_1(as_mapping(top["json_result"], "json_result"), "json_result.")
    if "schema_version" in top:
        version = top["schema_version"]
        if version == 3 and not isinstance(version, bool):
            return _version_3(top)
        return _version_1(top, "")
    if "tags" in top:
        return _tag_list(top)
    raise InvalidInput(f"it has none of json_result, schema_version and tags. {WHAT_IS_READ}")


def _taker() -> Callable[[Way], Taker | None]:
    """Who takes what the lists of one file hold: only the models are kept as they are."""
    room = Room(MOST_SPANS)

    def taker(way: Way) -> Taker | None:
        way = way[1:] if way[:1] == ("json_result",) else way
        if way == ("models",):
            return None
        spans = len(way) == 3 and (way[0] == "timespans" or (way[0], way[2]) == ("tags", "time_frames"))
        return Times(room) if spans else PassedOver()

    return taker


def _version_1(result: Mapping[str, Any], at: str) -> ReadSpans:
    version = needed(result, "schema_version", at)
    if version != 1 or isinstance(version, bool):
        raise InvalidInput(f"{at}schema_version is {version!r:.40}. {WHAT_IS_READ}")
    metadata = as_mapping(needed(result, "metadata", at), f"{at}metadata")
    duration = as_seconds(needed(metadata, "duration", f"{at}metadata."), f"{at}metadata.duration")
    models = as_mapping(needed(metadata, "models", f"{at}metadata."), f"{at}metadata.models")
    intervals, names = {}, []
    for category, model in models.items():
        where = f"{at}metadata.models.{category}"
        described = as_mapping(model, where)
        interval = needed(described, "frame_interval", f"{where}.")
        intervals[category] = as_seconds(interval, f"{where}.frame_interval")
        names.append(as_name(described.get("file_name"), f"{where}.file_name"))
    spans = tuple(_categories(result, at, intervals, 0.0))
    return ReadSpans("version 1", duration, tuple(dict.fromkeys(filter(None, names))), spans)


def _version_3(result: Mapping[str, Any]) -> ReadSpans:
    duration = as_seconds(needed(result, "duration", ""), "duration")
    interval = as_seconds(needed(result, "frame_interval", ""), "frame_interval")
    names = []
    for place, model in enumerate(as_list(needed(result, "models", ""), "models")):
        where = f"models[{place}]"
        names.append(as_name(as_mapping(model, where).get("name"), f"{where}.name"))
    spans = tuple(_categories(result, "", {}, interval))
    return ReadSpans("version 3", duration, tuple(dict.fromkeys(filter(None, names))), spans)


def _tag_list(result: Mapping[str, Any]) -> ReadSpans:
    """The oldest form: what the models are is only a name at each tag."""
    metadata = as_mapping(result.get("video_metadata", {}), "video_metadata")
    intervals = _old_intervals(metadata)
    spans: list[ReadSpan] = []
    names = []
    for tag, value in as_mapping(result["tags"], "tags").items():
        described = as_mapping(value, f"tags.{tag}")
        name = as_name(needed(described, "ai_model_name", f"tags.{tag}."), f"tags.{tag}.ai_model_name")
        names.append(name)
        frames = needed(described, "time_frames", f"tags.{tag}.")
        spans += _spans(frames, f"tags.{tag}.time_frames", CATEGORY, tag, intervals.get(name, 0.0))
    duration = metadata.get("duration")
    said = None if duration is None else as_seconds(duration, "video_metadata.duration")
    return ReadSpans("tags", said, tuple(dict.fromkeys(filter(None, names))), tuple(spans))


def _old_intervals(metadata: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for name, model in as_mapping(metadata.get("models", {}), "video_metadata.models").items():
        at = f"video_metadata.models.{name}"
        config = as_mapping(as_mapping(model, at).get("ai_model_config", {}), f"{at}.ai_model_config")
        if "frame_interval" in config:
            found[name] = as_seconds(config["frame_interval"], f"{at}.ai_model_config.frame_interval")
    return found


def _categories(
    result: Mapping[str, Any], at: str, intervals: Mapping[str, float], interval: float
) -> Iterator[ReadSpan]:
    timespans = as_mapping(needed(result, "timespans", at), f"{at}timespans")
    for category, tags in timespans.items():
        for tag, spans in as_mapping(tags, f"{at}timespans.{category}").items():
            where = f"{at}timespans.{category}.{tag}"
            yield from _spans(spans, where, category, tag, intervals.get(category, interval))


def _spans(value: Any, at: str, category: str, tag: str, interval: float) -> Iterator[ReadSpan]:
    if not isinstance(value, Times):
        raise InvalidInput(f"{at} must be a list, not {value!r:.40}.")
    try:
        for start, end, sure in value:
            until = end if end is not None and end > start else _single(start, interval)
            yield ReadSpan(category, tag, start, until, sure)
    except InvalidInput as error:
        raise InvalidInput(f"{at}{error}") from None


def _single(start: float, interval: float) -> float:
    """The end of a single frame; where no interval is known it is as short as can be."""
    return (microseconds(start) + max(microseconds(interval), 1)) / 1e6
