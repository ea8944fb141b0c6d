"""SIGKILL at random moments of running jobs: is an answered frame lost, is one done twice, and does the
resumed job end with the result of one that nobody disturbed?

Every worker is a process with the real engine and store; the next one takes the job on after the kill. When a
job is done a new one begins in a new data folder, until there were enough kills.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.record import save
from tests.fixtures.killing import Work, killed_until_done, problems, undisturbed
from tests.fixtures.videos import constant, numbered_video

LONGEST = 0.6  # seconds into its work that a worker is killed at the latest


def main() -> None:
    """Print and save how many kills there were, what they hit, and what was wrong afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        figures = _kill(Path(folder), random.Random(given.seed), 10 if given.quick else given.kills)
    figures["seconds"] = time.perf_counter() - began
    print(
        f"{figures['kills']} kills over {figures['jobs']} jobs of {figures['frames']} frames, "
        f"{figures['kept_before_a_kill']} frames kept before one: {len(figures['problems'])} problems"
    )
    for problem in figures["problems"]:
        print(f"  {problem}")
    save("kill", figures)


def _kill(folder: Path, rng: random.Random, kills: int) -> dict[str, Any]:
    video = numbered_video(folder / "numbers.mp4", constant(900, 30), gop=30, size=(640, 360), b_frames=2)
    work = Work(video.path, interval=1 / 30)
    reference = undisturbed(work, folder / "undisturbed")
    assert reference.result is not None
    figures: dict[str, Any] = {
        "kills": 0,
        "jobs": 0,
        "frames": len(reference.result["frames"]),
        "kept_before_a_kill": 0,
        "problems": [],
    }
    while figures["kills"] < kills:
        data = folder / f"killed-{figures['jobs']}"
        runs = killed_until_done(work, data, rng, LONGEST, kills - figures["kills"])
        figures["jobs"] += 1
        figures["kills"] += sum(run.killed for run in runs)
        figures["kept_before_a_kill"] += sum(len(run.kept) for run in runs[:-1])
        figures["problems"] += problems(runs, reference)
    return figures


if __name__ == "__main__":
    main()
