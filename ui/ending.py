"""Stopping the server while answers are under way: streams end at once, and what is cut then is no error.

A page or a script keeps a stream open for as long as it lives, so that to wait for its end is of no use. A
file that somebody has stopped reading is cut by the server after a while, which it would report with a trace.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOG = logging.getLogger("uvicorn.error")


class OpenStreams:
    """The streams that are being answered. All on one event loop."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[object]] = set()
        self._ended: set[asyncio.Task[object]] = set()

    def add(self, task: "asyncio.Task[object]") -> None:
        self._open.add(task)

    def discard(self, task: "asyncio.Task[object]") -> bool:
        """Whether it was ended from here."""
        ended = task in self._ended
        self._open.discard(task)
        self._ended.discard(task)
        return ended

    def end(self) -> None:
        """Every one; their clients see the end of an answer."""
        for task in self._open - self._ended:
            self._ended.add(task)
            task.cancel("the server stops")


class EndStreams:
    """Adds event streams to `streams` while they are answered, and completes those that were ended."""

    def __init__(self, app: ASGIApp, streams: OpenStreams) -> None:
        self.app = app
        self.streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if scope["type"] != "http" or task is None:
            await self.app(scope, receive, send)
            return

        whole = False

        async def noted(message: Message) -> None:
            nonlocal whole
            whole = message["type"] == "http.response.body" and not message.get("more_body", False)
            if message["type"] == "http.response.start" and _is_stream(message):
                self.streams.add(task)
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except asyncio.CancelledError:
            if not self.streams.discard(task):
                raise
            task.uncancel()
            if not whole:  # some streams end themselves when they are cancelled
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.streams.discard(task)


@contextmanager
def cutting_is_no_error() -> Iterator[None]:
    """What the server logs of answers that it cuts is left out meanwhile."""
    _LOG.addFilter(_is_no_cut)
    try:
        yield
    finally:
        _LOG.removeFilter(_is_no_cut)


def _is_no_cut(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, asyncio.CancelledError) and not str(record.msg).startswith(
        "Cancel %s running"
    )


def _is_stream(start: Message) -> bool:
    return Headers(raw=start["headers"]).get("content-type", "").startswith("text/event-stream")
