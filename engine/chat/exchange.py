"""Conversations as files that leave Haven and come back: JSON with all that is known, Markdown to read.

Pure functions to and from plain dicts. What comes in was perhaps written by somebody else: every value is
checked before anything is kept. Knows nothing of storage, and not what a picture shows.
"""

import base64
import binascii
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from engine.chat.texts import MAX_TEXT, printable
from engine.errors import InvalidInput
from engine.events.chat import Conversation, MessageView

FORMAT = "haven-chat"
VERSION = 1
MOST_BYTES = 64_000_000  # of a file
MOST_MESSAGES = 20_000
MOST_SHORT = 2_000  # characters of a name or a reason
MOST_PICTURES = 32  # of one message
STATES = ("done", "stopped", "failed")
FINISHES = ("", "stop", "length", "cancelled", "error")
USAGE = ("prompt_tokens", "completion_tokens", "seconds", "context_length")
SETTINGS = ("max_new_tokens", "temperature", "top_p", "top_k", "seed", "system_prompt")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"})
LATEST = 32_503_680_000.0  # the year 3000: a later moment cannot be shown


@dataclass(frozen=True)
class ImportedPicture:
    """A picture as it came: what its name says that it is, and its bytes, not looked at yet."""

    suffix: str
    data: bytes


@dataclass(frozen=True)
class ImportedMessage:
    """One message of a file, checked; the names are those of a stored message."""

    role: str
    text: str
    created_at: float
    pictures: tuple[ImportedPicture, ...]
    answer: Mapping[str, Any]  # state, error, notice, provider, model, settings, finish_reason, usage


@dataclass(frozen=True)
class Imported:
    """A conversation of a file, checked."""

    title: str
    created_at: float
    messages: tuple[ImportedMessage, ...]


def as_json(conversation: Conversation, pictures: Mapping[str, bytes]) -> dict[str, Any]:
    """Plain JSON that `from_json` reads back.

    `pictures` has the bytes of images by their URL; one
    that is not in it is left out.
    """
    session = conversation.session
    return {
        "format": FORMAT,
        "version": VERSION,
        "title": session.title,
        "created_at": session.created_at,
        "messages": [_message(message, pictures) for message in conversation.messages],
    }


def as_markdown(conversation: Conversation) -> str:
    """To be read by people: who said what, with which model, and what went wrong."""
    parts = [f"# {conversation.session.title}", *map(_said, conversation.messages)]
    return "\n\n".join(parts) + "\n"


def from_json(data: object) -> Imported:
    """Raises: InvalidInput, naming the first thing that is not as `as_json` writes it."""
    chat = _mapping("The file", data)
    if chat.get("format") != FORMAT:
        raise InvalidInput("This is no chat that Haven exported.")
    if chat.get("version") != VERSION:
        raise InvalidInput(f"This chat has version {chat.get('version')!r}; this Haven reads {VERSION}.")
    messages = _sequence("messages", chat.get("messages"), MOST_MESSAGES)
    if messages and _mapping("message 1", messages[0]).get("role") != "user":
        raise InvalidInput("A chat begins with a question.")
    return Imported(
        title=_text("title", chat.get("title"), MOST_SHORT).strip() or "Imported chat",
        created_at=_moment("created_at", chat.get("created_at")),
        messages=tuple(_read(f"message {place}", each) for place, each in enumerate(messages, 1)),
    )


def _message(message: MessageView, pictures: Mapping[str, bytes]) -> dict[str, Any]:
    plain = asdict(message)
    del plain["message_id"]
    plain["images"] = [
        {"name": url.rpartition("/")[2], "base64": base64.b64encode(pictures[url]).decode("ascii")}
        for url in message.images
        if url in pictures
    ]
    return plain | {"state": message.state if message.state in STATES else "stopped"}


def _said(message: MessageView) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(message.created_at))
    if message.role == "user":
        pictures = [f"*Picture: {url.rpartition('/')[2]}*" for url in message.images]
        return "\n\n".join([f"## Question · {when}", *pictures, message.text]).rstrip()
    lines = [f"## Answer · {message.model or 'no model'} · {when}"]
    lines += [f"> {note}" for note in (message.notice, _fate(message)) if note]
    return "\n\n".join([*lines, message.text]).rstrip()


def _fate(message: MessageView) -> str:
    if message.state == "failed":
        return f"Failed: {message.error}"
    return "" if message.state == "done" else "Stopped"


def _read(where: str, data: object) -> ImportedMessage:
    message = _mapping(where, data)
    role = _one_of(f"{where}: role", message.get("role"), ("user", "assistant"))
    pictures = _sequence(f"{where}: images", message.get("images", []), MOST_PICTURES)
    return ImportedMessage(
        role=role,
        text=_text(f"{where}: text", message.get("text"), MAX_TEXT),
        created_at=_moment(f"{where}: created_at", message.get("created_at")),
        pictures=tuple(_picture(f"{where}: images", each) for each in pictures) if role == "user" else (),
        answer=_answer(where, message) if role == "assistant" else {},
    )


def _answer(where: str, message: Mapping[str, Any]) -> dict[str, Any]:
    usage = _mapping(f"{where}: usage", message.get("usage", {}))
    settings = _mapping(f"{where}: settings", message.get("settings", {}))
    short = {
        name: _text(f"{where}: {name}", message.get(name, ""), MOST_SHORT)
        for name in ("error", "notice", "provider", "model")
    }
    return short | {
        "state": _one_of(f"{where}: state", message.get("state"), STATES),
        "finish_reason": _one_of(f"{where}: finish_reason", message.get("finish_reason", ""), FINISHES),
        "usage": {name: _amount(f"{where}: {name}", usage[name]) for name in USAGE if name in usage},
        "settings": {
            name: _setting(f"{where}: {name}", settings[name]) for name in SETTINGS if name in settings
        },
    }


def _picture(where: str, data: object) -> ImportedPicture:
    picture = _mapping(where, data)
    name = _text(f"{where}: name", picture.get("name"), MOST_SHORT)
    suffix = f".{name.rpartition('.')[2].lower()}"
    if suffix not in SUFFIXES:
        raise InvalidInput(f"{where}: {name!r} is no picture that can be read.")
    coded = picture.get("base64")
    try:
        data = base64.b64decode(coded if isinstance(coded, str) else "%", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"{where}: {name!r} is damaged.") from None
    return ImportedPicture(suffix, data)


def _mapping(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{where} must be an object with names.")
    return value


def _sequence(where: str, value: object, most: int) -> Sequence[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise InvalidInput(f"{where} must be a list of at most {most:,}.")
    return value


def _text(where: str, value: object, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise InvalidInput(f"{where} must be a text of at most {most:,} characters.")
    return printable(value)


def _one_of(where: str, value: object, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise InvalidInput(f"{where} must be one of {', '.join(map(repr, choices))}.")
    return value


def _amount(where: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e12:
        raise InvalidInput(f"{where} must be a number from 0 on.")
    return value


def _moment(where: str, value: object) -> float:
    moment = _amount(where, value)
    if not moment < LATEST:
        raise InvalidInput(f"{where} is no moment that can be shown.")
    return float(moment)


def _setting(where: str, value: object) -> str | float:
    if isinstance(value, str):
        return _text(where, value, MAX_TEXT)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidInput(f"{where} must be a text or a number.")
    return value
