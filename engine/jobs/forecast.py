"""How many frames a run will have, by what it has shown so far. Reads no storage, asks no model.

At a fixed interval the number is known beforehand. How many shots there are, and how many starts and ends
are to be narrowed, is seen on the way.
"""

from collections.abc import Iterable, Mapping
from math import ceil
from pathlib import Path

from engine.settings import Sampling
from engine.video.edge_cost import edge_cost
from engine.video.frames import VideoInfo, planned_count, probe
from engine.video.refine import disagreements
from engine.video.spans import Sample

_WORTH_SAYING = 0.05  # by which share an estimate must change


class Forecast:
    """Looks at each answer, and gives the number of frames that it makes likely."""

    def __init__(
        self, planned: int, thresholds: Mapping[str, float] | None = None, per_edge: int = 0
    ) -> None:
        """`per_edge`: questions that narrow one start or end of a span, at most."""
        self._planned = planned
        self._thresholds = thresholds or {}
        self._per_edge = per_edge
        self._range: tuple[int, int] | None = None  # where the number follows from how far the run is
        self._before: Sample | None = None
        self._done = 0
        self._extra = 0

    @classmethod
    def of(
        cls, path: str, thresholds: Mapping[str, float], sampling: Sampling, kept: Iterable[Sample]
    ) -> "Forecast":
        """Of a run that goes on behind the answers that are `kept`. Raises: MediaError."""
        info = probe(Path(path))
        per_edge = edge_cost(info, sampling).questions if sampling.refine else 0
        planned = planned_count(info, sampling)
        forecast = cls(planned, thresholds, per_edge)
        if sampling.mode == "shots" or not planned:
            forecast._range = _range(info, sampling)
        for sample in kept:
            forecast.after(sample)
        return forecast

    def after(self, answered: Sample) -> int:
        """The number of frames, now that this one is answered, too."""
        self._done += 1
        if self._before is not None and self._per_edge:
            self._extra += self._per_edge * disagreements(self._before, answered, self._thresholds)
        self._before = answered
        self._look_ahead(answered.time_us)
        return max(self._planned, self._done) + self._extra

    def _look_ahead(self, time_us: int) -> None:
        """As many more, for the rest of the video, as there were until now."""
        if self._range is None or time_us <= self._range[0]:
            return
        start_us, end_us = self._range
        likely = ceil(self._done * (end_us - start_us) / (time_us - start_us))
        if abs(likely - self._planned) > self._planned * _WORTH_SAYING:
            self._planned = likely


def _range(info: VideoInfo, sampling: Sampling) -> tuple[int, int] | None:
    ends = [end for end in (info.duration_us or None, sampling.end_us) if end is not None]
    return (sampling.start_us, min(ends)) if ends else None
