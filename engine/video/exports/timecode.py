"""Frame numbers and timecode from exact times and rational rates. SMPTE ST 12-1.

A timecode is another way to write a frame number; whoever asks has made that of a time, by fractions, once.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

MOST = 60  # frames a second that a timecode has room for
SLOWEST = 15  # frames a second of the slowest standard timecode
_NEAR = Fraction(1, 5000)  # relative: nearer than that, a measured rate is the one that was meant
_STANDARD = frozenset(
    (
        *(Fraction(rate * 1000, 1001) for rate in (15, 24, 30, 48, 60)),
        *map(Fraction, (15, 24, 25, 30, 48, 50, 60)),
    )
)


@dataclass(frozen=True)
class Counting:
    """How frames are counted: `rate` a second, written with `base` numbers a second."""

    rate: Fraction
    base: int
    drop: bool  # two (or four) numbers are left out a minute, so that the timecode follows the clock

    def timecode(self, frame: int) -> str:
        """`01:02:03:04`, or `01:02:03;04` where numbers are dropped."""
        if self.drop:
            frame = self._with_dropped(frame)
        seconds, number = divmod(frame, self.base)
        point = ";" if self.drop else ":"
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{number:02}"

    def _with_dropped(self, frame: int) -> int:
        """The first numbers of every minute are left out, but for every tenth minute."""
        left_out = self.base // 15
        in_ten = self.base * 600 - left_out * 9
        in_one = self.base * 60 - left_out
        tens, rest = divmod(frame, in_ten)
        minutes = max(rest - left_out, 0) // in_one
        return frame + left_out * (9 * tens + minutes)


def nominal(rate: Fraction) -> Fraction:
    """The rate that is meant that a measured one is very near to: a whole one, or one such as 30/1.001."""
    meant = [Fraction(round(rate))]
    slowed = round(rate * Fraction(1001, 1000))
    if slowed % 15 == 0 or slowed % 24 == 0:
        meant.append(Fraction(slowed * 1000, 1001))
    return next((one for one in meant if abs(rate - one) < one * _NEAR), rate)


def counting(rate: Fraction) -> Counting | None:
    """How frames of a video are counted that shows `rate` a second; None where no timecode counts them.

    Above 60 every second one is counted, or every third and so on, up to a standard rate. What is no whole
    number and no standard, as of a video with a variable rate, is counted by the clock at the nearest
    standard rate, as editors conform it; slower than any standard it has no timecode.
    """
    meant = nominal(rate)
    every = range(ceil(meant / MOST), floor(meant / SLOWEST) + 1) if meant > MOST else range(1, 2)
    parts = [meant / number for number in every]
    counted = [part for part in parts if part in _STANDARD] + [
        part for part in parts if part.denominator == 1
    ]
    if not counted and meant < SLOWEST:
        return None
    of = counted[0] if counted else min(_STANDARD, key=lambda standard: (abs(standard - meant), standard))
    base = round(of)
    return Counting(of, base, drop=of.denominator == 1001 and base % 30 == 0)
