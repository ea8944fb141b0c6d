"""Looking through a folder: which files in it are videos by their names. Opens none of them.

Symbolic links are never followed, so that nothing leads out of the folder or round in circles; pipes,
sockets and devices are passed over. Knows no database.
"""

import errno
import fnmatch
import logging
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.cancel import CancelToken
from engine.errors import InvalidInput
from engine.jobs.videos import changed_ns
from storage.library import Seen

log = logging.getLogger(__name__)

# What a folder is looked through for unless a pattern is given.
VIDEOS = (
    "*.mp4 *.m4v *.mov *.mkv *.webm *.avi *.ts *.mts *.m2ts *.mpg *.mpeg *.wmv *.asf *.flv *.ogv *.3gp "
    "*.mxf *.vob"
)
MAX_PATTERN = 1_000  # characters


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a file name fits one of the patterns, which spaces or commas separate; no matter its case.

    Raises: InvalidInput for a pattern that is too long, or names a folder.
    """
    if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN:
        raise InvalidInput(f"The pattern must be a text of at most {MAX_PATTERN:,} characters.")
    if "/" in pattern or "\\" in pattern:
        raise InvalidInput("A pattern is about names of files, such as *.mp4; leave folders out of it.")
    globs = pattern.replace(",", " ").split() or VIDEOS.split()
    fits = re.compile("|".join(map(fnmatch.translate, globs)), re.IGNORECASE)
    return lambda name: not name.startswith(".") and fits.match(name) is not None


def walk(
    root: Path,
    recursive: bool,
    fits: Callable[[str], bool],
    without: Path,
    cancel: CancelToken,
    was_folder: bool | None = None,
) -> Iterator[Seen]:
    """The files below `root` whose names fit, one at a time; `root` may also be a single file.

    A folder within it that cannot be read is passed over, as are hidden ones and the folder `without`.
    Raises: OSError when `root` cannot be read, or is not what it was (`was_folder`; None: not known), be it
    that a link has come in its place; Cancelled.
    """
    status = _looked_at(root, was_folder)
    if not stat.S_ISDIR(status.st_mode):
        if stat.S_ISREG(status.st_mode):
            yield seen_as(str(root), status)
        return
    waiting = [str(root)]
    while waiting:
        cancel.raise_if_cancelled()
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    cancel.raise_if_cancelled()
                    if _is_folder(entry):
                        if recursive and not entry.name.startswith(".") and Path(entry.path) != without:
                            waiting.append(entry.path)
                    elif fits(entry.name) and (seen := _seen(entry)) is not None:
                        yield seen
        except OSError as error:
            if folder == str(root):
                raise
            log.info("%s is passed over: %s", folder, error)


def seen_as(path: str, status: os.stat_result) -> Seen:
    """What is to be remembered of a file, to know it by when it is looked at again."""
    return Seen(path, status.st_size, status.st_mtime_ns, changed_ns(status))


def belongs(path: str, root: Path, recursive: bool, fits: Callable[[str], bool]) -> bool:
    """Whether a look through `root` would find a file of this name there."""
    if path == str(root):
        return True
    parent, name = os.path.split(path)
    return fits(name) and (recursive or parent == str(root))


def is_file(path: str) -> bool:
    """Whether a plain file is there, which a symbolic link is not. Raises: OSError other than its absence."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def is_there(path: str) -> bool:
    """What cannot be looked at counts as there: it will be said when it is read."""
    try:
        return is_file(path)
    except OSError:
        return True


def is_as_seen(seen: Seen) -> bool:
    """Whether a file still has its size and time. Raises: OSError other than its absence."""
    if not is_file(seen.path):
        return False
    status = os.lstat(seen.path)
    return (status.st_size, status.st_mtime_ns) == (seen.size, seen.mtime_ns)


def why_unreadable(root: str, was_folder: bool | None = None) -> OSError | None:
    """Why nothing can be said of what is in a folder; None where it can be listed, and is what it was."""
    try:
        if stat.S_ISDIR(_looked_at(root, was_folder).st_mode):
            with os.scandir(root) as entries:
                next(entries, None)
    except OSError as error:
        return error
    return None


def _looked_at(root: str | Path, was_folder: bool | None) -> os.stat_result:
    """Raises: OSError, for a link too: it was none when it was to be watched, and may lead anywhere."""
    status = os.lstat(root)
    is_folder = stat.S_ISDIR(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, "a link is in its place, and no link is followed")
    if was_folder and not is_folder:
        raise OSError(errno.ENOTDIR, "it is no folder any more")
    if was_folder is False and is_folder:
        raise OSError(errno.EISDIR, "a folder is in its place")
    return status


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _seen(entry: os.DirEntry[str]) -> Seen | None:
    """None for what is no plain file, or has just gone."""
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return seen_as(entry.path, status)
