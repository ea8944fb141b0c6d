"""The hashes of videos, made in the background, one after the other. Knows no queue and no run.

Uploads have a thread of their own: a person waits for theirs, behind no other video.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path

from engine.cancel import CancelToken
from engine.errors import Cancelled
from engine.jobs import videos
from storage.errors import StorageError
from storage.patience import told_soon
from storage.records import JobRecord
from storage.store import Store

log = logging.getLogger(__name__)


class Hashing:
    """Every method may be called from any thread."""

    def __init__(self, store: Store, closing: CancelToken) -> None:
        """`closing` ends what is being read."""
        self._store = store
        self._closing = closing
        self._jobs = ThreadPoolExecutor(max_workers=1, thread_name_prefix="haven-hash")
        self._uploads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="haven-upload")

    def close(self) -> None:
        """Wait for what is under way, once `closing` was cancelled; what has not begun is left."""
        self._jobs.shutdown(wait=True, cancel_futures=True)
        self._uploads.shutdown(wait=True, cancel_futures=True)

    def of_upload(self, path: Path) -> str:
        """The hash of an uploaded file, once it is made. Raises: Cancelled, OSError, StorageError."""
        hashing = partial(videos.sha256_of, path, self._store, self._closing)
        return self._uploads.submit(copy_context().run, hashing).result()  # as patient as who asks

    def expect_upload(self, path: Path) -> None:
        """Make the hash of a file that `of_upload` may be asked for."""
        self._uploads.submit(self._of_expected, path)

    def keep_with(self, job: JobRecord) -> None:
        """Make the hash of a job's file, and keep it with the job."""
        self._jobs.submit(self._of_job, job)

    def _of_expected(self, path: Path) -> None:
        try:
            with told_soon():  # a person may come to wait for it
                videos.sha256_of(path, self._store, self._closing)
        except Cancelled:
            return
        except (OSError, StorageError) as error:  # a job about it says so to the person
            log.info("no hash of %s: %s", path, error)

    def _of_job(self, job: JobRecord) -> None:
        try:
            sha256 = videos.sha256_of_job(job, self._store, self._closing)
            if sha256:
                self._store.update_job(job.id, video_sha256=sha256)
        except Cancelled:
            return
        except StorageError as error:  # it is made again when somebody needs it
            log.info("no hash of %s is kept with its job: %s", job.video_path, error)
