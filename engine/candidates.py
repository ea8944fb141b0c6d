"""From a provider's and a model's name to a candidate for the slot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.backends import provider
from engine.backends.base import Backend, LoadPlan, LoadProgress, ModelEntry
from engine.cancel import CancelToken
from engine.errors import ModelError
from engine.loading import Candidate
from engine.settings import LoadOptions


def candidate(provider_id: str, model: str, options: Mapping[str, Any], shelf: Path) -> Candidate:
    """Nothing is looked up before the slot validates, so that this never fails and costs nothing."""

    def reach(cancel: CancelToken) -> None:
        provider(provider_id).unavailable(patient=cancel, model=model)

    def validate(cancel: CancelToken) -> LoadPlan:
        source = provider(provider_id)
        return source.validate(find(provider_id, model, shelf, cancel), LoadOptions.of(options), cancel)

    def load(progress: LoadProgress, cancel: CancelToken) -> Backend:
        source = provider(provider_id)
        return source.load(find(provider_id, model, shelf, cancel), LoadOptions.of(options), progress, cancel)

    return Candidate(provider_id, model, dict(options), validate, load, reach)


def find(provider_id: str, model: str, shelf: Path, cancel: CancelToken | None = None) -> ModelEntry:
    """The entry of a model by its name, by what its server said last where that takes its time.

    Raises: InvalidInput for an unknown provider; ModelError when it is not there, or has no such model;
    Cancelled.
    """
    source = provider(provider_id)
    reason = source.unavailable(model=model)
    if reason:
        raise ModelError(f"{source.label} cannot be used here: {reason}")
    entries = source.models(shelf, model, cancel)
    for entry in entries:
        if entry.name == model:
            return entry
    entries = entries or source.models(shelf, cancel=cancel)
    here = ", ".join(entry.name for entry in entries[:10]) or "none yet"
    instead = _how_to_get(provider_id, model, shelf)
    raise ModelError(f"{source.label} has no model {model!r}. There are: {here}. {instead}")


def _how_to_get(provider_id: str, model: str, shelf: Path) -> str:
    """What to do about a model that is not there; the shelf is a place for some providers' only."""
    if provider_id == "builtin":
        return "Pick that one."
    if provider_id == "ollama":
        return f"Let the server get it first: ollama pull {model}"
    if provider_id == "openai":
        return "Start the server with it, or pick one that is there."
    return f"Put one into {shelf}."
