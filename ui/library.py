"""The Library tab: watched folders, the videos in them, the queue of all analyses, and the disk they take.

Nothing here computes. The rows arrive with what the page follows; the videos open on the Video tab.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui import library_cards
from ui.asking import Asked
from ui.filling import on_opened
from ui.handling import EVERY_CLICK, notice
from ui.house import House
from ui.labels import explained
from ui.library_form import form
from ui.off_loop import at_once, quick, slow
from ui.stage import stage_of_job
from ui.video_layout import VideoTab
from ui.widgets import ASSETS, own_html

Shown = tuple[Any, Any, str]  # for the stage, for what the browser remembers, and what is said
LOOK_SECONDS = 2.0  # that a person waits for what a look finds; a longer one goes on by itself
MOVES = ("first", "up", "down")


@dataclass(frozen=True)
class LibraryTab:
    """The widgets of the tab."""

    said: gr.HTML
    lists: gr.HTML


def build() -> LibraryTab:
    """Lay the tab out; all of it is markup of our own."""
    said = own_html(elem_id="haven-library-said")
    lists = own_html(
        template=(ASSETS / "library.html").read_text(encoding="utf-8").replace("<!-- form -->", form()),
        js="haven.library(element, (data) => trigger('act', data));",
        elem_id="haven-library",
    )
    return LibraryTab(said, lists)


def wire(tab: LibraryTab, house: House, video_tab: VideoTab) -> None:
    """Attach what can be done with folders, videos and jobs."""

    async def act(event: gr.EventData, kept: Any, *typed: Any) -> tuple[Any, ...]:
        shown = await on_library_act(house, event.act, event.job)
        return (*shown, *await on_opened(house, shown[0], kept, Asked(*typed)))

    given = [video_tab.kept, *video_tab.asked]
    shown = [video_tab.stage, video_tab.remembered, tab.said, *video_tab.filling]
    tab.lists.act(act, given, shown, **EVERY_CLICK)


async def on_library_act(house: House, act: str, subject: str) -> Shown:
    """Do something with a folder, a video or a job, which `subject` names; or with all jobs."""
    try:
        if act == "open":
            staged = (await quick(stage_of_job, house, subject)).as_json()
            return staged, staged, ""
        run, verb, args = _verb(house, act, subject)
        given = await run(verb, *args)
    except Exception as error:  # noqa: BLE001 - shown to the person
        return gr.skip(), gr.skip(), notice(explained(error))
    return gr.skip(), gr.skip(), notice(given, "hint") if isinstance(given, str) else ""


def _verb(
    house: House, act: str, subject: str
) -> tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]:
    """Where it runs, what is called, and with what."""
    engine, library = house.engine, house.engine.library
    if act == "watch":
        return slow, _watch, (house, subject)
    if act == "scan":
        return slow, _look, (house, _number(subject))
    if act in MOVES:
        return quick, library.move_job, (subject, act)
    verbs: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]] = {
        "forget": (slow, library.forget, (_number(subject),)),
        "retry": (slow, library.retry, (_number(subject),)),
        "pause_all": (at_once, library.pause_all, ()),
        "resume_all": (slow, library.resume_all, ()),
        "cancel_all": (at_once, library.cancel_all, ()),
        "pause": (at_once, engine.pause_job, (subject,)),
        "resume": (slow, engine.resume_job, (subject,)),
        "cancel": (at_once, engine.cancel_job, (subject,)),
        "clear": (slow, library.clear_disk, (subject,)),
    }
    return verbs[act]


def _watch(house: House, sent: str) -> str:
    """Gives what was found. Raises: InvalidInput, saying which field."""
    fields = json.loads(sent)
    asked = Asked.of_form(fields)
    folder = house.engine.library.watch(
        fields.get("folder", ""),
        asked.tags,
        asked.prompt,
        asked.every(),
        asked.options(),
        recursive=bool(fields.get("recursive")),
        pattern=fields.get("pattern", ""),
    )
    return _found(house, folder.folder_id)


def _look(house: House, folder_id: int) -> str:
    """Gives what was found. Raises: InvalidInput."""
    house.engine.library.scan(folder_id)
    return _found(house, folder_id)


def _found(house: House, folder_id: int) -> str:
    """What the look at a folder found, if it soon ends."""
    library = house.engine.library
    ended = library.wait_for_look(folder_id, LOOK_SECONDS)
    return library_cards.found(library.folder(folder_id), ended)


def _number(subject: str) -> int:
    return int(subject) if subject.isdecimal() else 0
