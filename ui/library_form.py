"""The form that says what is to be watched, as markup: the fields of the Video tab and those of a folder."""

from collections.abc import Iterable
from html import escape

from ui import asking
from ui.asking import Field


def form() -> str:
    """All of it; its fields are sent by their names in `Asked`, and `folder`, `pattern` and `recursive`."""
    return (
        '<form class="watch" data-watch autocomplete="off">'
        '<label class="wide">Folder or video on this machine<input name="folder" type="text" '
        'placeholder="~/Videos" spellcheck="false" maxlength="4000"></label>'
        f"{_text(asking.TAGS, 20_000, 'wide')}{_text(asking.PROMPT, 8_000, 'wide')}"
        f'<label>{escape(asking.INTERVAL.label)}<input name="{asking.INTERVAL.name}" type="text" '
        f'inputmode="decimal" value="{asking.EVERY:g}" maxlength="20"></label>'
        '<label>Only names like<input name="pattern" type="text" placeholder="*.mp4 *.mov" '
        'spellcheck="false" maxlength="1000"></label>'
        '<label class="tick"><input name="recursive" type="checkbox" checked>Also the folders in it</label>'
        '<button type="submit" class="watch-button">Watch</button>'
        f'<details class="watch-more wide"><summary>More</summary>{_lines()}{_ticks(asking.TICKS)}</details>'
        "</form>"
    )


def _lines() -> str:
    fields = (_field(field, alone=len(line) == 1) for line in asking.LINES for field in line)
    return f'<div class="watch-fields">{"".join(fields)}</div>'


def _field(field: Field, alone: bool) -> str:
    kind = "wide" if alone else ""
    return _modes(field, kind) if field == asking.MODE else _text(field, 20_000, kind)


def _text(field: Field, longest: int, kind: str = "") -> str:
    return (
        f'<label class="{kind}">{escape(field.label)}<input name="{field.name}" type="text" '
        f'placeholder="{escape(field.placeholder)}" maxlength="{longest}"></label>'
    )


def _modes(field: Field, kind: str) -> str:
    options = "".join(f'<option value="{mode}">{escape(label)}</option>' for label, mode in asking.MODES)
    return (
        f'<label class="{kind}">{escape(field.label)}<select name="{field.name}">{options}</select></label>'
    )


def _ticks(ticks: Iterable[Field]) -> str:
    return "".join(
        f'<label class="tick"><input name="{tick.name}" type="checkbox">{escape(tick.label)}</label>'
        for tick in ticks
    )
