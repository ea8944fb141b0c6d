"""Chats and their messages as HTML. What people and models wrote is escaped, or made by `light_markdown`.

The fragments are complete and without state, as those of `cards` are: the browser touches what differs.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from typing import Any

from engine.events.chat import MessageView, SessionView
from ui import wording
from ui.light_markdown import light_markdown

EXAMPLES = (
    "What can I ask you about a picture?",
    "Suggest ten short tags for a holiday video, separated by commas.",
)
WHAT_TO_PICK = (
    "The built-in provider measures pictures; it is no language model. To chat, pick another provider and a "
    "model at the top, and press Load."
)


def session_list(sessions: Sequence[SessionView], chosen: str, search: str, now: float) -> str:
    """The chats, the ones used last first; each with what can be done with it."""
    if not sessions:
        said = "No chat has these words." if search else "Chats are kept here."
        return f'<p class="quiet chat-none">{said}</p>'
    return f'<ul class="chat-list">{"".join(_session(s, chosen, now) for s in sessions)}</ul>'


def conversation(messages: Sequence[MessageView]) -> str:
    """All of a chat but its newest turn."""
    return "".join(_message(message, newest=False) for message in messages)


def newest_turn(messages: Sequence[MessageView]) -> str:
    """The last question with its answer, which may still be written."""
    last = messages[-1].message_id if messages else 0
    return "".join(_message(message, newest=message.message_id == last) for message in messages)


def empty(model: str) -> str:
    """What a new chat shows: one sentence and two questions to begin with."""
    asked = "".join(
        f'<button type="button" class="small example" data-example="{escape(one)}">{escape(one)}</button>'
        for one in EXAMPLES
    )
    return (
        '<div class="nothing chat-empty"><p><b>Ask anything.</b></p><p>'
        f"Asked of {escape(model)}. Every chat is kept in the list.</p>"
        f'<p class="examples">{asked}</p></div>'
    )


def hint(provider: str) -> str:
    """What the person should know before asking; empty when there is nothing to say."""
    return f'<p class="notice hint">{escape(WHAT_TO_PICK)}</p>' if provider == "builtin" else ""


def picture_refusal(model: str, vision: bool) -> str:
    """Why no picture can be added; empty when one can. Plain text."""
    return "" if vision else f"{model} reads text only. Load a model that sees pictures to add one."


def usage_line(answer: MessageView) -> str:
    """How much of the context an answer took, and how fast it was. Plain text."""
    usage = answer.usage
    if not usage.get("completion_tokens") and not usage.get("prompt_tokens"):
        return ""
    tokens = usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
    possible = usage.get("context_length", 0)
    parts = [f"{tokens:,} of {possible:,} tokens" if possible else f"{tokens:,} tokens"]
    if usage.get("seconds"):
        parts.append(_speed(usage))
    return " · ".join(parts)


def _speed(usage: Mapping[str, Any]) -> str:
    speed = usage.get("completion_tokens", 0) / usage["seconds"]
    return f"{speed:.0f} tokens/s" if speed >= 10 else f"{speed:.1f} tokens/s"


def _session(session: SessionView, chosen: str, now: float) -> str:
    title, known = escape(session.title), escape(session.session_id)
    current = ' aria-current="true"' if session.session_id == chosen else ""
    return (
        f'<li id="chat-{known}" class="chat-row"{current} data-session="{known}">'
        f'<button type="button" class="chat-open" data-do="open" title="{title}"><span>{title}</span>'
        f'<span class="quiet">{wording.when(session.updated_at, now)}</span></button>'
        f'<span class="chat-row-acts">{_icon("rename", f"Rename {title}", PEN)}'
        f"{_icon('delete', f'Delete {title}', BIN)}</span></li>"
    )


def _message(message: MessageView, newest: bool) -> str:
    return _question(message) if message.role == "user" else _answer(message, newest)


def _question(message: MessageView) -> str:
    pictures = "".join(
        f'<img src="{escape(url)}" alt="A picture of the question" loading="lazy" height="120">'
        for url in message.images
    )
    shown = f'<span class="pictures">{pictures}</span>' if pictures else ""
    text = f'<div class="said">{escape(message.text)}</div>' if message.text else ""
    return (
        f'<article id="message-{message.message_id}" class="message question" aria-label="Your question">'
        f'{shown}{text}<p class="tools">{_do("edit", "Edit", message)}</p></article>'
    )


def _answer(message: MessageView, newest: bool) -> str:
    left_out = f'<p class="left-out">{escape(message.notice)}</p>' if message.notice else ""
    return (
        f'<article id="message-{message.message_id}" class="message answer {escape(message.state)}" '
        f'aria-label="Answer">{left_out}{_text(message)}{_fate(message)}{_foot(message, newest)}</article>'
    )


def _text(message: MessageView) -> str:
    if message.text:
        settled = message.state != "answering"
        return (
            f'<div class="written">{_kept(message.text) if settled else light_markdown(message.text)}</div>'
        )
    if message.state != "answering":
        return ""
    said = f"{message.model} is reading" if message.model else "Waiting for the model"
    return f'<p class="waiting" role="status">{escape(said)}<span class="dots" aria-hidden="true"></span></p>'


_kept = lru_cache(maxsize=256)(light_markdown)  # an answer that is whole is not rendered for every look


def _fate(message: MessageView) -> str:
    if message.state == "failed":
        return f'<p class="trouble" role="alert"><b>No answer.</b> {escape(message.error)}</p>'
    if message.state == "stopped":
        return f'<p class="fate">Stopped. {escape(message.error)}</p>'
    if message.finish_reason == "length":
        most = message.settings.get("max_new_tokens")
        limit = f" of {most:,} new tokens" if isinstance(most, int) else ""
        return f'<p class="fate">Ended at the limit{limit}; it can be raised in Settings.</p>'
    return ""


def _foot(message: MessageView, newest: bool) -> str:
    if message.state == "answering":
        name = f'<span class="who">{escape(message.model)}</span>' if message.model and message.text else ""
        return f'<p class="tools">{name}</p>'
    again = {"failed": "Retry", "stopped": "Retry"}.get(message.state, "Answer again")
    acts = [_do("copy", "Copy", message)] if message.text else []
    if newest:
        acts.append(_do("regenerate", again, message))
    figures = usage_line(message)
    shown = f'<span class="figures-line">{escape(figures)}</span>' if figures else ""
    return f'<p class="tools"><span class="who">{escape(message.model)}</span>{shown}{"".join(acts)}</p>'


def _do(act: str, label: str, message: MessageView) -> str:
    kind = "small" if label == "Retry" else "quiet-button"
    return (
        f'<button type="button" class="{kind}" data-do="{act}" data-message="{message.message_id}">'
        f"{label}</button>"
    )


def _icon(act: str, label: str, drawing: str) -> str:
    return (
        f'<button type="button" class="icon-button" data-do="{act}" aria-label="{label}" title="{label}">'
        '<svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true" fill="none" '
        'stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">'
        f'<path d="{drawing}"/></svg></button>'
    )


PEN = "M4 16l.8-3.4L13 4.4l2.6 2.6-8.2 8.2L4 16z"
BIN = "M4 6h12M8 6V4h4v2m-6.5 0 .7 10h7.6l.7-10"
