"""A server that takes 16 requests at once: frames a second when they are sent one at a time and 16 at once.

The server is a process of its own and answers each request after 100 ms, so that 16 times is the most that
there is to gain. The frames are read from a made video of 640 x 360, and the order of the answers is
checked. The two ways take turns.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.record import save
from engine.backends.base import Backend, FrameTask
from engine.backends.openai.provider import OpenAIProvider
from engine.backends.openai.servers import Server
from engine.cancel import CancelToken
from engine.events import FrameRead
from engine.loading import Candidate
from engine.settings import LoadOptions, Sampling
from engine.slot import Slot
from engine.video.analysis import analyse
from engine.video.frames import sample
from tests.fixtures.videos import constant, numbered_video

AT_ONCE, SECONDS = 16, 0.1
WISHED = 12.0  # times the frames a second
TASK = FrameTask(prompt="What is there?")


def main() -> None:
    """Print and save the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    rounds = 1 if given.quick else given.rounds
    with tempfile.TemporaryDirectory() as folder, _server() as url:
        video = numbered_video(Path(folder) / "made.mp4", constant(480, 24), size=(640, 360)).path
        measured: dict[int, list[float]] = {1: [], AT_ONCE: []}
        for _ in range(rounds):
            for at_once, frames in ((1, 32), (AT_ONCE, 480)):
                measured[at_once].append(_frames_per_second(url, video, at_once, frames))
    ratios = [many / one for one, many in zip(*measured.values(), strict=True)]
    figures = {
        "frames_per_second": {str(at_once): statistics.median(found) for at_once, found in measured.items()},
        "times": statistics.median(ratios),
        "least_times": min(ratios),
        "wished_times": WISHED,
        "rounds": rounds,
    }
    print(f"One at a time: {figures['frames_per_second']['1']:.2f} frames a second")
    print(f"{AT_ONCE} at once: {figures['frames_per_second'][str(AT_ONCE)]:.1f} frames a second, in order")
    print(f"That is {figures['times']:.1f} times (at least {min(ratios):.1f}; wished: {WISHED:g})")
    save("server_parallel", figures)


def _frames_per_second(url: str, video: Path, at_once: int, frames: int) -> float:
    """Of a run from the second frame on, since the first one goes alone. Checks the order."""
    slot = Slot(_candidate(url, at_once))
    cancel = CancelToken()
    samples = sample(video, Sampling(Fraction(1, 24), end_us=round((frames - 0.5) * 1e6 / 24)), cancel)
    events = (
        event
        for event in analyse(samples, lambda: slot.lease(cancel), TASK, cancel)
        if isinstance(event, FrameRead)
    )
    seen = [next(events)]
    began = time.perf_counter()
    seen += events
    took = time.perf_counter() - began
    slot.close()
    assert [event.frame.index for event in seen] == list(range(frames))
    assert all(event.answer.caption == "A red boat." for event in seen)
    return (frames - 1) / took


def _candidate(url: str, at_once: int) -> Candidate:
    provider = OpenAIProvider(lambda: [Server("slow", url)])
    options = LoadOptions(parallel=at_once)
    (entry,) = provider.models(Path())

    def load(progress: Any, cancel: CancelToken) -> Backend:
        return provider.load(entry, options, progress, cancel)

    return Candidate("openai", entry.name, options.as_dict(), lambda: provider.validate(entry, options), load)


@contextmanager
def _server() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.slow_server", str(AT_ONCE), str(SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
