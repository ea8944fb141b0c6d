"""Our own routes beside Gradio's: pictures, videos, exports, what changed, and the page's own files.

A file is only ever named by a job or a token, never by a path, so there is nothing to traverse.
"""

import base64
import mimetypes
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, JSONResponse, Response

from engine.errors import HavenError, OutOfSpace
from engine.video.exports import known_format
from ui import chat_follow, follow, library_follow
from ui.comparing_routes import comparing_routes
from ui.exports import export_routes
from ui.house import House
from ui.models_follow import ModelsFollow
from ui.off_loop import quick, slow
from ui.page_files import FOREVER, may_be_kept
from ui.panels import MOVING
from ui.previews import preview_routes
from ui.prompts import prompt_routes
from ui.reading import reading_routes
from ui.servers_api import server_routes
from ui.spans_routes import spans_routes
from ui.widgets import ASSETS
from ui.wording import printable

VERSION = "0.1.0"
# What a picture of a message is sent as, whatever the file says; never anything that a browser would run.
PICTURE_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
}
CHAT_FILES = {"json": "application/json", "md": "text/markdown"}
OCTETS = "application/octet-stream"
# One clear pixel: a picture is written beside its answer and may come a moment later; the page asks again.
NOT_YET = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
# Two in a row: none will come, since pictures were cleared.
NEVER = base64.b64decode("R0lGODlhAgABAIEAAAAAAP///wAAAAAAACH5BAEAAAAALAAAAAACAAEAAAgFAAEACAgAOw==")


def own_routes(house: House) -> APIRouter:
    """The routes, bound to one engine."""
    router = APIRouter()
    router.include_router(spans_routes(house))
    router.include_router(comparing_routes(house))
    router.include_router(reading_routes(house))
    engine = house.engine
    models = ModelsFollow(engine)
    router.include_router(prompt_routes(house))
    router.include_router(export_routes(house))
    router.include_router(server_routes(house))
    router.include_router(preview_routes(house))

    @router.get("/haven")
    async def identity() -> dict[str, str]:
        return {"app": "haven", "version": VERSION}

    @router.get("/haven/assets/{name}")
    async def asset(name: str, v: str = "") -> FileResponse:
        known = {file.name: file for file in ASSETS.iterdir()}
        if name not in known:
            raise HTTPException(404)
        return _file(known[name], _media_type(name), may_be_kept(known[name], v))

    @router.get("/follow")
    async def changes(job: str = "", frames: int = 0, have: str = "", jobs: bool = False) -> JSONResponse:
        drawn = follow.Drawn(job, frames, _marks(have), jobs)
        return JSONResponse(await quick(follow.changes, engine, drawn), headers={"cache-control": "no-store"})

    @router.get("/follow/chat")
    async def chat_changes(session: str = "", search: str = "", have: str = "") -> JSONResponse:
        drawn = chat_follow.DrawnChat(session, search, _marks(have))
        found = await quick(chat_follow.changes, engine, drawn)
        return JSONResponse(found, headers={"cache-control": "no-store"})

    @router.get("/follow/models")
    async def models_changes(have: str = "") -> JSONResponse:
        found = await slow(models.changes, _marks(have))
        return JSONResponse(found, headers={"cache-control": "no-store"})

    @router.get("/follow/library")
    async def library_changes(
        search: str = "", state: str = "", offset: int = 0, have: str = ""
    ) -> JSONResponse:
        drawn = library_follow.DrawnLibrary(search, state, offset, _marks(have))
        found = await _or_404(library_follow.changes, engine, drawn)
        return JSONResponse(found, headers={"cache-control": "no-store"})

    @router.get("/follow/older")
    async def older(job: str, below: int) -> dict[str, Any]:
        return {"cards": await _or_404(follow.older_cards, engine, job, max(below, 0))}

    @router.get("/thumbnails/{job_id}/{name}.jpg")
    async def thumbnail(job_id: str, name: int) -> Response:
        path, moving = await _or_404(_thumbnail, engine, job_id, name)
        if not path.is_file():
            pixels = NOT_YET if moving else NEVER
            return Response(pixels, media_type="image/gif", headers={"cache-control": "no-store"})
        # A picture never changes once it is written.
        return _file(path, "image/jpeg", FOREVER)

    @router.get("/pictures/{session_id}/{name}")
    async def picture(session_id: str, name: str) -> FileResponse:
        path = await _or_404(engine.chats.picture_path, session_id, name)
        # Named by its content, so it never changes.
        return _file(path, PICTURE_TYPES.get(path.suffix, "image/png"), FOREVER)

    @router.get("/media/job/{job_id}")
    async def job_video(job_id: str) -> FileResponse:
        return _file(await _or_404(engine.video_path, job_id))

    @router.get("/media/opened/{token}")
    async def opened_video(token: str) -> FileResponse:
        opened = house.opened.get(token)
        if opened is None:
            raise HTTPException(404)
        return _file(opened.path)

    @router.get("/exports/{job_id}.{format}")
    async def export(job_id: str, format: str) -> FileResponse:
        path: Path = await _or_404(engine.export_job, job_id, format)
        return FileResponse(path, filename=printable(path.name), media_type=known_format(format).media_type)

    @router.get("/exports/chat/{session_id}.{format}")
    async def chat_export(session_id: str, format: str) -> Response:
        text: str = await _or_404(engine.chats.export, session_id, format)
        named = f'attachment; filename="chat-{session_id[:8]}.{format}"'
        return Response(text, media_type=CHAT_FILES[format], headers={"content-disposition": named})

    return router


def _thumbnail(engine: Any, job_id: str, time_us: int) -> tuple[Path, bool]:
    """Where the picture is or will be, and whether it may still come: all are written when a job ends.

    Raises: InvalidInput for an unknown job.
    """
    moving = engine.job(job_id).status in MOVING
    return engine.thumbnail_path(job_id, time_us), moving


async def _or_404(call: Any, *args: Any) -> Any:
    try:
        return await slow(call, *args)
    except OutOfSpace as error:
        raise HTTPException(507, str(error)) from None
    except HavenError as error:
        raise HTTPException(404, str(error)) from None


def _file(path: Path, media_type: str | None = None, cache: str = "private, no-cache") -> FileResponse:
    if not path.is_file():
        raise HTTPException(404, headers={"cache-control": "no-store"})
    return FileResponse(
        path, media_type=media_type or _video_type(path.name), headers={"cache-control": cache}
    )


def _video_type(name: str) -> str:
    """Of a person's own file: never one that a browser would show as a page or run."""
    found = _media_type(name)
    return found if found.startswith("video/") else OCTETS


def _media_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or OCTETS


def _marks(have: str) -> dict[str, str]:
    """`chip.1a2b3c4d,run.5e6f7a8b` as names and marks; what is no pair is left out."""
    pairs = (entry.partition(".") for entry in have.split(","))
    return {name: found for name, dot, found in pairs if dot}
