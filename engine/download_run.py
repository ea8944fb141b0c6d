"""One download under way: its thread, how far it is and how fast, and how it ended.

Knows nothing of what is done on the thread; that is a function which tells how far it is.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from engine.cancel import CancelToken
from engine.errors import Cancelled, HavenError
from engine.events.models import DownloadState, DownloadView
from engine.paths import finds_no_room

log = logging.getLogger(__name__)
WAITS = "Waits until another download has ended."
STOPPED = "Stopped. Start it again, and it goes on."
FULL = "The disk is full. Free some space and start the download again; it goes on."
_WINDOW = 5.0  # seconds that the speed is taken over
_SHORTEST = 0.5  # seconds after which there is a speed at all
_EVERY = 0.1  # seconds between two samples of it


class DownloadRun:
    """Waits until `begin`. `tell`, `stop` and `view` may be called from any thread."""

    def __init__(
        self,
        id: str,
        work: Callable[["DownloadRun"], str],
        after: Callable[["DownloadRun"], None],
        before: "DownloadRun | None" = None,
    ) -> None:
        """`work` gives the last message; `after` is called at the end; `before` is waited for first."""
        self.id, self.cancel, self.over = id, CancelToken(), threading.Event()
        self.forgotten = False  # nothing of it is wanted any more
        self._work, self._after, self._before = work, after, before
        self._lock = threading.Lock()
        self._state: DownloadState = "waiting"
        self._done, self._total, self._message = 0, 0, WAITS
        self._share: float | None = None
        self._speed = Speed()

    @property
    def state(self) -> DownloadState:
        """One that was told to stop counts as stopped, though its thread may need a moment more."""
        under_way = self._state in ("waiting", "downloading")
        return "partial" if under_way and self.cancel.cancelled else self._state

    def begin(self) -> None:
        """Start the thread, unless it was stopped before."""
        with self._lock:
            if self._state != "waiting":
                return
            self._state = "downloading"
        threading.Thread(target=self._run, name=f"haven-download-{self.id}", daemon=True).start()

    def stop(self) -> None:
        """What is on its way is given up; what is here is kept. A run that has ended stays as it is."""
        with self._lock:
            never_begun = self._state == "waiting"
            if never_begun:
                self._state, self._message = "partial", STOPPED
        self.cancel.cancel(STOPPED)
        if never_begun:
            self._end()

    def tell(self, done_bytes: int, total_bytes: int, message: str = "") -> None:
        """How far it is, in bytes."""
        with self._lock:
            self._done, self._total = done_bytes, total_bytes
            self._message = message or self._message
            self._share = done_bytes / total_bytes if total_bytes else None
            self._speed.add(done_bytes)

    def tell_share(self, share: float, message: str) -> None:
        """How far it is, where bytes are not known."""
        with self._lock:
            self._share, self._message = share, message
            self._speed.add(share)

    def view(self) -> DownloadView:
        """How it stands."""
        with self._lock:
            state = self.state
            speed = self._speed.now() if state == "downloading" else None
            left = self._total - self._done if self._total else 1.0 - (self._share or 0.0)
            return DownloadView(
                id=self.id,
                state=state,
                done_bytes=self._done,
                total_bytes=self._total,
                bytes_per_second=speed if self._total else None,
                eta_seconds=left / speed if speed else None,
                message=STOPPED if state == "partial" else self._message,
                progress=self._share,
            )

    def _run(self) -> None:
        state: DownloadState = "failed"
        try:
            if self._before is not None:
                self._before.over.wait()
                self._before = None
            self.cancel.raise_if_cancelled()
            message = self._work(self)
            state = "completed"
        except Cancelled:
            state, message = "partial", STOPPED
        except HavenError as error:
            message = str(error)
        except OSError as error:
            message = FULL if finds_no_room(error) else _not_written(error)
        except Exception as error:
            log.exception("a download broke")
            message = f"Something in Haven broke: {type(error).__name__}: {error}"
        with self._lock:
            self._state, self._message = state, message
        self._end()

    def _end(self) -> None:
        try:
            self._after(self)
        except HavenError as error:
            log.warning("after a download: %s", error)
        finally:
            self.over.set()


class Speed:
    """How much more there is in a second, over the last few."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, float]] = deque()  # time, and how much there was

    def add(self, amount: float) -> None:
        """How much there is now; less than before begins anew."""
        now = self._clock()
        if self._seen and amount < self._seen[-1][1]:
            self._seen.clear()
        if len(self._seen) > 1 and now - self._seen[-2][0] < _EVERY:
            self._seen.pop()
        self._seen.append((now, amount))

    def now(self) -> float | None:
        """A second's worth; None where nothing came lately, or too little time has passed."""
        now = self._clock()
        while len(self._seen) > 1 and self._seen[1][0] < now - _WINDOW:
            self._seen.popleft()
        if not self._seen or now - self._seen[0][0] < _SHORTEST:
            return None
        return (self._seen[-1][1] - self._seen[0][1]) / (now - self._seen[0][0]) or None


def _not_written(error: OSError) -> str:
    return (
        f"{error.filename or 'The model shelf'} cannot be written: {error.strerror}. Check the permissions "
        "of the model shelf and its disk, then start the download again; it goes on."
    )
