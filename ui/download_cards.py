"""How far a download is, as HTML: its bar, its figures, what can be done about it. Escapes all it shows."""

from collections.abc import Mapping
from html import escape

from engine.events.models import DownloadView, ProviderStatus
from ui import wording

MOVING = frozenset({"waiting", "downloading"})
PULLED = "ollama:"  # before the name of a model in the id of a download that an Ollama server makes
_STILL = {"waiting": "Waiting", "partial": "Stopped", "failed": "The download failed."}
_SURE = " data-sure='Really discard?'"


def progress(view: DownloadView, label: str) -> str:
    """A bar, and under it bytes of bytes, speed and time left, or why it does not move."""
    share = view.done_bytes / view.total_bytes if view.total_bytes else view.progress
    width = "0" if share is None else f"{min(max(share, 0.0), 1.0):.2%}"
    now = "" if share is None else f' aria-valuenow="{round(share * 100)}"'
    return (
        f'<div class="getting {escape(view.state)}"><div class="progress" role="progressbar" '
        f'aria-label="Download of {escape(label)}" aria-valuemin="0" aria-valuemax="100"{now} '
        f'title="{escape(view.message)}"><span style="width:{width}"></span></div>'
        f'<div class="figures"><span class="amount">{_amount(view, share)}</span>{_pace(view)}</div></div>'
    )


def acts(view: DownloadView, again: str, subject: str, label: str) -> str:
    """The buttons of a download that is not complete; `again` is what starts it, or goes on with it."""
    if view.state in MOVING:
        return button("stop", view.id, "Cancel", label)
    words = "Try again" if view.state == "failed" else "Go on"
    return button(again, subject, words, label) + _discard(view, label)


def pulls(server: ProviderStatus | None, downloads: Mapping[str, DownloadView]) -> str:
    """Getting a model through Ollama, or why its server cannot be asked; and what it is getting."""
    rows = "".join(_pull(view) for key, view in downloads.items() if key.startswith(PULLED))
    listed = f'<ul class="offers">{rows}</ul>' if rows else ""
    if server is None:
        return listed
    if not server.available:
        return f'<p class="quiet off">{escape(server.reason)}</p>{listed}'
    return (
        '<form class="pull" data-pull><label for="haven-pull">Name of an Ollama model</label>'
        '<input id="haven-pull" type="text" autocomplete="off" autocapitalize="off" spellcheck="false" '
        'maxlength="200" placeholder="For example llava:7b"><button type="submit" class="small">Pull</button>'
        f"</form>{listed}"
    )


def left_over(view: DownloadView) -> str:
    """A row for what there is of a model that is not offered any more; it can only be thrown away."""
    buttons = button("stop", view.id, "Cancel", view.id) if view.state in MOVING else _discard(view, view.id)
    return _row(view.id, "not offered any more", progress(view, view.id), buttons)


def button(act: str, subject: str, words: str, label: str, more: str = "") -> str:
    """A small button that does `act` with `subject`; `label` says to which row it belongs."""
    return (
        f'<button type="button" class="small" data-act="{act}" data-job="{escape(subject)}"{more} '
        f'aria-label="{words} {escape(label)}">{words}</button>'
    )


def _pull(view: DownloadView) -> str:
    name = view.id.removeprefix(PULLED)
    if view.state == "completed":
        state, buttons = f"<span>{escape(view.message) or 'It is on this machine now.'}</span>", ""
    else:
        state, buttons = progress(view, name), acts(view, "pull", name, name)
    return _row(name, "Ollama", state, buttons, f' data-pulls="{escape(name)}"')


def _row(name: str, kind: str, state: str, buttons: str, more: str = "") -> str:
    return (
        f'<li class="offer"{more}><div class="offer-head"><b>{escape(name)}</b>'
        f'<span class="offer-kind">{kind}</span></div><div class="offer-state">{state}</div>'
        f'<div class="offer-acts">{buttons}</div></li>'
    )


def _discard(view: DownloadView, label: str) -> str:
    return button("discard", view.id, "Discard", label, _SURE)


def _amount(view: DownloadView, share: float | None) -> str:
    """What there is of it: in bytes, else as a share, else nothing."""
    if view.total_bytes:
        return f"<b>{wording.size(view.done_bytes)}</b> of {wording.size(view.total_bytes)}"
    if view.done_bytes:
        return f"<b>{wording.size(view.done_bytes)}</b>"
    return "" if share is None else f"<b>{wording.share(share)}</b>"


def _pace(view: DownloadView) -> str:
    said = escape(view.message)
    if view.state == "failed":
        return f'<span class="trouble" role="status">{said or _STILL["failed"]}</span>'
    if view.state != "downloading":
        return f'<span class="quiet">{said or _STILL.get(view.state, "")}</span>'
    speed = wording.speed(view.bytes_per_second) if view.bytes_per_second else ""
    left = f"about {wording.duration(view.eta_seconds)} left" if view.eta_seconds is not None else said
    left = left or "time left unknown"
    return f'<span class="speed quiet">{speed}</span><span class="left quiet">{left}</span>'
