"""The times that are looked for, as time stamps of one stream. Pure arithmetic; knows no packets.

Target k stands at `start + k * interval`, exactly, or is the kth of a list; it is met by the picture that
is on screen then, which is the last one whose time stamp is not later.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from engine.settings import Sampling
from engine.video.frames import MICROSECONDS, Measured, effective_interval

FOREVER = 2**62  # later than any time stamp
_LATEST = Fraction(1, 2000)
_LEAST = Fraction(1, MICROSECONDS)


@dataclass(frozen=True)
class Wish:
    """A sample that is to be decoded: the picture with the time stamp `pts`, in ticks of the stream."""

    index: int
    time_us: int
    pts: int


class Targets:
    """Picks samples out of the pictures of a stream, which are shown to it in their order on screen."""

    def __init__(self, video: Measured, sampling: Sampling, tick: Fraction, origin: int) -> None:
        """`tick`: seconds; `origin`: the time stamp that is time zero."""
        self._tick = tick
        self._origin = origin
        self._interval = effective_interval(video, sampling)
        self._start = Fraction(sampling.start_us, MICROSECONDS)
        # A container rounds times to its ticks, so a picture may stand half a tick late. Where a tick is as
        # coarse as a picture nothing was rounded, hence the upper bound.
        self._slack = max(_LEAST, min(tick / 2, _LATEST))
        self._last = FOREVER if sampling.end_us is None else self._last_before(sampling.end_us)
        self._most = sampling.max_frames
        self._next = 0
        self._range_left = False
        self.wished = 0
        self.limit = self._limit(0)  # the next target is met by the last picture with pts <= limit

    @property
    def met(self) -> bool:
        """Nothing more is looked for."""
        return self._range_left or self.wished == self._most

    def pick(self, pts: int, following: int) -> Wish | None:
        """A wish for the picture that is shown from `pts` until `following`, where it is a sample.

        `following` is `FOREVER` for the last picture, which always is one.
        """
        if self.met or (following <= self.limit and following != FOREVER):
            return None
        wish = None if pts > self._last else self._wish(pts)
        self._advance(following)
        return wish

    def missing(self, following: int, until_us: int) -> Wish | None:
        """The first sample from `following` on and before `until_us`, whose picture is not there."""
        if not self.met and self.limit < following:
            self._advance(following)
        late = self.time_us(self.limit) >= until_us
        return None if self.met or late else Wish(self.wished, self.time_us(self.limit), self.limit)

    def time_us(self, pts: int) -> int:
        """When a player shows a picture with this time stamp."""
        return max(0, round((pts - self._origin) * self._tick * MICROSECONDS))

    def _wish(self, pts: int) -> Wish:
        wish = Wish(self.wished, self.time_us(pts), pts)
        self.wished += 1
        return wish

    def _advance(self, following: int) -> None:
        """Go on to the first target that is met by a picture from `following` on."""
        if following > self._last or following == FOREVER:
            self._range_left = True
            return
        if self.wished + 1 == self._most:  # what the file says of its length may be wrong: the end comes last
            self.limit = self._last
            return
        ahead = ((following - self._origin) * self._tick - self._slack - self._start) / self._interval
        self._next = max(self._next + 1, floor(ahead))
        while self._limit(self._next) < following:
            self._next += 1
        self.limit = self._limit(self._next)

    def _limit(self, number: int) -> int:
        return self._latest(self._start + number * self._interval)

    def _latest(self, time: Fraction) -> int:
        """The latest time stamp of a picture that can be on screen at `time`, seconds, within the range."""
        return min(self._last, self._origin + floor((time + self._slack) / self._tick))

    def _last_before(self, end_us: int) -> int:
        return self._origin + ceil(Fraction(end_us, MICROSECONDS) / self._tick) - 1


class ListedTargets(Targets):
    """The targets of a list of times. The last picture is no sample of its own here."""

    def __init__(self, video: Measured, sampling: Sampling, tick: Fraction, origin: int) -> None:
        self._times_us = sampling.times_us
        super().__init__(video, sampling, tick, origin)

    def _advance(self, following: int) -> None:
        while self._next < len(self._times_us) and self._limit(self._next) < following:
            self._next += 1
        self._range_left = self._next == len(self._times_us)
        self.limit = self._last if self._range_left else self._limit(self._next)

    def _limit(self, number: int) -> int:
        return self._latest(Fraction(self._times_us[number], MICROSECONDS))
