"""Frame numbers and timecode from exact times and rational rates. SMPTE ST 12-1.

A time becomes a frame number once, by fractions; a timecode is another way to write that number.
"""

from dataclasses import dataclass
from fractions import Fraction

from engine.video.exports.material import rounded

MOST = 60  # frames a second that a timecode has room for
_NEAR = Fraction(1, 5000)  # relative: nearer than that, a measured rate is the standard one
_STANDARD = (
    *(Fraction(rate * 1000, 1001) for rate in (24, 30, 48, 60)),
    *map(Fraction, (15, 24, 25, 30, 48, 50, 60)),
)


@dataclass(frozen=True)
class Counting:
    """How frames are counted: `rate` a second, written with `base` numbers a second."""

    rate: Fraction
    base: int
    drop: bool  # two (or four) numbers are left out a minute, so that the timecode follows the clock

    def frames(self, time_us: int) -> int:
        """The frame number at a time, rounded once."""
        return rounded(time_us, self.rate)

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


def counting(rate: Fraction) -> Counting:
    """How frames of a video are counted that shows `rate` a second on average.

    A rate near a standard one is that; one that is no whole number, as of a video with a variable rate, is
    rounded to whole frames a second, so that the timecode follows the clock. Above 60 every second frame,
    or every fourth, is counted.
    """
    while rate > MOST * (1 + _NEAR):
        rate /= 2
    for standard in _STANDARD:
        if abs(rate - standard) < standard * _NEAR:
            base = round(standard)
            return Counting(standard, base, drop=standard.denominator == 1001 and base % 30 == 0)
    base = max(1, round(rate))
    return Counting(Fraction(base), base, drop=False)
