"""What an open Models tab has to redraw, as `follow` does for the rest: asked for while the tab is in sight.

Disks and servers may take their time, so they are looked at on threads of their own: a progress bar never
waits for a server that hangs. What a look found is kept for a moment, and nothing else is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.backends.base import ModelEntry
from engine.backends.remote.reach import Reach
from engine.events.models import DownloadView, ModelOffer, ProviderStatus
from engine.memory import needed_bytes, room
from engine.offers import is_here
from ui import download_cards, model_cards, server_rows
from ui.follow import BUSY_MS, IDLE_MS, differing
from ui.handling import explain, notice
from ui.model_cards import Listing, Weighed

if TYPE_CHECKING:
    from engine.engine import Engine

KEPT_SECONDS = 2.0  # that what was found counts as what is there
PATIENCE_SECONDS = 0.05  # of an answer for those who look; what comes later is in the next one


@dataclass(frozen=True)
class _Found:
    """What a look brought back, or why it brought nothing."""

    items: Sequence[Any] = ()
    trouble: str = ""
    known: bool = True  # False: no look has come back yet
    fresh: bool = True  # False: the last look has not come back yet


class ModelsFollow:
    """Made once for each engine. May be asked from any thread."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._reach: Reach[_Found] = Reach(PATIENCE_SECONDS, KEPT_SECONDS)
        self._last: dict[str, _Found] = {}  # what each look found when it came back last

    def changes(self, drawn: Mapping[str, str]) -> dict[str, Any]:
        """Plain JSON: the parts that are not drawn yet, what has arrived, and when to ask again."""
        views = {view.id: view for view in self._engine.downloads.views()}
        arrived = tuple(sorted(view.id for view in views.values() if view.state == "completed"))
        servers = self._engine.servers.view()
        named = (*(each.base_url for each in servers.openai), servers.ollama)
        providers = self._look({"providers": self._engine.providers}, named)["providers"]
        looks = {"offers": self._engine.downloads.offers, **self._lists(providers.items)}
        found = self._look(looks, (*arrived, *named))
        listings = [_listing(provider, found[provider.id]) for provider in providers.items]
        parts = self._parts(listings, _with(found["offers"], arrived), views) | server_rows.parts(servers)
        moving = any(view.state in download_cards.MOVING for view in views.values())
        looking = not all(one.fresh for one in (providers, *found.values()))
        return {
            "every_ms": BUSY_MS if moving or looking else IDLE_MS,
            "arrived": arrived,
            "parts": differing(parts, drawn),
        }

    def _parts(
        self, listings: Sequence[Listing], offers: _Found, views: Mapping[str, DownloadView]
    ) -> dict[str, str]:
        status = self._engine.status()
        labels = {listing.provider.id: listing.provider.label for listing in listings}
        entries = [model.entry for listing in listings for model in listing.models]
        names = {offer.id: name_of(offer, entries) for offer in offers.items}
        ollama = next((one.provider for one in listings if one.provider.id == "ollama"), None)
        return {
            "models-here": model_cards.here(listings, status, str(self._engine.shelf)),
            "models-offers": _why_none(offers)
            or model_cards.offers(offers.items, views, labels, names, status),
            "models-pulls": download_cards.pulls(ollama, views),
        }

    def _lists(self, providers: Sequence[ProviderStatus]) -> dict[str, Callable[[], Sequence[Any]]]:
        return {provider.id: partial(self._weighed, provider.id) for provider in providers}

    def _weighed(self, provider_id: str) -> list[Weighed]:
        there = room(self._engine.backend_info())
        needs = {entry: needed_bytes(entry) for entry in self._engine.models(provider_id)}
        return [Weighed(entry, needed, there.fits(needed)) for entry, needed in needs.items()]

    def _look(
        self, calls: Mapping[str, Callable[[], Sequence[Any]]], arrived: Sequence[str]
    ) -> dict[str, _Found]:
        """What has `arrived`, models and servers, makes them look anew; until then, what was known counts."""
        looks = {(name, arrived): partial(_found, call) for name, call in calls.items()}
        answers = self._reach.ask_all(looks, self._before)
        found = {name: answer for (name, _), answer in answers.items()}
        self._last.update(found)
        return found

    def _before(self, key: tuple[str, Sequence[str]]) -> _Found:
        return replace(self._last.get(key[0], _Found(known=False)), fresh=False)


def name_of(offer: ModelOffer, entries: Sequence[ModelEntry]) -> str:
    """By which name the provider of `offer` loads it, among what is here; empty where it is not here."""
    own = (entry for entry in entries if entry.provider == offer.provider)
    return next((entry.name for entry in own if is_here(offer, [entry])), "")


def _found(call: Callable[[], Sequence[Any]]) -> _Found:
    try:
        return _Found(call())
    except Exception as error:  # noqa: BLE001 - shown to the person
        return _Found(trouble=explain(error))


def _with(offers: _Found, arrived: Sequence[str]) -> _Found:
    """Until they are looked at anew, what has arrived counts as here."""
    if offers.fresh:
        return offers
    items = [replace(offer, here=offer.here or offer.id in arrived) for offer in offers.items]
    return replace(offers, items=items)


def _why_none(offers: _Found) -> str:
    return notice(offers.trouble) if offers.known else model_cards.LOOKING


def _listing(provider: ProviderStatus, found: _Found) -> Listing:
    return Listing(provider, found.items, found.known, found.trouble)
