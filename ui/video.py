"""The Video tab: choose a video, say what to look for, and watch the answers arrive.

Nothing here computes. Handlers hand over to the engine and show what it says; the frames themselves
arrive with what the page follows.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import fields, replace
from typing import Any

import gradio as gr

from ui import filling, panels
from ui.asking import Asked
from ui.handling import EVERY_CLICK, QUIET, explain, notice
from ui.house import House
from ui.labels import explained
from ui.off_loop import at_once, quick, slow
from ui.stage import Staged, restored, stage_of_job, stage_of_path, stage_of_upload
from ui.video_layout import VideoTab
from ui.vocabulary import vocabulary_chips

FIELDS = len(fields(Asked))
KEEP_FIELDS = "(...fields) => [fields]"
Shown = tuple[Any, Any, str]  # for the stage, for what the browser remembers, and what is said
ACTS = {"pause": "pause_job", "resume": "resume_job", "cancel": "cancel_job"}
# At once, since the first video makes the video library be imported.
OPENING: Shown = (gr.skip(), gr.skip(), notice("Opening the video…", "hint"))
STARTING: Shown = (gr.skip(), gr.skip(), notice("Starting…", "hint"))


def wire(tab: VideoTab, house: House, flipped: gr.HTML) -> None:
    """Attach the tab's events; `flipped` tells when another model serves."""
    _wire_choosing(tab, house)
    _wire_asking(tab, house, flipped)

    async def act(event: gr.EventData) -> Shown:
        if event.act == "join":
            return await on_join(house, event.job)
        return gr.skip(), gr.skip(), await on_run_act(house, event.act, event.job)

    tab.run.act(act, None, [tab.stage, tab.remembered, tab.said], **EVERY_CLICK)
    tab.export.click(None, None, None, js="() => { haven.openExports(); }", **QUIET)
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

    filling.wire(tab, house).then(plan, [tab.stage, *tab.asked], tab.plan, **QUIET)
    tab.plan.ended(plan, [tab.stage, *tab.asked], tab.plan, **QUIET)
    tab.stage.upload(upload, None, shown, **QUIET)
    tab.sample.click(sample, None, shown, **QUIET)
    gr.on([tab.open_path.click, tab.path.submit], open_path, tab.path, shown, **QUIET)
    changes = [tab.stage.change, tab.interval.change, tab.tags.blur, tab.prompt.blur, tab.codes.change]
    changes += [tab.mode.change, tab.refine.change]
    texts = [tab.start, tab.end, tab.most, tab.times, tab.reuse, tab.fps, tab.votes]
    gr.on(
        [*changes, *(text.blur for text in texts)],
        plan,
        [tab.stage, *tab.asked],
        tab.plan,
        trigger_mode="always_last",
        **QUIET,
    )


def _wire_asking(tab: VideoTab, house: House, flipped: gr.HTML) -> None:
    async def analyse(staged: str, *fields: Any) -> AsyncIterator[tuple[Any, ...]]:
        yield (*STARTING, gr.skip(), gr.skip())
        shown = await on_analyse_click(house, staged, Asked(*fields))
        begun = bool(Staged.from_json(shown[0]).job)
        yield (*shown, *(("", None) if begun else (gr.skip(), gr.skip())))

    async def flip(staged: str, *fields: Any) -> Any:
        return vocabulary_chips(house), await on_fields_change(house, staged, Asked(*fields))

    asked = [tab.stage, *tab.asked]
    shown = [tab.stage, tab.remembered, tab.said, tab.filled, tab.kept]
    tab.analyse.click(analyse, asked, shown, **QUIET)
    flipped.flip(flip, asked, [tab.vocabulary, tab.plan], **QUIET)


def load_with(page: gr.Blocks, tab: VideoTab, house: House) -> None:
    """Bring back what this browser looked at and typed."""

    async def opened(remembered: Any, typed: Any) -> Any:
        return await on_page_load(house, remembered, typed)

    shown = [tab.stage, tab.vocabulary, *tab.asked]
    page.load(opened, [tab.remembered, tab.typed], shown, **QUIET)
    filling.load_with(page, tab, house)


async def on_page_load(house: House, remembered: Any, typed: Any) -> tuple[Any, ...]:
    """The stage as it was, or the job that is running; the fields as they were left."""
    kept = typed if isinstance(typed, list) and len(typed) == FIELDS else [gr.skip()] * FIELDS
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
    return f'<p class="plan">{panels.plan(plan)}</p>'


async def on_analyse_click(house: House, staged: Any, asked: Asked) -> Shown:
    """Start an analysis of the video on the stage, and follow it."""
    stage = Staged.from_json(staged)
    opened = house.opened.get(stage.token)
    if opened is None:
        return gr.skip(), gr.skip(), notice("Choose a video first: drop one here, or name a file.")
    try:
        job = await slow(house.engine.submit_video, asked.request(opened))
        if stage.job:
            await slow(_same_rules, house, stage.job, job.job_id, job.tags)
    except Exception as error:  # noqa: BLE001 - shown to the person
        return gr.skip(), gr.skip(), notice(explained(error))
    following = replace(stage, job=job.job_id).as_json()
    return following, following, ""


async def on_join(house: House, job_id: str) -> Shown:
    """An empty page shows what a script or another window began."""
    return await _show(stage_of_job, house, job_id)


async def on_run_act(house: House, act: str, job_id: str) -> str:
    """Pause, resume or cancel; the notice to show, empty when it went well."""
    verb = ACTS.get(act)
    if verb is None:
        return ""
    call = slow if act == "resume" else at_once
    try:
        await call(getattr(house.engine, verb), job_id)
    except Exception as error:  # noqa: BLE001 - shown to the person
        return notice(explain(error))
    return ""


def _same_rules(house: House, before: str, job_id: str, tags: Sequence[str]) -> None:
    """Make the spans of an analysis as those of the one before on the stage, which a person has set."""
    findings = house.engine.findings
    rules = findings.settings(before).as_dict()
    own = {tag: rule for tag, rule in rules["tags"].items() if tag in tags}
    if {**rules, "tags": own} != findings.settings(job_id).as_dict():
        findings.set_settings(job_id, {**rules, "tags": own})


def _sample(house: House) -> Staged:
    from engine.video.sample_clip import sample_clip

    return stage_of_path(house, str(sample_clip(house.samples)))


async def _show(make: Any, house: House, *args: Any) -> Shown:
    try:
        staged = (await slow(make, house, *args)).as_json()
    except Exception as error:  # noqa: BLE001 - shown to the person
        return gr.skip(), gr.skip(), notice(explain(error))
    return staged, staged, ""
