"""Paths that people write, and what to say when nothing can be done with what is there.

What the system says of itself ("[Errno 40] ...") helps nobody: here it becomes a sentence that names the file
and what to do. Knows nothing of what is in a file.
"""

import errno
from pathlib import Path

from engine.errors import InvalidInput

_NOT_ALLOWED = (errno.EACCES, errno.EPERM)
_NOT_CONNECTED = tuple(
    getattr(errno, name)
    for name in ("ENOTCONN", "ESTALE", "EHOSTDOWN", "EHOSTUNREACH", "ENODEV", "ENXIO", "ETIMEDOUT")
    if hasattr(errno, name)
)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_SHOWN = 80  # characters of a path that is too long or odd


def place_of(written: str | Path) -> Path:
    """The path that a person wrote; `~` is their home folder. Raises: InvalidInput."""
    try:
        return Path(written).expanduser()
    except RuntimeError:
        user = Path(written).parts[0]
        raise InvalidInput(f"There is no home folder {user}. Write the whole path instead.") from None


def finds_no_room(error: BaseException) -> bool:
    """Whether it says that the disk is full, or all that this user may use of it."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def why_not(path: str | Path, error: OSError | ValueError | RuntimeError, what: str = "file") -> str:
    """Why `path` cannot be used, and what to do; `what` is what was expected there."""
    if not isinstance(error, OSError):
        return _impossible(path, error, what)
    if error.errno == errno.ENOENT:
        return f"There is no {what} {path}. Check the name."
    if error.errno == errno.ENOTDIR:
        return f"There is no {what} {path}: {_file_on_the_way(path)} is a file, not a folder. Check the name."
    if error.errno == errno.EISDIR:
        return f"{path} is a folder. Name a file in it."
    if error.errno == errno.ELOOP:
        return _circle(path, what)
    if error.errno == errno.ENAMETOOLONG:
        return f"The name {str(path)[:_SHOWN]}… is longer than this system allows. Check it."
    if error.errno in _NOT_ALLOWED:
        return f"{path} is closed to you. Change its permissions, or those of the folders that it is in."
    if error.errno in _NOT_CONNECTED:
        return (
            f"{path} is out of reach: its disk or network drive is not connected. Connect it and try again."
        )
    if error.errno == errno.EIO:
        return f"{path} cannot be read: the disk reports a fault. Check the disk, or use another copy."
    return f"{path} cannot be used: {error.strerror or error}. Check the name and the permissions."


def _impossible(path: str | Path, error: ValueError | RuntimeError, what: str) -> str:
    if isinstance(error, RuntimeError):  # as Python up to 3.12 says it
        return _circle(path, what)
    shown = str(path)[-_SHOWN:]  # the end of it says which one
    return f"No {what} can have the name {shown!r}: it holds a character that names cannot have."


def _circle(path: str | Path, what: str) -> str:
    return f"{path} is a link that leads in a circle. Name the {what} itself."


def _file_on_the_way(path: str | Path) -> Path:
    """The part of a path that is a file, though something is looked for in it."""
    return next((part for part in Path(path).parents if part.is_file()), Path(path).parent)
