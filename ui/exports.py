"""The menu of exports: its markup, the routes that it asks, and the endpoints for what can be exported."""

from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr
from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel

from engine.errors import FileInTheWay
from engine.video.exports import FORMATS, Format
from ui.answers import NO_STORE
from ui.endpoints import plain, spoken
from ui.handling import explain
from ui.house import House
from ui.media import given_file
from ui.off_loop import slow
from ui.wording import printable

SAID = "x-haven-said"  # the header of an answer that is no file, but says why there is none


class Wanted(BaseModel):
    """What the menu sends."""

    job: str
    overwrite: bool = False


def menu(name: str = "exports") -> str:
    """The markup of the menu and of what is said of it; `haven.exportMenu` brings it to life by its name."""
    items = "".join(map(_item, FORMATS.values()))
    return (
        f'<div class="exports" popover data-{name} role="menu" aria-label="Export as">'
        f"{items}<hr>"
        '<button type="button" role="menuitem" data-beside>Save .AI.json beside the video</button></div>'
        f'<p class="exports-said" role="status" data-{name}-said hidden><span></span> '
        '<button type="button" class="small" data-replace hidden>Replace it</button></p>'
    )


def export_routes(house: House) -> APIRouter:
    """What the menu asks: a file to be saved by the browser, or to be put beside the video."""
    router = APIRouter()
    engine = house.engine

    @router.get("/exports/page/{job_id}.{format}")
    async def export(job_id: str, format: str) -> Response:
        try:
            path = await slow(engine.export_job, job_id, format)
        except Exception as error:  # noqa: BLE001 - shown to the person
            # No error to the browser, which would complain of a page that is well.
            return JSONResponse({"said": explain(error)}, headers={SAID: "yes", **NO_STORE})
        return FileResponse(path, filename=printable(path.name), headers=NO_STORE)

    @router.post("/exports/beside")
    async def beside(wanted: Wanted) -> JSONResponse:
        said, failed, in_the_way = "", False, False
        try:
            place = await slow(engine.exports.save_beside, wanted.job, wanted.overwrite)
            said = f"Saved as {place}."
        except Exception as error:  # noqa: BLE001 - shown to the person
            said, failed, in_the_way = explain(error), True, isinstance(error, FileInTheWay)
        return JSONResponse({"said": printable(said), "failed": failed, "in_the_way": in_the_way})

    return router


def endpoints(house: House) -> list[Callable[..., Any]]:
    """What a script can ask about exports beside `/export_job`. As in `api`, they are a promise."""
    engine = house.engine

    @spoken
    async def export_formats() -> list[dict]:
        """What `/export_job` can make: `{id, label, extension, media_type}`."""
        wanted = ("id", "label", "extension", "media_type")
        return [{name: getattr(format, name) for name in wanted} for format in engine.exports.formats()]

    @spoken
    async def save_beside(job_id: str, overwrite: bool = False) -> str:
        """Put the `.AI.json` of a job beside its video; gives its path.

        A file there that Haven did not write is replaced only with `overwrite`.
        """
        return printable(str(await slow(engine.exports.save_beside, job_id, overwrite)))

    @spoken
    async def read_spans(file: gr.FileData) -> dict:
        """The time spans in a `.AI.json`: `{form, duration, models, spans}`."""
        return await slow(lambda: plain(engine.exports.read_spans(given_file(file))))

    return [export_formats, save_beside, read_spans]


def _item(format: Format) -> str:
    return (
        f'<button type="button" role="menuitem" data-format="{escape(format.id)}">'
        f"{escape(format.label)}</button>"
    )
