"""Gradio's HTML component as a bare place for markup of our own, without its typography and borders."""

from pathlib import Path
from typing import Any

import gradio as gr

ASSETS = Path(__file__).parent / "assets"


def own_html(
    template: str | None = None, *, value: str | None = None, js: str | None = None, **more: Any
) -> gr.HTML:
    """Fixed markup from `template`, or `value`, which handlers may replace; `js` runs once it is there."""
    given = {} if template is None else {"html_template": template}
    return gr.HTML(value, js_on_load=js, apply_default_css=False, **given, **more)
