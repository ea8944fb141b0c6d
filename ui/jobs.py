"""The Jobs tab: every analysis that was made, to open, resume or delete; and a search over all of them."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui import exports
from ui.asking import Asked
from ui.filling import on_opened
from ui.handling import EVERY_CLICK, explain, notice
from ui.house import House
from ui.off_loop import quick, slow
from ui.stage import stage_of_job
from ui.video_layout import VideoTab
from ui.widgets import ASSETS, own_html

OTHERS = (
    '<div class="exports" popover data-job-others role="menu" aria-label="Other analyses of this video">'
    '<p class="menu-title">Compare with</p><div data-others></div>'
    '<p class="menu-none" data-none>There is no other analysis of this video yet. Open this one, change what '
    "is asked or the model, and press Analyse; then the two can be held against each other.</p></div>"
)
HISTORY = f'{OTHERS}<div data-part="jobs" class="history"></div>{exports.menu("job-exports")}'


@dataclass(frozen=True)
class JobsTab:
    """The widgets of the tab."""

    find: gr.HTML
    said: gr.HTML
    history: gr.HTML


def build() -> JobsTab:
    """Lay the tab out; its rows arrive with what the page follows."""
    find = own_html(
        template=(ASSETS / "found.html").read_text(encoding="utf-8"),
        js="haven.find(element, (data) => trigger('act', data));",
        elem_id="haven-find",
    )
    history = own_html(
        template=HISTORY,
        js="const tell = (data) => trigger('act', data); haven.mount('jobs', element, tell); "
        "haven.jobMenus(element, tell);",
        elem_id="haven-jobs",
    )
    said = own_html(elem_id="haven-jobs-said")
    return JobsTab(find, said, history)


def wire(tab: JobsTab, house: House, video_tab: VideoTab) -> None:
    """Attach the buttons of the rows."""

    async def act(event: gr.EventData, kept: Any, *typed: Any) -> tuple[Any, ...]:
        shown = await on_history_act(house, event.act, event.job)
        return (*shown, *await on_opened(house, shown[0], kept, Asked(*typed)))

    given = [video_tab.kept, *video_tab.asked]
    shown = [video_tab.stage, video_tab.remembered, tab.said, *video_tab.filling]
    for part in (tab.history, tab.find):
        part.act(act, given, shown, **EVERY_CLICK)


async def on_history_act(house: House, act: str, job_id: str) -> tuple[Any, Any, str]:
    """Open, resume or delete one job; what is shown on the Video tab changes with the first two."""
    try:
        if act == "delete":
            await slow(house.engine.delete_job, job_id)
            return gr.skip(), gr.skip(), ""
        if act == "resume":
            await slow(house.engine.resume_job, job_id)
        staged = (await quick(stage_of_job, house, job_id)).as_json()
    except Exception as error:  # noqa: BLE001 - shown to the person
        return gr.skip(), gr.skip(), notice(explain(error))
    return staged, staged, ""
