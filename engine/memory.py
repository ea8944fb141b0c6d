"""Whether a model fits into memory, told before anything is loaded: an estimate that opens no weights.

The exact check is its provider's, when the model is picked; this one is for choosing among many.
"""

from dataclasses import dataclass

import psutil

from engine.backends.base import BackendInfo, ModelEntry
from engine.catalog import read_config
from engine.errors import ModelError
from engine.events.models import Fit

_ROOM_TO_WORK = 1.1  # of the weights' size
_CONTEXT = 300_000_000  # bytes: cache and work space of a GGUF model of a few billion weights
_HALF = ("bfloat16", "float16")  # formats that take twice the room on a processor, where 32 bits are used


@dataclass(frozen=True)
class Room:
    """What a model may take: what is free, and what closing the model that serves gives back."""

    free_bytes: int
    serving: str = ""  # its name
    held_bytes: int = 0

    def fits(self, needed_bytes: int) -> Fit:
        """Whether a model fits that takes so much, once the one that serves is closed."""
        if needed_bytes <= self.free_bytes:
            return Fit(True)
        if needed_bytes <= self.free_bytes + self.held_bytes:
            return Fit(True, f"Fits when {self.serving} is closed, as happens when it is loaded.")
        also = f", even with {self.serving} closed" if self.held_bytes else ""
        free = self.free_bytes + self.held_bytes
        return Fit(False, f"Needs {needed_bytes / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free{also}.")


def room(serving: BackendInfo | None = None) -> Room:
    """As it is now; what the model that serves holds counts where it is in the machine's memory."""
    if serving is None or not serving.in_main_memory:
        return Room(free_bytes())
    return Room(free_bytes(), serving.model, serving.memory_bytes)


def free_bytes() -> int:
    """Of the machine's memory, now. What a graphics card has is known only to a loaded library."""
    return psutil.virtual_memory().available


def needed_bytes(entry: ModelEntry) -> int:
    """What a model that is here would take on a processor, about; 0 for a server's and the built-in."""
    if entry.provider == "llamacpp":
        return int(entry.size_bytes * _ROOM_TO_WORK) + _CONTEXT
    if entry.provider == "transformers":
        return int(entry.size_bytes * _ROOM_TO_WORK) * (2 if _is_half(entry) else 1)
    return 0


def _is_half(entry: ModelEntry) -> bool:
    if entry.location is None:
        return False
    try:
        config = read_config(entry.location)
    except ModelError:  # it cannot be loaded anyway, and its provider says why
        return False
    return str(config.get("dtype") or config.get("torch_dtype")) in _HALF
