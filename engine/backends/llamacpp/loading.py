"""Putting a checked model into memory: with true progress, cancellable, and nothing left behind if it fails.

Makes the three native objects that everything else works with: weights, context, and the eyes. Knows
nothing of what is asked of them.
"""

import ctypes
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import llama_cpp.llama_cpp as lib
import llama_cpp.mtmd_cpp as mtmd

from engine.backends.base import LoadProgress
from engine.backends.llamacpp import native
from engine.backends.llamacpp.checks import READ_AT_ONCE, SEQUENCES, CheckedModel
from engine.cancel import CancelToken
from engine.errors import ModelError
from engine.settings import LoadOptions

_STATEFUL_SEQUENCES = 5  # where each sequence has memory of its own instead of a share of one cache


@dataclass
class Loaded:
    """The native objects of one model. `close` frees them, in the order that the library needs."""

    model: int
    context: int
    eyes: int | None  # the multimodal context; None for a text model
    context_length: int  # tokens that one sequence may have
    sequences: int
    keep_alive: tuple[object, ...]  # callbacks that native code holds a pointer to
    _frees: ExitStack

    def close(self) -> None:
        self._frees.close()


def load_native(
    checked: CheckedModel, options: LoadOptions, progress: LoadProgress, cancel: CancelToken
) -> Loaded:
    """Raises: ModelError; Cancelled. After either everything is freed."""
    native.prepare()
    cancel.raise_if_cancelled()
    native.forget_complaints()
    told = _Told(checked, progress, cancel)
    with ExitStack() as frees:
        frees.callback(told.close)
        model = _load_weights(checked, options, told)
        frees.callback(lib.llama_model_free, model)
        context, context_length, sequences = _make_context(model, checked, options)
        frees.callback(lib.llama_free, context)
        cancel.raise_if_cancelled()
        eyes = None
        if checked.shelved.projector is not None:
            eyes = _open_eyes(model, checked, options, told)
            frees.callback(mtmd.mtmd_free, eyes)
        cancel.raise_if_cancelled()
        return Loaded(model, context, eyes, context_length, sequences, (told,), frees.pop_all())
    raise AssertionError("unreachable: nothing above is swallowed")


class _Told:
    """Follows the library while it reads, in bytes of the files, and breaks it off when cancelled."""

    def __init__(self, checked: CheckedModel, progress: LoadProgress, cancel: CancelToken) -> None:
        self._progress, self.cancel = progress, cancel
        self._weights = sum(header.weight_bytes for header in checked.headers)
        self._eyes = checked.projector.weight_bytes if checked.projector else 0
        self._last = -1.0
        self._failure: BaseException | None = None
        self.of_weights = lib.llama_progress_callback(self._callback(0, self._weights))
        self.of_eyes = mtmd.mtmd_progress_callback(self._callback(self._weights, self._eyes))

    def close(self) -> None:
        """Let go of the callbacks, which hold on to us; native code knows them no more."""
        del self.of_weights, self.of_eyes

    def raise_failure(self) -> None:
        """Raises: Cancelled, or what our own side of the callback raised."""
        if self._failure is not None:
            raise self._failure
        self.cancel.raise_if_cancelled()

    def _callback(self, before: int, size: int) -> Callable[[float, object], bool]:
        def follow(share: float, data: object) -> bool:
            if self.cancel.cancelled or self._failure is not None:
                return False
            try:
                self._tell(before + share * size)
            except BaseException as error:  # noqa: BLE001 - it must not cross native frames; raised after them
                self._failure = error
                return False
            return True

        return follow

    def _tell(self, done: float) -> None:
        total = max(1, self._weights + self._eyes)
        share = min(done / total, 1.0)
        if share >= self._last + 0.01:
            self._last = share
            self._progress(share, f"{done / 1e9:.1f} of {total / 1e9:.1f} GB of weights")


def _load_weights(checked: CheckedModel, options: LoadOptions, told: _Told) -> int:
    """The files are read, not mapped: a mapped file that somebody overwrites ends the process."""
    params = lib.llama_model_default_params()
    params.load_mode = lib.LLAMA_LOAD_MODE_NONE
    params.progress_callback = told.of_weights
    if options.n_gpu_layers is not None:
        params.n_gpu_layers = options.n_gpu_layers
    paths = [str(path).encode() for path in checked.shelved.files]
    model = lib.llama_model_load_from_splits((ctypes.c_char_p * len(paths))(*paths), len(paths), params)
    if not model:
        told.raise_failure()
        raise _refused(checked.shelved.files[0].name)
    return model


def _make_context(model: int, checked: CheckedModel, options: LoadOptions) -> tuple[int, int, int]:
    """The context, and how long and how many its sequences may be. All of them share one cache."""
    stateful = lib.llama_model_is_recurrent(model) or lib.llama_model_is_hybrid(model)
    length = checked.context_length(options.n_ctx)
    params = lib.llama_context_default_params()
    params.n_ctx = length
    params.n_batch = params.n_ubatch = min(READ_AT_ONCE, length)
    params.n_seq_max = _STATEFUL_SEQUENCES if stateful else SEQUENCES
    params.kv_unified = True
    params.swa_full = True  # else a sequence could not be cut back to what two prompts have in common
    params.n_threads = params.n_threads_batch = native.threads()
    params.flash_attn_type = _flash_attention(options)
    context = lib.llama_init_from_model(model, params)
    if not context:
        raise _refused(checked.shelved.files[0].name)
    return context, min(length, lib.llama_n_ctx(context)), params.n_seq_max


def _open_eyes(model: int, checked: CheckedModel, options: LoadOptions, told: _Told) -> int:
    projector = checked.shelved.projector
    params = mtmd.mtmd_context_params_default()
    params.use_gpu = options.n_gpu_layers != 0
    params.print_timings = False
    params.n_threads = native.threads()
    params.flash_attn_type = _flash_attention(options)
    params.progress_callback = told.of_eyes
    eyes = mtmd.mtmd_init_from_file(str(projector).encode(), model, params)
    if not eyes:
        told.raise_failure()
        raise _refused(projector.name if projector else "")
    if not mtmd.mtmd_support_vision(eyes):
        mtmd.mtmd_free(eyes)
        raise ModelError(f"{projector} makes no model see. Take it away, or get the right mmproj.")
    return eyes


def _flash_attention(options: LoadOptions) -> int:
    """Left to us, it is off on a CPU, where it rounds otherwise when several questions are read together."""
    if options.flash_attention is None:
        return lib.LLAMA_FLASH_ATTN_TYPE_AUTO if native.has_gpu() else lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return (
        lib.LLAMA_FLASH_ATTN_TYPE_ENABLED if options.flash_attention else lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
    )


def _refused(name: str) -> ModelError:
    why = native.last_complaint() or "the memory may be full"
    return ModelError(f"llama.cpp cannot load {name}: {why}. Download it again, or pick another model.")
