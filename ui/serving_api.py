"""What serves, by script: providers and their models, switching, and how a model writes.

As in `api`, names, order and defaults are a promise.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from engine.bounds import named
from engine.events.switching import SwitchFinished
from ui.endpoints import EVERY_SECONDS, plain, spoken
from ui.handling import explain
from ui.house import House
from ui.off_loop import at_once, quick, slow


def endpoints(house: House) -> list[Callable[..., Any]]:
    """What a script can ask about what serves."""
    return [*_choice(house), *_switching(house), *_generation(house)]


def _choice(house: House) -> list[Callable[..., Any]]:
    engine = house.engine

    @spoken
    async def providers() -> list[dict]:
        """Where models come from: `{id, label, available, reason}`."""
        return plain(await slow(engine.providers))

    @spoken
    async def models(provider: str) -> list[dict]:
        """What a provider can load: `{name, provider, vision, size_bytes, detail}`."""
        wanted = ("name", "provider", "vision", "size_bytes", "detail")
        return [
            {name: getattr(entry, name) for name in wanted} for entry in await slow(engine.models, provider)
        ]

    return [providers, models]


def _switching(house: House) -> list[Callable[..., Any]]:
    engine = house.engine

    async def switch_model(
        provider: str,
        model: str,
        when_busy: str = "refuse",
        options: dict = {},  # noqa: B006 - the default is part of the endpoint; it is never changed
    ) -> AsyncIterator[dict]:
        """Load a model: `{phase, progress, message}`, the last with `success` and what serves now."""
        try:
            given = named("The options of a model", options)
            run = await quick(engine.begin_switch, provider, model, when_busy, given)
        except Exception as error:  # noqa: BLE001 - a switch that fails does not raise
            yield _not_switched(house, explain(error))
            return
        shown = None
        while not isinstance(run.latest, SwitchFinished):
            if run.latest != shown:
                shown = run.latest
                yield plain(shown)
            await asyncio.sleep(EVERY_SECONDS)
        yield plain(run.latest)

    @spoken
    async def cancel_switch() -> dict:
        """Stop the load under way; gives the status."""
        return plain(await at_once(engine.cancel_switch))

    @spoken
    async def unload_model() -> dict:
        """Give the model's memory back and go to the built-in one; gives the status."""
        return plain(await slow(engine.unload_model))

    @spoken
    async def status() -> dict:
        """What serves now: `{state, provider, model, vision, memory_bytes, generation, busy, last_error}`."""
        return plain(await quick(engine.status))

    return [switch_model, cancel_switch, unload_model, status]


def _not_switched(house: House, message: str) -> dict[str, Any]:
    status = house.engine.status()
    return plain(SwitchFinished("failed", 0.0, message, False, status.provider, status.model, 0.0, 0.0))


def _generation(house: House) -> list[Callable[..., Any]]:
    engine = house.engine

    @spoken
    async def generation() -> dict:
        """How models write: `{max_new_tokens, temperature, top_p, top_k, seed, system_prompt}`."""
        return plain(await quick(engine.generation))

    @spoken
    async def set_generation(
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        seed: int | None = None,
        system_prompt: str | None = None,
    ) -> dict:
        """Change any of the generation settings; gives all of them."""
        given = {
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "top_p": top_p,
            "top_k": top_k,
            "seed": seed,
            "system_prompt": system_prompt,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        return plain(await slow(engine.set_generation, **changes))

    return [generation, set_generation]
