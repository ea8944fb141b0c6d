"""The video files that jobs are about: taking in uploads, and telling whether a file is still the same.

Knows files and their hashes; knows nothing of what is in them.
"""

import hashlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from engine.cancel import CancelToken
from engine.errors import MediaError
from engine.paths import why_not
from storage.errors import StorageError
from storage.records import JobRecord
from storage.store import Store

log = logging.getLogger(__name__)

BLOCK = 4 << 20  # bytes read at a time
_UPLOAD = re.compile(r"[0-9a-f]{64}(\..*)?|[0-9a-f]{32}\.partial")  # names that `keep_upload` gives


@contextmanager
def reading(video: Path) -> Iterator[None]:
    """Raises: MediaError in place of what the disk says of a video that is read."""
    try:
        yield
    except OSError as error:
        raise MediaError(why_not(video, error)) from error


def sha256_of(path: Path, store: Store, cancel: CancelToken) -> str:
    """Hex digest of a file, kept with what tells that it has changed, so that it is made once.

    Raises: Cancelled; OSError when the file cannot be read.
    """
    before = path.stat()
    known = _known(path, before, store)
    if known:
        return known
    with path.open("rb") as file:
        sha256 = digest_of(file, cancel)
    _keep(path, before, sha256, store)
    return sha256


def changed_ns(status: os.stat_result) -> int:
    """When anything about a file changed, by the system's own clock, which no date that is set can hide.

    As a database can hold it: it is only ever compared.
    """
    return status.st_ctime_ns % 2**63


def digest_of(file: BinaryIO, cancel: CancelToken) -> str:
    """The SHA-256 of what is left to read of a file, in hex. Raises: Cancelled; OSError."""
    digest = hashlib.sha256()
    while block := file.read(BLOCK):
        cancel.raise_if_cancelled()
        digest.update(block)
    return digest.hexdigest()


def known_sha256(path: Path, store: Store) -> str:
    """Hex digest of a file where it was made before; else nothing. Raises: OSError."""
    return _known(path, path.stat(), store)


def note_upload(upload: Path, kept: Path, sha256: str, store: Store) -> None:
    """Know the hash of an upload that was kept: to keep it has changed what the system says of both."""
    for place in {upload, kept}:
        with suppress(OSError):  # the browser's copy may have been swept away
            _keep(place, place.stat(), sha256, store)


def sha256_of_job(job: JobRecord, store: Store, cancel: CancelToken) -> str:
    """Hex digest of a job's file, if it still is the file that the job was made for; else nothing.

    Raises: Cancelled.
    """
    path, pinned = Path(job.video_path), (job.video_size, job.video_mtime_ns)
    try:
        if _size_and_time(path) != pinned:
            return ""
        sha256 = sha256_of(path, store, cancel)
        return sha256 if _size_and_time(path) == pinned else ""
    except (OSError, StorageError) as error:  # the run says it, if the file really is gone
        log.info("no hash of %s: %s", path, error)
        return ""


def keep_upload(upload: Path, sha256: str, folder: Path) -> Path:
    """Keep an upload in the data folder, under its hash; gives its place there.

    The browser's copy stays where it is until it is swept away, so that a page that plays it goes on.
    Raises: MediaError when the upload cannot be opened; OSError; with nothing left behind.
    """
    kept = folder / "videos" / f"{sha256}{upload.suffix.lower()}"
    if not kept.exists():
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        partial = kept.with_name(f"{uuid.uuid4().hex}.partial")
        try:
            _link_or_copy(upload, partial)
            partial.replace(kept)
        finally:
            partial.unlink(missing_ok=True)
    return kept


def remove_upload(job: JobRecord, store: Store) -> None:
    """Remove the upload that a job was about, unless another job is about it.

    One that cannot be removed now, as it may be open in another program, is when Haven starts.
    """
    if job.uploaded and not store.jobs_using(job.video_path):
        _remove(Path(job.video_path))


def follow_uploads(store: Store) -> None:
    """Let jobs find their uploads where the data folder was moved or copied: the uploads went with it.

    By their names, which are hashes. One that is not in today's folder is left where it was.
    """
    here = store.folder / "videos"
    today = {here, here.resolve()}
    elsewhere = [path for path in map(Path, store.uploads()) if path.parent not in today]
    moved = {
        str(path): str(here / path.name)
        for path in elsewhere
        if _UPLOAD.fullmatch(path.name) and (here / path.name).is_file()
    }
    if moved:
        store.move_uploads(moved)


def remove_orphans(store: Store) -> None:
    """Remove the uploads that no job is about, as a process that was killed may leave them.

    Only what has the name of an upload; and only before any job is made. By their names, which are hashes:
    the data folder may have been moved since.
    """
    folder = store.folder / "videos"
    needed = {Path(path).name for path in store.uploads()}
    for place in folder.iterdir() if folder.is_dir() else ():
        if _UPLOAD.fullmatch(place.name) and place.name not in needed:
            _remove(place)


def _remove(upload: Path) -> None:
    try:
        upload.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s was not removed: %s", upload, error)


def is_kept(path: Path, folder: Path) -> bool:
    """Whether a file is an upload that was taken in before: a new job about it keeps it there."""
    return path.parent == (folder / "videos").resolve()


def check_unchanged(job: JobRecord, store: Store, cancel: CancelToken) -> None:
    """Raises: MediaError when the file of a job is gone, or is another one than at the start."""
    path = Path(job.video_path)
    try:
        now = path.stat()
    except OSError as error:
        raise MediaError(f"{path} is not there any more. Put it back, then resume.") from error
    same_time = now.st_mtime_ns == job.video_mtime_ns
    same = now.st_size == job.video_size and (same_time or bool(job.video_sha256))
    if same and job.video_sha256:  # it is read only where it was touched since that was done
        with reading(path):
            same = job.video_sha256 == sha256_of(path, store, cancel)
    if not same:
        raise MediaError(
            f"{job.video_name} has changed since the analysis began. Start a new analysis of it."
        )


class SameFile:
    """Tells again and again that a job's file is what it was.

    By one look at what the system says of it; it is read only where that is not what it was the last time.
    """

    def __init__(self, job: JobRecord, store: Store, cancel: CancelToken) -> None:
        self._job = job
        self._store = store
        self._cancel = cancel
        self._seen: tuple[int, ...] = ()

    def check(self) -> None:
        """Raises: as `check_unchanged`; Cancelled."""
        seen = self._look()
        if not seen or seen != self._seen:
            check_unchanged(self._job, self._store, self._cancel)
        self._seen = seen

    def _look(self) -> tuple[int, ...]:
        try:
            now = os.stat(self._job.video_path)
        except OSError:  # the check says which
            return ()
        return now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, changed_ns(now)


def _known(path: Path, status: os.stat_result, store: Store) -> str:
    changed = changed_ns(status)
    return store.video_hash(str(path), status.st_size, status.st_mtime_ns, changed) or ""


def _keep(path: Path, status: os.stat_result, sha256: str, store: Store) -> None:
    try:
        changed = changed_ns(status)
        store.set_video_hash(str(path), status.st_size, status.st_mtime_ns, sha256, changed)
    except StorageError as error:  # it is right all the same, and made again when it is needed
        log.info("the hash of %s is not kept: %s", path, error)


def _size_and_time(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        with reading(source):
            reader = source.open("rb")
        with reader, target.open("xb") as writer:
            shutil.copyfileobj(reader, writer, BLOCK)
            writer.flush()
            os.fsync(writer.fileno())
