"""The menu of tag lists and questions that are kept by name: its rows, its routes and its endpoints.

The same menu stands on the Video tab and on the Chat tab, where only questions are of use.
"""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from engine.events.jobs import SavedPrompt
from engine.prompts import tags_text
from ui.endpoints import plain, spoken
from ui.handling import explain
from ui.house import House
from ui.off_loop import quick, slow
from ui.widgets import ASSETS
from ui.wording import printable

NONE = '<li class="saved-none">Nothing is kept yet.</li>'
QUESTIONS = "questions"  # the rows that are of use in a chat


class Wanted(BaseModel):
    """What the menu sends."""

    name: str
    prompt: str = ""
    tags: str | list[str] = ""


def menu() -> str:
    """The markup of the menu; `haven.saved` brings it to life."""
    return (ASSETS / "prompts.html").read_text(encoding="utf-8")


def rows(saved: Sequence[SavedPrompt], only: str = "") -> str:
    """What is kept, as list items."""
    wanted = [one for one in saved if one.prompt or only != QUESTIONS]
    return printable("".join(map(_row, wanted))) or NONE


def prompt_routes(house: House) -> APIRouter:
    """What the menu asks. Each answer holds the rows, what to say, and what would take it back."""
    router = APIRouter()
    engine = house.engine

    async def answer(only: str, call: Callable[..., tuple[str, Any]] | None, *given: Any) -> JSONResponse:
        said, undo, failed = "", None, False
        try:
            if call is not None:
                said, undo = await slow(call, *given)
        except Exception as error:  # noqa: BLE001 - shown to the person
            said, failed = explain(error), True
        found = {"rows": rows(await quick(engine.prompts.all), only)}
        return JSONResponse({**found, "said": printable(said), "failed": failed, "undo": plain(undo)})

    def save(name: str, prompt: str, tags: str | list[str]) -> tuple[str, Any]:
        kept, before = engine.prompts.save(name, prompt, tags)
        if before is None or before == kept:
            return f"Kept as “{kept.name}”.", None
        return f"“{kept.name}” was there and has been replaced.", before

    def delete(name: str) -> tuple[str, Any]:
        gone = engine.prompts.delete(name)
        return f"Deleted “{gone.name}”.", gone

    @router.post("/prompts/list")
    async def list_all(only: str = "") -> JSONResponse:
        return await answer(only, None)

    @router.post("/prompts/save")
    async def save_one(wanted: Wanted, only: str = "") -> JSONResponse:
        return await answer(only, save, wanted.name, wanted.prompt, wanted.tags)

    @router.post("/prompts/delete")
    async def delete_one(wanted: Wanted, only: str = "") -> JSONResponse:
        return await answer(only, delete, wanted.name)

    return router


def endpoints(house: House) -> list[Callable[..., Any]]:
    """What a script can ask about what is kept by name. As in `api`, they are a promise."""
    engine = house.engine

    @spoken
    async def saved_prompts() -> list[dict]:
        """The tag lists and questions that are kept by name: `{name, tags, prompt}`."""
        return plain(await quick(engine.prompts.all))

    @spoken
    async def save_prompt(name: str, prompt: str = "", tags: str = "") -> dict:
        """Keep a question, a tag list or both; one of that name is replaced. Gives what is kept."""
        kept, _ = await slow(engine.prompts.save, name, prompt, tags)
        return plain(kept)

    @spoken
    async def delete_prompt(name: str) -> dict:
        """Forget what is kept under a name; gives what it was."""
        return plain(await slow(engine.prompts.delete, name))

    return [saved_prompts, save_prompt, delete_prompt]


def _row(saved: SavedPrompt) -> str:
    name, tags, prompt = escape(saved.name), escape(tags_text(saved.tags)), escape(saved.prompt)
    what = " · ".join(filter(None, (tags, prompt)))
    return (
        f'<li class="saved-row" data-name="{name}" data-tags="{tags}" data-prompt="{prompt}">'
        f'<button type="button" class="saved-take" data-saved-do="take" title="{what}">'
        f"<b>{name}</b><span>{what}</span></button>"
        f'<button type="button" class="saved-delete" data-saved-do="delete" aria-label="Delete {name}" '
        f'title="Delete">×</button></li>'
    )
