"""Twenty tags on a frame: from one reading of its picture, against twenty questions that each read it anew,
and against a list of 40 tokens that the model writes. Then 200 tags, and the memory that they take.

On a random LLaVA-type model, through Transformers (fp32) and llama.cpp (q8_0): its answers mean nothing, but
they must be the same both ways. The ways take turns, on another picture each time. That llama.cpp's answers
are the same is seen with weights in fp32: in 8 bits its rounding hangs on how many tokens it reads at once.
"""

import argparse
import math
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.models import shelf_of_models
from benchmarks.record import save
from engine.backends import provider
from engine.backends.base import Backend, Frame, FrameTask
from engine.cancel import CancelToken
from engine.settings import LoadOptions
from tests.fixtures.videos import numbered_picture
from tests.fixtures.write_gguf import write_pair

# Words of one token each in the usual vocabularies; the random model's small one cuts some into pieces.
THINGS = ("dog", "cat", "bird", "boat", "car", "train", "plane", "phone", "house", "street", "tree", "water")
TAGS = (*THINGS, "snow", "fire", "smoke", "text", "food", "red", "blue", "green")
MANY = tuple(f"thing number {number}" for number in range(200))
LIST = FrameTask(prompt="List what is in this picture.", max_new_tokens=40)


def main() -> None:
    """Print and save all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    rounds = 1 if given.quick else given.rounds
    with tempfile.TemporaryDirectory() as folder:
        shelf, names = shelf_of_models(Path(folder))
        name = names["random model of 0.2 B parameters"]
        write_pair(Path(folder) / "gguf", shelf / name, name, "Q8_0")
        write_pair(Path(folder) / "exact", shelf / name, name, "F32")
        figures = {
            "transformers": _measure("transformers", shelf, name, rounds),
            "llamacpp": _measure("llamacpp", Path(folder) / "gguf", name, rounds),
            "llamacpp in fp32": _equality(_load("llamacpp", Path(folder) / "exact", name), TAGS[:5]),
        }
    save("tagging", figures)


def _load(provider_id: str, shelf: Path, name: str) -> Backend:
    found = provider(provider_id)
    entry = next(entry for entry in found.models(shelf) if entry.name == name)
    return found.load(entry, LoadOptions(), lambda share, what: None, CancelToken())


def _measure(provider_id: str, shelf: Path, name: str, rounds: int) -> dict[str, Any]:
    backend = _load(provider_id, shelf, name)
    backend.warm_up(CancelToken())
    _look(backend, 0, FrameTask(TAGS))
    seconds: dict[str, list[float]] = {"one reading": [], "20 questions": [], "40-token list": []}
    apart = []
    for number in range(1, rounds + 1):
        together = _timed(seconds["one reading"], lambda at=number: _look(backend, at, FrameTask(TAGS)))
        alone = _timed(seconds["20 questions"], lambda at=number: _one_by_one(backend, at, TAGS))
        _timed(seconds["40-token list"], lambda at=number: _look(backend, -at, LIST))
        apart.append(_apart(together, alone))
    figures = {
        "seconds": seconds,
        "typical": {way: statistics.median(each) for way, each in seconds.items()},
        "difference": max(apart),
        "spread": _spread(together),
        "many": _many(backend),
    }
    backend.close()
    _show(provider_id, figures)
    return figures


def _equality(backend: Backend, tags: Sequence[str]) -> dict[str, float]:
    """How far apart the log odds of yes are, from one reading and from one question after the other."""
    together = _look(backend, 1, FrameTask(tuple(tags)))
    apart, spread = _apart(together, _one_by_one(backend, 1, tags)), _spread(together)
    backend.close()
    print(f"llama.cpp in fp32: log odds differ by {apart:.2g} at a spread of {spread:.2g}", flush=True)
    return {"difference": apart, "spread": spread}


def _look(backend: Backend, picture: int, task: FrameTask) -> Mapping[str, float | None]:
    frame = Frame(abs(picture), abs(picture), numbered_picture(1000 + picture, (640, 360)))
    (answer,) = backend.look([frame], task, CancelToken())
    if answer.state != "answered":
        raise SystemExit(f"the frame was not answered: {answer.error}")
    return answer.tags


def _one_by_one(backend: Backend, picture: int, tags: Sequence[str]) -> dict[str, float | None]:
    """Every tag with a prompt of its own, which reads the picture anew."""
    answers: dict[str, float | None] = {}
    for tag in tags:
        _forget(backend)
        answers |= _look(backend, picture, FrameTask((tag,)))
    return answers


def _forget(backend: Backend) -> None:
    """llama.cpp keeps the picture that it read last; here it must not."""
    sequences = getattr(backend, "_sequences", None)
    if sequences is not None:
        sequences.hold(0, [], CancelToken())


def _many(backend: Backend) -> dict[str, float]:
    """200 tags: seconds, and by how much the peak of this process's memory rose, in bytes."""
    before, took = _peak_bytes(), []
    found = _timed(took, lambda: _look(backend, 99, FrameTask(MANY)))
    assert len(found) == len(MANY)
    return {"seconds": took[0], "more_bytes": _peak_bytes() - before}


def _timed(took: list[float], work: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    result = work()
    took.append(time.perf_counter() - began)
    return result


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _apart(one: Mapping[str, float | None], other: Mapping[str, float | None]) -> float:
    return max(abs(_log_odds(one[tag]) - _log_odds(other[tag])) for tag in one)


def _spread(found: Mapping[str, float | None]) -> float:
    odds = [_log_odds(sure) for sure in found.values()]
    return max(odds) - min(odds)


def _log_odds(sure: float | None) -> float:
    assert sure is not None
    return math.log(sure / (1 - sure))


def _show(provider_id: str, figures: dict[str, Any]) -> None:
    typical, many = figures["typical"], figures["many"]
    one = typical["one reading"]
    print(
        f"{provider_id}: 20 tags from one reading {one:.2f} s; "
        f"20 questions {typical['20 questions']:.2f} s, {typical['20 questions'] / one:.1f} times as long; "
        f"a 40-token list {typical['40-token list']:.2f} s, {typical['40-token list'] / one:.1f} times; "
        f"log odds differ by {figures['difference']:.2g} at a spread of {figures['spread']:.2g}; "
        f"200 tags {many['seconds']:.2f} s and {many['more_bytes'] / 1e6:.0f} MB more",
        flush=True,
    )


if __name__ == "__main__":
    main()
