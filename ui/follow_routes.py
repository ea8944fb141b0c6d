"""What an open page asks again and again: what has changed since it was drawn.

A page names what it shows and a mark of each piece; only pieces with another mark are sent.
"""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from ui import chat_follow, follow, library_follow
from ui.answers import of_now, or_404
from ui.house import House
from ui.models_follow import ModelsFollow
from ui.off_loop import quick, slow


def follow_routes(house: House) -> APIRouter:
    """The routes, bound to one engine. `have` is what the page shows, as `_marks` reads it."""
    router = APIRouter()
    engine = house.engine
    models = ModelsFollow(engine)

    @router.get("/follow")
    async def changes(job: str = "", frames: int = 0, have: str = "", jobs: bool = False) -> JSONResponse:
        drawn = follow.Drawn(job, frames, _marks(have), jobs)
        return of_now(await quick(follow.changes, engine, drawn))

    @router.get("/follow/chat")
    async def chat_changes(session: str = "", search: str = "", have: str = "") -> JSONResponse:
        drawn = chat_follow.DrawnChat(session, search, _marks(have))
        return of_now(await quick(chat_follow.changes, engine, drawn))

    @router.get("/follow/models")
    async def models_changes(have: str = "") -> JSONResponse:
        return of_now(await slow(models.changes, _marks(have)))

    @router.get("/follow/library")
    async def library_changes(
        search: str = "", state: str = "", offset: int = 0, have: str = ""
    ) -> JSONResponse:
        drawn = library_follow.DrawnLibrary(search, state, offset, _marks(have))
        return of_now(await or_404(library_follow.changes, engine, drawn))

    @router.get("/follow/older")
    async def older(job: str, below: int) -> dict[str, Any]:
        return {"cards": await or_404(follow.older_cards, engine, job, max(below, 0))}

    return router


def _marks(have: str) -> dict[str, str]:
    """`chip.1a2b3c4d,run.5e6f7a8b` as names and marks; what is no pair is left out."""
    pairs = (entry.partition(".") for entry in have.split(","))
    return {name: found for name, dot, found in pairs if dot}
