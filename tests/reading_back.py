"""Reads exported files back, each with its own library or a strict parser; what does not fit is an error."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import opentimelineio

from engine.video.exports import read_spans

Span = tuple[float, float, str]  # start and end in seconds, and the tag

EVENT = re.compile(r"(\d{3})  (\S{1,8}) +(V) +(C) +" + r" ".join([r"(\d\d:\d\d:\d\d[:;]\d\d)"] * 4))


def spans_in(format: str, path: Path, rate: int) -> list[Span]:
    """The spans in a file of one of `SPAN_FORMATS`, in order; `rate`: pictures a second of the video."""
    return sorted(_SPANS_OF[format](path, rate))


def read_json(text: str) -> Any:
    """As the standard has it: NaN and infinity are none."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def read_table(text: str) -> list[dict[str, str]]:
    """The rows of a CSV file as RFC 4180 has it, with the byte order mark that Excel needs."""
    assert text.startswith("\ufeff")
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))


def cues(path: Path, format: str) -> Iterator[tuple[int, int, str]]:
    """Start and end in milliseconds and text of each cue of a `vtt` or `srt`, as FFmpeg reads the file."""
    with av.open(str(path), format={"vtt": "webvtt"}.get(format, format)) as container:
        (stream,) = container.streams.subtitles
        for packet in container.demux(stream):
            if packet.size:
                start = packet.pts * packet.time_base * 1000
                yield (
                    int(start),
                    int(start + packet.duration * packet.time_base * 1000),
                    bytes(packet).decode(),
                )


def ffmpeg_chapters(path: Path) -> tuple[str, list[tuple[Fraction, Fraction, str]]]:
    """The title of the file; start and end in seconds and title of each chapter, as FFmpeg reads them."""
    with av.open(str(path), format="ffmetadata") as container:
        made = container.chapters()
        title = container.metadata["title"]
    return title, [
        (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"]) for c in made
    ]


def youtube_chapters(text: str, duration: float) -> list[tuple[int, str]]:
    """As YouTube's rules say: the first at zero, at least three, each of ten seconds, up to the end."""
    read = []
    for line in text.splitlines():
        found = re.fullmatch(r"((?:\d+:)?\d?\d:\d\d) (\S.{0,99})", line)
        assert found, line
        moment, title = found.groups()
        seconds = 0
        for part in moment.split(":"):
            seconds = seconds * 60 + int(part)
        read.append((seconds, title))
    assert read[0][0] == 0
    assert len(read) >= 3
    assert all(later - before >= 10 for before, later in pairwise([*(start for start, _ in read), duration]))
    assert "<" not in text
    assert len(text.encode()) <= 5000
    return read


def read_edl(text: str, base: int) -> tuple[str, str, list[dict[str, Any]]]:
    """Title, mode and events of a CMX 3600 list: number, four times in frames, clip and comment."""
    lines = text.split("\r\n")
    assert lines[0].startswith("TITLE: ")
    assert lines[1] in ("FCM: DROP FRAME", "FCM: NON-DROP FRAME")
    events: list[dict[str, Any]] = []
    for line in filter(None, lines[2:]):
        assert "\n" not in line
        if line.startswith("* "):
            name, _, value = line[2:].partition(": ")
            events[-1][name] = value
        else:
            found = EVENT.fullmatch(line)
            assert found, line
            number, *_, first, last, into, until = found.groups()
            times = [_frame_of(timecode, base) for timecode in (first, last, into, until)]
            events.append({"number": int(number), "times": times, "drop": ";" in first})
    return lines[0].removeprefix("TITLE: "), lines[1].removeprefix("FCM: "), events


def _frame_of(timecode: str, base: int) -> int:
    hours, minutes, seconds, number = map(int, re.split("[:;]", timecode))
    total = ((hours * 60 + minutes) * 60 + seconds) * base + number
    if ";" in timecode:
        assert number >= base // 15 or seconds or minutes % 10 == 0, "a number that is left out"
        whole = hours * 60 + minutes
        total -= base // 15 * (whole - whole // 10)
    return total


def read_timeline(path: Path) -> Any:
    """The one clip of an OpenTimelineIO file, by its own library, with a marker for each span."""
    timeline = opentimelineio.adapters.from_name("otio_json").read_from_file(str(path))
    (clip,) = timeline.find_clips()
    return clip


def _of_json(path: Path, _: int) -> Iterable[Span]:
    return [(s["start"], s["end"], s["tag"]) for s in read_json(path.read_text(encoding="utf-8"))["spans"]]


def _of_ai_json(path: Path, _: int) -> Iterable[Span]:
    return [(span.start, span.end, span.tag) for span in read_spans(path).spans]


def _of_csv(path: Path, _: int) -> Iterable[Span]:
    rows = read_table(path.read_bytes().decode())
    return [(float(row["start_seconds"]), float(row["end_seconds"]), row["tag"]) for row in rows]


def _of_vtt(path: Path, _: int) -> Iterable[Span]:
    return [(start / 1000, end / 1000, text) for start, end, text in cues(path, "vtt")]


def _of_srt(path: Path, _: int) -> Iterable[Span]:
    return [(start / 1000, end / 1000, text) for start, end, text in cues(path, "srt")]


def _of_edl(path: Path, rate: int) -> Iterable[Span]:
    _, _, events = read_edl(path.read_bytes().decode(), rate)
    return [(*(number / rate for number in event["times"][:2]), event["COMMENT"]) for event in events]


def _of_otio(path: Path, _: int) -> Iterable[Span]:
    ranges = [(marker.marked_range, marker.name) for marker in read_timeline(path).markers]
    return [(r.start_time.to_seconds(), r.end_time_exclusive().to_seconds(), name) for r, name in ranges]


def _of_llc(path: Path, _: int) -> Iterable[Span]:
    cuts = read_json(path.read_text(encoding="utf-8"))["cutSegments"]
    return [(cut["start"], cut["end"], cut["name"]) for cut in cuts]


_SPANS_OF: dict[str, Callable[[Path, int], Iterable[Span]]] = {
    "json": _of_json,
    "ai_json": _of_ai_json,
    "csv": _of_csv,
    "vtt": _of_vtt,
    "srt": _of_srt,
    "edl": _of_edl,
    "otio": _of_otio,
    "llc": _of_llc,
}
SPAN_FORMATS = tuple(
    _SPANS_OF
)  # those with a place for each span; chapters and frames are read by themselves
