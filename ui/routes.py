"""Our own routes beside Gradio's, gathered: who this is, the page's own files, and what the tabs ask."""

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

from ui.answers import file_or_404, media_type_of
from ui.comparing_routes import comparing_routes
from ui.exports import export_routes
from ui.file_routes import file_routes
from ui.follow_routes import follow_routes
from ui.house import House
from ui.page_files import may_be_kept
from ui.previews import preview_routes
from ui.prompts import prompt_routes
from ui.reading import reading_routes
from ui.servers_api import server_routes
from ui.spans_routes import spans_routes
from ui.widgets import ASSETS

VERSION = "0.1.0"
ROUTES = (
    spans_routes,
    comparing_routes,
    reading_routes,
    prompt_routes,
    export_routes,
    server_routes,
    preview_routes,
    follow_routes,
    file_routes,
)


def own_routes(house: House) -> APIRouter:
    """The routes, bound to one engine."""
    router = APIRouter()
    for routes in ROUTES:
        router.include_router(routes(house))

    @router.get("/haven")
    async def identity() -> dict[str, str]:
        return {"app": "haven", "version": VERSION}

    @router.get("/haven/assets/{name}")
    async def asset(name: str, v: str = "") -> FileResponse:
        known = {file.name: file for file in ASSETS.iterdir()}
        if name not in known:
            raise HTTPException(404)
        return file_or_404(known[name], media_type_of(name), may_be_kept(known[name], v))

    return router
