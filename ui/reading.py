"""Time spans that another program's file has, shown under the timeline: read, drawn apart, and not kept.

They are no answers of a model here and never mix with the spans of an analysis. Escapes all that it shows.
"""

from collections.abc import Sequence
from heapq import nsmallest
from html import escape
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from engine.video.exports import ReadSpans
from engine.video.exports.reading import MOST_BYTES, TOO_LARGE, ReadSpan
from ui import wording
from ui.cards import TAG_COLOURS
from ui.handling import explain
from ui.house import House
from ui.media import uploaded_file
from ui.off_loop import slow
from ui.spans import FINEST

MOST_TAGS = 100  # that are drawn
MOST_ROWS = 200  # of the table
SAME_LENGTH = 1.0  # seconds by which a file may be off about how long the video is

Named = dict[tuple[str, str], list[ReadSpan]]  # spans by category and tag


class Wanted(BaseModel):
    """What the page sends: a file that it has uploaded, and how long the video is; 0: unknown."""

    path: str
    name: str
    duration: float = 0.0


def button() -> str:
    """The markup of what chooses a file; `haven.readSpans` brings it to life."""
    return (
        '<label class="read-choose"><input type="file" accept=".json,application/json" data-read '
        f'data-most="{MOST_BYTES}" data-larger="{TOO_LARGE}">'
        "<span>Read spans from a file…</span></label>"
        '<p class="exports-said" role="status" data-read-said hidden></p>'
    )


def reading_routes(house: House) -> APIRouter:
    """What the page asks, bound to one engine."""
    router = APIRouter()

    @router.post("/spans/read")
    async def read(wanted: Wanted) -> JSONResponse:
        try:
            shown = await slow(_read, house, wanted)
        except Exception as error:  # noqa: BLE001 - shown to the person
            return JSONResponse({"said": explain(error), "failed": True})
        return JSONResponse({"said": "", "failed": False, **shown})

    return router


def _read(house: House, wanted: Wanted) -> dict[str, Any]:
    """Seconds go by for the largest of files. Raises: what `uploaded_file` and `read_spans` do."""
    found = house.engine.exports.read_spans(uploaded_file(wanted.path))
    return drawn(found, wanted.name, wanted.duration)


def drawn(read: ReadSpans, name: str, duration: float) -> dict[str, Any]:
    """Plain JSON for the bars, and what is said about the file as HTML; `duration` is the video's."""
    named = _by_tag(read.spans)
    length = duration or read.duration or max((span.end for span in read.spans), default=0.0)
    return {
        "duration": max(length, 0.001),
        "rows": [_row(names, spans, length) for names, spans in list(named.items())[:MOST_TAGS]],
        "head": wording.printable(_head(read, named, name)),
        "notes": wording.printable("".join(f"<p>{escape(one)}</p>" for one in _notes(read, named, duration))),
        "table": wording.printable(table(read.spans, list(named))),
    }


def table(spans: Sequence[ReadSpan], tags: Sequence[tuple[str, str]]) -> str:
    """The spans in the order of time; each goes to its start."""
    if not spans:
        return ""
    colours = {names: place % TAG_COLOURS for place, names in enumerate(tags)}
    first = nsmallest(MOST_ROWS, spans, key=lambda span: (span.start, span.end))
    rows = "".join(_table_row(span, colours[_names(span)]) for span in first)
    more = len(spans) - MOST_ROWS
    rest = f'<p class="quiet">{more:,} later ones are not listed.</p>' if more > 0 else ""
    return (
        '<table class="span-table" aria-label="What was read, in the order of time">'
        '<thead><tr><th scope="col">Tag</th><th scope="col">From</th><th scope="col">To</th>'
        f'<th scope="col">Sure</th></tr></thead><tbody>{rows}</tbody></table>{rest}'
    )


def _by_tag(spans: Sequence[ReadSpan]) -> Named:
    named: Named = {}
    for span in spans:
        named.setdefault(_names(span), []).append(span)
    return named


def _names(span: ReadSpan) -> tuple[str, str]:
    return span.category, span.tag


def _row(names: tuple[str, str], spans: Sequence[ReadSpan], duration: float) -> dict[str, Any]:
    category, tag = names
    total = f"{sum(span.end - span.start for span in spans):,.1f} s"
    count = "1 span" if len(spans) == 1 else f"{len(spans):,} spans"
    return {
        "tag": wording.printable(tag),
        "category": wording.printable(category),
        "total": total,
        "said": wording.printable(f"{tag}, read from a file: {total}, {count}"),
        "bars": _bars(spans, duration),
    }


def _bars(spans: Sequence[ReadSpan], duration: float) -> list[list[float]]:
    """Start and end; what a picture cannot tell apart is one bar."""
    finest = duration / FINEST if len(spans) > FINEST else 0.0
    bars: list[list[float]] = []
    for span in sorted(spans, key=lambda one: one.start):
        if finest and bars and span.end - bars[-1][0] < finest:
            bars[-1][1] = max(bars[-1][1], span.end)
        else:
            bars.append([span.start, span.end])
    return bars


def _head(read: ReadSpans, named: Named, name: str) -> str:
    spans = "1 span" if len(read.spans) == 1 else f"{len(read.spans):,} spans"
    tags = "1 tag" if len(named) == 1 else f"{len(named):,} tags"
    models = f" · made by {escape(', '.join(read.models))}" if read.models else ""
    form = "a list of tags" if read.form == "tags" else read.form
    return (
        f'<p><span class="span-mark">from a file</span> <b>{escape(name)}</b> '
        f'<span class="quiet">{spans} of {tags} · {form}{models}</span></p>'
    )


def _notes(read: ReadSpans, named: Named, duration: float) -> list[str]:
    """What a person has to know about the file to read the bars rightly."""
    notes = []
    if read.duration and duration and abs(read.duration - duration) > max(SAME_LENGTH, duration / 100):
        about, here = wording.length(read.duration), wording.length(duration)
        notes.append(f"The file is about a video of {about}; this one has {here}. It may be another one.")
    late = sum(span.end > duration + SAME_LENGTH for span in read.spans) if duration else 0
    if late:
        reach = "reaches" if late == 1 else "reach"
        notes.append(f"{late:,} of its spans {reach} beyond the end of this video.")
    if len(named) > MOST_TAGS:
        notes.append(f"{len(named) - MOST_TAGS:,} more tags are not drawn.")
    if not read.spans:
        notes.append("There is no span in it.")
    return notes


def _table_row(span: ReadSpan, colour: int) -> str:
    start, end = wording.clock(span.start, 2), wording.clock(span.end, 2)
    sure = "—" if span.confidence is None else wording.share(span.confidence)
    exact = f"Go to {start} (exactly {span.start:.6f} s)"
    name = (
        f'<button type="button" class="span-seek" data-seek="{span.start:.6f}" title="{exact}">'
        f'<i class="span-dot"></i>{escape(span.tag)}</button>'
    )
    return (
        f'<tr class="tag-{colour}" data-start="{span.start:.6f}"><td>{name}</td>'
        f'<td title="{span.start:.6f} s">{start}</td><td title="{span.end:.6f} s">{end}</td>'
        f"<td>{sure}</td></tr>"
    )
