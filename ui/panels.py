"""The bar's state chip and the progress of a run as HTML, from what the engine says. Escapes all it shows."""

from html import escape

from engine.events.jobs import AnalysisPlan, JobView
from engine.events.switching import Status, SwitchProgress
from ui import wording

ACTIVE = frozenset({"queued", "running", "paused", "cancelling"})
MOVING = frozenset({"queued", "running", "cancelling"})
RESUME_WORDS = {"failed": "Try again", "paused": "Resume", "interrupted": "Resume", "cancelled": "Resume"}


def chip(status: Status, switch: SwitchProgress | None) -> str:
    """What serves now in one line: loading with its true share, busy with what, ready, or why not."""
    if switch is not None:
        return _loading(switch)
    what = _busy(status) if status.busy else _ready(status)
    kind = "busy" if status.busy else "ready"
    plain = f'<span class="chip-line {kind}" title="{escape(status.provider)} · {escape(status.model)}">'
    shown = f'{plain}<i class="dot"></i><span>{escape(what)}</span></span>'
    return f"{shown}{_failure(status.last_error)}" if status.last_error else shown


def run(job: JobView | None) -> str:
    """The progress of one job: frames, rate, time left, and what can be done about it."""
    if job is None:
        return ""
    return (
        f'<div class="run {escape(job.status)}">{_progress(job)}<div class="run-line"><div class="figures">'
        f"<span><b>{job.frames_done:,}</b> of {wording.frames(job.frames_total)}</span>"
        f'<span class="quiet">{_pace(job)}</span></div>'
        f'<div class="run-acts">{_buttons(job)}</div></div>{_trouble(job)}</div>'
    )


def title(job: JobView | None) -> str:
    """The browser's title: the count comes first, since a narrow tab cuts the end off."""
    if job is None:
        return "Haven"
    if job.status in ACTIVE:
        return f"{job.frames_done}/{job.frames_total} · {job.video} · Haven"
    return f"{job.video} · Haven"


def plan(cost: AnalysisPlan) -> str:
    """What an analysis would cost, before it runs."""
    count = wording.frames(cost.frames) if cost.frames else "as many frames as there are key frames"
    said = f"at least {count}" if cost.at_least else count
    if cost.requests:
        said += f" ({_asked_of_server(cost)})"
    if cost.reuse is not None:
        said += f", those that change by {cost.reuse:g}{wording.NO_BREAK}% or less without a question"
    if cost.extra_per_span:
        most = "about" if cost.extra_is_about else "at most"
        said += f", and {most} {cost.extra_per_span} more for each span"
    if cost.seconds is None:
        return f"{said}; time unknown until it runs"
    runs = "1 earlier run" if cost.based_on == 1 else f"{cost.based_on} earlier runs"
    only = " for the frames" if cost.extra_per_span or cost.summary else ""
    return f"{said}, about {wording.duration(cost.seconds)}{only} with this model (from {runs})"


def _asked_of_server(cost: AnalysisPlan) -> str:
    each = "" if cost.frames else " for each"
    tokens = f"about {wording.roughly(cost.tokens)} tokens{each}"
    return f"{wording.requests(cost.requests)} to the server with {tokens}{_asked_for_summary(cost)}"


def _asked_for_summary(cost: AnalysisPlan) -> str:
    if not cost.summary:
        return ""
    if not cost.summary_requests:
        return ", and those of the summary"
    tokens = f"{wording.roughly(cost.summary_tokens)} tokens"
    return f", and about {wording.requests(cost.summary_requests)} with {tokens} for the summary"


def _busy(status: Status) -> str:
    first, *others = status.busy
    more = f" and {len(others)} more" if others else ""
    return f"Busy: {first[:1].lower()}{first[1:]}{more}"


def _ready(status: Status) -> str:
    parts = ["Ready", "sees pictures" if status.vision else "text only"]
    if status.memory_bytes:
        parts.append(wording.size(status.memory_bytes))
    return " · ".join(parts)


def _loading(switch: SwitchProgress) -> str:
    share = round(switch.progress * 100)
    words = {"waiting": "Waiting", "restoring": "Going back"}.get(switch.phase, "Loading")
    return (
        f'<span class="chip-line loading" title="{escape(switch.message)}"><i class="dot"></i>'
        f"<span>{words} {wording.share(switch.progress)}</span>"
        f'<span class="chip-bar" role="progressbar" aria-label="Loading the model" aria-valuenow="{share}" '
        f'aria-valuemin="0" aria-valuemax="100"><span style="width:{share}%"></span></span></span>'
    )


def _failure(reason: str) -> str:
    return (
        f'<details class="chip-line failed"><summary><i class="dot"></i>'
        f"<span>Failed: {escape(_first_words(reason))}</span></summary><p>{escape(reason)}</p></details>"
    )


def _first_words(text: str, most: int = 36) -> str:
    return text if len(text) <= most else f"{text[:most].rsplit(' ', 1)[0]}…"


def _progress(job: JobView) -> str:
    share = min(max(job.progress, 0.0), 1.0)
    return (
        f'<div class="progress" role="progressbar" aria-label="Frames analysed" aria-valuemin="0" '
        f'aria-valuenow="{job.frames_done}" aria-valuemax="{job.frames_total}">'
        f'<span style="width:{share:.2%}"></span></div>'
    )


def _pace(job: JobView) -> str:
    if job.status != "running":
        said = wording.state(job.status, job.reason)
        kept = job.status in ("cancelled", "failed", "interrupted") and job.frames_done
        return f"{said}; {wording.frames(job.frames_done)} kept" if kept else said
    if job.writing is not None:
        return f"writing the summary, {wording.share(job.writing)} done"
    parts = [wording.rate(job.frames_per_second)] if job.frames_per_second else []
    left = job.eta_seconds
    parts.append("time left unknown" if left is None else f"about {wording.duration(left)} left")
    return " · ".join(parts)


def _buttons(job: JobView) -> str:
    if job.status in ("queued", "running"):
        return _button("pause", job, "Pause") + _button("cancel", job, "Cancel")
    if job.status == "cancelling":
        return '<button type="button" class="small" disabled title="It is stopping now">Stopping</button>'
    words = "Narrow spans again" if job.can_narrow else RESUME_WORDS.get(job.status)
    words = "Write the summary" if job.lacks_summary else words
    resume = _button("resume", job, words) if words else ""
    return resume + (_button("cancel", job, "Cancel") if job.status == "paused" else "")


def _button(act: str, job: JobView, label: str) -> str:
    identity = escape(job.job_id)
    return f'<button type="button" class="small" data-act="{act}" data-job="{identity}">{label}</button>'


def _trouble(job: JobView) -> str:
    return f'<p class="trouble" role="status">{escape(job.error)}</p>' if job.error else ""
