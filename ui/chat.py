"""The Chat tab: the chats at the left, the conversation, and a box that takes text and pictures.

Nothing here computes. The page sends what was done, the engine does it, and the conversation itself arrives
with what the page follows; only what goes wrong, and which chat is shown from then on, is answered here.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from engine.chat.exchange import MOST_BYTES
from engine.errors import InvalidInput
from ui import prompts
from ui.handling import EVERY_CLICK, explain
from ui.house import House
from ui.media import uploaded_file
from ui.off_loop import slow
from ui.widgets import ASSETS, own_html

SAVED = "<!-- what is saved -->"


@dataclass(frozen=True)
class ChatTab:
    """The one widget of the tab; `value` is the answer to what was done last."""

    chat: gr.HTML


@dataclass(frozen=True)
class Reply:
    """What the page does next."""

    session_id: str  # the chat that is shown from now on; empty: a new one
    said: str = ""  # plain text
    failed: bool = False
    undo: str = ""  # the chat that can be had back

    def as_json(self, serial: Any) -> str:
        """For the page; `serial` is that of the question, so that two answers are never the same."""
        named = {"session": self.session_id, "said": self.said, "failed": self.failed, "undo": self.undo}
        return json.dumps(named | {"serial": serial})


def build() -> ChatTab:
    """Lay the tab out; all of it is markup of our own."""
    chat = own_html(
        value="",
        template=(ASSETS / "chat.html").read_text(encoding="utf-8").replace(SAVED, prompts.menu()),
        js="haven.chat(element, props, watch, (data) => trigger('act', data));",
        elem_id="haven-chat",
    )
    return ChatTab(chat)


def wire(tab: ChatTab, house: House) -> None:
    """Attach everything that can be done in the tab."""

    async def act(event: gr.EventData) -> str:
        return await on_chat_act(house, event.ask)

    # Gradio would drop what is done before it has put the last event away, which is after its answer.
    tab.chat.act(act, None, tab.chat, **EVERY_CLICK)


async def on_chat_act(house: House, ask: Mapping[str, Any]) -> str:
    """Do what `ask["act"]` names; gives the `Reply` for the page."""
    shown = _name(ask, "session")
    try:
        reply = await slow(_ACTS[_name(ask, "act")], house, ask)
    except Exception as error:  # noqa: BLE001 - shown to the person
        reply = Reply(shown, explain(error), failed=True)
    return reply.as_json(ask.get("serial"))


def _send(house: House, ask: Mapping[str, Any]) -> Reply:
    images = [uploaded_file(str(path)) for path in ask.get("images") or ()]
    answer = house.engine.chats.send(_name(ask, "session"), _name(ask, "text"), images)
    return Reply(answer.session_id)


def _stop(house: House, ask: Mapping[str, Any]) -> Reply:
    house.engine.chats.stop(_name(ask, "session"))
    return Reply(_name(ask, "session"))


def _regenerate(house: House, ask: Mapping[str, Any]) -> Reply:
    return Reply(house.engine.chats.regenerate(_name(ask, "session")).session_id)


def _edit(house: House, ask: Mapping[str, Any]) -> Reply:
    answer = house.engine.chats.edit(_name(ask, "session"), int(ask["message"]), _name(ask, "text"))
    return Reply(answer.session_id)


def _rename(house: House, ask: Mapping[str, Any]) -> Reply:
    house.engine.chats.rename(_name(ask, "which"), _name(ask, "text"))
    return Reply(_name(ask, "session"))


def _delete(house: House, ask: Mapping[str, Any]) -> Reply:
    gone = house.engine.chats.delete(_name(ask, "which"))
    shown = _name(ask, "session")
    return Reply("" if shown == gone.session_id else shown, f"Deleted “{gone.title}”.", undo=gone.session_id)


def _restore(house: House, ask: Mapping[str, Any]) -> Reply:
    return Reply(house.engine.chats.restore(_name(ask, "which")).session_id)


def _settings(house: House, ask: Mapping[str, Any]) -> Reply:
    house.engine.set_generation(**dict(ask.get("values") or {}))
    return Reply(_name(ask, "session"))


def _import(house: House, ask: Mapping[str, Any]) -> Reply:
    return Reply(house.engine.chats.import_session(_read(uploaded_file(_name(ask, "text")))).session_id)


def _read(file: Path) -> object:
    """Raises: InvalidInput for a file that is too large or no JSON."""
    if file.stat().st_size > MOST_BYTES:
        raise InvalidInput(f"{file.name} has more than {MOST_BYTES // 1_000_000} MB; that is no chat.")
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        raise InvalidInput(f"{file.name} is no JSON. Import what was exported as JSON.") from None


def _name(ask: Mapping[str, Any], key: str) -> str:
    value = ask.get(key)
    return value if isinstance(value, str) else ""


_ACTS: dict[str, Callable[[House, Mapping[str, Any]], Reply]] = {
    "send": _send,
    "stop": _stop,
    "regenerate": _regenerate,
    "edit": _edit,
    "rename": _rename,
    "delete": _delete,
    "restore": _restore,
    "settings": _settings,
    "import": _import,
}
