"""What an analysis was asked, put back into the fields of the Video tab; and the way back to what was there.

Nothing that a person typed is lost by it: what is not in the fields is kept in this browser, and one click
exchanges the two.
"""

import time
from dataclasses import astuple, dataclass, fields, replace
from html import escape
from typing import Any, Self

import gradio as gr

from engine.errors import HavenError
from engine.events.jobs import JobView
from engine.video.span_settings import SpanSettings
from ui import wording
from ui.asking import Asked, beyond
from ui.handling import QUIET, explain, notice
from ui.house import House
from ui.off_loop import quick
from ui.stage import Staged
from ui.video_layout import VideoTab

FIELDS = len(fields(Asked))
Filled = tuple[Any, ...]  # for the note, for what the browser keeps, and for each field
NOTHING: Filled = tuple(gr.skip() for _ in range(2 + FIELDS))


@dataclass(frozen=True)
class Filling:
    """Which analysis the fields were filled in from, and what does not stand in them now."""

    job: str
    pure: Asked  # what the analysis was asked
    other: Asked  # before: what the person had typed; gone back: what had been filled in
    back: bool = False  # the person went back to their own

    @property
    def unchanged(self) -> bool:
        """The person had typed the very same, and there is no way back to go."""
        return self.other == self.pure and not self.back

    def kept(self) -> dict[str, Any]:
        """For the browser, which `of` takes back."""
        return {
            "job": self.job,
            "pure": list(astuple(self.pure)),
            "other": list(astuple(self.other)),
            "back": self.back,
        }

    @classmethod
    def of(cls, kept: Any) -> Self | None:
        """What a browser handed back; None for anything that is not one of these."""
        if not isinstance(kept, dict) or not isinstance(kept.get("job"), str):
            return None
        given = kept.get("pure"), kept.get("other")
        if not all(isinstance(one, list) and len(one) == FIELDS for one in given):
            return None
        return cls(kept["job"], Asked(*kept["pure"]), Asked(*kept["other"]), bool(kept.get("back")))


def wire(tab: VideoTab, house: House) -> Any:
    """Attach the buttons of the note; gives what happened, for what has to follow."""

    async def act(event: gr.EventData, kept: Any, *typed: Any) -> Filled:
        return await on_note_act(house, event.act, kept, Asked(*typed))

    return tab.filled.act(act, [tab.kept, *tab.asked], tab.filling, **QUIET)


def load_with(page: gr.Blocks, tab: VideoTab, house: House) -> None:
    """Say again what was filled in, and keep the way back."""

    async def opened(kept: Any) -> str:
        filling = Filling.of(kept)
        return "" if filling is None else await quick(note, house, filling)

    page.load(opened, tab.kept, tab.filled, **QUIET)


async def on_opened(house: House, shown: Any, kept: Any, typed: Asked) -> Filled:
    """A job has come onto the stage as `shown`: fill its settings in. Without one nothing changes."""
    staged = Staged.from_json(shown)
    if not staged.job:
        return NOTHING
    try:
        return await quick(_fill, house, staged.job, kept, typed)
    except Exception as error:  # noqa: BLE001 - shown to the person
        return (notice(explain(error)), *NOTHING[1:])


async def on_note_act(house: House, act: str, kept: Any, typed: Asked) -> Filled:
    """Exchange what stands in the fields for what is kept, or leave it as it is and say no more."""
    filling = Filling.of(kept)
    if act == "leave" or filling is None:
        return ("", None, *NOTHING[2:])
    return await quick(_shown, house, replace(filling, other=typed, back=not filling.back), filling.other)


def note(house: House, filling: Filling) -> str:
    """What was filled in, from which analysis, and the way back. Escapes all that it shows."""
    acts = _button("leave", "Put away", "The fields stay as they are")
    if not filling.unchanged:
        label = "Fill in again" if filling.back else "Undo"
        acts = _button("swap", label) + _button("leave", "Leave it so", "The fields stay as they are")
    return wording.printable(
        f'<div class="filled" role="status"><p>{_words(house, filling)}</p>'
        f'<span class="filled-acts">{acts}</span></div>'
    )


def _fill(house: House, job_id: str, kept: Any, typed: Asked) -> Filled:
    before, pure = Filling.of(kept), Asked.of(house.engine.request(job_id))
    # Who looks through several analyses is led back to their own words, not to the last analysis.
    untouched = before is not None and not before.back and typed == before.pure
    other = before.other if before is not None and untouched else typed
    return _shown(house, Filling(job_id, pure, other), pure)


def _shown(house: House, filling: Filling, asked: Asked) -> Filled:
    return (note(house, filling), filling.kept(), *astuple(asked))


def _words(house: House, filling: Filling) -> str:
    if filling.back:
        return "What you had typed is back in the fields."
    try:
        job = house.engine.job(filling.job)
    except HavenError:
        return "What these fields say was asked by an analysis that was deleted since."
    said = f"Filled in: what {_named(job)} was asked."
    if filling.unchanged:
        said = f"These fields say what {_named(job)} was asked, so that it can be asked again with a change."
    more = beyond(filling.pure)
    said += f" Under More: {escape('; '.join(more))}." if more else ""
    status = house.engine.status()
    if (status.provider, status.model) != (job.provider, job.model):
        said += " Another model is loaded now; the next analysis asks that one."
    if house.engine.findings.settings(filling.job) != SpanSettings():
        said += " Spans of the next analysis are made by the rules of this one."
    return said


def _named(job: JobView) -> str:
    made = wording.when(job.created_at, time.time()) if job.created_at else ""
    by = ", ".join(part for part in (escape(job.model), made) if part)
    return f"the analysis of <b>{escape(job.video)}</b> ({by})"


def _button(act: str, label: str, why: str = "") -> str:
    title = f' title="{why}"' if why else ""
    return f'<button type="button" class="small" data-act="{act}"{title}>{label}</button>'
