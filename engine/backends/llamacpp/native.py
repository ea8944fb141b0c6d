"""The library as a whole: made ready once, its log sent where ours goes, and how much there is to work with.

Knows the machine and llama.cpp's process-wide state; nothing of any one model.
"""

import ctypes
import logging
import os
import sys
import threading
from collections import deque
from functools import cache

import llama_cpp.llama_cpp as lib
import llama_cpp.mtmd_cpp as mtmd
import psutil

log = logging.getLogger(__name__)

_ERROR = 4  # GGML_LOG_LEVEL_ERROR
_complaints: deque[str] = deque(maxlen=8)  # what the library said last of what went wrong
_lock = threading.Lock()
_is_ready = False


@lib.llama_log_callback
def _listen(level: int, text: bytes, data: object) -> None:
    """Called by the library from any thread; kept alive by being a global."""
    line = text.decode(errors="replace").rstrip()
    if level == _ERROR and line:
        _complaints.append(line)
    if line:
        log.debug("%s", line)


def prepare() -> None:
    """Make the library ready and quiet; to be called before anything else is asked of it."""
    global _is_ready
    with _lock:
        lib.llama_log_set(_listen, None)
        mtmd.mtmd_log_set(_listen, None)
        mtmd.mtmd_helper_log_set(_listen, None)
        if not _is_ready:
            lib.llama_backend_init()
            _is_ready = True


def forget_complaints() -> None:
    _complaints.clear()


def last_complaint() -> str:
    """What the library called an error first since `forget_complaints`; empty when nothing."""
    return _complaints[0].split(": ", 1)[-1] if _complaints else ""


def threads() -> int:
    """All physical cores that this process may use: for prompt, pictures and tokens alike.

    The library's own default is half of the cores, and its picture encoder's is four whatever is there.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(psutil.cpu_count(logical=False) or allowed, allowed))


def has_gpu() -> bool:
    """Whether the library was built for a GPU and can give layers to one."""
    return lib.llama_supports_gpu_offload()


def free_bytes() -> int:
    """What is free in the machine's memory; the library does not tell of a GPU's."""
    return psutil.virtual_memory().available


@cache
def known_architectures() -> frozenset[str]:
    """The names of all architectures that the installed library has code for.

    Read out of the library's own table, one number after the other. Empty where it does not export it
    (it is no part of the public interface): then the library itself has to refuse.
    """
    name_of = getattr(lib._lib, "_Z13llm_arch_name8llm_arch", None)
    if name_of is None:
        return frozenset()
    name_of.argtypes, name_of.restype = [ctypes.c_int], ctypes.c_char_p
    names: set[str] = set()
    for number in range(1024):
        name = (name_of(number) or b"unknown").decode()
        if name in ("unknown", "(unknown)"):
            break
        names.add(name)
    return frozenset(names) if {"llama", "qwen2", "gemma3"} <= names else frozenset()


def give_memory_back() -> None:
    """Hand what was freed back to the system, which the C library would otherwise keep."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl has not
        if trim is not None:
            trim(0)
