"""The spans of a job as a page draws them: bars for the timeline, a table, totals. Escapes all that it shows.

Times and rules come from the engine, and nothing is computed anew in the browser.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from engine.errors import InvalidInput
from engine.events.findings import LookedView, SpansView, SpanView
from ui import wording
from ui.cards import TAG_COLOURS

MOST_ROWS = 200  # of the table; an export has all
FINEST = 2000  # parts of the video's length; bars closer than one of them are drawn as one


def drawn(view: SpansView, revision: int) -> dict[str, Any]:
    """Plain JSON for the timeline, the rules and the table."""
    rows = {tag: [span for span in view.spans if span.tag == tag] for tag in view.tags}
    return {
        "job": view.job_id,
        "revision": revision,
        "duration": max(view.duration, 0.001),
        "rows": [
            {
                "tag": wording.printable(tag),
                "total": _total(view, tag),
                "bars": bars(found, view.duration),
                "looked": looked(view.looked_for[tag], view.duration) if tag in view.looked_for else None,
            }
            for tag, found in rows.items()
        ],
        "looked": looked(view.looked, view.duration),
        "settings": view.settings,
        "corrections": view.corrections,
        "table": wording.printable(table(view)),
    }


def bars(found: Sequence[SpanView], duration: float) -> list[list[Any]]:
    """Start, end, confidence and whether it was corrected; what a picture cannot tell apart is one bar."""
    if len(found) <= FINEST:
        return [[span.start, span.end, span.confidence, span.corrected] for span in found]
    finest = duration / FINEST
    drawn: list[list[Any]] = []
    for span in found:
        if drawn and span.end - drawn[-1][0] < finest:
            drawn[-1][1] = span.end
        else:
            drawn.append([span.start, span.end, span.confidence, span.corrected])
    return drawn


def looked(stretches: Sequence[LookedView], duration: float) -> list[list[Any]]:
    """Start, end and whether there was an answer; what a picture cannot tell apart is one, without one."""
    if len(stretches) <= FINEST:
        return [[one.start, one.end, one.answered] for one in stretches]
    finest = duration / FINEST
    drawn: list[list[Any]] = []
    for one in stretches:
        if drawn and one.start - drawn[-1][0] < finest:
            drawn[-1][1:] = [one.end, drawn[-1][2] and one.answered]
        else:
            drawn.append([one.start, one.end, one.answered])
    return drawn


def table(view: SpansView) -> str:
    """The spans in the order of time, each with its tag, start, end, confidence and hits."""
    if not view.spans:
        return f'<p class="quiet">{_why_none(view)}</p>{_inexact(view)}'
    colours = {tag: place % TAG_COLOURS for place, tag in enumerate(view.tags)}
    in_time = sorted(view.spans, key=lambda span: (span.start, span.end))
    rows = "".join(_row(span, colours.get(span.tag, 0)) for span in in_time[:MOST_ROWS])
    more = len(in_time) - MOST_ROWS
    rest = f'<p class="quiet">{more:,} more are in an export.</p>' if more > 0 else ""
    return (
        '<table class="span-table"><thead><tr><th scope="col">Tag</th><th scope="col">From</th>'
        '<th scope="col">To</th><th scope="col">Sure</th><th scope="col">Frames</th>'
        '<th scope="col"><span class="unseen">Correct</span></th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{rest}{_inexact(view)}"
    )


def times(given: object) -> list[float] | None:
    """A start and an end as a person wrote them; None for none. Raises: InvalidInput."""
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != 2:
        raise InvalidInput("Give a start and an end.")
    return [moment(at) for at in given]


def moment(written: object) -> float:
    """Seconds of a time such as 62.5, 1:02.5 or 1:02:03. Raises: InvalidInput."""
    try:
        if isinstance(written, (int, float)) and not isinstance(written, bool):
            return float(written)
        parts = str(written).strip().replace(",", ".").split(":")
        if len(parts) > 3 or any(not part[:1].isdigit() for part in parts):
            raise ValueError
        figures = [*map(int, parts[:-1]), float(parts[-1])]
        return sum(figure * 60**place for place, figure in enumerate(reversed(figures)))
    except (ValueError, OverflowError):
        raise InvalidInput(f"Write a time as 62.5 or 1:02.5, not {str(written)[:40]!r}.") from None


def _sure(span: SpanView) -> str:
    if span.confidence is not None:
        return wording.share(span.confidence)
    return '<span title="The model did not say how sure it is">said yes</span>' if span.hits else "—"


def _row(span: SpanView, colour: int) -> str:
    tag = escape(span.tag)
    start, end = wording.clock(span.start, 2), wording.clock(span.end, 2)
    sure = _sure(span)
    mark = ' <span class="span-mark">corrected</span>' if span.corrected else ""
    exact = f"Go to {start} (exactly {span.start:.6f} s)"
    name = (
        f'<button type="button" class="span-seek" data-seek="{span.start:.6f}" title="{exact}">'
        f'<i class="span-dot"></i>{tag}</button>{mark}'
    )
    correct = (
        '<button type="button" class="small" data-correct '
        f'aria-label="Correct {tag} from {start}">Correct</button>'
    )
    return (
        f'<tr class="tag-{colour}" data-tag="{tag}" data-start="{span.start:.6f}" data-end="{span.end:.6f}">'
        f'<td>{name}</td><td title="{span.start:.6f} s">{start}</td><td title="{span.end:.6f} s">{end}</td>'
        f"<td>{sure}</td><td>{span.hits:,}</td><td>{correct}</td></tr>"
    )


def _inexact(view: SpansView) -> str:
    """Where starts and ends are not known to one frame, though that was asked."""
    return _for_another_threshold(view) + _not_narrowed(view)


def _not_narrowed(view: SpansView) -> str:
    number = sum(view.not_narrowed.values())
    if not number:
        return ""
    one = number == 1
    return (
        f'<p class="quiet" data-not-narrowed>{number:,} {"start or end" if one else "starts and ends"} could '
        f"not be narrowed to one frame, and may be off by more: beside {'it' if one else 'them'} is a frame "
        "without an answer, or time that nobody looked at.</p>"
    )


def _for_another_threshold(view: SpansView) -> str:
    """Where they are known for another threshold than spans are made by now."""
    own, usual = view.settings.get("tags", {}), view.settings.get("threshold")
    now = {tag: own.get(tag, {}).get("threshold", usual) for tag in view.exact_for}
    moved = {tag: at for tag, at in view.exact_for.items() if at != now[tag]}
    if not moved:
        return ""
    about = ", ".join(f"{escape(tag)} at {wording.share(at)}" for tag, at in moved.items())
    if len(set(moved.values())) == 1 and len(moved) == len(view.tags):
        about = wording.share(next(iter(moved.values())))
    return (
        f'<p class="quiet" data-inexact>Starts and ends are exact to one frame for {about}, and may be off '
        "by one interval now. “Narrow spans again” asks about the frames between.</p>"
    )


def _why_none(view: SpansView) -> str:
    if not view.tags:
        return "No tag was asked for, so there are no spans."
    return (
        "No span yet." if not view.looked else "No span: no tag was sure enough, or what held was too short."
    )


def _total(view: SpansView, tag: str) -> str:
    stretches = view.looked_for.get(tag, ())
    if stretches and not any(one.answered for one in stretches):
        return "unknown"
    total: Mapping[str, float] = view.totals.get(tag, {})
    return f"{total.get('seconds', 0.0):.1f} s"
