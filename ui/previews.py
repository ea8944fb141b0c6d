"""The routes of the small copies that are made of videos which a browser cannot play.

Each lies below the address of the video itself, so that whoever may see the one may see the other.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, JSONResponse

from engine.errors import HavenError
from engine.paths import why_not
from engine.video.previews import PreviewView
from ui.answers import NO_STORE, of_now
from ui.endpoints import plain
from ui.house import House
from ui.off_loop import Given, quick, slow
from ui.wording import printable

Find = Callable[[str], Awaitable[Path]]


def preview_routes(house: House) -> APIRouter:
    """The routes, bound to one engine."""
    router = APIRouter()

    async def of_job(name: str) -> Path:
        try:
            return await quick(house.engine.video_path, name)
        except HavenError as error:
            raise HTTPException(404, str(error)) from None

    async def opened(name: str) -> Path:
        found = house.opened.get(name)
        if found is None:
            raise HTTPException(404)
        return found.path

    for kind, find in (("job", of_job), ("opened", opened)):
        _add(router, house, f"/media/{kind}/{{name}}/preview", find)
    return router


def _add(router: APIRouter, house: House, address: str, find: Find) -> None:
    """How far a copy is, its beginning, its end, and the copy itself."""
    previews = house.engine.previews

    async def asked(verb: Callable[[Path], Given], name: str) -> Given:
        video = await find(name)
        try:
            return await slow(verb, video)
        except OSError as error:
            raise _refused(video, error) from None

    async def done(verb: Callable[[Path], PreviewView], name: str) -> JSONResponse:
        return of_now(plain(await asked(verb, name)))

    @router.get(address)
    async def view(name: str) -> JSONResponse:
        return await done(previews.view, name)

    @router.post(address)
    async def begin(name: str) -> JSONResponse:
        return await done(previews.begin, name)

    @router.delete(address)
    async def stop(name: str) -> JSONResponse:
        return await done(previews.stop, name)

    @router.get(f"{address}.mp4")
    async def copy(name: str) -> FileResponse:
        made = await asked(previews.file, name)
        if made is None:
            raise HTTPException(404, headers=NO_STORE)
        return FileResponse(made, media_type="video/mp4", headers={"cache-control": "private, no-cache"})


def _refused(video: Path, error: OSError) -> HTTPException:
    """Why the disk does not say how a video is: it is gone, or closed to Haven, or the disk has a fault."""
    if isinstance(error, FileNotFoundError):
        return HTTPException(404, "The video is not there any more.", NO_STORE)
    closed, lost = isinstance(error, PermissionError), isinstance(error, NotADirectoryError)
    status = 403 if closed else 404 if lost else 503
    said = why_not(error.filename or video, error, "video")  # it may be the place of its copy
    return HTTPException(status, printable(said), NO_STORE)
