"""Twenty tags on a frame from one reading of its picture, against asking the same model in other ways.

- Twenty questions: each tag by itself, as one would ask with the library: a prompt with the picture and the
  question in it, read whole. Nothing is kept from one to the next.
- A list: the model is told the twenty tags and writes 40 tokens.

Then 200 tags and the memory that they take; and an instruction that names 200 tags before an answer of 16
tokens, where the second frame need not read what it has in common with the first.

On random LLaVA-type models of 0.2 billion parameters, through Transformers (fp32) and llama.cpp (q8_0): their
answers mean nothing, but they must be the same both ways. Which way is how much faster hangs on how many
tokens a picture is: 81, as in a tile of the small models of this kind, and 256, as in larger ones. The ways
take turns, on another picture each time. That llama.cpp's answers are the same is seen with weights in fp32:
in 8 bits its rounding hangs on how many tokens it reads at once.
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

from benchmarks.models import random_model
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
SMALL, LARGE = 81, 256  # tokens of a picture


def main() -> None:
    """Print and save all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    rounds = 1 if given.quick else given.rounds
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        shelves = {
            size: _shelves(Path(folder) / str(size), random_model(size))
            for size in ((SMALL,) if given.quick else (SMALL, LARGE))
        }
        for size, shelf in shelves.items():
            for name in ("transformers", "llamacpp"):
                backend = _load(name, shelf[name])
                print(f"{name}, pictures of {size} tokens:", flush=True)
                figures[f"{name} {size}"] = _ways(backend, rounds if size == SMALL else 1)
                if size == SMALL:
                    figures[f"{name} {size}"] |= {"many": _many(backend), "frames": _frames(backend)}
                backend.close()
        exact = Path(folder) / "exact"
        write_pair(exact, random_model(SMALL), "random", "F32")
        figures["llamacpp in fp32"] = _equality(_load("llamacpp", exact), TAGS[:5])
    save("tagging", figures)


def _shelves(folder: Path, model: Path) -> dict[str, Path]:
    """For each provider a shelf with the one model on it."""
    plain, gguf = folder / "transformers", folder / "llamacpp"
    plain.mkdir(parents=True)
    (plain / model.name).symlink_to(model, target_is_directory=True)
    write_pair(gguf, model, "random", "Q8_0")
    return {"transformers": plain, "llamacpp": gguf}


def _load(provider_id: str, shelf: Path) -> Backend:
    found = provider(provider_id)
    (entry,) = found.models(shelf)
    backend = found.load(entry, LoadOptions(), lambda share, what: None, CancelToken())
    backend.warm_up(CancelToken())
    return backend


def _ways(backend: Backend, rounds: int) -> dict[str, Any]:
    """Seconds of each way, and how far apart the log odds of yes are."""
    listed = FrameTask(prompt=_asked_for(TAGS), max_new_tokens=40)
    _look(backend, 0, FrameTask(TAGS))
    seconds: dict[str, list[float]] = {"one reading": [], "20 questions": [], "40-token list": []}
    apart = []
    for number in range(1, rounds + 1):
        together = _timed(seconds["one reading"], lambda at=number: _look(backend, at, FrameTask(TAGS)))
        alone = _timed(seconds["20 questions"], lambda at=number: _one_by_one(backend, at, TAGS))
        _timed(seconds["40-token list"], lambda at=number: _look(backend, -at, listed))
        apart.append(_apart(together, alone))
    figures = {
        "seconds": seconds,
        "typical": {way: statistics.median(each) for way, each in seconds.items()},
        "difference": max(apart),
        "spread": _spread(together),
        "tokens": _tokens(backend, listed),
    }
    _show(figures)
    return figures


def _tokens(backend: Backend, listed: FrameTask) -> dict[str, int]:
    """What each way computes, pictures included, where the backend counts that."""
    ways: dict[str, Callable[[], object]] = {
        "one reading": lambda: _look(backend, 90, FrameTask(TAGS)),
        "20 questions": lambda: _one_by_one(backend, 91, TAGS),
        "40-token list": lambda: _look(backend, 92, listed),
    }
    return {way: _computed(backend, work) for way, work in ways.items() if _count(backend) is not None}


def _computed(backend: Backend, work: Callable[[], object]) -> int:
    before = _count(backend)
    work()
    return _count(backend) - before


def _count(backend: Backend) -> Any:
    return getattr(backend, "tokens_evaluated", None)


def _equality(backend: Backend, tags: Sequence[str]) -> dict[str, float]:
    """How far apart the log odds of yes are, from one reading and from one question after the other."""
    together = _look(backend, 1, FrameTask(tuple(tags)))
    apart, spread = _apart(together, _one_by_one(backend, 1, tags)), _spread(together)
    backend.close()
    print(f"llamacpp in fp32: log odds differ by {apart:.2g} at a spread of {spread:.2g}", flush=True)
    return {"difference": apart, "spread": spread}


def _look(backend: Backend, picture: int, task: FrameTask) -> Mapping[str, float | None]:
    frame = Frame(abs(picture), abs(picture), numbered_picture(1000 + picture, (640, 360)))
    (answer,) = backend.look([frame], task, CancelToken())
    if answer.state != "answered":
        raise SystemExit(f"the frame was not answered: {answer.error}")
    return answer.tags


def _asked_for(tags: Sequence[str]) -> str:
    return f"Which of these are in this picture: {', '.join(tags)}? List them."


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
    more = _peak_bytes() - before
    print(f"  200 tags: {took[0]:.2f} s, {more / 1e6:.0f} MB more memory", flush=True)
    return {"seconds": took[0], "more_bytes": more}


def _frames(backend: Backend) -> dict[str, float]:
    """Seconds of the first frame and of the second, with an instruction that names 200 tags."""
    task = FrameTask(prompt=_asked_for(MANY), max_new_tokens=16)
    took: list[float] = []
    for number in (1, 2):
        _timed(took, lambda at=number: _look(backend, at, task))
    first, second = took
    print(
        f"  an instruction with 200 tags: first frame {first:.2f} s, second {second:.2f} s, "
        f"{first / second:.1f} times as fast",
        flush=True,
    )
    return {"first": first, "second": second}


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


def _show(figures: dict[str, Any]) -> None:
    one = figures["typical"]["one reading"]
    for way, seconds in figures["typical"].items():
        tokens = figures["tokens"].get(way)
        computed = "" if tokens is None else f", {tokens} tokens"
        times = "" if way == "one reading" else f", {seconds / one:.2f} times as long"
        print(f"  {way}: {seconds:.2f} s{computed}{times}", flush=True)
    print(
        f"  log odds differ by {figures['difference']:.2g} at a spread of {figures['spread']:.2g}", flush=True
    )


if __name__ == "__main__":
    main()
