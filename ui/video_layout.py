"""The widgets of the Video tab and where they stand. What they do is in `video.py`."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui import asking, exports, prompts, reading
from ui.asking import Field
from ui.widgets import ASSETS, own_html

# It only keeps what lies in the browser readable after a restart; nothing secret is kept there.
BROWSER_SECRET = "haven-browser-01"
RESULTS = (
    '<div data-part="summary"></div>'
    '<p class="some" data-some hidden>Some of the frames while they come this fast; all when it stops.</p>'
    '<ol class="cards" data-cards aria-label="Frames, newest first"></ol>'
    '<button type="button" class="small older" data-older hidden>Show older frames</button>'
)


@dataclass(frozen=True)
class VideoTab:
    """The widgets of the tab."""

    stage: gr.HTML
    path: gr.Textbox
    open_path: gr.Button
    sample: gr.Button
    run: gr.HTML
    filled: gr.HTML
    tags: gr.Textbox
    vocabulary: gr.HTML
    prompt: gr.Textbox
    interval: gr.Number
    start: gr.Textbox
    end: gr.Textbox
    most: gr.Textbox
    codes: gr.Checkbox
    mode: gr.Dropdown
    times: gr.Textbox
    reuse: gr.Textbox
    refine: gr.Checkbox
    summary: gr.Checkbox
    fps: gr.Textbox
    votes: gr.Textbox
    analyse: gr.Button
    export: gr.Button
    plan: gr.HTML
    said: gr.HTML
    remembered: gr.BrowserState
    typed: gr.BrowserState
    kept: gr.BrowserState  # of what was filled in, and what stood there before

    @property
    def asked(self) -> list[Any]:
        """The fields that say what is asked, in the order of `Asked`."""
        first = [self.tags, self.prompt, self.interval, self.start, self.end, self.most, self.codes]
        return [*first, self.mode, self.times, self.reuse, self.refine, self.summary, self.fps, self.votes]

    @property
    def filling(self) -> list[Any]:
        """What is written when the settings of an analysis are filled in."""
        return [self.filled, self.kept, *self.asked]


def build() -> VideoTab:
    """Lay the tab out: what is seen at the left, what is asked and answered at the right."""
    remembered = gr.BrowserState("", storage_key="haven-stage", secret=BROWSER_SECRET)
    typed = gr.BrowserState(None, storage_key="haven-fields", secret=BROWSER_SECRET)
    kept = gr.BrowserState(None, storage_key="haven-filled", secret=BROWSER_SECRET)
    with gr.Row(elem_id="haven-video", equal_height=False):
        with gr.Column(scale=7, min_width=0, elem_id="haven-left"):
            left = _build_left()
        with gr.Column(scale=5, min_width=0, elem_id="haven-right"):
            right = _build_right()
    return VideoTab(**left, **right, remembered=remembered, typed=typed, kept=kept)


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
        template=(ASSETS / "spans.html").read_text(encoding="utf-8"),
        js="haven.mountSpans(element); haven.mount('run', element, (data) => trigger('act', data));",
        elem_id="haven-run",
    )
    return {"stage": stage, "path": path, "open_path": open_path, "sample": sample, "run": run}


def _build_right() -> dict[str, Any]:
    filled = own_html(
        elem_id="haven-filled", js="haven.mount('filled', element, (data) => trigger('act', data));"
    )
    asked = _build_questions() | _build_start()
    said = own_html(elem_id="haven-video-said")
    plan = own_html(
        elem_id="haven-plan", js="haven.mount('plan', element, (data) => trigger('ended', data));"
    )
    more = _build_more()
    own_html(
        template=exports.menu() + reading.button(),
        js="haven.exports(element); haven.readSpans(element);",
        elem_id="haven-exports",
    )
    own_html(template=RESULTS, js="haven.results(element);", elem_id="haven-results")
    return {"filled": filled, **asked, **more, "plan": plan, "said": said}


def _build_questions() -> dict[str, Any]:
    tags = gr.Textbox(
        label=asking.TAGS.label,
        info="Each is a yes or no for every frame; several may hold at once.",
        placeholder=asking.TAGS.placeholder,
        lines=1,
        max_lines=4,
        elem_id="haven-tags",
    )
    vocabulary = own_html(elem_id="haven-vocabulary", js="haven.vocabulary(element);")
    prompt = gr.Textbox(
        label=asking.PROMPT.label,
        placeholder=asking.PROMPT.placeholder,
        lines=2,
        max_lines=6,
        elem_id="haven-prompt",
    )
    own_html(template=prompts.menu(), js="haven.savedForVideo(element);", elem_id="haven-saved")
    return {"tags": tags, "vocabulary": vocabulary, "prompt": prompt}


def _build_start() -> dict[str, Any]:
    with gr.Row(elem_id="haven-ask", equal_height=False):
        interval = gr.Number(
            label=asking.INTERVAL.label,
            value=asking.EVERY,
            scale=1,
            min_width=110,
            elem_id="haven-interval",
        )
        analyse = gr.Button("Analyse", variant="primary", scale=3, min_width=120, elem_id="haven-analyse")
        export = gr.Button("Export", scale=1, min_width=80, elem_id="haven-export")
    return {"interval": interval, "analyse": analyse, "export": export}


def _build_more() -> dict[str, Any]:
    made: dict[str, Any] = {}
    with gr.Accordion("More", open=False, elem_id="haven-more"):
        for line in asking.LINES:
            with gr.Row():
                made |= {field.name: _more_field(field) for field in line}
        for tick in asking.TICKS:
            made[tick.name] = gr.Checkbox(label=tick.label, value=False)
    return made


def _more_field(field: Field) -> gr.Textbox | gr.Dropdown:
    if field == asking.MODE:
        return gr.Dropdown(label=field.label, choices=asking.MODES, value="interval", min_width=170)
    return gr.Textbox(label=field.label, placeholder=field.placeholder, min_width=100)
