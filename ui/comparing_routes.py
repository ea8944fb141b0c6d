"""What a page asks in order to hold the open analysis against another one of the same video."""

import time

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from engine.errors import HavenError
from ui import comparing
from ui.answers import of_now
from ui.handling import explain
from ui.house import House
from ui.off_loop import quick, slow


def comparing_routes(house: House) -> APIRouter:
    """The routes, bound to one engine."""
    router = APIRouter()
    engine = house.engine

    @router.get("/follow/others")
    async def others(job: str) -> JSONResponse:
        """None for a job that was deleted meanwhile: the page learns of that by itself."""
        try:
            found = await quick(engine.comparisons.others, job)
        except HavenError:
            found = []
        return of_now({"others": comparing.choices(found, time.time())})

    @router.get("/follow/comparison")
    async def comparison(job: str, other: str) -> JSONResponse:
        try:
            view = await slow(engine.comparisons.compare, job, other)
        except HavenError as error:
            return of_now({"trouble": explain(error)})
        return of_now(comparing.drawn(view, time.time()))

    return router
