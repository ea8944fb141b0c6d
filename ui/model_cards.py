"""Which models are here and which can be had, as HTML. Escapes all that it shows.

As in `cards`, the fragments are complete and without state, so that the browser only touches what differs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from engine.backends.base import ModelEntry
from engine.events.models import DownloadView, Fit, ModelOffer, ProviderStatus
from engine.events.switching import Status
from ui import download_cards, wording
from ui.download_cards import PULLED, button

LOOKING = '<p class="quiet">Looking…</p>'
_BROKEN = "Cannot be loaded."  # begins the detail of an entry that is here and of no use
_IN_USE = '<span class="in-use"><i class="dot"></i>In use</span>'


@dataclass(frozen=True)
class Weighed:
    """A model that is here, and whether it fits into memory."""

    entry: ModelEntry
    memory_bytes: int = 0  # that it takes, about; 0: it is in a server's memory, or needs none to speak of
    fits: Fit = field(default_factory=Fit)


@dataclass(frozen=True)
class Listing:
    """What one provider has on this machine."""

    provider: ProviderStatus
    models: Sequence[Weighed] = ()
    known: bool = True  # False: it has not answered yet
    trouble: str = ""  # why it could not be asked


def here(listings: Sequence[Listing], status: Status, shelf: str) -> str:
    """Every provider with its models, or why it has none; `shelf` is the folder that models are put into."""
    if not listings:
        return LOOKING
    others = [listing for listing in listings if listing.provider.id != "builtin"]
    empty = all(listing.known for listing in others) and not any(listing.models for listing in others)
    groups = "".join(_group(listing, status) for listing in listings)
    return f"{_empty(shelf) if empty else ''}{groups}"


def offers(
    offered: Sequence[ModelOffer],
    downloads: Mapping[str, DownloadView],
    labels: Mapping[str, str],
    names: Mapping[str, str],
    status: Status,
) -> str:
    """What is worth getting.

    `labels` are those of the providers by id; `names` are those by which offers that are here are loaded.
    """
    rows = [
        _offer(offer, downloads.get(offer.id), labels.get(offer.provider, offer.provider), names, status)
        for offer in offered
    ]
    known = {offer.id for offer in offered}
    others = (view for key, view in downloads.items() if key not in known and not key.startswith(PULLED))
    rows += [download_cards.left_over(view) for view in others if view.state != "completed"]
    return f'<ul class="offers">{"".join(rows)}</ul>'


def _empty(shelf: str) -> str:
    return (
        '<p class="models-empty">Only the built-in provider is here. Download one of those worth getting, or '
        f"put a model folder or .gguf file into <code>{escape(shelf)}</code></p>"
    )


def _group(listing: Listing, status: Status) -> str:
    provider = listing.provider
    reason = listing.trouble if provider.available else provider.reason
    if not reason and not listing.models:
        reason = "No model yet." if listing.known else "Looking…"
    said = f'<p class="quiet">{escape(reason)}</p>' if reason else ""
    rows = "".join(_model(model, provider, status) for model in listing.models)
    return (
        f'<section class="model-group" aria-label="{escape(provider.label)}">'
        f"<h3>{escape(provider.label)}</h3>{said}{f'<ul>{rows}</ul>' if rows else ''}</section>"
    )


def _model(model: Weighed, provider: ProviderStatus, status: Status) -> str:
    entry = model.entry
    broken = entry.detail.startswith(_BROKEN)
    name, where = escape(entry.name), escape(entry.detail)
    used = _serves(status, entry.provider, entry.name)
    known = model.memory_bytes and not broken and not used
    facts = ["Sees pictures" if entry.vision else "Text only"]
    facts += [wording.size(entry.size_bytes)] if entry.size_bytes else []
    facts += ["Fits"] if known and not model.fits.said else []
    fits = _fits(model.fits) if known and model.fits.said else ""
    kind = '"trouble"' if broken else f'"model-where" title="{where}"'
    detail = f"<span class={kind}>{where}</span>" if where else ""
    act = _IN_USE if used else _load(entry.provider, entry.name, entry.name, broken or not provider.available)
    return (
        f'<li class="model"><span class="model-text"><b title="{name}">{name}</b>'
        f'<span class="model-facts">{" · ".join(facts)}</span>{fits}{detail}</span>'
        f'<span class="model-acts">{act}</span></li>'
    )


def _offer(
    offer: ModelOffer,
    view: DownloadView | None,
    provider: str,
    names: Mapping[str, str],
    status: Status,
) -> str:
    label = f"{offer.label} for {provider}"  # the same model may be offered for two
    if offer.here:
        state, acts = _facts(offer, True), _loadable(offer, label, names.get(offer.id, ""), status)
    elif view is None or view.state == "completed":  # it was, and was taken away since
        state, acts = _facts(offer, False), button("download", offer.id, "Download", label)
    else:
        state = download_cards.progress(view, label)
        acts = download_cards.acts(view, "download", offer.id, label)
    sees = "sees pictures" if offer.vision else "text only"
    return (
        f'<li class="offer"><div class="offer-head"><b>{escape(offer.label)}</b>'
        f'<span class="offer-kind">{escape(provider)} · {sees} · {_licence(offer)}</span></div>'
        f'<p class="offer-about">{escape(offer.about)}</p><div class="offer-state">{state}</div>'
        f'<div class="offer-acts">{acts}</div></li>'
    )


def _facts(offer: ModelOffer, there: bool) -> str:
    size = "<b>On this machine</b>" if there else f"{wording.size(offer.download_bytes)} to download"
    return f"<span>{size}</span><span>{wording.size(offer.memory_bytes)} of memory</span>{_fits(offer.fits)}"


def _fits(fit: Fit) -> str:
    kind = "yes" if fit.fits else "no"
    return f'<span class="fits {kind}"><i class="dot"></i>{escape(fit.said or "Fits")}</span>'


def _licence(offer: ModelOffer) -> str:
    name, url = escape(offer.licence), escape(offer.licence_url)
    if not offer.licence_url.startswith(("https://", "http://")):
        return name
    return (
        f'<a href="{url}" target="_blank" rel="noopener noreferrer" title="{url}" '
        f'aria-label="Licence {name}, opens in a new tab">{name}</a>'
    )


def _loadable(offer: ModelOffer, label: str, name: str, status: Status) -> str:
    """Nothing while it is not known by which name it is loaded, which takes a moment."""
    if not name:
        return ""
    used = _serves(status, offer.provider, name)
    return _IN_USE if used else _load(offer.provider, name, label)


def _serves(status: Status, provider: str, model: str) -> bool:
    return (status.provider, status.model) == (provider, model)


def _load(provider: str, model: str, label: str, off: bool = False) -> str:
    why = ' disabled title="It cannot be loaded; the reason is beside it"' if off else ""
    return button("load", f"{provider}/{model}", "Load", label, why)
