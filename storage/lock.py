"""One process owns a data folder: a lock of the operating system, which ends with the process.

The file stays when the owner is gone; only the lock counts. What is written in it, the owner's process
number, is for the message that a second start shows.
"""

import os
import sys
from pathlib import Path
from typing import Self

from storage.errors import FolderInUse

_LOCKED_BYTE = 1 << 30  # Windows locks are mandatory: far behind the text, so that others can still read it


class FolderLock:
    """Held from `acquire` until `release`, or until the process ends in whatever way."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, folder: Path) -> Self:
        """Raises: FolderInUse when somebody else holds the lock of `folder`."""
        path = folder / "haven.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise FolderInUse(
                f"The data folder {folder} is in use by another Haven (process {_owner(path)}). "
                "Close that one first, or start this one with another --data-dir."
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        return cls(descriptor)

    def release(self) -> None:
        """Let another process have the folder. The file stays: removing it would race with the next."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def _owner(path: Path) -> str:
    """The process number in the lock file, or "unknown" while its owner has not yet written it."""
    return path.read_text(encoding="ascii", errors="replace").strip() or "unknown"


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        # flock, not lockf: it also keeps two stores of one process apart.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
