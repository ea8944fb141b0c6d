"""Sixteen frames in one `look` of Transformers against sixteen looks: captions, and captions with tags.

On a random model of 0.2 billion parameters, on the processor and on a GPU where there is one. How many of
them are written together is the backend's to say: one on a processor, where the arithmetic of a single frame
already fills the cores and a batch would only keep a chat waiting. The two ways take turns.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.models import shelf_of_models
from benchmarks.record import save
from engine.backends import provider
from engine.backends.base import Backend, Frame, FrameAnswer, FrameTask
from engine.cancel import CancelToken
from engine.settings import LoadOptions
from tests.fixtures.videos import numbered_picture

FRAMES = 16
TASKS = {
    "captions of 8 tokens": FrameTask(prompt="What is there?", max_new_tokens=8),
    "captions and two tags": FrameTask(("boat", "dog"), "What is there?", max_new_tokens=8),
}


def main() -> None:
    """Print and save all figures."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    with tempfile.TemporaryDirectory() as folder:
        shelf, names = shelf_of_models(Path(folder))
        name = names["random model of 0.2 B parameters"]
        figures = {
            device: _measure(shelf, name, device, 1 if given.quick else given.rounds) for device in devices
        }
    save("batches", figures)


def _measure(shelf: Path, name: str, device: str, rounds: int) -> dict[str, Any]:
    found = provider("transformers")
    entry = next(entry for entry in found.models(shelf) if entry.name == name)
    backend = found.load(entry, LoadOptions(device=device), lambda share, what: None, CancelToken())
    backend.warm_up(CancelToken())
    frames = [Frame(number, number, numbered_picture(number, (320, 180))) for number in range(FRAMES)]
    figures: dict[str, Any] = {"batch_size": backend.info.batch_size}
    for what, task in TASKS.items():
        _look(backend, frames[:1], task)
        ratios = []
        for _ in range(rounds):
            alone = _timed(lambda: [_look(backend, [frame], task) for frame in frames])  # noqa: B023
            together = _timed(lambda: _look(backend, frames, task))  # noqa: B023
            ratios.append(alone / together)
        figures[what] = {"times_as_fast": statistics.median(ratios), "least": min(ratios)}
        print(
            f"{device}, {what}: {FRAMES} in one look are {statistics.median(ratios):.2f} times "
            "as fast as one by one",
            flush=True,
        )
    backend.close()
    return figures


def _look(backend: Backend, frames: list[Frame], task: FrameTask) -> list[FrameAnswer]:
    answers = list(backend.look(frames, task, CancelToken()))
    if any(answer.state == "failed" for answer in answers):
        raise SystemExit(
            f"a frame was not answered: {next(answer.error for answer in answers if answer.error)}"
        )
    return answers


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
