"""Spans against the truth: made videos with known spans, and a model that is always right.

Printed for each video: spans found of those there are, spans made up, the worst start and end, the questions
asked and the seconds, by samples alone and with each start and end narrowed to one frame.
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.record import save
from tests.running import Running
from tests.truth import SETS, Oracle, Truth, truth

INTERVAL = 0.5  # seconds


def main() -> None:
    """Print and save the figures of every video."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the first three videos only")
    given = parser.parse_args()
    print(f"{'':18}{'':9}{'found':>10}{'made up':>9}{'start ms':>10}{'end ms':>10}{'asked':>8}{'s':>8}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in list(SETS)[: 3 if given.quick else None]:
            made = truth(name, Path(folder))
            for refine in (False, True):
                rows.append({"video": name, "refine": refine, **_measured(made, Path(folder), refine)})
                _print(rows[-1])
    save("truth", rows)


def _measured(made: Truth, folder: Path, refine: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=folder) as data:
        running = Running(Path(data), Oracle(made.spans))
        try:
            began = time.perf_counter()
            options = {"refine": refine}
            job = running.run(made.clip.path, tags=list(made.spans), interval=INTERVAL, options=options)
            seconds = time.perf_counter() - began
            return {
                **compared(made, running.spans(job.id)),
                "asked": len(running.backend.asked),
                "seconds": seconds,
            }
        finally:
            running.close()


def compared(made: Truth, found: dict[str, list[tuple[float, float]]]) -> dict[str, float]:
    """Of each true span the found one that overlaps it most; what overlaps none is made up."""
    right, spare, starts, ends = 0, 0, [0.0], [0.0]
    for tag in made.spans:
        left = list(found[tag])
        for start, end in made.seconds(tag):
            overlaps = [span for span in left if span[0] < end and start < span[1]]
            if overlaps:
                best = max(overlaps, key=lambda span: min(end, span[1]) - max(start, span[0]))
                left.remove(best)
                right += 1
                starts.append(abs(best[0] - start))
                ends.append(abs(best[1] - end))
        spare += len(left)
    return {
        "spans": sum(map(len, made.spans.values())),
        "found": right,
        "made_up": spare,
        "worst_start_ms": max(starts) * 1000,
        "worst_end_ms": max(ends) * 1000,
    }


def _print(row: dict[str, float]) -> None:
    how = "narrowed" if row["refine"] else "samples"
    print(
        f"{row['video']:18}{how:9}{row['found']:>5} of {row['spans']}{row['made_up']:>9}"
        f"{row['worst_start_ms']:>10.2f}{row['worst_end_ms']:>10.2f}{row['asked']:>8}{row['seconds']:>8.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
