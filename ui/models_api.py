"""The model endpoints of the scripting API. As in `api`, names, order and defaults are a promise."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from engine.errors import InvalidInput
from engine.events.models import DownloadView
from ui.download_cards import MOVING, PULLED
from ui.endpoints import EVERY_SECONDS, plain, said, spoken
from ui.house import House
from ui.off_loop import at_once, quick, slow


def endpoints(house: House) -> list[Callable[..., Any]]:
    """What a script can ask about models that can be had."""
    engine = house.engine

    @spoken
    async def catalog() -> list[dict]:
        """The models worth getting, and whether each is here and fits into memory."""
        offered = plain(await slow(engine.downloads.offers))
        return [{**offer, "fits": offer["fits"]["said"]} for offer in offered]

    async def download_model(offer_id: str) -> AsyncIterator[dict]:
        """Get a model, or go on getting it: how far it is, until it is complete, stopped or failed.

        A download that fails does not raise. Leaving the stream does not stop it.
        """
        async for view in _followed(house, engine.downloads.start, offer_id, offer_id):
            yield view

    @spoken
    async def cancel_download(offer_id: str) -> dict:
        """Stop a download; what there is of it is kept. Gives how far it is."""
        before = await quick(_view, house, offer_id)
        if before is None:
            raise InvalidInput(f"There is no download {offer_id!r} to cancel.")
        await at_once(engine.downloads.cancel, offer_id)
        return plain(await quick(_view, house, offer_id) or _gone(before))

    async def pull_model(name: str) -> AsyncIterator[dict]:
        """Have the Ollama server get a model: how far it is, as for `download_model`."""
        async for view in _followed(house, engine.downloads.pull, name, f"{PULLED}{str(name).strip()}"):
            yield view

    return [catalog, download_model, cancel_download, pull_model]


async def _followed(
    house: House, begin: Callable[[str], None], asked: str, download_id: str
) -> AsyncIterator[dict[str, Any]]:
    """Each view once, the last one included."""
    try:
        await slow(begin, asked)
        view, shown = await quick(_view, house, download_id), None
        while view is not None and view.state in MOVING:
            if view != shown:
                yield plain(view)
            await asyncio.sleep(EVERY_SECONDS)
            shown, view = view, await quick(_view, house, download_id)
        yield plain(view or _gone(shown or DownloadView(download_id, "partial", 0, 0, None, None, "")))
    except Exception as error:
        raise said(error) from error


def _view(house: House, download_id: str) -> DownloadView | None:
    """How it stands; None where nothing of it is here, or nothing any more."""
    views = {view.id: view for view in house.engine.downloads.views()}
    return views.get(download_id)


def _gone(last: DownloadView) -> DownloadView:
    """How one ended that was stopped before anything came, or was discarded."""
    return replace(
        last, state="partial", done_bytes=0, bytes_per_second=None, eta_seconds=None, progress=None
    )
