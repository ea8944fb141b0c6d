"""From a cancel to an idle machine: how long until nothing computes any more and the next request may start.

The tries (`interrupting`) cover these phases: loading (the libraries are imported before), encoding a picture
(its preparation included), a prefill of 2,000 tokens, writing tokens, and a running job, somewhere in or
between its frames. What is run and checked around each is said there.
"""

import argparse
import random
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.interrupting import Bench, Try
from benchmarks.models import shelf_of_models
from benchmarks.record import quantile, save

LIMIT = 0.1  # seconds, at the 99th percentile


def main() -> None:
    """Print and save the times of each model and phase."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=200, help="for each model, over all phases")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    tries = 15 if given.quick else given.tries
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        shelf, names = shelf_of_models(Path(folder))
        for label, name in names.items():
            figures[label] = _report(label, _measure(Path(folder), shelf, name, tries, given.seed))
    save("cancel", {"models": figures, "limit_seconds": LIMIT})


def _report(label: str, tries: list[Try]) -> dict[str, Any]:
    figures = {
        phase: _figures([t for t in tries if t.phase == phase]) for phase in {t.phase: 0 for t in tries}
    }
    figures["all"] = _figures(tries)
    print(f"{label}, {len(tries)} tries; milliseconds at the 50th and 99th percentile, and the longest")
    for phase, row in figures.items():
        print(
            f"  {phase:10} {row['p50'] * 1e3:6.1f} {row['p99'] * 1e3:6.1f} {row['longest'] * 1e3:6.1f}"
            f"   busy afterwards: {row['busy']:.2f} cores   wrong: {len(row['wrong'])}"
        )
    print(f"  at most {LIMIT * 1e3:.0f} ms at the 99th percentile is wanted", flush=True)
    return figures


def _figures(tries: list[Try]) -> dict[str, Any]:
    seconds = [t.seconds for t in tries]
    return {
        "tries": len(tries),
        "p50": quantile(seconds, 0.5),
        "p99": quantile(seconds, 0.99),
        "longest": max(seconds),
        "busy": sum(t.busy for t in tries) / len(tries),
        "wrong": [t.wrong for t in tries if t.wrong],
        "seconds": seconds,
    }


def _measure(folder: Path, shelf: Path, model: str, tries: int, seed: int) -> list[Try]:
    bench = Bench(folder / f"data-{model}", shelf, model, random.Random(seed))
    try:
        phases = bench.phases()
        each = [*(lambda phase=phase: bench.cancelled_request(phase) for phase in phases)]
        each += [bench.cancelled_load, bench.cancelled_job]
        return [each[number % len(each)]() for number in range(tries)]
    finally:
        bench.engine.close()


if __name__ == "__main__":
    main()
