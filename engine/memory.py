"""Whether a model fits into memory, told before anything is loaded: an estimate that opens no weights.

The exact check is its provider's, when the model is picked; this one is for choosing among many.
"""

import psutil

from engine.backends.base import ModelEntry
from engine.catalog import read_config
from engine.errors import ModelError

_ROOM_TO_WORK = 1.1  # of the weights' size
_CONTEXT = 300_000_000  # bytes: cache and work space of a GGUF model of a few billion weights
_HALF = ("bfloat16", "float16")  # formats that take twice the room on a processor, where 32 bits are used


def free_bytes() -> int:
    """Of the machine's memory, now. What a graphics card has is known only to a loaded library."""
    return psutil.virtual_memory().available


def too_big(needed_bytes: int, free: int) -> str:
    """Why a model does not fit now; empty when it does."""
    if needed_bytes <= free:
        return ""
    return f"Needs {needed_bytes / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free."


def needed_bytes(entry: ModelEntry) -> int:
    """What a model that is here would take on a processor, about; 0 where it is in a server's memory."""
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
