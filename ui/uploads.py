"""What is uploaded to a full disk, or not to its end: it is refused with a sentence, and nothing of it stays.

The files are written by Gradio's own route, which answers 500 where the disk refuses, lets the error through,
and leaves what it had written.
"""

import logging
from contextlib import suppress
from pathlib import Path

from gradio import route_utils
from gradio.route_utils import GradioMultiPartParser
from starlette.datastructures import FormData
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.paths import finds_no_room

log = logging.getLogger(__name__)

_BROKEN = 500


class RoomForUploads:
    """Answers 507 with a sentence where the disk is full, instead of a bare failure. Never touches a body."""

    def __init__(self, app: ASGIApp, data_folder: Path) -> None:
        self.app = app
        self.data_folder = data_folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun, held = False, list[Message]()

        async def holding(message: Message) -> None:
            """The answer that something broke waits until it is known what."""
            nonlocal begun
            if held or message.get("status") == _BROKEN:
                held.append(message)
                return
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, holding)
        except OSError as error:
            if begun or not finds_no_room(error):
                raise
            log.warning("the disk of %s is full: a request was refused", self.data_folder)
            held.clear()
            await PlainTextResponse(self._full(), status_code=507)(scope, receive, send)
        finally:
            for message in held:
                await send(message)

    def _full(self) -> str:
        return f"The disk is full. Free some space on the disk of {self.data_folder} and try again."


class _LeavesNothing(GradioMultiPartParser):
    """As Gradio's, which removes what it wrote only where a request makes no sense."""

    async def parse(self) -> FormData:
        try:
            return await super().parse()
        except BaseException:  # the disk is full, or whoever sends it is gone
            for file in self._files_to_close_on_error:
                with suppress(OSError):  # what it still had to write finds no room either
                    file.close()
                Path(file.name).unlink(missing_ok=True)
            raise


def leave_nothing_unfinished() -> None:
    """What an upload that fails had written is removed at once."""
    route_utils.GradioMultiPartParser = _LeavesNothing
