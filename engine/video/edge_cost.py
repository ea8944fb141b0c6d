"""How many questions it takes to narrow a start or an end of a span to one frame, before anything is asked.

As many as log2 of the pictures between two samples, rounded up. Where the file lists its pictures they are
counted, since a video of variable rate has far more in one second than in another. Decodes nothing.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil
from pathlib import Path

from engine.settings import Sampling
from engine.video.frames import MICROSECONDS, VideoInfo, effective_interval


@dataclass(frozen=True)
class EdgeCost:
    """What one start or end costs."""

    questions: int
    counted: bool  # at most so many; else about so many, by the average rate, and 0 where that is unknown


def edge_cost(info: VideoInfo, sampling: Sampling) -> EdgeCost:
    """Of the two samples that have most pictures between them. Raises: MediaError."""
    gap = _widest_gap(info, sampling)
    most = _most_pictures(info.path, gap)
    if most is not None:
        return EdgeCost(max(0, most - 1).bit_length(), True)
    between = 0 if info.rate is None else ceil(gap * info.rate) - 1
    return EdgeCost(max(0, between).bit_length(), False)


def _most_pictures(path: Path, seconds: Fraction) -> int | None:
    """In any stretch of that length, by the file's list of its pictures; None where it has no whole list."""
    import numpy as np

    from engine.video.container import open_video

    with open_video(path) as video:
        index = video.stream.index_entries
        if not video.sized_index or not 0 < video.stream.frames <= len(index):
            return None
        # Times of decoding: those of showing, later by a fixed number of pictures.
        stamps = np.sort(np.fromiter((entry.timestamp for entry in index), np.int64, len(index)))
        ends = np.searchsorted(stamps, stamps + ceil(seconds / video.time_base))
        return int((ends - np.arange(len(stamps))).max())


def _widest_gap(info: VideoInfo, sampling: Sampling) -> Fraction:
    """Seconds between two samples, at the most; of key pictures that is all that is known."""
    if sampling.mode == "times":
        steps = (after - before for before, after in pairwise(sampling.times_us))
        return Fraction(max(steps, default=0), MICROSECONDS)
    if sampling.mode == "keyframes":
        return Fraction(info.duration_us, MICROSECONDS)
    return effective_interval(info, sampling)
