"""What a video a hundred times as long adds to the peak of memory, measured in processes of their own."""

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.record import save
from tests.fixtures.videos import constant, numbered_video

CACHE = Path(__file__).parent / ".cache"
LIMIT = 20 << 20  # bytes
SECONDS, TIMES = 10, 100
SIZE = (320, 192)
PEAK = """
import resource, sys
from engine.cancel import CancelToken
from engine.settings import Sampling
from engine.video.frames import sample
count = sum(1 for _ in sample(sys.argv[1], Sampling.of(0.5), CancelToken()))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    """Print and save the peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    times = 10 if parser.parse_args().quick else TIMES
    figures = []
    for gop in (30, 250, 1_000_000):
        short, long = (_peak(_video(seconds, gop)) for seconds in (SECONDS, SECONDS * times))
        figures.append({"gop": gop, "times": times, "short": short, "long": long})
        print(
            f"GOP {gop:>9,}: {short['frames']:>4} samples {short['bytes'] / 2**20:7.1f} MB, "
            f"{long['frames']:>6} samples {long['bytes'] / 2**20:7.1f} MB: "
            f"{(long['bytes'] - short['bytes']) / 2**20:+.1f} MB ({LIMIT / 2**20:.0f} at most is wanted)",
            flush=True,
        )
    save("memory", figures)


def _peak(path: Path) -> dict[str, int]:
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    frames, kilobytes = map(int, done.stdout.split())
    return {"frames": frames, "bytes": kilobytes * 1024}


def _video(seconds: int, gop: int) -> Path:
    path = CACHE / f"long_{seconds}_{gop}.mp4"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".part.mp4")
        numbered_video(
            unfinished, constant(seconds * 30), gop=gop, size=SIZE, encoding={"preset": "ultrafast"}
        )
        unfinished.rename(path)
    return path


if __name__ == "__main__":
    main()
