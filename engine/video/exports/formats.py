"""Every format that a job can be exported as. A new one is a line here."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.video.exports.ai_json import ai_json
from engine.video.exports.chapters import ffmetadata, youtube
from engine.video.exports.editing import edl, losslesscut, otio
from engine.video.exports.material import Material
from engine.video.exports.subtitles import srt, webvtt
from engine.video.exports.tables import csv_of_frames, csv_of_spans


@dataclass(frozen=True)
class Format:
    """One way to write down what was found."""

    id: str
    label: str  # for the menu
    extension: str  # of the file, with its first point
    media_type: str
    write: Callable[[Material], str]  # the whole text of the file
    counts_frames: bool = False  # it needs the rate of the video


def everything(material: Material) -> str:
    """All that is known of a job, as scripts get it, and what was asked; a frame and a span a line."""
    known = {**vars(material.result), **material.asked}
    parts = (f"{json.dumps(name)}: {_plain(part)}" for name, part in known.items())
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _plain(part: Any) -> str:
    # Indented, or copied to dicts first, a long analysis would take a minute.
    if isinstance(part, tuple):
        return "[\n" + ",\n".join(json.dumps(one, default=vars) for one in part) + "\n]"
    return json.dumps(part, default=vars)


FORMATS = {
    made.id: made
    for made in (
        Format("ai_json", "Tags for media libraries (.AI.json)", ".AI.json", "application/json", ai_json),
        Format("json", "Everything (JSON)", ".json", "application/json", everything),
        Format("csv", "Table of time spans (CSV)", ".csv", "text/csv", csv_of_spans),
        Format("csv_frames", "Table of frames (CSV)", ".frames.csv", "text/csv", csv_of_frames),
        Format("vtt", "Subtitles (WebVTT)", ".vtt", "text/vtt", webvtt),
        Format("srt", "Subtitles (SRT)", ".srt", "application/x-subrip", srt),
        Format("ffmetadata", "Chapters for ffmpeg", ".ffmetadata", "text/plain", ffmetadata),
        Format("youtube", "Chapters for YouTube", ".youtube.txt", "text/plain", youtube),
        Format("edl", "Edit decision list (EDL)", ".edl", "text/plain", edl, counts_frames=True),
        Format("otio", "OpenTimelineIO", ".otio", "application/json", otio, counts_frames=True),
        Format("llc", "LosslessCut project", ".llc", "application/json", losslesscut),
    )
}
