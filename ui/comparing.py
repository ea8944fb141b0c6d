"""Two analyses of a video as a page draws them: pairs of bars, how far they agree, and where they differ.

Times and shares come from the engine, and nothing is computed anew in the browser. Escapes all that it shows.
A is the analysis that is open, B the one that it is held against.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

from engine.events.comparing import CaptionPair, ComparedTag, ComparisonView, DifferenceView
from engine.events.jobs import JobView
from ui import panels, wording
from ui.cards import TAG_COLOURS
from ui.spans import FINEST, bars, looked

MOST_DIFFERENCES = 200
MOST_CAPTIONS = 100
LONGEST_NAME = 48  # letters of what was asked, in the list of analyses
LETTERS = {"first": "A", "second": "B"}


def choices(others: Sequence[JobView], now: float) -> list[list[str]]:
    """Job and name of each analysis that the open one can be held against."""
    return [[other.job_id, wording.printable(named(other, now))] for other in others]


def named(job: JobView, now: float) -> str:
    """By what a person knows an analysis among others of the same video."""
    parts = [job.model, wording.when(job.created_at, now), wording.frames(job.frames_done)]
    if not job.status.startswith("completed"):
        parts.append(wording.state(job.status, job.reason).lower())
    return " · ".join([*parts, _asked(job)])


def drawn(view: ComparisonView, now: float) -> dict[str, Any]:
    """Plain JSON for the pairs of bars, and what is said about them as HTML."""
    marks = _marks(view)
    return {
        "job": view.first.job.job_id,
        "other": view.second.job.job_id,
        "moving": view.second.job.status in panels.MOVING,
        "duration": max(view.duration, 0.001),
        "rows": [
            {**_row(tag, view.duration, marks.get(tag.tag, [])), "looked": _looked(view, tag.tag)}
            for tag in view.tags
        ],
        "looked": [looked(run.looked, view.duration) for run in (view.first, view.second)],
        "head": wording.printable(_head(view, now)),
        "body": wording.printable(table(view) + differences(view) + captions(view.captions)),
    }


def _looked(view: ComparisonView, tag: str) -> list[list[list[Any]] | None]:
    """What was looked at for this tag, in each analysis in which that differs from the whole."""
    runs = (run.looked_for.get(tag) for run in (view.first, view.second))
    return [None if stretches is None else looked(stretches, view.duration) for stretches in runs]


def table(view: ComparisonView) -> str:
    """How far both agree about each tag, with the seconds that this is made of."""
    if not view.tags:
        return ""
    rows = "".join(_table_row(tag, place % TAG_COLOURS) for place, tag in enumerate(view.tags))
    return (
        '<table class="span-table compare-table" aria-label="Agreement by tag"><thead><tr>'
        '<th scope="col">Tag</th><th scope="col">Agree</th><th scope="col">In both</th>'
        '<th scope="col">Only A</th><th scope="col">Only B</th>'
        '<th scope="col" title="One of them did not look there, or got no answer">Left out</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def differences(view: ComparisonView) -> str:
    """Where they differ, the longest first; each is a button that goes there."""
    if not any(tag.agreement is not None for tag in view.tags):
        return ""
    found = view.differences
    if not found:
        return '<p class="quiet">They differ nowhere.</p>'
    colours = {tag.tag: place % TAG_COLOURS for place, tag in enumerate(view.tags)}
    items = "".join(_difference(one, colours[one.tag]) for one in found[:MOST_DIFFERENCES])
    more = len(found) - MOST_DIFFERENCES
    rest = f'<p class="quiet">{more:,} shorter ones are not listed.</p>' if more > 0 else ""
    return f'<h4>Where they differ, longest first</h4><ol class="compare-list">{items}</ol>{rest}'


def captions(pairs: Sequence[CaptionPair]) -> str:
    """What both said of the same moments, in the order of time; closed until a person opens it."""
    if not pairs:
        return ""
    items = "".join(map(_caption, pairs[:MOST_CAPTIONS]))
    more = len(pairs) - MOST_CAPTIONS
    rest = f'<p class="quiet">{more:,} later ones are not listed.</p>' if more > 0 else ""
    return (
        f'<details class="compare-said"><summary>What both said at the same times ({len(pairs):,})</summary>'
        f'<ol class="compare-captions">{items}</ol>{rest}</details>'
    )


def per_cent(agreement: float | None) -> str:
    """In per cent; never a whole one where it is not all, or not nothing."""
    if agreement is None:
        return "—"
    if 0.99 < agreement < 1:
        return f"over {wording.share(0.99)}"
    if 0 < agreement < 0.01:
        return f"under {wording.share(0.01)}"
    return wording.share(agreement)


def _asked(job: JobView) -> str:
    asked = ", ".join(job.tags) or (f"“{job.prompt}”" if job.prompt else "codes")  # nothing else can be asked
    return asked if len(asked) <= LONGEST_NAME else f"{asked[: LONGEST_NAME - 1].rstrip(', ')}…"


def _row(tag: ComparedTag, duration: float, marks: list[list[float]]) -> dict[str, Any]:
    first, second = (sum(span.end - span.start for span in found) for found in (tag.first, tag.second))
    said = f"{tag.tag}: {_seconds(first)} in A, {_seconds(second)} in B, {_agreed(tag)}"
    return {
        "tag": wording.printable(tag.tag),
        "agreement": per_cent(tag.agreement),
        "said": wording.printable(said),
        "asked": [tag.asked != "second", tag.asked != "first"],
        "bars": [bars(tag.first, duration), bars(tag.second, duration)],
        "marks": marks,
    }


def _marks(view: ComparisonView) -> dict[str, list[list[float]]]:
    """Start and end of each difference by tag; what a picture cannot tell apart is one."""
    finest = view.duration / FINEST
    marks: dict[str, list[list[float]]] = {}
    for one in sorted(view.differences, key=lambda difference: difference.start):
        known = marks.setdefault(one.tag, [])
        if known and one.end - known[-1][0] < finest:
            known[-1][1] = one.end
        else:
            known.append([one.start, one.end])
    return marks


def _head(view: ComparisonView, now: float) -> str:
    runs = "".join(
        f'<li><b class="compare-letter">{letter}</b> <span>{escape(named(run.job, now))}</span>'
        f'<span class="quiet">{which}</span></li>'
        for letter, run, which in (("A", view.first, "this analysis"), ("B", view.second, "the other"))
    )
    return f'<ul class="compare-runs">{runs}</ul><p class="compare-sum" role="status">{_sum(view)}</p>'


def _sum(view: ComparisonView) -> str:
    if not any(tag.asked == "both" for tag in view.tags):
        return "No tag was asked for in both, so there is nothing to agree about."
    if view.agreement is None:
        return "Nowhere do both have an answer about the same tag, so nothing can be compared."
    alone = sum(tag.asked != "both" for tag in view.tags)
    more = f" {alone} more {'was' if alone == 1 else 'were'} asked for in one of them only." if alone else ""
    shared = len(view.tags) - alone
    tags = "1 tag" if shared == 1 else f"{shared:,} tags"
    agree = f"They agree for <b>{per_cent(view.agreement)}</b>"
    return f"{agree} of the time that both looked at, over {tags}.{more}"


def _table_row(tag: ComparedTag, colour: int) -> str:
    name = f'<td><i class="span-dot"></i>{escape(tag.tag)}</td>'
    if tag.asked != "both":
        said = f'<td colspan="5" class="quiet">asked for in {LETTERS[tag.asked]} only</td>'
        return f'<tr class="tag-{colour}">{name}{said}</tr>'
    lengths = tag.both, tag.only_first, tag.only_second, tag.left_out
    cells = "".join(f'<td title="{length:.6f} s">{_seconds(length)}</td>' for length in lengths)
    exact = "nothing to compare" if tag.agreement is None else f"exactly {wording.share(tag.agreement, 4)}"
    return f'<tr class="tag-{colour}">{name}<td title="{exact}">{per_cent(tag.agreement)}</td>{cells}</tr>'


def _difference(one: DifferenceView, colour: int) -> str:
    start, end = wording.clock(one.start, 2), wording.clock(one.end, 2)
    return (
        f'<li class="tag-{colour}"><button type="button" data-seek="{one.start:.6f}" '
        f'title="Go to {start} (exactly {one.start:.6f} s)">'
        f'<span class="compare-when">{start} – {end}</span>'
        f'<span class="compare-tag"><i class="span-dot"></i>{escape(one.tag)}</span>'
        f'<span class="compare-only">only in <b class="compare-letter">{LETTERS[one.only_in]}</b></span>'
        f'<span class="quiet">{_seconds(one.end - one.start, 2)}</span></button></li>'
    )


def _caption(pair: CaptionPair) -> str:
    sides = (("A", pair.first_time, pair.first), ("B", pair.second_time, pair.second))
    said = "".join(
        f'<span><b class="compare-letter">{letter}</b> <span class="quiet">{wording.clock(at)}</span> '
        f"{escape(text)}</span>"
        for letter, at, text in sides
    )
    return f'<li><button type="button" data-seek="{pair.first_time:.6f}">{said}</button></li>'


def _agreed(tag: ComparedTag) -> str:
    if tag.asked != "both":
        return f"asked for in {LETTERS[tag.asked]} only"
    return "nothing to compare" if tag.agreement is None else f"the same for {per_cent(tag.agreement)}"


def _seconds(length: float, digits: int = 1) -> str:
    return f"{length:,.{digits}f} s"
