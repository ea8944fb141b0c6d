"""Stopping work that is under way: one token per run, never shared between runs, never cleared.

The token knows nothing of threads or models. Loops ask it (`raise_if_cancelled`), waits wait on it
(`wait`), and what blocks in somebody else's code registers a way to break it off (`on_cancel`).
"""

import threading
from collections.abc import Callable

from engine.errors import Cancelled


class CancelToken:
    """Says once, and for good, that a run is no longer wanted. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._next_key = 0
        self._reason = ""

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    @property
    def reason(self) -> str:
        """Why the run was stopped; empty while it was not. The first reason stands."""
        return self._reason

    def cancel(self, reason: str = "cancelled") -> None:
        """Stop the run and call what was registered, in that order. A second call does nothing."""
        with self._lock:
            if self._event.is_set():
                return
            self._reason = reason
            self._event.set()
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def raise_if_cancelled(self) -> None:
        """Raises: Cancelled, once the run was stopped."""
        if self._event.is_set():
            raise Cancelled(self._reason)

    def wait(self, seconds: float | None = None) -> bool:
        """Sleep until the run is stopped or the time is over; True if it was stopped."""
        return self._event.wait(seconds)

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when the run is stopped (at once if it already is); returns how to take it back."""
        with self._lock:
            if not self._event.is_set():
                key = self._next_key
                self._next_key += 1
                self._callbacks[key] = callback
                return lambda: self._forget(key)
        callback()
        return lambda: None

    def _forget(self, key: int) -> None:
        with self._lock:
            self._callbacks.pop(key, None)
