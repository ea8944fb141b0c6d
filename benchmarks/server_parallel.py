"""A server that takes 16 requests at once: frames a second when they are sent one at a time and 16 at once.

The server is a process of its own and takes half a second for each answer, or from half a second to two:
what a vision model takes for a frame. So 16 times is the most that there is to gain. A server that answers
after a tenth of a second, which no vision model does, shows where this side becomes the bound, as does the
processor time that a frame takes here. The frames are read from a made video of 640 x 360, and the order of
the answers is checked. The two ways take turns.
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
from engine.events.analysis import FrameRead
from engine.loading import Candidate
from engine.settings import LoadOptions, Sampling
from engine.slot import Slot
from engine.video.analysis import analyse
from engine.video.frames import sample
from tests.fixtures.videos import constant, numbered_video

AT_ONCE = 16
SECONDS = ((0.5, 0.5), (0.5, 2.0), (0.1, 0.1))  # least and most that the server takes for an answer
WISHED = 12.0  # times the frames a second
TASK = FrameTask(prompt="What is there?")


def main() -> None:
    """Print and save the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    rounds = 1 if given.quick else given.rounds
    with tempfile.TemporaryDirectory() as folder:
        video = numbered_video(Path(folder) / "made.mp4", constant(480, 24), size=(640, 360)).path
        figures = {_words(seconds): _measured(video, seconds, rounds) for seconds in SECONDS}
    save("server_parallel", {"wished_times": WISHED, "rounds": rounds, **figures})


def _words(seconds: tuple[float, float]) -> str:
    return f"{' to '.join(f'{one:g}' for one in dict.fromkeys(seconds))} s an answer"


def _measured(video: Path, seconds: tuple[float, float], rounds: int) -> dict[str, Any]:
    measured: dict[int, list[tuple[float, float]]] = {1: [], AT_ONCE: []}
    with _server(seconds) as url:
        for _ in range(rounds):
            for at_once, frames in ((1, 16), (AT_ONCE, 480)):
                measured[at_once].append(_run(url, video, at_once, frames))
    ratios = [many / one for (one, _), (many, _) in zip(*measured.values(), strict=True)]
    speed, spent = (
        {str(at_once): statistics.median(run[which] for run in runs) for at_once, runs in measured.items()}
        for which in (0, 1)
    )
    times = statistics.median(ratios)
    print(f"A server that takes {_words(seconds)}")
    print(f"  one at a time: {speed['1']:.2f} frames a second, {spent['1']:.1f} ms of a processor each")
    print(
        f"  {AT_ONCE} at once, in order: {speed[str(AT_ONCE)]:.1f} frames a second, "
        f"{spent[str(AT_ONCE)]:.1f} ms of a processor each"
    )
    print(f"  That is {times:.1f} times (at least {min(ratios):.1f}; wished: {WISHED:g})")
    return {"frames_per_second": speed, "processor_ms": spent, "times": times, "least_times": min(ratios)}


def _run(url: str, video: Path, at_once: int, frames: int) -> tuple[float, float]:
    """Frames a second, and milliseconds of a processor that each took in this process.

    From the second frame on, since the first one goes alone. Checks the order.
    """
    slot = Slot(_candidate(url, at_once))
    cancel = CancelToken()
    samples = sample(video, Sampling(Fraction(1, 24), end_us=round((frames - 0.5) * 1e6 / 24)), cancel)
    events = (
        event
        for event in analyse(samples, lambda: slot.lease(cancel), TASK, cancel)
        if isinstance(event, FrameRead)
    )
    seen = [next(events)]
    began, spent = time.perf_counter(), time.process_time()
    seen += events
    took, spent = time.perf_counter() - began, time.process_time() - spent
    slot.close()
    assert [event.frame.index for event in seen] == list(range(frames))
    assert all(event.answer.caption == "A red boat." for event in seen)
    return (frames - 1) / took, spent * 1000 / (frames - 1)


def _candidate(url: str, at_once: int) -> Candidate:
    provider = OpenAIProvider(lambda: [Server("slow", url)])
    options = LoadOptions(parallel=at_once)
    (entry,) = provider.models(Path())

    def load(progress: Any, cancel: CancelToken) -> Backend:
        return provider.load(entry, options, progress, cancel)

    return Candidate(
        "openai",
        entry.name,
        options.as_dict(),
        lambda cancel: provider.validate(entry, options, cancel),
        load,
    )


@contextmanager
def _server(seconds: tuple[float, float]) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.slow_server", str(AT_ONCE), *map(str, seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
