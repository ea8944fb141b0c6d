"""Putting the `.AI.json` beside its video, where media libraries look for it.

A file that is there already is replaced only if it is the one that Haven wrote, unchanged since, or if the
person says so. What Haven wrote is told by a hash that the caller keeps.
"""

import hashlib
import os
from pathlib import Path

from engine.errors import FileInTheWay, InvalidInput
from engine.paths import finds_no_room
from engine.video.exports.ai_json import ai_json
from engine.video.exports.material import Material
from engine.video.exports.writing import write_new, write_whole

SUFFIX = ".AI.json"


def place_beside(video: Path) -> Path:
    """`lake.mp4.AI.json` beside `lake.mp4`."""
    return video.with_name(video.name + SUFFIX)


def key(place: Path) -> str:
    """Under which the hash of what was written to `place` is kept; a path need not be a text."""
    return f"beside/{hashlib.sha256(os.fsencode(place)).hexdigest()}"


def write_beside(material: Material, written: str, overwrite: bool) -> tuple[Path, str]:
    """Write the file; `written` is the hash of what Haven wrote there last, empty if it never did.

    Gives the place and the hash of what stands there now. Raises: FileInTheWay for somebody else's file;
    InvalidInput when the video came through the browser or is gone, or when no file can be written there;
    OSError for a full disk.
    """
    place = place_beside(material.video)
    check_video(material)
    text = ai_json(material)
    try:
        if not overwrite and not _is_ours(place, written):
            write_new(place, text)
        else:
            write_whole(place, text)
    except (FileExistsError, IsADirectoryError):
        raise _in_the_way(place) from None
    except OSError as error:
        if finds_no_room(error):
            raise
        raise InvalidInput(
            f"{place} cannot be written ({error.strerror}). Export the file instead, and put it elsewhere."
        ) from error
    return place, hashlib.sha256(text.encode()).hexdigest()


def check_video(material: Material) -> None:
    """Raises: InvalidInput when the video came through the browser, or is gone."""
    if material.uploaded:
        raise InvalidInput(
            f"{material.name} came through the browser, so Haven does not know where it lies. Export the "
            "file and put it there, or analyse the video by its path."
        )
    if not material.video.is_file():
        raise InvalidInput(f"{material.video} is not there any more, so nothing was put beside it.")


def _is_ours(place: Path, written: str) -> bool:
    """Whether what is there is just what Haven wrote; a link never is."""
    if not written or place.is_symlink() or not place.is_file():
        return False
    return hashlib.sha256(place.read_bytes()).hexdigest() == written


def _in_the_way(place: Path) -> InvalidInput:
    if place.is_dir():
        return InvalidInput(f"{place} is a folder. Move it away, then save again.")
    return FileInTheWay(
        f"There is a file {place.name} beside the video already, and Haven did not write it, or somebody has "
        "changed it since. It was left as it is. Say that it may be replaced, or export to another place."
    )
