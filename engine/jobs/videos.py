"""The video files that jobs are about: taking in uploads, and telling whether a file is still the same.

Knows files and their hashes; knows nothing of what is in them.
"""

import hashlib
import os
import shutil
from pathlib import Path

from engine.cancel import CancelToken
from engine.errors import MediaError
from storage.records import JobRecord
from storage.store import Store

BLOCK = 4 << 20  # bytes read at a time


def sha256_of(path: Path, store: Store, cancel: CancelToken) -> str:
    """Hex digest of a file, kept by (path, size, mtime) so that it is made once.

    Raises: Cancelled; OSError when the file cannot be read.
    """
    before = path.stat()
    known = store.video_hash(str(path), before.st_size, before.st_mtime_ns)
    if known:
        return known
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            cancel.raise_if_cancelled()
            digest.update(block)
    store.set_video_hash(str(path), before.st_size, before.st_mtime_ns, digest.hexdigest())
    return digest.hexdigest()


def adopt_upload(upload: Path, store: Store) -> tuple[Path, str]:
    """Keep an upload in the data folder, under its hash; gives its place and the hash.

    The browser's copy stays where it is until it is swept away, so that a page that plays it goes on.
    """
    sha256 = sha256_of(upload, store, CancelToken())
    kept = store.folder / "videos" / f"{sha256}{upload.suffix.lower()}"
    if not kept.exists():
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        partial = kept.with_suffix(kept.suffix + ".partial")
        partial.unlink(missing_ok=True)
        try:
            os.link(upload, partial)
        except OSError:  # another file system
            shutil.copyfile(upload, partial)
        partial.replace(kept)
    return kept, sha256


def is_kept(path: Path, store: Store) -> bool:
    """Whether a file is an upload that was taken in before: a new job about it keeps it there."""
    return path.parent == (store.folder / "videos").resolve()


def check_unchanged(job: JobRecord, store: Store, cancel: CancelToken) -> None:
    """Raises: MediaError when the file of a job is gone, or is another one than at the start."""
    path = Path(job.video_path)
    try:
        now = path.stat()
    except OSError as error:
        raise MediaError(f"{path} is not there any more. Put it back, then resume.") from error
    if (now.st_size, now.st_mtime_ns) == (job.video_size, job.video_mtime_ns):
        return
    same = now.st_size == job.video_size and job.video_sha256 == sha256_of(path, store, cancel)
    if not same:
        raise MediaError(
            f"{job.video_name} has changed since the analysis began. Start a new analysis of it."
        )
