"""What a search over all videos found, as HTML. Escapes all that it shows."""

from collections.abc import Sequence
from html import escape

from engine.events.findings import SearchHit
from ui import wording

MOST = 40  # places on the page


def hits(found: Sequence[SearchHit]) -> str:
    """Each place as a button that opens the video there."""
    if not found:
        return '<p class="quiet">Nothing found. Tags and captions of every analysis were searched.</p>'
    return wording.printable(
        f'<ol class="found" aria-label="What was found">{"".join(map(_hit, found))}</ol>'
    )


def _hit(hit: SearchHit) -> str:
    start = wording.clock(hit.start)
    when = start if hit.end is None else f"{start} – {wording.clock(hit.end)}"
    sure = "" if hit.confidence is None else f" · {wording.share(hit.confidence)}"
    kind = "tag" if hit.kind == "tag" else "caption"
    return (
        f'<li><button type="button" class="card" data-open="{escape(hit.job_id)}" data-at="{hit.start:.6f}">'
        f'{_picture(hit)}<span class="card-text"><span class="card-head"><b>{escape(hit.video)}</b>'
        f'<span class="card-state">{when}</span></span><span class="card-answer">{escape(hit.text)}</span>'
        f'<span class="quiet">{kind}{sure}</span></span></button></li>'
    )


def _picture(hit: SearchHit) -> str:
    if not hit.thumbnail:
        return '<span class="thumb none" aria-hidden="true"></span>'
    return f'<img class="thumb" src="{escape(hit.thumbnail)}" alt="" width="112" height="63" loading="lazy">'
