"""From an open video to its samples: plans, has the plan decoded, and says what was lost."""

import os
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from engine.backends.base import Frame, Picture
from engine.cancel import CancelToken
from engine.events.analysis import FrameLost
from engine.settings import Sampling
from engine.video.container import Video, open_video
from engine.video.crew import Crew, Result
from engine.video.frames import PassedOver
from engine.video.keyframes import KeyPlanner
from engine.video.planning import Planner, Stretch
from engine.video.targets import FOREVER, Wish

_MOST_CORES = 4  # more gain little, and somebody else wants to use the machine as well


def read_samples(
    video: Video, sampling: Sampling, cancel: CancelToken, after_us: int | None, passed_over: PassedOver
) -> Iterator[Frame | FrameLost]:
    """What `frames.sample` promises, of an open video, but for shots."""
    since_us = 0 if after_us is None else _last_until(after_us, video.path, sampling, cancel)
    planner = _planner(video, sampling, cancel, since_us)
    previous = None
    for wish, picture in decode(video, planner.stretches(), cancel):
        if after_us is None or wish.time_us > after_us:
            yield _sample(video, wish, picture, previous)
        previous = picture
    if planner.passed_over:
        passed_over(planner.passed_over)
    if planner.lost is not None:
        yield FrameLost(
            planner.lost.index,
            planner.lost.time_us,
            f"{video.path.name} ends here, before all of its pictures. Copy or download it again.",
        )


def count_passed_over(path: Path, sampling: Sampling, cancel: CancelToken) -> int:
    """How many pictures could not be samples, being out of order; found by planning, without decoding.

    Raises: MediaError, Cancelled.
    """
    with open_video(path) as video:
        planner = _planner(video, sampling, cancel, FOREVER)
        for _ in planner.stretches():
            pass
        return planner.passed_over


def decode(video: Video, stretches: Iterator[Stretch], cancel: CancelToken) -> Iterator[Result]:
    """The wished pictures of all stretches, in order.

    Raises: Cancelled, when nothing computes any more; and whatever `stretches` raises.
    """
    first = list(islice(stretches, 2))
    side_by_side = len(first) == 2 and first[1].fresh  # else it is one long group of pictures
    crew = Crew(video, _cores(), 1) if side_by_side else Crew(video, 1, _cores())
    forget = cancel.on_cancel(crew.stop)
    try:
        for stretch in chain(first, stretches):
            crew.begin(stretch)
            if crew.full:
                yield from crew.results()
                cancel.raise_if_cancelled()
        while crew.pending:
            yield from crew.results()
            cancel.raise_if_cancelled()
    finally:
        forget()
        crew.close()


def _planner(
    video: Video, sampling: Sampling, cancel: CancelToken, since_us: int = 0
) -> Planner | KeyPlanner:
    kind = KeyPlanner if sampling.mode == "keyframes" else Planner
    return kind(video, sampling, cancel, since_us)


def _last_until(after_us: int, path: Path, sampling: Sampling, cancel: CancelToken) -> int:
    """The time of the last sample up to `after_us`; found by planning, without decoding."""
    latest = 0
    with open_video(path) as video:
        for stretch in _planner(video, sampling, cancel).stretches():
            for wish in stretch.wishes:
                if wish.time_us > after_us:
                    return latest
                latest = wish.time_us
    return latest


def _sample(video: Video, wish: Wish, picture: Picture | None, previous: Picture | None) -> Frame | FrameLost:
    if picture is not None:
        return Frame(wish.index, wish.time_us, picture, previous)
    seconds = wish.time_us / 1_000_000
    return FrameLost(wish.index, wish.time_us, f"{video.path.name} is damaged at {seconds:.2f} s.")


def _cores() -> int:
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST_CORES, mine)
