"""Loading a model for the slot, and trying it with one token before it serves anybody.

Knows nothing of the slot: what becomes of the model that served before is decided there.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.backends.base import Backend, LoadPlan, LoadProgress
from engine.cancel import CancelToken
from engine.errors import HavenError, ModelError
from engine.events.switching import SwitchPhase

log = logging.getLogger(__name__)

MEMORY_RETURN_SECONDS = 5.0  # a GPU gives memory back late after an unload

Say = Callable[[SwitchPhase, float, str], None]  # phase, progress from 0 to 1, message


@dataclass(frozen=True)
class Candidate:
    """A model that can be put into the slot, with its full configuration."""

    provider: str
    model: str
    options: Mapping[str, Any]  # by the names of `LoadOptions`
    validate: Callable[[CancelToken], LoadPlan]  # raises as `Provider.validate`
    load: Callable[[LoadProgress, CancelToken], Backend]  # raises as `Provider.load`
    reach: Callable[[CancelToken], None] = lambda cancel: None  # waits for its server; raises Cancelled

    @property
    def name(self) -> str:
        return f"{self.model} ({self.provider})"


def prepare(candidate: Candidate, say: Say, cancel: CancelToken) -> Backend:
    """Load and warm up; what was loaded is closed again when it cannot answer.

    Raises: Cancelled, ModelError, or whatever else the candidate raises.
    """
    say("loading", 0.0, f"Loading {candidate.name}.")
    backend = candidate.load(lambda share, what: say("loading", share, what), cancel)
    failure = _trial(candidate, backend, say, cancel)
    if failure is not None:
        close(backend)
        raise failure
    return backend


def load_now(candidate: Candidate) -> Backend:
    """As `prepare`, without progress and without a way to cancel: for what must serve again."""
    return prepare(candidate, lambda phase, progress, message: None, CancelToken())


def close(backend: Backend) -> None:
    """Give its memory back. Never raises."""
    try:
        backend.close()
    except Exception:  # one that fails to close must not keep its successor from serving
        log.exception("closing %s", backend.info.model)


def await_memory(candidate: Candidate, cancel: CancelToken) -> None:
    """Wait for room. Raises: ModelError when what was unloaded did not make enough of it; Cancelled."""
    deadline = time.monotonic() + MEMORY_RETURN_SECONDS
    plan = candidate.validate(cancel)
    while plan.memory_bytes > plan.free_bytes:
        if time.monotonic() > deadline:
            raise ModelError(too_large(candidate, plan))
        cancel.wait(0.1)
        cancel.raise_if_cancelled()
        plan = candidate.validate(cancel)


def too_large(candidate: Candidate, plan: LoadPlan, unloaded: str = "") -> str:
    """What to say of a model that does not fit; `unloaded` names the one that would make room for it."""
    also = f", even with {unloaded} unloaded" if unloaded else ""
    return (
        f"{candidate.name} needs {plan.memory_bytes / 1e9:.1f} GB of memory and "
        f"{plan.free_bytes / 1e9:.1f} GB are free{also}. Close other programs, or pick a smaller model "
        "or a quantisation."
    )


def _trial(candidate: Candidate, backend: Backend, say: Say, cancel: CancelToken) -> Exception | None:
    """What goes wrong with one token. Without its trace, whose variables would keep the model in memory."""
    try:
        say("warming", 1.0, f"Trying {candidate.name} with one token.")
        backend.warm_up(cancel)
        cancel.raise_if_cancelled()
    except Exception as error:
        if not isinstance(error, HavenError):
            log.warning("trying %s", candidate.name, exc_info=True)
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    return None
