"""Exports of the fake engine: real formats and a real reader; what is put beside a video is only noted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.video import exports


class FakeExports:
    """What is asked of it is told to `note`, which may raise; `path_of` gives the video of a job."""

    def __init__(self, note: Callable[..., Any], path_of: Callable[[str], Path]) -> None:
        self._note = note
        self._path_of = path_of

    def formats(self) -> tuple[exports.Format, ...]:
        return tuple(exports.FORMATS.values())

    def save_beside(self, job_id: str, overwrite: bool = False) -> Path:
        video = self._path_of(job_id)
        self._note("save_beside", job_id, overwrite)
        return video.with_name(f"{video.name}.AI.json")

    def read_spans(self, file: Path) -> exports.ReadSpans:
        return exports.read_spans(file)
