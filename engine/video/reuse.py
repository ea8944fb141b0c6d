"""Answers that are used again: a picture that hardly differs from the last answered one needs no new one.

Knows pictures and answers; knows no backend. Compared is always with the last picture that was answered for
itself, so that a slow change is not missed for its slowness.
"""

from collections.abc import Sequence
from dataclasses import replace

from engine.backends.base import Frame, FrameAnswer, Picture

_FIELDS = 32  # a side: pictures are compared by the means of 32 x 32 fields


class Reuse:
    """Remembers the last answered picture. `per_cent`: of change in any field, up to which it is the same."""

    def __init__(self, per_cent: float) -> None:
        self._most = per_cent * 255 / 100
        self._fields: Picture | None = None
        self._answer: FrameAnswer | None = None

    def remember(self, picture: Picture, answer: FrameAnswer) -> None:
        """Keep an answer to be used again; what failed or was not understood is not."""
        if answer.state == "answered":
            self._fields, self._answer = _fields(picture), answer

    def answer_for(self, picture: Picture) -> FrameAnswer | None:
        """The last answer, marked as used again, where the picture hardly differs; else None."""
        if self._answer is None or self._differs(self._fields, _fields(picture)):
            return None
        return replace(self._answer, state="reused", raw="")

    def to_ask(self, frames: Sequence[Frame]) -> list[Frame]:
        """Those that differ from the one before them that is asked about, or was answered last."""
        last, asked = self._fields, []
        for frame in frames:
            fields = _fields(frame.picture)
            if self._differs(last, fields):
                last = fields
                asked.append(frame)
        return asked

    def _differs(self, before: Picture | None, now: Picture) -> bool:
        import cv2  # takes a quarter of a second, which starting need not wait for

        return before is None or float(cv2.absdiff(before, now).max()) > self._most


def _fields(picture: Picture) -> Picture:
    """The mean of each field and channel, so that noise goes and a small thing that appears stays."""
    import cv2

    return cv2.resize(picture, (_FIELDS, _FIELDS), interpolation=cv2.INTER_AREA)
