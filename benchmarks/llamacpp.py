"""llama.cpp alone: what the second frame costs after the first, how soon a cancel takes hold, how it loads.

On a random LLaVA-type model as GGUF (q8_0): its answers mean nothing, its speed does. The picture encoder
cannot be broken off, so its time is measured by itself; a load is set beside the library's own.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llama_cpp
from llama_cpp import mtmd_cpp

from benchmarks.record import quantile, save
from engine.backends import provider
from engine.backends.base import Frame, FrameTask, Message
from engine.backends.llamacpp.model import LlamaCppBackend
from engine.backends.llamacpp.sequences import CHAT
from engine.backends.llamacpp.units import PicturePart
from engine.cancel import CancelToken
from engine.errors import Cancelled
from engine.settings import GenerationSettings, LoadOptions
from tests.fixtures.random_model import make_random_model
from tests.fixtures.videos import numbered_picture
from tests.fixtures.write_gguf import write_pair

TASK = FrameTask(prompt="Say which of these you see: " + ", ".join(f"thing {n}" for n in range(200)))
PICTURES = [numbered_picture(number, (640, 360)) for number in range(8)]
GREEDY = GenerationSettings(max_new_tokens=64, temperature=0)
LONG = [Message("user", "word " * 500)]


def main() -> None:
    """Print and save all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parameters", type=float, default=0.2e9)
    parser.add_argument("--tries", type=int, default=40, help="cancels in each phase")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    tries = 5 if given.quick else given.tries
    with tempfile.TemporaryDirectory() as folder:
        model = make_random_model(Path(folder) / "random", 0.02e9 if given.quick else given.parameters)
        shelf = Path(folder) / "shelf"
        write_pair(shelf, model, "random", "Q8_0")
        figures = {"load": _loading(shelf)}
        backend = _load(shelf)
        figures |= {"frames": _frames(backend), "encoder": _encoder(backend)}
        figures |= {"cancel": _cancels(backend, tries) | {"load": _cancelled_loads(shelf, tries)}}
        backend.close()
    save("llamacpp", figures)


def _load(
    shelf: Path,
    progress: Callable[[float, str], None] = lambda share, what: None,
    cancel: CancelToken | None = None,
) -> LlamaCppBackend:
    found = provider("llamacpp")
    loaded = found.load(found.models(shelf)[0], LoadOptions(), progress, cancel or CancelToken())
    assert isinstance(loaded, LlamaCppBackend)
    return loaded


def _loading(shelf: Path) -> dict[str, float]:
    """Load and first token, ours beside the library's own class; the text model alone, files in the cache."""
    seconds: dict[str, list[float]] = {"haven": [], "library": []}
    alone = shelf.parent / "alone"
    alone.mkdir()
    (alone / "random.gguf").symlink_to(shelf / "random.gguf")
    for _ in range(4):
        began = time.perf_counter()
        backend = _load(alone)
        list(
            backend.stream(
                [Message("user", "Hi")], GenerationSettings(max_new_tokens=1, temperature=0), CancelToken()
            )
        )
        seconds["haven"].append(time.perf_counter() - began)
        backend.close()
        began = time.perf_counter()
        bare = llama_cpp.Llama(str(shelf / "random.gguf"), n_ctx=8192, n_threads=2, verbose=False)
        bare.create_completion("Hi", max_tokens=1, temperature=0)
        seconds["library"].append(time.perf_counter() - began)
        bare.close()
    best = {name: min(values[1:]) for name, values in seconds.items()}
    print(f"load and first token: {best['haven']:.2f} s, bare library {best['library']:.2f} s")
    return best


def _frames(backend: LlamaCppBackend) -> dict[str, Any]:
    """Tokens computed for one frame, and its time, with an instruction that names 200 tags."""
    task = FrameTask(prompt=TASK.prompt, max_new_tokens=1)
    rows = []
    for number, picture in enumerate(PICTURES[:4]):
        before, began = backend.tokens_evaluated, time.perf_counter()
        list(backend.look([Frame(number, number, picture)], task, CancelToken()))
        rows.append((backend.tokens_evaluated - before, time.perf_counter() - began))
    later = min(seconds for _, seconds in rows[1:])
    print(
        f"200 tags: first frame {rows[0][0]} tokens {rows[0][1]:.2f} s, later ones {rows[1][0]} tokens "
        f"{later:.2f} s"
    )
    return {"tokens": [tokens for tokens, _ in rows], "seconds": [seconds for _, seconds in rows]}


def _encoder(backend: LlamaCppBackend) -> dict[str, float]:
    """Seconds of the one step that cannot be broken off."""
    took = []
    for picture in PICTURES:
        part = next(u for u in backend._prompts.of_picture(picture) if isinstance(u, PicturePart))
        began = time.perf_counter()
        mtmd_cpp.mtmd_encode_chunk(backend._loaded.eyes, part.chunk)
        took.append(time.perf_counter() - began)
    print(f"picture encoder: {min(took) * 1e3:.0f} ms best, {max(took) * 1e3:.0f} ms longest")
    return {"best": min(took), "longest": max(took)}


def _cancels(backend: LlamaCppBackend, tries: int) -> dict[str, Any]:
    """From the cancel until the stream has ended, in a long prefill and while tokens are written."""
    backend._sequences.hold(CHAT, [], CancelToken())
    began = time.perf_counter()
    one = GenerationSettings(max_new_tokens=1, temperature=0)
    list(backend.stream(LONG, one, CancelToken()))
    prefill = time.perf_counter() - began
    figures = {}
    for phase in ("prefill", "decode"):
        took = []
        list(backend.stream(LONG, one, CancelToken()))  # read whole, so that only writing is left
        for number in range(tries):
            if phase == "prefill":
                backend._sequences.hold(CHAT, [], CancelToken())
            share = (number + 0.5) / tries
            took.append(_cancelled(backend, prefill * share if phase == "prefill" else 0.3 * share))
        figures[phase] = _figures(f"cancel in {phase}", took)
    return figures


def _cancelled(backend: LlamaCppBackend, after: float) -> float:
    cancel, at = CancelToken(), []

    def stop() -> None:
        at.append(time.perf_counter())
        cancel.cancel()

    timer = threading.Timer(after, stop)
    timer.start()
    list(backend.stream(LONG, GREEDY, cancel))
    ended = time.perf_counter()
    timer.join()
    return max(0.0, ended - at[0])


def _cancelled_loads(shelf: Path, tries: int) -> dict[str, Any]:
    took = []
    for number in range(min(tries, 20)):
        cancel, at = CancelToken(), [0.0]
        share = number / 20

        def progress(done: float, what: str, cancel=cancel, at=at, share=share) -> None:
            if done >= share and not cancel.cancelled:
                at[0] = time.perf_counter()
                cancel.cancel()

        try:
            _load(shelf, progress, cancel).close()
        except Cancelled:
            took.append(time.perf_counter() - at[0])
    return _figures("cancel in load", took)


def _figures(what: str, took: list[float]) -> dict[str, Any]:
    p50, p99, longest = quantile(took, 0.5), quantile(took, 0.99), max(took)
    print(f"{what}: {p50 * 1e3:.1f} ms median, {p99 * 1e3:.1f} at the 99th percentile")
    return {"p50": p50, "p99": p99, "longest": longest, "seconds": took}


if __name__ == "__main__":
    main()
