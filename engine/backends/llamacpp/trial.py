"""Opening a model's files in a process of their own first, which may die of them.

Some faults that no check of headers finds (a tensor of another name, numbers that contradict each other)
end the process inside llama.cpp. `survive` runs this module as a program, which reads the vocabulary and
plans all tensors without reading the weights, and opens the projector. Knows nothing of the checks.
"""

import ctypes
import os
import subprocess
import sys
import threading
from pathlib import Path

from engine.backends.llamacpp.checks import CheckedModel
from engine.errors import ModelError

_ROOT = Path(__file__).parents[3]
_LONGEST_SECONDS = 120.0  # a slow disk, a large vocabulary; usually less than one second
_REFUSED = 3  # exit status: the library said no, and why
_lock = threading.Lock()
_passed: set[str] = set()  # digests, so that a model that is picked again is not tried again


def survive(checked: CheckedModel) -> None:
    """Raises: ModelError when llama.cpp refuses the files, or dies of them."""
    with _lock:
        if checked.digest in _passed:
            return
    files = [str(path) for path in checked.shelved.files]
    projector = str(checked.shelved.projector or "")
    command = [sys.executable, "-m", __name__, projector, *files]
    try:
        tried = subprocess.run(
            command,
            cwd=_ROOT,
            env={**os.environ, "GGML_NO_BACKTRACE": "1"},
            capture_output=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"{files[0]} does not open within {_LONGEST_SECONDS:g} seconds.") from None
    if tried.returncode:
        raise _refusal(checked, tried)
    with _lock:
        _passed.add(checked.digest)


def _refusal(checked: CheckedModel, tried: "subprocess.CompletedProcess[bytes]") -> ModelError:
    names = " or ".join(str(path) for path in (*checked.shelved.files[:1], checked.shelved.projector) if path)
    why = tried.stdout.decode(errors="replace").strip() if tried.returncode == _REFUSED else ""
    why = why or "llama.cpp breaks down over it"
    return ModelError(f"{names} cannot be loaded: {why}. Download it again, or pick another model.")


def _main(projector: str, *files: str) -> int:
    """The program: 0 when everything opens."""
    import llama_cpp.llama_cpp as lib
    import llama_cpp.mtmd_cpp as mtmd

    from engine.backends.llamacpp import native

    native.prepare()
    params = lib.llama_model_default_params()
    params.no_alloc = True
    params.load_mode = lib.LLAMA_LOAD_MODE_NONE
    params.n_gpu_layers = 0
    paths = [name.encode() for name in files]
    model = lib.llama_model_load_from_splits((ctypes.c_char_p * len(paths))(*paths), len(paths), params)
    opened = bool(model)
    if opened and projector:
        eyes = mtmd.mtmd_context_params_default()
        eyes.use_gpu = False
        opened = bool(mtmd.mtmd_init_from_file(projector.encode(), model, eyes))
    sys.stdout.write("" if opened else native.last_complaint())
    sys.stdout.flush()
    return 0 if opened else _REFUSED


if __name__ == "__main__":
    os._exit(_main(*sys.argv[1:]))  # nothing to tidy up, and native code that may stumble over doing so
