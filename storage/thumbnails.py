"""Small pictures of the frames, written once, each by its job and time, away from the thread that analyses.

A picture that cannot be written is missing, and no more than that: the answer it belongs to is kept
elsewhere. Whether that was for want of room can be asked. Knows nothing of jobs beyond their ids, and never
looks into the database.
"""

import errno
import logging
import os
import queue
import re
import shutil
import threading
from pathlib import Path

import numpy as np

WIDTH, MAX_HEIGHT = 320, 640  # pixels
_QUALITY = 80  # of 100, JPEG
# Pixels in a row that four are picked of: the mean of all of them takes three times as long, a tenth of what
# a quick model takes for the whole picture, and is not told apart at this size.
_COARSEST = 4
_WAITING = 32  # small pictures, about 5 MB: enough to outlast a slow disk for a while
_JOB_ID = re.compile(r"[0-9a-f]{1,64}")
_log = logging.getLogger(__name__)


class Thumbnails:
    """Writes below `folder`, as `<job id>/<microseconds>.jpg`, on a thread of its own until `close`."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self._waiting: queue.Queue[tuple[str, int, np.ndarray | None] | None] = queue.Queue(_WAITING)
        self._failed = 0
        self._without_room: set[str] = set()  # jobs
        self._thread = threading.Thread(target=self._work, name="haven-thumbnails", daemon=True)
        self._thread.start()

    @property
    def failed(self) -> int:
        """How many pictures could not be written."""
        return self._failed

    def lacks_room(self, job_id: str) -> bool:
        """Whether the disk was too full for a picture of that job since `begin`."""
        return job_id in self._without_room

    def begin(self, job_id: str) -> None:
        """A run of that job begins: it makes the pictures again that found no room before."""
        self._without_room.discard(job_id)

    def path(self, job_id: str, time_us: int) -> Path:
        """Where that picture is, once it is written. Raises: ValueError for what is no job id or time."""
        if isinstance(time_us, bool) or not isinstance(time_us, int):
            raise ValueError(f"{time_us!r} is not a time in microseconds.")
        return self._job_folder(job_id) / f"{time_us}.jpg"

    def put(self, job_id: str, time_us: int, picture: np.ndarray) -> None:
        """Have a picture (RGB, uint8, H x W x 3) written soon. Waits while too many are waiting.

        It is made small here, so that what waits is small, whatever the size of the video.
        """
        self.path(job_id, time_us)
        self._ask((job_id, time_us, _small(picture)))

    def delete(self, job_id: str) -> None:
        """Remove a job's pictures soon, those that are still waiting to be written included."""
        self._job_folder(job_id)
        self._ask((job_id, 0, None))

    def flush(self) -> None:
        """Wait until everything asked for so far is done."""
        self._waiting.join()

    def close(self) -> None:
        """Do what is waiting, then end the thread. A second call does nothing."""
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()

    def _ask(self, item: tuple[str, int, np.ndarray | None]) -> None:
        if not self._thread.is_alive():
            raise RuntimeError("The thumbnails were closed.")
        self._waiting.put(item)

    def _job_folder(self, job_id: str) -> Path:
        if not _JOB_ID.fullmatch(job_id):
            raise ValueError(f"{job_id!r} is not a job id.")
        return self._folder / job_id

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            self._do(*item)
            self._waiting.task_done()
        self._waiting.task_done()

    def _do(self, job_id: str, time_us: int, small: np.ndarray | None) -> None:
        try:
            if small is None:
                shutil.rmtree(self._job_folder(job_id), ignore_errors=True)
                self._without_room.discard(job_id)
            else:
                _write(self.path(job_id, time_us), _jpeg(small))
        except Exception as error:  # noqa: BLE001 - the thread has to outlive any one picture
            self._failed += 1
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._without_room.add(job_id)
            _log.warning("The picture of %s at %d us was not kept: %s", job_id, time_us, error)


def _small(picture: np.ndarray) -> np.ndarray:
    """At most WIDTH x MAX_HEIGHT, never larger than it was; a copy, so that the caller may go on."""
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, WIDTH / width, MAX_HEIGHT / height)
    if scale == 1:
        return picture.copy()
    size = max(1, round(width * scale)), max(1, round(height * scale))
    while picture.shape[1] > _COARSEST * size[0] and picture.shape[0] > _COARSEST * size[1]:
        picture = _half(picture)
    return cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)


def _half(picture: np.ndarray) -> np.ndarray:
    """Each 2 x 2 pixels as one. OpenCV does exactly this step several times as fast as any other."""
    import cv2

    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    even = picture[: 2 * height, : 2 * width]
    return cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)


def _jpeg(picture: np.ndarray) -> bytes:
    import cv2

    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    encoded, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not encoded:
        raise OSError("the picture cannot be put as JPEG")
    return data.tobytes()


def _write(path: Path, data: bytes) -> None:
    """Beside, synced, then renamed: a picture is there whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
