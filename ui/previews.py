"""The routes of the small copies that are made of videos which a browser cannot play.

Each lies below the address of the video itself, so that whoever may see the one may see the other.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, JSONResponse

from engine.errors import HavenError
from engine.video.previews import PreviewView
from ui.answers import NO_STORE, of_now
from ui.endpoints import plain
from ui.house import House
from ui.off_loop import quick, slow

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

    async def done(verb: Callable[[Path], PreviewView], name: str) -> JSONResponse:
        try:
            view = await slow(verb, await find(name))
        except OSError:
            raise HTTPException(404, "The video is not there any more.") from None
        return of_now(plain(view))

    def whole(video: Path) -> Path | None:
        return previews.file(video) if video.is_file() else None

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
        made = await slow(whole, await find(name))
        if made is None:
            raise HTTPException(404, headers=NO_STORE)
        return FileResponse(made, media_type="video/mp4", headers={"cache-control": "private, no-cache"})
