"""The hash of a file that somebody may put another thing in the place of while it is being read.

Nothing but a plain file is ever opened for reading: a pipe would block for ever, a device may do anything.
"""

import os
import stat
from pathlib import Path

from engine.cancel import CancelToken
from engine.jobs.videos import changed_ns, digest_of
from storage.library import Seen
from storage.store import Store

# No link is followed, and no pipe waited for; Windows has neither flag, nor pipes among its files.
_SAFELY = (
    os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
)


class Changing(Exception):
    """The file is not as it was seen: it is being written, or was replaced."""


def sha256_of(seen: Seen, store: Store, cancel: CancelToken) -> str:
    """Hex digest of a file that is still as it was seen; kept, so that it is made once.

    Raises: Changing; Cancelled; OSError when it cannot be read.
    """
    with os.fdopen(os.open(Path(seen.path), _SAFELY), "rb") as file:
        changed = _changed(file.fileno(), seen)
        known = store.video_hash(seen.path, seen.size, seen.mtime_ns, changed)
        if known:
            return known
        sha256 = digest_of(file, cancel)
        if _changed(file.fileno(), seen) != changed:
            raise Changing
    store.set_video_hash(seen.path, seen.size, seen.mtime_ns, sha256, changed)
    return sha256


def _changed(file: int, seen: Seen) -> int:
    """When anything about it changed, of a file that is as it was seen."""
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode) or (status.st_size, status.st_mtime_ns) != (seen.size, seen.mtime_ns):
        raise Changing
    return changed_ns(status)
