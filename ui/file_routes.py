"""The files that the page shows and saves: pictures of frames and of messages, videos, exports.

A file is only ever named by a job, a chat or a token, never by a path, so there is nothing to traverse.
"""

import base64
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, Response

from engine.video.exports import known_format
from ui.answers import NO_STORE, file_or_404, or_404
from ui.house import House
from ui.page_files import FOREVER
from ui.panels import MOVING
from ui.wording import printable

# What a picture of a message is sent as, whatever the file says; never anything that a browser would run.
PICTURE_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
}
CHAT_FILES = {"json": "application/json", "md": "text/markdown"}
# One clear pixel: a picture is written beside its answer and may come a moment later; the page asks again.
NOT_YET = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
# Two in a row: none will come, since pictures were cleared.
NEVER = base64.b64decode("R0lGODlhAgABAIEAAAAAAP///wAAAAAAACH5BAEAAAAALAAAAAACAAEAAAgFAAEACAgAOw==")


def file_routes(house: House) -> APIRouter:
    """The routes, bound to one engine."""
    router = APIRouter()
    _add_pictures(router, house)
    _add_videos(router, house)
    _add_exports(router, house)
    return router


def _add_pictures(router: APIRouter, house: House) -> None:
    engine = house.engine

    @router.get("/thumbnails/{job_id}/{name}.jpg")
    async def thumbnail(job_id: str, name: int) -> Response:
        path, moving = await or_404(_thumbnail, engine, job_id, name)
        if not path.is_file():
            pixels = NOT_YET if moving else NEVER
            return Response(pixels, media_type="image/gif", headers=NO_STORE)
        # A picture never changes once it is written.
        return file_or_404(path, "image/jpeg", FOREVER)

    @router.get("/pictures/{session_id}/{name}")
    async def picture(session_id: str, name: str) -> FileResponse:
        path = await or_404(engine.chats.picture_path, session_id, name)
        # Named by its content, so it never changes.
        return file_or_404(path, PICTURE_TYPES.get(path.suffix, "image/png"), FOREVER)


def _add_videos(router: APIRouter, house: House) -> None:
    @router.get("/media/job/{job_id}")
    async def job_video(job_id: str) -> FileResponse:
        return file_or_404(await or_404(house.engine.video_path, job_id))

    @router.get("/media/opened/{token}")
    async def opened_video(token: str) -> FileResponse:
        opened = house.opened.get(token)
        if opened is None:
            raise HTTPException(404)
        return file_or_404(opened.path)


def _add_exports(router: APIRouter, house: House) -> None:
    engine = house.engine

    @router.get("/exports/{job_id}.{format}")
    async def export(job_id: str, format: str) -> FileResponse:
        path: Path = await or_404(engine.export_job, job_id, format)
        return FileResponse(path, filename=printable(path.name), media_type=known_format(format).media_type)

    @router.get("/exports/chat/{session_id}.{format}")
    async def chat_export(session_id: str, format: str) -> Response:
        text: str = await or_404(engine.chats.export, session_id, format)
        named = f'attachment; filename="chat-{session_id[:8]}.{format}"'
        return Response(text, media_type=CHAT_FILES[format], headers={"content-disposition": named})


def _thumbnail(engine: Any, job_id: str, time_us: int) -> tuple[Path, bool]:
    """Where the picture is or will be, and whether it may still come: all are written when a job ends.

    Raises: InvalidInput for an unknown job.
    """
    moving = engine.job(job_id).status in MOVING
    return engine.thumbnail_path(job_id, time_us), moving
