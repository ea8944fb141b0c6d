"""The chat endpoints of the scripting API. As in `api`, names, order and defaults are a promise."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import gradio as gr

from engine.chat.answer import Answer
from engine.chat.conversation import update_of
from ui.endpoints import plain, said, spoken
from ui.house import House
from ui.media import given_picture
from ui.off_loop import quick, slow

EVERY_SECONDS = 0.2  # between two updates of a stream, each of which takes a few milliseconds from the model


def endpoints(house: House) -> list[Callable[..., Any]]:
    """What a script can ask about chats."""
    return [_chat(house), *_sessions(house)]


def _chat(house: House) -> Callable[..., Any]:
    async def chat(
        message: str,
        session_id: str = "",
        images: list[gr.FileData] = [],  # noqa: B006 - the default is part of the endpoint; never changed
    ) -> AsyncIterator[dict]:
        """Ask: `{session_id, text, done, finish_reason, usage, notice}`, `text` being all so far.

        Without `session_id` a new session begins. A failed turn does not raise: its last dict has the
        finish_reason "error" and the reason as `notice`. Leaving the stream does not stop the answer.
        """
        try:
            files = [await quick(given_picture, image) for image in images or ()]
            answer = await slow(house.engine.chats.send, session_id, message, files)
        except Exception as error:
            raise said(error) from error
        async for piece in _followed(answer):
            yield piece

    return chat


async def _followed(answer: Answer) -> AsyncIterator[dict[str, Any]]:
    """The first words at once, later ones together, the end at once again."""
    await asyncio.wrap_future(answer.begun)
    ended = asyncio.wrap_future(answer.ended)
    shown = None
    while True:
        update = update_of(answer)
        if update != shown:
            shown = update
            yield plain(update)
        if update.done:
            return
        await asyncio.wait([ended], timeout=EVERY_SECONDS)


def _sessions(house: House) -> list[Callable[..., Any]]:
    @spoken
    async def stop_chat(session_id: str) -> dict:
        """Stop the answer that is written there; what there is of it is kept. `{stopped}`."""
        return {"stopped": await slow(house.engine.chats.stop, session_id)}

    @spoken
    async def sessions() -> list[dict]:
        """The chats, the ones used last first: `{session_id, title, created_at, updated_at}`."""
        return plain(await quick(house.engine.chats.sessions))

    @spoken
    async def session(session_id: str) -> dict:
        """A chat with all that was said in it: `{session, messages}`."""
        return plain(await quick(house.engine.chats.conversation, session_id))

    @spoken
    async def rename_session(session_id: str, title: str) -> dict:
        """Give a chat another name; gives the session."""
        return plain(await slow(house.engine.chats.rename, session_id, title))

    @spoken
    async def delete_session(session_id: str) -> dict:
        """Remove a chat; gives the session as it was."""
        return plain(await slow(house.engine.chats.delete, session_id))

    return [stop_chat, sessions, session, rename_session, delete_session]
