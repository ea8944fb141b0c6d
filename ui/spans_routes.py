"""What the timeline and the table of spans ask of the server, and what a person changes in them.

Each answer is the whole picture after the change, so that a page needs one request to be right again.
"""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse

from engine.errors import HavenError
from engine.events.findings import SpansView
from ui import found, spans
from ui.answers import of_now
from ui.handling import explain
from ui.house import House
from ui.labels import explained
from ui.off_loop import slow


def spans_routes(house: House) -> APIRouter:
    """The routes, bound to one engine."""
    router = APIRouter()
    engine = house.engine

    @router.get("/follow/timeline")
    async def timeline(job: str) -> JSONResponse:
        return await _drawn(house, engine.findings.spans, job)

    @router.post("/spans/{job_id}/settings")
    async def settings(job_id: str, request: Request) -> JSONResponse:
        return await _drawn(house, engine.findings.set_settings, job_id, await _given(request))

    @router.post("/spans/{job_id}/correct")
    async def correct(job_id: str, request: Request) -> JSONResponse:
        given = await _given(request)

        def change(job_id: str) -> SpansView:
            old, new = spans.times(given.get("old")), spans.times(given.get("new"))
            return engine.findings.correct(job_id, str(given.get("tag")), old, new)

        return await _drawn(house, change, job_id)

    @router.post("/spans/{job_id}/undo")
    async def undo(job_id: str) -> JSONResponse:
        return await _drawn(house, engine.findings.undo, job_id)

    @router.get("/find")
    async def find(query: str) -> JSONResponse:
        try:
            hits = await slow(engine.search.find, query, found.MOST)
        except HavenError as error:
            return _answer({"trouble": explain(error)})
        return _answer({"found": found.hits(hits)})

    return router


async def _drawn(house: House, verb: Callable[..., SpansView], *given: Any) -> JSONResponse:
    # Before the spans are read: what changes meanwhile is asked for once more.
    revision = house.engine.findings.revision
    try:
        view = await slow(verb, *given)
    except HavenError as error:
        return _answer({"trouble": explained(error)})
    return _answer(spans.drawn(view, revision))


def _answer(said: dict[str, Any]) -> JSONResponse:
    """What a person did wrong is an answer too: a bad status would be a defect of the page."""
    return of_now(said)


async def _given(request: Request) -> dict[str, Any]:
    try:
        given = await request.json()
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise HTTPException(400, "What is sent must have names.")
    return given
