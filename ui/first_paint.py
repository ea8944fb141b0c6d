"""Puts our style and scripts at the top of Gradio's page, so that the first picture is already the right one.

Gradio adds what it is given as `css` and `head` only once its own scripts run; by then a dark page has
flashed white.
"""

import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.page_files import with_marks

HEAD = re.compile(rb"<head(?:\s[^>]*)?>", re.IGNORECASE)
TOP = b"""
<script src="haven/assets/still.js"></script>
<script src="haven/assets/look.js"></script>
<link rel="stylesheet" href="haven/assets/haven.css">
<link rel="stylesheet" href="haven/assets/parts.css">
<link rel="stylesheet" href="haven/assets/bar.css">
<link rel="stylesheet" href="haven/assets/stage.css">
<link rel="stylesheet" href="haven/assets/timeline.css">
<link rel="stylesheet" href="haven/assets/run.css">
<link rel="stylesheet" href="haven/assets/cards.css">
<link rel="stylesheet" href="haven/assets/jobs.css">
<link rel="stylesheet" href="haven/assets/chat.css">
<link rel="stylesheet" href="haven/assets/chat_list.css">
<link rel="stylesheet" href="haven/assets/chat_messages.css">
<link rel="stylesheet" href="haven/assets/chat_composer.css">
<link rel="stylesheet" href="haven/assets/models.css">
<link rel="stylesheet" href="haven/assets/library.css">
<link rel="stylesheet" href="haven/assets/prompts.css">
<link rel="stylesheet" href="haven/assets/servers.css">
<link rel="stylesheet" href="haven/assets/spans.css">
<link rel="stylesheet" href="haven/assets/comparing.css">
<link rel="stylesheet" href="haven/assets/read.css">
<link rel="stylesheet" href="haven/assets/exports.css">
<link rel="icon" type="image/svg+xml" href="haven/assets/mark.svg">
<script src="haven/assets/player.js"></script>
<script src="haven/assets/preview.js"></script>
<script src="haven/assets/timeline.js"></script>
<script src="haven/assets/spans.js"></script>
<script src="haven/assets/comparing.js"></script>
<script src="haven/assets/read.js"></script>
<script src="haven/assets/found.js"></script>
<script src="haven/assets/upload.js"></script>
<script src="haven/assets/drop.js"></script>
<script src="haven/assets/haven.js"></script>
<script src="haven/assets/prompts.js"></script>
<script src="haven/assets/exports.js"></script>
<script src="haven/assets/jobs.js"></script>
<script src="haven/assets/following.js"></script>
<script src="haven/assets/chat_asking.js"></script>
<script src="haven/assets/chat_composer.js"></script>
<script src="haven/assets/chat_pictures.js"></script>
<script src="haven/assets/chat_reader.js"></script>
<script src="haven/assets/chat_renaming.js"></script>
<script src="haven/assets/chat.js"></script>
<script src="haven/assets/models.js"></script>
<script src="haven/assets/library.js"></script>
<script src="haven/assets/servers.js"></script>
"""


class FirstPaint:
    """Rewrites the answer to `GET /`, and nothing else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        # Compressed, the top of the page could not be found.
        headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        await self.app({**scope, "headers": headers}, receive, _Rewriting(send))


class _Rewriting:
    """Holds the page back until it is whole, and sends it with its new top and length."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            body = _with_top(self._body) if self._start["status"] == 200 else self._body
            MutableHeaders(scope=self._start)["content-length"] = str(len(body))
            await self._send(self._start)
            await self._send({"type": "http.response.body", "body": body})


def _with_top(page: bytes) -> bytes:
    """Raises: RuntimeError for a page without a head: without ours it would show nothing of Haven."""
    head = HEAD.search(page)
    if head is None:
        raise RuntimeError("Gradio's page has no <head> to put Haven's style and scripts into.")
    return page[: head.end()] + with_marks(TOP) + page[head.end() :]
