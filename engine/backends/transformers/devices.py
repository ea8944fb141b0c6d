"""Where a model is put and in which number format, and how much room is left there.

Asks torch what this machine has; knows nothing of models.
"""

import ctypes
import sys
from dataclasses import dataclass

import psutil
import torch

from engine.errors import InvalidInput
from engine.settings import LoadOptions

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Placement:
    """A device of this machine and the format that weights are kept in there."""

    device: torch.device
    dtype: torch.dtype
    spread: bool = False  # over all CUDA devices, as accelerate sees fit

    @property
    def device_map(self) -> str | dict[str, torch.device]:
        """What accelerate is told."""
        return "auto" if self.spread else {"": self.device}


def place(options: LoadOptions) -> Placement:
    """What was asked for, else CUDA, MPS or CPU in that order; bfloat16 on a GPU, float32 on a CPU.

    Raises: InvalidInput for a device that this machine does not have.
    """
    device = torch.device(options.device or _best_device())
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InvalidInput("There is no CUDA device here. Choose device cpu, or leave it out.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InvalidInput(
            f"There are {torch.cuda.device_count()} CUDA devices, counted from 0, not {device}."
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InvalidInput("There is no MPS device here. Choose device cpu, or leave it out.")
    default = "float32" if device.type == "cpu" else "bfloat16"
    spread = device.type == "cuda" and options.device is None and torch.cuda.device_count() > 1
    return Placement(device, _DTYPES[options.dtype or default], spread)


def free_bytes(placement: Placement) -> int:
    """What is free on the device now (on all of them for a model that is spread)."""
    if placement.device.type == "cuda":
        devices = range(torch.cuda.device_count()) if placement.spread else [placement.device]
        return sum(torch.cuda.mem_get_info(device)[0] for device in devices)
    if placement.device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return psutil.virtual_memory().available


def wait_until_idle(placement: Placement) -> None:
    """Return once nothing computes there any more: a GPU is sent work ahead of what it has done."""
    if placement.device.type == "cuda":
        for device in range(torch.cuda.device_count()) if placement.spread else [placement.device]:
            torch.cuda.synchronize(device)
    elif placement.device.type == "mps":
        torch.mps.synchronize()


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether that is what went wrong; the CPU's allocator has no exception type of its own."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)


def give_memory_back() -> None:
    """Hand what was freed back to the system, which torch and the C library would otherwise keep.

    A model has no reference cycles, so it is freed by the time that nothing refers to it; looking for
    cycles in all that the libraries keep takes a quarter of a second, in which nothing else can run.
    """
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl has not
        if trim is not None:
            trim(0)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
