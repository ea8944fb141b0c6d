"""What an open Chat tab has to redraw, as `follow` does for the rest: asked for while the tab is in sight.

Ten times a second while an answer is written, once a second else. Nothing is kept between two questions,
so that a reload or a second window finds the answer under way by simply asking.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from engine.errors import InvalidInput
from engine.events.chat import Conversation, MessageView
from ui import messages
from ui.follow import IDLE_MS, differing

if TYPE_CHECKING:
    from engine.engine import Engine

WRITING_MS = 100


@dataclass(frozen=True)
class DrawnChat:
    """What a page shows already."""

    session_id: str = ""
    search: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)  # name -> mark of the text that is there


def changes(engine: "Engine", drawn: DrawnChat) -> dict[str, Any]:
    """Plain JSON: what differs, whether an answer is written, and when to ask again."""
    status = engine.status()
    found = _known(engine, drawn.session_id)
    said = found.messages if found else ()
    earlier, newest = _turns(said)
    answering = engine.chats.answering(drawn.session_id) is not None
    parts = {
        "chat-sessions": messages.session_list(
            engine.chats.sessions(drawn.search), drawn.session_id, drawn.search, time.time()
        ),
        "chat-earlier": messages.conversation(earlier),
        "chat-newest": messages.newest_turn(newest) if said else messages.empty(status.model),
        "chat-hint": messages.hint(status.provider),
    }
    return {
        "every_ms": WRITING_MS if answering else IDLE_MS,
        "session": drawn.session_id if found else "",
        "answering": answering,
        "no_pictures": messages.picture_refusal(status.model, status.vision),
        "settings": asdict(engine.generation()),
        "parts": differing(parts, drawn.parts),
    }


def _known(engine: "Engine", session_id: str) -> Conversation | None:
    if not session_id:
        return None
    try:
        return engine.chats.conversation(session_id)
    except InvalidInput:  # deleted meanwhile, perhaps in another window
        return None


def _turns(said: Sequence[MessageView]) -> tuple[Sequence[MessageView], Sequence[MessageView]]:
    """Everything before the last question, and what begins with it."""
    asked = [place for place, message in enumerate(said) if message.role == "user"]
    last = asked[-1] if asked else 0
    return said[:last], said[last:]
