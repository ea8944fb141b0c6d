"""Tables for spreadsheets and scripts: CSV as RFC 4180 has it, with a byte order mark for Excel.

A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a line break for a formula. Texts
that do get an apostrophe in front, as do those that have one there, so that it can be taken off again. One
that is set to split lines at `;`, tabs or `|` heeds no quotes within, so that cells begin behind these and
behind line breaks as well: an apostrophe stands there, too.
"""

import csv
import io
import re
from collections.abc import Iterable

from engine.video.exports.material import Material, microseconds
from engine.video.sureness import stated

BYTE_ORDER_MARK = "\ufeff"
_GUARDED = tuple("=+-@\t\r\n'＝＋－＠")
_CELL_WITHIN = re.compile(r"""(?<=[;|\t\r\n])(?=[ "']*[=+\-@＝＋－＠])""")
SPAN_COLUMNS = ("category", "tag", "start", "end", "start_seconds", "end_seconds", "confidence", "hits", "by")
FRAME_COLUMNS = ("index", "time", "time_seconds", "state", "caption", "error")


def csv_of_spans(material: Material) -> str:
    """A row a span, in the order of time."""
    rows = [
        (
            _text(s.category),
            _text(s.tag),
            clock(s.start_us),
            clock(s.end_us),
            _exact(s.start_us),
            _exact(s.end_us),
            _number(s.confidence),
            s.hits,
            "person" if s.corrected else "model",
        )
        for s in material.stretches()
    ]
    return _table(SPAN_COLUMNS, rows)


def csv_of_frames(material: Material) -> str:
    """A row a frame, with a column for the confidence of each tag; yes or no where it was only said."""
    tags = material.result.job.tags
    rows = []
    for frame in material.result.frames:
        time_us = microseconds(frame.time)
        said_only = stated(frame.facts, tags)
        sure = (_answer(frame.tags.get(tag), tag in said_only) for tag in tags)
        said = (frame.state, _text(frame.caption), _text(frame.error))
        rows.append((frame.index, clock(time_us), _exact(time_us), *said, *sure))
    return _table((*FRAME_COLUMNS, *map(_text, tags)), rows)


def clock(time_us: int) -> str:
    """`0:01:02.500`, to the millisecond, for people."""
    ms = (time_us + 500) // 1000
    return f"{ms // 3_600_000}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    made = io.StringIO(newline="")
    writer = csv.writer(made)
    writer.writerow(head)
    writer.writerows(rows)
    return BYTE_ORDER_MARK + made.getvalue()


def _text(text: str) -> str:
    text = _CELL_WITHIN.sub("'", text)
    return f"'{text}" if text.lstrip(" ").startswith(_GUARDED) else text


def _exact(time_us: int) -> str:
    return f"{time_us // 1_000_000}.{time_us % 1_000_000:06}"


def _answer(value: float | None, said_only: bool) -> str:
    """`yes` is no number, so that no mean is made of what was not measured."""
    return {1.0: "yes", 0.0: "no"}[value] if said_only and value in (1.0, 0.0) else _number(value)


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)
