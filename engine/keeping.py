"""Keeps what a model said on another thread while it goes on: in order, never two at once.

A commit waits for the disk longer than a quick model takes for an answer. Knows nothing of what is kept.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, ParamSpec, Self

_Asked = ParamSpec("_Asked")


class Keeping(Generic[_Asked]):
    """Calls `keep` behind the caller's back. Leaving the context waits for the last call."""

    def __init__(self, keep: Callable[_Asked, None]) -> None:
        self._keep = keep
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="haven-keeping")
        self._under_way: Future[None] | None = None

    def put(self, *args: _Asked.args, **kwargs: _Asked.kwargs) -> None:
        """Begin the next call once the one before it is done. Raises: what that one raised."""
        self._finish()
        self._under_way = self._thread.submit(self._keep, *args, **kwargs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises: what the last call raised, which is worse news than a cancel."""
        try:
            self._finish()
        finally:
            self._thread.shutdown()

    def _finish(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()
