"""Taking every Nth picture of a minute of video: Haven beside OpenCV, PyAV and decord, in turn in one run.

Sixty seconds of moving, noisy pictures at 30 a second in H.264, each with its number in it. Every way is
first tried once without a clock, and each of its pictures is checked; then the best of some rounds counts.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from benchmarks.peers import peers
from benchmarks.record import save
from engine.cancel import CancelToken
from engine.settings import Sampling
from engine.video.frames import sample
from tests.fixtures.videos import SIZE, NoNumber, constant, frame_number, numbered_picture, write_video

CACHE = Path(__file__).parent / ".cache"
RATE, COUNT = 30, 1800
SIZES = {"360p": (640, 360), "720p": (1280, 720)}
GROUPS = (250, 30)
STEPS = (15, 60, 300)
OURS = "Haven"
SLOW = 10.0  # seconds; of what takes longer when it is tried out, that time counts
Way = Callable[[], Iterable[np.ndarray]]


def main() -> None:
    """Print and save the seconds of each way in each cell, and the ratios to the best peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    others = peers()
    print(f"{'':26}" + "".join(f"{name:>15}" for name in (OURS, *others)) + f"{'ratio':>9}")
    cells = []
    for group in GROUPS:
        for size in SIZES:
            path = _video(group, size)
            for step in STEPS:
                numbers = sorted({*range(0, COUNT, step), COUNT - 1})
                ways: dict[str, Way] = {OURS: lambda p=path, s=step: _haven(p, s)}
                ways |= {name: lambda p=path, n=numbers, f=f: f(p, n) for name, f in others.items()}
                cell = _cell(ways, numbers, 1 if given.quick else given.rounds)
                cells.append({"group": group, "size": size, "step": step, **cell})
                _print_cell(cells[-1])
    _print_summary([cell["ratio"] for cell in cells])
    save("sampling", cells)


def _cell(ways: dict[str, Way], numbers: list[int], rounds: int) -> dict[str, object]:
    """The best seconds of each way, who was not exact, and the ratio to the best of the others."""
    inexact, seconds = [], {}
    for name, way in ways.items():
        began = time.perf_counter()
        if [_number(picture) for picture in way()] != numbers:
            inexact.append(name)
        seconds[name] = time.perf_counter() - began
    quick = [name for name, value in seconds.items() if value < SLOW or name == OURS]
    seconds |= dict.fromkeys(quick, math.inf)
    for _ in range(rounds):
        for name in quick:
            seconds[name] = min(seconds[name], _seconds(ways[name]))
    best = min(value for name, value in seconds.items() if name != OURS and name not in inexact)
    return {"seconds": seconds, "inexact": inexact, "ratio": best / seconds[OURS]}


def _seconds(way: Way) -> float:
    began = time.perf_counter()
    for _ in way():
        pass
    return time.perf_counter() - began


def _haven(path: Path, step: int) -> Iterator[np.ndarray]:
    for frame in sample(path, Sampling(Fraction(step, RATE)), CancelToken()):
        yield frame.picture


def _number(picture: np.ndarray) -> int | None:
    try:
        return frame_number(picture[: SIZE[1], : SIZE[0]])
    except NoNumber:
        return None


def _print_cell(cell: dict) -> None:
    names = f"GOP {cell['group']}, {cell['size']}, every {cell['step']}"
    marks = {name: "*" if name in cell["inexact"] else "" for name in cell["seconds"]}
    times = "".join(f"{value:>14.3f}{marks[name] or ' '}" for name, value in cell["seconds"].items())
    print(f"{names:26}{times}{cell['ratio']:>8.2f}x", flush=True)


def _print_summary(ratios: list[float]) -> None:
    mean = math.prod(ratios) ** (1 / len(ratios))
    print("Seconds, best of the rounds; ratio to the best exact peer. * gave a wrong picture.")
    print(f"geometric mean {mean:.2f} (1.5 is wanted), worst cell {min(ratios):.2f} (1.0 is wanted)")


def _video(group: int, size: str) -> Path:
    path = CACHE / f"moving_{group}_{size}.mp4"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".part.mp4")
        write_video(
            unfinished, _moving(SIZES[size]), constant(COUNT, RATE), gop=group, size=SIZES[size], b_frames=3
        )
        unfinished.rename(path)
    return path


def _moving(size: tuple[int, int]) -> Iterator[np.ndarray]:
    """A camera that sweeps over a scene, with noise; the number stands in the upper left corner."""
    width, height = size
    random = np.random.default_rng(0)
    coarse = (random.random((height // 8, width // 8, 3)) * 255).astype(np.uint8)
    scene = cv2.resize(coarse, (width * 2, height * 2), interpolation=cv2.INTER_CUBIC)
    noise = [random.integers(-6, 7, (height, width, 3), dtype=np.int16) for _ in range(8)]
    for number in range(COUNT):
        x = int(width / 2 * (1 + 0.9 * math.sin(number / 40)))
        y = int(height / 2 * (1 + 0.9 * math.cos(number / 55)))
        picture = np.clip(scene[y : y + height, x : x + width] + noise[number % 8], 0, 255).astype(np.uint8)
        picture[: SIZE[1] // 2, : SIZE[0]] = numbered_picture(number)[: SIZE[1] // 2]
        yield picture


if __name__ == "__main__":
    main()
