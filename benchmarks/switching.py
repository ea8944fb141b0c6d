"""Switching between models, and what engine and page cost a chat.

Three things, each printed with what is wanted of it: a long way round all local providers with a question
after each switch (here), a chat through engine and page beside the bare backend (`chat_cost`), and how long
a chat waits while a video is analysed (`chat_wait`).
"""

import argparse
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import psutil

from benchmarks import chat_cost, chat_wait
from benchmarks.models import TINY_MODEL, shelf_of_models
from benchmarks.record import quantile, save
from engine.cancel import CancelToken
from engine.engine import BUILTIN, Engine
from engine.events.switching import SwitchFinished
from storage.store import Store
from tests.fixtures.videos import numbered_picture
from tests.fixtures.write_gguf import write_pair

LLAMA, TRANSFORMERS = ("llamacpp", "tiny"), ("transformers", TINY_MODEL.name)
# Every model after every other one in six switches; the tenth and the three-hundredth load the same one.
ROUND = (TRANSFORMERS, LLAMA, TRANSFORMERS, BUILTIN, LLAMA, BUILTIN)
QUESTION = "What colour is this?"
MEMORY_LIMIT, INTERRUPTION_LIMIT = 1.03, 0.05  # times, seconds
SETTLED = 10  # switches after which everything has been loaded several times


def main() -> None:
    """Print and save all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--switches", type=int, default=300)
    parser.add_argument("--only", choices=("switches", "cost", "wait"), help="one of the three")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shelf, _ = shelf_of_models(folder)
        write_pair(shelf)
        if given.only in (None, "switches"):
            switches = 2 * SETTLED if given.quick else given.switches
            figures["switches"] = _round_and_round(folder / "switches", shelf, switches)
        if given.only in (None, "cost"):
            figures["cost"] = chat_cost.measure(folder / "cost", shelf, given.quick)
        if given.only in (None, "wait"):
            figures["wait"] = chat_wait.measure(folder / "wait", shelf, given.quick)
    save("switching" if given.only is None else f"switching-{given.only}", figures)


@dataclass
class Way:
    """What was seen on the way round."""

    failures: list[str] = field(default_factory=list)
    interruptions: list[float] = field(default_factory=list)  # seconds, as the slot says them
    gaps: list[float] = field(default_factory=list)  # the longest of each switch without a request that began
    seconds: dict[str, list[float]] = field(default_factory=dict)  # of whole switches, by provider
    resident: list[int] = field(default_factory=list)  # bytes after each, the old model given back


def _round_and_round(data: Path, shelf: Path, switches: int) -> dict[str, Any]:
    engine = Engine(Store.open(data), shelf)
    engine.start()
    engine.set_generation(max_new_tokens=8, temperature=0)
    way = Way()
    try:
        _walk(engine, data, switches, way)
    finally:
        engine.close()
    return _report(way)


def _walk(engine: Engine, data: Path, switches: int, way: Way) -> None:
    picture = data / "picture.png"
    cv2.imwrite(str(picture), numbered_picture(5, (640, 360)))
    expected: dict[str, str] = {}
    for number in range(switches):
        provider, model = ROUND[number % len(ROUND)]
        run = engine.begin_switch(provider, model)
        way.gaps.append(_longest_gap(engine, run))
        result = run.latest
        assert isinstance(result, SwitchFinished)
        way.interruptions.append(result.interruption_seconds)
        way.seconds.setdefault(provider, []).append(result.seconds)
        said = _ask(engine, picture)
        if not result.success or said != expected.setdefault(provider, said) or not said.startswith(model):
            way.failures.append(f"switch {number + 1} to {model}: {result.message} Then: {said}")
        way.resident.append(_resident_at_rest(engine))


def _longest_gap(engine: Engine, run: Any) -> float:
    """Ask for the backend all the while that the switch runs, a millisecond after the last time."""
    longest, last, over = 0.0, time.perf_counter(), False
    while not over:
        over = run.wait(0.001)
        with engine._slot.lease(CancelToken(), urgent=True):  # there is no verb for a single lease
            now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


def _ask(engine: Engine, picture: Path) -> str:
    answer = engine.chats.send("", QUESTION, [picture])
    answer.wait()
    draft = answer.draft
    engine.chats.delete(answer.session_id)
    return f"{draft.model} ({draft.state}): {draft.text or draft.error}"


def _resident_at_rest(engine: Engine) -> int:
    while any(thread.name == "haven-drain" for thread in threading.enumerate()):
        time.sleep(0.001)
    return psutil.Process().memory_info().rss


def _report(way: Way) -> dict[str, Any]:
    after, end = way.resident[SETTLED - 1], way.resident[-1]
    settled = way.gaps[SETTLED:]
    print(
        f"{len(way.resident)} switches round {', '.join(way.seconds)}, a question after each: "
        f"{len(way.failures)} failures, none is wanted"
    )
    for failure in way.failures[:10]:
        print(f"  {failure}")
    print(
        f"memory {end / 1e6:.0f} MB at the end, {after / 1e6:.0f} MB after the tenth: {end / after:.4f} "
        f"times, at most {MEMORY_LIMIT} is wanted"
    )
    _line("no request could start, by the slot's clock", way.interruptions)
    _line("no request did start, by one that asks all the while", way.gaps)
    _line(f"  the same from switch {SETTLED + 1} on, the libraries imported", settled)
    for provider, seconds in way.seconds.items():
        print(
            f"whole switch to {provider}: {quantile(seconds, 0.5):.3f} s median, {max(seconds):.3f} longest"
        )
    return {
        "failures": way.failures,
        "resident_bytes": way.resident,
        "memory_ratio": end / after,
        "interruption_seconds": way.interruptions,
        "gap_seconds": way.gaps,
        "switch_seconds": way.seconds,
        "limits": {"memory": MEMORY_LIMIT, "interruption": INTERRUPTION_LIMIT},
    }


def _line(what: str, seconds: list[float]) -> None:
    p50, p99, longest = quantile(seconds, 0.5), quantile(seconds, 0.99), max(seconds)
    print(
        f"{what}: {p50 * 1e3:.2f} ms median, {p99 * 1e3:.2f} at the 99th percentile, {longest * 1e3:.2f} "
        f"longest; at most {INTERRUPTION_LIMIT * 1e3:.0f} are wanted",
        flush=True,
    )


if __name__ == "__main__":
    main()
