"""What is known of a job, as files that other programs read. Knows no storage and no page.

`formats.py` lists the formats; each is a function from `Material` to the text of a file. `reading.py` goes
the other way, for the one that Haven reads back.
"""

import re
from pathlib import Path

from engine.errors import InvalidInput
from engine.video.exports.beside import write_beside
from engine.video.exports.formats import FORMATS, Format
from engine.video.exports.material import Material
from engine.video.exports.reading import ReadSpans, read_spans
from engine.video.exports.writing import write_whole

__all__ = [
    "FORMATS",
    "Format",
    "Material",
    "ReadSpans",
    "export",
    "known_format",
    "read_spans",
    "write_beside",
]

LONGEST_NAME = 120  # bytes of the video's name


def known_format(format: str) -> Format:
    """Raises: InvalidInput for a format that is not in `FORMATS`."""
    found = FORMATS.get(format) if isinstance(format, str) else None
    if found is None:
        raise InvalidInput(f"There is no export as {format!r:.80}. Use {', '.join(FORMATS)}.")
    return found


def export(material: Material, format: str, folder: Path) -> Path:
    """Write a job into `folder`, under a name that tells which; gives the file.

    Raises: InvalidInput for an unknown format, or for one that has no place for what was found; MediaError
    where a rate is needed and not known; OSError, with nothing left behind.
    """
    made = known_format(format)
    text = made.write(material)
    job = material.result.job
    stem = re.sub(r"[^\w.-]+", "_", Path(job.video).stem).encode()[:LONGEST_NAME].decode("utf-8", "ignore")
    place = folder / f"{stem}-{job.job_id[:8]}{made.extension}"
    folder.mkdir(mode=0o700, exist_ok=True)
    write_whole(place, text)
    return place
