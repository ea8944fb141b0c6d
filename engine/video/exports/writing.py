"""Text files that a reader sees whole or not at all. Knows nothing of what is in them."""

import errno
import logging
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

# What a file system says that has no hard links.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)

_PARTIAL = re.compile(r"\.[0-9a-f]{32}\.partial")  # the name of what is being written


def remove_partials(folder: Path) -> None:
    """Remove what a process that was killed was writing, from a folder that no other process writes to."""
    for place in folder.iterdir() if folder.is_dir() else ():
        if _PARTIAL.fullmatch(place.name):
            try:
                place.unlink(missing_ok=True)
            except OSError as error:
                log.warning("%s was not removed: %s", place, error)


def write_whole(place: Path, text: str) -> None:
    """Written beside, synced, then renamed; what was there is replaced. Raises: OSError, nothing left."""
    with _written_beside(place, text) as partial:
        partial.replace(place)


def write_new(place: Path, text: str) -> None:
    """As `write_whole`, but never in the place of something. Raises: FileExistsError; OSError."""
    with _written_beside(place, text) as partial:
        try:
            os.link(partial, place)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            place.open("x").close()  # nobody else gets the name from here on
            partial.replace(place)


@contextmanager
def _written_beside(place: Path, text: str) -> Iterator[Path]:
    partial = place.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield partial
    finally:
        partial.unlink(missing_ok=True)
