"""Naming servers, from the page and by script. Keys come in here, and none goes out.

The page sends a key by a route of our own, so that it passes through nothing else than this.
"""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from ui.endpoints import plain, spoken
from ui.handling import explain
from ui.house import House
from ui.off_loop import slow


class WantedServer(BaseModel):
    """What the form sends."""

    name: str
    base_url: str
    key: str = Field("", repr=False)
    old_name: str = ""


class WantedOllama(BaseModel):
    """What the field of Ollama's address sends."""

    address: str


def server_routes(house: House) -> APIRouter:
    """What the forms of the Models tab ask; each answer says what went wrong, or what was done."""
    router = APIRouter()
    servers = house.engine.servers

    async def answer(said: str, call: Callable[..., Any], *given: str) -> JSONResponse:
        try:
            await slow(call, *given)
        except Exception as error:  # noqa: BLE001 - shown to the person
            return JSONResponse({"said": explain(error), "failed": True})
        return JSONResponse({"said": said, "failed": False})

    @router.post("/servers/save")
    async def save(wanted: WantedServer) -> JSONResponse:
        given = (wanted.name, wanted.base_url, wanted.key, wanted.old_name)
        return await answer(f"{wanted.name.strip()} is kept.", servers.save, *given)

    @router.post("/servers/ollama")
    async def ollama(wanted: WantedOllama) -> JSONResponse:
        kept = (
            "Ollama’s address is kept." if wanted.address.strip() else "Ollama’s usual address counts again."
        )
        return await answer(kept, servers.set_ollama, wanted.address)

    return router


def endpoints(house: House) -> list[Callable[..., Any]]:
    """What a script can ask about servers. As in `api`, they are a promise."""
    named = house.engine.servers

    @spoken
    async def servers() -> dict:
        """The servers that models may come from: `{openai, ollama, usual_ollama, no_keyring}`. No keys."""
        return plain(await slow(named.view))

    @spoken
    async def save_server(name: str, base_url: str, key: str = "", old_name: str = "") -> dict:
        """Add an OpenAI-compatible server, or change the one called `old_name`; gives all servers."""
        return plain(await slow(named.save, name, base_url, key, old_name))

    @spoken
    async def remove_server(name: str) -> dict:
        """Forget a server and its key; gives those that are left."""
        return plain(await slow(named.remove, name))

    @spoken
    async def set_ollama(address: str = "") -> dict:
        """Where Ollama is; empty: where OLLAMA_HOST says. Gives all servers."""
        return plain(await slow(named.set_ollama, address))

    return [servers, save_server, remove_server, set_ollama]
