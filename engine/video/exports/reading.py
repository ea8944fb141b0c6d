"""Reading time spans back: `.AI.json`, and the two older and newer forms that other taggers write.

Strict: what does not fit the form is refused, and the message names the place. Nothing is guessed but one
thing that the forms leave open: a span without an end, or that ends where it starts, is a single frame, and
lasts one sampling interval.
"""

import json
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from engine.errors import InvalidInput
from engine.paths import why_not
from engine.video.exports.material import CATEGORY, microseconds

MOST_BYTES = 32_000_000
MOST_PARTS = 250_000  # objects in a file, of which a span is one, or two: read in about three seconds
MOST_SECONDS = 3_200_000_000.0  # a hundred years
NO_LARGER = "No larger file is read."
TOO_LARGE = f"has more than {MOST_BYTES // 1_000_000} MB. {NO_LARGER}"
WHAT_IS_READ = "Haven reads .AI.json files of schema version 1 and 3, and those with a list of tags."
_NUMBERS = (float, int)  # of JSON; true and false are none


@dataclass(frozen=True)
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
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise InvalidInput(why_not(path, error)) from error
    try:
        return parse_spans(content)
    except InvalidInput as error:
        raise InvalidInput(f"{path.name} cannot be read as time spans: {error}") from None


def parse_spans(content: bytes | str) -> ReadSpans:
    """The spans in the content of a file. Raises: InvalidInput, naming the place and what is wrong."""
    top = _mapping(_parsed(content), "the file")
    if "json_result" in top:
        return _version_1(_mapping(top["json_result"], "json_result"), "json_result.")
    if "schema_version" in top:
        version = top["schema_version"]
        if version == 3 and not isinstance(version, bool):
            return _version_3(top)
        return _version_1(top, "")
    if "tags" in top:
        return _tag_list(top)
    raise InvalidInput(f"it has none of json_result, schema_version and tags. {WHAT_IS_READ}")


def _parsed(content: bytes | str) -> Any:
    parts = 0

    def refuse(text: str) -> NoReturn:
        raise InvalidInput(f"{text} is no number that JSON knows.")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal parts
        parts += 1
        if parts > MOST_PARTS:
            raise InvalidInput(f"it has more than {MOST_PARTS:,} spans and other parts. {NO_LARGER}")
        found = dict(pairs)
        if len(found) < len(pairs):
            ((double, _),) = Counter(name for name, _ in pairs).most_common(1)
            raise InvalidInput(f"{double!r:.80} stands in it twice, and only one can be meant.")
        return found

    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        return json.loads(text, parse_constant=refuse, object_pairs_hook=once)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"byte {error.start} of it is no UTF-8.") from None
    except json.JSONDecodeError as error:
        raise InvalidInput(f"it is no JSON ({error.msg} in line {error.lineno}).") from None
    except (ValueError, RecursionError):  # a number of thousands of digits, or brackets without end
        raise InvalidInput("it is no JSON that anybody wrote: too deep, or a number too long.") from None


def _version_1(result: Mapping[str, Any], at: str) -> ReadSpans:
    version = _needed(result, "schema_version", at)
    if version != 1 or isinstance(version, bool):
        raise InvalidInput(f"{at}schema_version is {version!r:.40}. {WHAT_IS_READ}")
    metadata = _mapping(_needed(result, "metadata", at), f"{at}metadata")
    duration = _seconds(_needed(metadata, "duration", f"{at}metadata."), f"{at}metadata.duration")
    models = _mapping(_needed(metadata, "models", f"{at}metadata."), f"{at}metadata.models")
    intervals, names = {}, []
    for category, model in models.items():
        where = f"{at}metadata.models.{category}"
        described = _mapping(model, where)
        interval = _needed(described, "frame_interval", f"{where}.")
        intervals[category] = _seconds(interval, f"{where}.frame_interval")
        names.append(_name(described.get("file_name"), f"{where}.file_name"))
    spans = tuple(_categories(result, at, intervals, 0.0))
    return ReadSpans("version 1", duration, tuple(dict.fromkeys(filter(None, names))), spans)


def _version_3(result: Mapping[str, Any]) -> ReadSpans:
    duration = _seconds(_needed(result, "duration", ""), "duration")
    interval = _seconds(_needed(result, "frame_interval", ""), "frame_interval")
    names = []
    for place, model in enumerate(_list(_needed(result, "models", ""), "models")):
        where = f"models[{place}]"
        names.append(_name(_mapping(model, where).get("name"), f"{where}.name"))
    spans = tuple(_categories(result, "", {}, interval))
    return ReadSpans("version 3", duration, tuple(dict.fromkeys(filter(None, names))), spans)


def _tag_list(result: Mapping[str, Any]) -> ReadSpans:
    """The oldest form: what the models are is only a name at each tag."""
    metadata = _mapping(result.get("video_metadata", {}), "video_metadata")
    intervals = _old_intervals(metadata)
    spans: list[ReadSpan] = []
    names = []
    for tag, value in _mapping(result["tags"], "tags").items():
        described = _mapping(value, f"tags.{tag}")
        name = _name(_needed(described, "ai_model_name", f"tags.{tag}."), f"tags.{tag}.ai_model_name")
        names.append(name)
        frames = _needed(described, "time_frames", f"tags.{tag}.")
        spans += _spans(frames, f"tags.{tag}.time_frames", CATEGORY, tag, intervals.get(name, 0.0))
    duration = metadata.get("duration")
    said = None if duration is None else _seconds(duration, "video_metadata.duration")
    return ReadSpans("tags", said, tuple(dict.fromkeys(filter(None, names))), tuple(spans))


def _old_intervals(metadata: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for name, model in _mapping(metadata.get("models", {}), "video_metadata.models").items():
        at = f"video_metadata.models.{name}"
        config = _mapping(_mapping(model, at).get("ai_model_config", {}), f"{at}.ai_model_config")
        if "frame_interval" in config:
            found[name] = _seconds(config["frame_interval"], f"{at}.ai_model_config.frame_interval")
    return found


def _categories(
    result: Mapping[str, Any], at: str, intervals: Mapping[str, float], interval: float
) -> Iterator[ReadSpan]:
    timespans = _mapping(_needed(result, "timespans", at), f"{at}timespans")
    for category, tags in timespans.items():
        for tag, spans in _mapping(tags, f"{at}timespans.{category}").items():
            where = f"{at}timespans.{category}.{tag}"
            yield from _spans(spans, where, category, tag, intervals.get(category, interval))


def _spans(value: Any, at: str, category: str, tag: str, interval: float) -> Iterator[ReadSpan]:
    for place, span in enumerate(_list(value, at)):
        try:
            read = _span(span, category, tag, interval)
        except InvalidInput as error:  # where it is is said only then: there may be very many
            raise InvalidInput(f"{at}[{place}]{error}") from None
        yield read


def _span(span: Any, category: str, tag: str, interval: float) -> ReadSpan:
    """Raises: InvalidInput, which goes on behind the name of the span."""
    described = _mapping(span, "")
    start = _seconds(_needed(described, "start", "."), ".start")
    end = described.get("end")
    until = start if end is None else _seconds(end, ".end")
    if until < start:
        raise InvalidInput(f" ends at {until:g} s, before it starts at {start:g} s.")
    sure = _probability(described.get("confidence"), ".confidence")
    return ReadSpan(category, tag, start, until if until > start else _single(start, interval), sure)


def _single(start: float, interval: float) -> float:
    """The end of a single frame; where no interval is known it is as short as can be."""
    return (microseconds(start) + max(microseconds(interval), 1)) / 1e6


def _needed(mapping: Mapping[str, Any], key: str, at: str) -> Any:
    if key not in mapping:
        raise InvalidInput(f"{at}{key} is missing.")
    return mapping[key]


def _mapping(value: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{at} must be an object with names, not {value!r:.40}.")
    return value


def _list(value: Any, at: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidInput(f"{at} must be a list, not {value!r:.40}.")
    return value


def _name(value: Any, at: str) -> str:
    if value is not None and not isinstance(value, str):
        raise InvalidInput(f"{at} must be a text, not {value!r:.40}.")
    return value or ""


def _seconds(value: Any, at: str) -> float:
    if type(value) not in _NUMBERS:
        raise InvalidInput(f"{at} must be a number of seconds, not {value!r:.40}.")
    if not 0 <= value <= MOST_SECONDS:
        raise InvalidInput(f"{at} is {value!r:.40}; it must lie between 0 and {MOST_SECONDS:g} seconds.")
    return float(value)


def _probability(value: Any, at: str) -> float | None:
    if value is None:
        return None
    if type(value) not in _NUMBERS:
        raise InvalidInput(f"{at} must be a number from 0 to 1, not {value!r:.40}.")
    if not 0 <= value <= 1:
        raise InvalidInput(f"{at} is {value!r:.40}; it must lie between 0 and 1.")
    return float(value)
