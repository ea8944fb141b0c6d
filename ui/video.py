"""The Video tab: choose a video, say what to look for, and watch the answers arrive.

Nothing here computes. Handlers hand over to the engine and show what it says; the frames themselves
arrive with what the page follows.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from ui import panels
from ui.handling import QUIET, explain, notice
from ui.house import House
from ui.off_loop import quick, slow
from ui.stage import Asked, Staged, restored, stage_of_path, stage_of_upload
from ui.vocabulary import vocabulary_chips
from ui.widgets import ASSETS, own_html

# It only keeps what lies in the browser readable after a restart; nothing secret is kept there.
BROWSER_SECRET = "haven-browser-01"
RUN = '<div data-part="run"></div><div data-timeline></div>'
RESULTS = (
    '<div data-part="summary"></div><ol class="cards" data-cards aria-label="Frames, newest first"></ol>'
    '<button type="button" class="small older" data-older hidden>Show older frames</button>'
)
KEEP_FIELDS = "(...fields) => [fields]"
Shown = tuple[Any, Any, str]  # for the stage, for what the browser remembers, and what is said
ACTS = {"pause": "pause_job", "resume": "resume_job", "cancel": "cancel_job"}
# At once, since the first video makes the video library be imported.
OPENING: Shown = (gr.skip(), gr.skip(), notice("Opening the video…", "hint"))
STARTING: Shown = (gr.skip(), gr.skip(), notice("Starting…", "hint"))


@dataclass(frozen=True)
class VideoTab:
    """The widgets of the tab."""

    stage: gr.HTML
    path: gr.Textbox
    open_path: gr.Button
    sample: gr.Button
    run: gr.HTML
    tags: gr.Textbox
    vocabulary: gr.HTML
    prompt: gr.Textbox
    interval: gr.Number
    start: gr.Textbox
    end: gr.Textbox
    most: gr.Textbox
    codes: gr.Checkbox
    analyse: gr.Button
    export: gr.Button
    plan: gr.HTML
    said: gr.HTML
    remembered: gr.BrowserState
    typed: gr.BrowserState

    @property
    def asked(self) -> list[Any]:
        """The fields that say what is asked, in the order of `Asked`."""
        return [self.tags, self.prompt, self.interval, self.start, self.end, self.most, self.codes]


def build() -> VideoTab:
    """Lay the tab out: what is seen at the left, what is asked and answered at the right."""
    remembered = gr.BrowserState("", storage_key="haven-stage", secret=BROWSER_SECRET)
    typed = gr.BrowserState(None, storage_key="haven-fields", secret=BROWSER_SECRET)
    with gr.Row(elem_id="haven-video", equal_height=False):
        with gr.Column(scale=7, min_width=0, elem_id="haven-left"):
            left = _build_left()
        with gr.Column(scale=5, min_width=0, elem_id="haven-right"):
            right = _build_right()
    return VideoTab(**left, **right, remembered=remembered, typed=typed)


def _build_left() -> dict[str, Any]:
    stage = own_html(
        value="",
        template=(ASSETS / "stage.html").read_text(encoding="utf-8"),
        js="haven.stage(element, props, watch, (data) => trigger('upload', data));",
        elem_id="haven-stage",
    )
    with gr.Row(elem_id="haven-choose", equal_height=False):
        path = gr.Textbox(
            label="Or name a file on this machine", placeholder="~/Videos/lake.mp4", scale=4, min_width=160
        )
        open_path = gr.Button("Open", scale=0, min_width=72)
        sample = gr.Button("Try the sample clip", scale=0, min_width=140)
    run = own_html(
        template=RUN,
        js="haven.mount('run', element, (data) => trigger('act', data));",
        elem_id="haven-run",
    )
    return {"stage": stage, "path": path, "open_path": open_path, "sample": sample, "run": run}


def _build_right() -> dict[str, Any]:
    tags = gr.Textbox(
        label="Tags to look for",
        info="Each is a yes or no for every frame; several may hold at once.",
        placeholder="boat, sun, hills",
        lines=1,
        max_lines=4,
        elem_id="haven-tags",
    )
    vocabulary = own_html(elem_id="haven-vocabulary", js="haven.vocabulary(element);")
    prompt = gr.Textbox(
        label="Question for each frame",
        placeholder="Describe this frame in one sentence.",
        lines=2,
        max_lines=6,
        elem_id="haven-prompt",
    )
    with gr.Row(elem_id="haven-ask", equal_height=False):
        interval = gr.Number(
            label="A frame every (s)", value=2.0, scale=1, min_width=110, elem_id="haven-interval"
        )
        analyse = gr.Button("Analyse", variant="primary", scale=3, min_width=120, elem_id="haven-analyse")
        export = gr.Button("Export", scale=1, min_width=80, elem_id="haven-export")
    said = own_html(elem_id="haven-video-said")
    plan = own_html(elem_id="haven-plan")
    more = _build_more()
    own_html(template=RESULTS, js="haven.results(element);", elem_id="haven-results")
    return {
        "tags": tags,
        "vocabulary": vocabulary,
        "prompt": prompt,
        "interval": interval,
        **more,
        "analyse": analyse,
        "export": export,
        "plan": plan,
        "said": said,
    }


def _build_more() -> dict[str, Any]:
    with gr.Accordion("More", open=False, elem_id="haven-more"):
        with gr.Row():
            # Texts, since an empty number field is shown and sent as 0.
            start = gr.Textbox(label="From (s)", placeholder="start", min_width=90)
            end = gr.Textbox(label="To (s)", placeholder="end", min_width=90)
            most = gr.Textbox(label="At most (frames)", placeholder="no limit", min_width=110)
        codes = gr.Checkbox(label="Read QR and bar codes (0.1 s more for each frame)", value=False)
    return {"start": start, "end": end, "most": most, "codes": codes}


def wire(tab: VideoTab, house: House, flipped: gr.HTML) -> None:
    """Attach the tab's events; `flipped` tells when another model serves."""
    _wire_choosing(tab, house)
    _wire_asking(tab, house, flipped)

    async def act(event: gr.EventData) -> str:
        return await on_run_act(house, event.act, event.job)

    tab.run.act(act, None, tab.said, **QUIET)
    tab.export.click(None, None, None, js="() => { haven.exportJob(); }", **QUIET)
    # Kept by the browser itself: no request for each key that is pressed.
    gr.on([field.change for field in tab.asked], None, tab.asked, tab.typed, js=KEEP_FIELDS, **QUIET)


def _wire_choosing(tab: VideoTab, house: House) -> None:
    shown = [tab.stage, tab.remembered, tab.said]

    async def upload(event: gr.EventData) -> AsyncIterator[Shown]:
        yield OPENING
        yield await on_upload(house, event.path, event.name)

    async def open_path(path: str) -> AsyncIterator[Shown]:
        yield OPENING
        yield await on_open_click(house, path)

    async def sample() -> AsyncIterator[Shown]:
        yield OPENING
        yield await on_sample_click(house)

    async def plan(staged: str, *fields: Any) -> str:
        return await on_fields_change(house, staged, Asked(*fields))

    tab.stage.upload(upload, None, shown, **QUIET)
    tab.sample.click(sample, None, shown, **QUIET)
    gr.on([tab.open_path.click, tab.path.submit], open_path, tab.path, shown, **QUIET)
    changes = [tab.stage.change, tab.interval.change, tab.tags.blur, tab.prompt.blur, tab.codes.change]
    gr.on(
        [*changes, tab.start.blur, tab.end.blur, tab.most.blur],
        plan,
        [tab.stage, *tab.asked],
        tab.plan,
        trigger_mode="always_last",
        **QUIET,
    )


def _wire_asking(tab: VideoTab, house: House, flipped: gr.HTML) -> None:
    async def analyse(staged: str, *fields: Any) -> AsyncIterator[Shown]:
        yield STARTING
        yield await on_analyse_click(house, staged, Asked(*fields))

    async def flip(staged: str, *fields: Any) -> Any:
        return vocabulary_chips(house), await on_fields_change(house, staged, Asked(*fields))

    asked = [tab.stage, *tab.asked]
    tab.analyse.click(analyse, asked, [tab.stage, tab.remembered, tab.said], **QUIET)
    flipped.flip(flip, asked, [tab.vocabulary, tab.plan], **QUIET)


def load_with(page: gr.Blocks, tab: VideoTab, house: House) -> None:
    """Bring back what this browser looked at and typed."""

    async def opened(remembered: Any, typed: Any) -> Any:
        return await on_page_load(house, remembered, typed)

    shown = [tab.stage, tab.vocabulary, *tab.asked]
    page.load(opened, [tab.remembered, tab.typed], shown, **QUIET)


async def on_page_load(house: House, remembered: Any, typed: Any) -> tuple[Any, ...]:
    """The stage as it was, or the job that is running; the fields as they were left."""
    kept = typed if isinstance(typed, list) and len(typed) == 7 else [gr.skip()] * 7
    try:
        staged = await quick(restored, house, remembered)
        chips = vocabulary_chips(house)
    except Exception as error:  # noqa: BLE001 - the page must open; the reason is logged
        explain(error)
        return (Staged().as_json(), "", *kept)
    return (staged.as_json(), chips, *kept)


async def on_upload(house: House, path: str, name: str) -> Shown:
    """A dropped video has arrived: show it."""
    return await _show(stage_of_upload, house, path, name)


async def on_open_click(house: House, path: str) -> Shown:
    """A path was typed: show that video."""
    return await _show(stage_of_path, house, path or "")


async def on_sample_click(house: House) -> Shown:
    """Show the sample clip; it is made when it is first asked for."""
    return await _show(_sample, house)


async def on_fields_change(house: House, staged: Any, asked: Asked) -> str:
    """What it would cost, as a line under the button; nothing while the fields are not complete."""
    opened = house.opened.get(Staged.from_json(staged).token)
    if opened is None:
        return ""
    try:
        plan = await slow(house.engine.plan, asked.request(opened))
    except Exception:  # noqa: BLE001 - half typed; pressing Analyse says what is missing
        return ""
    return f'<p class="plan">{panels.plan(plan.frames, plan.seconds, plan.based_on)}</p>'


async def on_analyse_click(house: House, staged: Any, asked: Asked) -> Shown:
    """Start an analysis of the video on the stage, and follow it."""
    stage = Staged.from_json(staged)
    opened = house.opened.get(stage.token)
    if opened is None:
        return gr.skip(), gr.skip(), notice("Choose a video first: drop one here, or name a file.")
    try:
        job = await slow(house.engine.submit_video, asked.request(opened))
    except Exception as error:  # noqa: BLE001 - shown to the person
        return gr.skip(), gr.skip(), notice(explain(error))
    following = replace(stage, job=job.job_id).as_json()
    return following, following, ""


async def on_run_act(house: House, act: str, job_id: str) -> str:
    """Pause, resume or cancel; the notice to show, empty when it went well."""
    verb = ACTS.get(act)
    if verb is None:
        return ""
    try:
        await slow(getattr(house.engine, verb), job_id)
    except Exception as error:  # noqa: BLE001 - shown to the person
        return notice(explain(error))
    return ""


def _sample(house: House) -> Staged:
    from engine.video.sample_clip import sample_clip

    return stage_of_path(house, str(sample_clip(house.samples)))


async def _show(make: Any, house: House, *args: Any) -> Shown:
    try:
        staged = (await slow(make, house, *args)).as_json()
    except Exception as error:  # noqa: BLE001 - shown to the person
        return gr.skip(), gr.skip(), notice(explain(error))
    return staged, staged, ""
