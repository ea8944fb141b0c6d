"""Frames, job rows and totals as HTML. Everything that came from a file, a person or a model is escaped here.

The fragments are complete and without state: the same view gives the same text, so that the browser
only has to touch what differs.
"""

from collections.abc import Mapping, Sequence
from html import escape

from engine.events.jobs import RESUMABLE, FrameView, JobResult, JobView
from engine.video.sureness import doubtful, stated
from ui import wording

TAG_COLOURS = 8
YES = 0.5  # probability from which a tag is said to hold, where nobody said otherwise
MOST_WORDS = 300  # characters of an answer that was not understood
EVERYWHERE: Mapping[str, float] = {}
CODE_WORDS = {"qr": "QR code", "bar": "Bar code"}
STATE_WORDS = {"reused": "same as before", "failed": "failed", "unparsed": "not understood"}


def frame_card(frame: FrameView, job: JobView, sure: Mapping[str, float] = EVERYWHERE) -> str:
    """One frame as a list item: a button that seeks, with picture, time, answer, tags and state.

    `sure` has the probability from which each tag is said to hold.
    """
    moment = wording.clock(frame.time, _digits(job))
    chips = _chips(frame, job.tags, sure)
    state = STATE_WORDS.get(frame.state, "")
    return (
        f'<li id="frame-{frame.index}"><button type="button" class="card {escape(frame.state)}" '
        f'data-seek="{frame.time:.6f}" title="Go to {moment} (exactly {frame.time:.6f} s){_words(frame)}">'
        f"{_picture(frame)}"
        f'<span class="card-text"><span class="card-head"><b>{moment}</b>'
        f'<span class="card-state">{state}</span></span>{_answer(frame)}{chips}</span>'
        "</button></li>"
    )


def totals(result: JobResult) -> str:
    """What a job found: its summary, its frames, and how many of them lie in the spans of each tag."""
    frames = result.frames
    failed = sum(frame.state in ("failed", "unparsed") for frame in frames)
    said = f"<b>{wording.frames(len(frames))}</b> analysed"
    if failed:
        said += f', <span class="bad">{failed:,} without an answer</span>'
    rows = "".join(_total(tag, place, result) for place, tag in enumerate(result.job.tags))
    table = f'<ul class="totals" aria-label="Frames in which each tag holds">{rows}</ul>' if rows else ""
    text = escape(result.summary.get("text", ""))
    story = f'<p class="story" aria-label="Summary of the video">{text}</p>' if text else ""
    return f'<div class="summary">{story}<p>{said}</p>{table}</div>'


def job_row(job: JobView, now: float) -> str:
    """One line of the history, with its picture and what can be done with it."""
    name = escape(job.video)
    return (
        f'<li id="job-{escape(job.job_id)}" class="job {escape(job.status)}">{_job_picture(job)}'
        f'<span class="job-name"><b title="{name}">{name}</b><span class="asked">{_asked(job)}</span>'
        f"{_why(job)}</span>"
        f'<span class="job-state"><i class="dot"></i>{wording.state(job.status, job.reason)}</span>'
        f'<span class="job-frames">{job.frames_done:,} of {job.frames_total:,} frames</span>'
        f'<span class="job-model" title="{escape(job.model)}">{escape(job.model)}</span>'
        f'<span class="job-when">{wording.when(job.created_at, now) if job.created_at else ""}</span>'
        f'<span class="job-acts">{_job_buttons(job)}</span></li>'
    )


def job_list(jobs: Sequence[JobView], now: float) -> str:
    """The history, newest first, or what to do when there is none."""
    if not jobs:
        return (
            '<div class="nothing"><p><b>No analyses yet.</b></p><p>Choose a video on the Video tab, say what '
            "to look for, and press Analyse. Every run is kept here.</p></div>"
        )
    return f'<ul class="jobs">{"".join(job_row(job, now) for job in jobs)}</ul>'


def _digits(job: JobView) -> int:
    """After the point of a time, so that no two frames of a job are called the same."""
    dense = job.frames_total and job.duration / job.frames_total < 0.1
    return 2 if dense else 1


def _words(frame: FrameView) -> str:
    """What the model wrote, where it was not understood."""
    if frame.state != "unparsed" or not frame.raw:
        return ""
    said = " ".join(frame.raw.split())
    return f". The model wrote: {escape(said[:MOST_WORDS])}{'…' if len(said) > MOST_WORDS else ''}"


def _picture(frame: FrameView) -> str:
    if not frame.thumbnail:
        return '<span class="thumb none" aria-hidden="true">no picture</span>'
    return (
        f'<img class="thumb" src="{escape(frame.thumbnail)}" alt="" width="112" height="63" loading="lazy">'
    )


def _answer(frame: FrameView) -> str:
    if frame.error:
        return f'<span class="card-answer bad">{escape(frame.error)}</span>'
    codes = frame.facts.get("codes") or ()
    said = [frame.caption, *map(_code, codes)]
    return "".join(f'<span class="card-answer">{escape(text)}</span>' for text in said if text)


def _code(code: Mapping[str, str]) -> str:
    kind = CODE_WORDS.get(code["kind"], code["kind"])
    return f"{kind}: {code['text']}" if code["text"] else f"{kind}, not readable"


def _chips(frame: FrameView, tags: Sequence[str], thresholds: Mapping[str, float]) -> str:
    if not frame.tags or frame.state == "failed":
        return ""
    colours = {tag: place % TAG_COLOURS for place, tag in enumerate(tags)}
    shown = "".join(
        _chip(tag, sure, colours.get(tag, 0), _how_sure(frame, tag, sure))
        for tag, sure in frame.tags.items()
        if sure is None or sure >= thresholds.get(tag, YES)
    )
    return f'<span class="chips">{shown or _no_tag()}</span>'


def _how_sure(frame: FrameView, tag: str, sure: float | None) -> str:
    """In words, where nobody measured it; with the votes where there were some."""
    if sure is None:
        return "no clear answer"
    if tag in stated(frame.facts, (tag,)):
        return "said yes, not how sure" if sure == 1 else f"said {wording.share(sure)}, not measured"
    if tag in doubtful(frame.facts, (tag,)):
        return f"{wording.share(sure, 1)}, of little worth: the model was about to say neither yes nor no"
    votes = frame.facts.get("votes")
    return f"{wording.share(sure, 1)} of {votes} votes" if votes else f"{wording.share(sure, 1)} sure"


def _chip(tag: str, sure: float | None, colour: int, how: str) -> str:
    text = escape(tag)
    if sure is None:
        return f'<span class="chip unknown" title="{text}: {how}">{text}?</span>'
    return f'<span class="chip tag-{colour}" title="{text}: {how}">{text}</span>'


def _no_tag() -> str:
    return '<span class="card-none">none of the tags</span>'


def _total(tag: str, place: int, result: JobResult) -> str:
    hits = sum(span.hits for span in result.spans if span.tag == tag)
    share = hits / len(result.frames) if result.frames else 0.0
    return (
        f'<li><span class="total-name" title="{escape(tag)}">{escape(tag)}</span>'
        f'<span class="total-bar"><span class="tag-{place % TAG_COLOURS}" style="width:{share:.1%}">'
        "</span></span>"
        f'<span class="total-count">{hits:,}</span></li>'
    )


def _job_picture(job: JobView) -> str:
    if job.latest is None or not job.latest.thumbnail:
        return '<span class="thumb none" aria-hidden="true"></span>'
    return f'<img class="thumb" src="{escape(job.latest.thumbnail)}" alt="" width="80" height="45">'


def _asked(job: JobView) -> str:
    parts = [", ".join(job.tags), f"“{job.prompt}”" if job.prompt else ""]
    return escape(" · ".join(part for part in parts if part))


def _why(job: JobView) -> str:
    """What went wrong, in full on hovering."""
    said = escape(job.error)
    return f'<span class="job-why bad" title="{said}">{said}</span>' if said else ""


def _job_buttons(job: JobView) -> str:
    # What only some of them have comes first, so that the others stand below each other.
    buttons = []
    if job.status in RESUMABLE or job.lacks_summary or job.can_narrow:
        buttons.append(_button("resume", job, "Try again" if job.status == "failed" else "Resume"))
    buttons.append(_button("open", job, "Open"))
    buttons += [_menu_button("compare", job, "Compare with…"), _menu_button("export", job, "Export…")]
    buttons.append(_button("delete", job, "Delete", " data-sure='Really delete?'"))
    return "".join(buttons)


def _button(act: str, job: JobView, label: str, more: str = "") -> str:
    return (
        f'<button type="button" class="small" data-act="{act}" data-job="{escape(job.job_id)}"{more} '
        f'aria-label="{label} {escape(job.video)}">{label}</button>'
    )


def _menu_button(menu: str, job: JobView, label: str) -> str:
    off = "" if job.frames_done else ' disabled title="Nothing was analysed yet"'
    return (
        f'<button type="button" class="small" data-menu="{menu}" data-job="{escape(job.job_id)}"{off} '
        f'aria-haspopup="menu" aria-label="{label.rstrip("…")} {escape(job.video)}">{label}</button>'
    )
