"""Conversations as the page and scripts see them, and an answer while it is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ChatUpdate:
    """How far an answer is: `text` is all of it so far."""

    session_id: str
    text: str
    done: bool
    finish_reason: str  # stop, length, cancelled, error; empty while it is written
    usage: Mapping[str, Any]
    notice: str  # what was left out of the context, or why there is no answer


@dataclass(frozen=True)
class SessionView:
    """One conversation in the list."""

    session_id: str
    title: str
    created_at: float  # seconds since 1970
    updated_at: float


@dataclass(frozen=True)
class MessageView:
    """One message as the page and scripts see it."""

    message_id: int
    role: str
    text: str
    images: tuple[str, ...]  # URLs below the server's root
    state: str  # answering, done, stopped, failed
    error: str
    notice: str
    provider: str
    model: str
    settings: Mapping[str, Any]
    finish_reason: str
    usage: Mapping[str, Any]
    created_at: float


@dataclass(frozen=True)
class Conversation:
    """A session with all that was said in it."""

    session: SessionView
    messages: tuple[MessageView, ...]
