"""Sampling by content: a frame at the beginning of each shot, and one every interval while it lasts.

Every picture is decoded and compared in small with the one before it; one picture is held at a time. Knows
no packets and no models.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from statistics import median

import cv2

from engine.backends.base import Frame, Picture
from engine.cancel import CancelToken
from engine.events.analysis import FrameLost
from engine.settings import Sampling
from engine.video.container import Video
from engine.video.decoding import count_passed_over, read_samples
from engine.video.frames import MICROSECONDS, PassedOver, effective_interval, least_distance_us

CUT = 27.0  # mean change of a pixel's most changed channel from which a shot begins, of 255
_SETTLED = 3.0  # of the same measure: what a picture may still move after a dissolve has ended
_DISSOLVED_US = 1_000_000  # a shot that came without a cut is looked for this long after the last frame
_STANDS_OUT = 2.0  # times what the pictures of the last half second changed, as the median says
RECENT_US = 500_000
_SIZE = (64, 36)
_EVERY_PICTURE = Fraction(1, MICROSECONDS)


def read_shots(
    video: Video, sampling: Sampling, cancel: CancelToken, after_us: int | None, passed_over: PassedOver
) -> Iterator[Frame | FrameLost]:
    """The samples of an open video, in order; with `after_us`, the time of a sample, those behind it.

    `index` counts from 0 at `after_us`, since nobody counts the shots before it again. Pictures that are out
    of order are counted from the beginning all the same, as a run tells that was not interrupted.
    """
    every = Sampling(_EVERY_PICTURE, sampling.start_us, sampling.end_us)
    if after_us is not None:
        if found := count_passed_over(video.path, every, cancel):
            passed_over(found)
        every = replace(every, start_us=max(sampling.start_us, after_us - RECENT_US))
        passed_over = _told_already
    choice = _Choice(video, sampling)
    index, previous, last = 0, None, None
    for item in read_samples(video, every, cancel, None, passed_over):
        if after_us is not None and item.time_us < after_us:
            choice.watch(item)
            continue
        last = item
        if not choice.takes(item):
            continue
        last = None
        if after_us is None or item.time_us > after_us:
            yield _numbered(item, index, previous)
            index += 1
        if index == sampling.max_frames:
            return
        previous = item.picture if isinstance(item, Frame) else None
    if last is not None:  # the last picture always is a sample, as with any interval
        yield _numbered(last, index, previous)


def _told_already(count: int) -> None:
    """Those of a part are among those of the whole."""


class _Choice:
    """Says of each picture whether it is a sample."""

    def __init__(self, video: Video, sampling: Sampling) -> None:
        self._least_us = least_distance_us(video, sampling)
        interval_us = round(effective_interval(video, sampling) * MICROSECONDS)
        self._interval_us = max(interval_us, self._least_us)
        self._sampled_us: int | None = None
        self._sampled: Picture | None = None  # in small, as is the next
        self._before: Picture | None = None
        self._changes: deque[tuple[int, float]] = deque()  # of the last half second, with their times

    def takes(self, item: Frame | FrameLost) -> bool:
        """Whether this picture, the next one on screen, is a sample."""
        small = _small(item.picture) if isinstance(item, Frame) else None
        taken = self._is_due(item.time_us) or self._begins_a_shot(small, item.time_us)
        self._note(small, item.time_us)
        if taken:
            self._sampled_us, self._sampled = item.time_us, small
        return taken

    def watch(self, item: Frame | FrameLost) -> None:
        """Take note of a picture that comes before the first that may be a sample."""
        self._note(_small(item.picture) if isinstance(item, Frame) else None, item.time_us)

    def _note(self, small: Picture | None, time_us: int) -> None:
        if small is not None and self._before is not None:
            self._changes.append((time_us, content_change(self._before, small)))
        self._before = small

    def _is_due(self, time_us: int) -> bool:
        return self._sampled_us is None or time_us - self._sampled_us >= self._interval_us

    def _begins_a_shot(self, small: Picture | None, time_us: int) -> bool:
        since_us = time_us - (self._sampled_us or 0)
        if since_us < self._least_us:
            return False
        if small is None or self._before is None:  # next to a damaged place, nobody knows
            return (small is None) != (self._before is None)
        change = content_change(self._before, small)
        if change >= CUT and change >= _STANDS_OUT * self._usual(time_us):
            return True
        settled = change <= _SETTLED and since_us >= _DISSOLVED_US
        return settled and self._sampled is not None and content_change(self._sampled, small) >= CUT

    def _usual(self, time_us: int) -> float:
        """How much pictures changed just now: what moves fast is no new shot with each picture."""
        while self._changes and self._changes[0][0] <= time_us - RECENT_US:
            self._changes.popleft()
        return median(change for _, change in self._changes) if self._changes else 0.0


def content_change(before: Picture, now: Picture) -> float:
    """Mean change of the channel that changes most, of all pixels of two small pictures, of 255."""
    return float(cv2.absdiff(before, now).max(axis=2).mean())


def _small(picture: Picture) -> Picture:
    return cv2.resize(picture, _SIZE, interpolation=cv2.INTER_AREA)


def _numbered(item: Frame | FrameLost, index: int, previous: Picture | None) -> Frame | FrameLost:
    if isinstance(item, FrameLost):
        return replace(item, index=index)
    return replace(item, index=index, previous=previous)
