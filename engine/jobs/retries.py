"""When jobs whose server is away are tried again: after growing pauses, short ones again after an answer.

Kept in memory: a new start tries at once. Knows no server and no job but its id.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

FIRST_SECONDS = 2.0
LONGEST_SECONDS = 120.0


@dataclass(frozen=True)
class _Wait:
    frames_done: int
    pause: float
    due: float


class Retries:
    """Used by one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waits: dict[str, _Wait] = {}

    def failed(self, job_id: str, frames_done: int) -> None:
        """The server was away, after so many frames of the job."""
        last = self._waits.get(job_id)
        grown = FIRST_SECONDS
        if last is not None and last.frames_done == frames_done:
            grown = min(2 * last.pause, LONGEST_SECONDS)
        self._waits[job_id] = _Wait(frames_done, grown, self._clock() + grown)

    def due_in(self, job_id: str) -> float:
        """Seconds until it is tried again; 0 where it is time."""
        wait = self._waits.get(job_id)
        return 0.0 if wait is None else max(0.0, wait.due - self._clock())
