"""What is known of a job, as files that other programs read. Knows no storage and no page."""

import json
import os
import re
import uuid
from dataclasses import asdict
from pathlib import Path

from engine.errors import InvalidInput
from engine.events import JobResult

FORMATS = ("json",)
LONGEST_NAME = 80  # characters of the video's name


def export(result: JobResult, format: str, folder: Path) -> Path:
    """Write a job into `folder`, under a name that tells which; gives the file.

    Raises: InvalidInput for a format that is not in `FORMATS`; OSError, with nothing left behind.
    """
    if format not in FORMATS:
        raise InvalidInput(f"There is no export as {format!r} yet. Use {', '.join(FORMATS)}.")
    stem = re.sub(r"[^\w.-]+", "_", Path(result.job.video).stem)[:LONGEST_NAME]
    place = folder / f"{stem}-{result.job.job_id[:8]}.{format}"
    folder.mkdir(mode=0o700, exist_ok=True)
    _write_whole(place, json.dumps(asdict(result), indent=1))
    return place


def _write_whole(place: Path, text: str) -> None:
    """Written beside, synced, then renamed: a reader sees all of it or nothing."""
    partial = place.with_name(f"{uuid.uuid4().hex}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)
