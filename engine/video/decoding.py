"""Reading samples."""

from collections.abc import Iterator
from fractions import Fraction

from engine.backends.base import Frame
from engine.cancel import CancelToken
from engine.events import FrameLost
from engine.settings import Sampling
from engine.video.container import Video
from engine.video.frames import MICROSECONDS, effective_interval


def read_samples(
    video: Video, sampling: Sampling, cancel: CancelToken, after_us: int | None
) -> Iterator[Frame | FrameLost]:
    interval = effective_interval(video, sampling)
    tick = video.time_base
    slack = min(tick / 2, Fraction(1, 2000))
    slack = max(slack, Fraction(1, 1_000_000))
    start = Fraction(sampling.start_us, MICROSECONDS)
    end = None if sampling.end_us is None else Fraction(sampling.end_us, MICROSECONDS)
    index, k = 0, 0
    origin = video.stream.start_time
    held = None  # (time, frame) on screen
    previous = None
    last_yielded = None

    def emit(held):
        nonlocal index, previous, last_yielded
        time, frame = held
        last_yielded = time
        time_us = max(0, round(time * MICROSECONDS))
        picture = video.picture(frame)
        item = Frame(index, time_us, picture, previous)
        previous = picture
        index += 1
        return item if after_us is None or time_us > after_us else None

    def decoded():
        for packet in video.container.demux(video.stream):
            cancel.raise_if_cancelled()
            yield from video.stream.decode(packet)

    for frame in decoded():
        pts = frame.pts if frame.pts is not None else frame.dts
        if origin is None:
            origin = pts
        time = (pts - origin) * tick
        if end is not None and time >= end:
            break
        if held is not None:
            wanted = False
            while start + k * interval + slack < time:
                wanted = True
                k += 1
            if wanted and held[0] != last_yielded:
                item = emit(held)
                if item:
                    yield item
                if sampling.max_frames and index >= sampling.max_frames:
                    return
        held = (time, frame)
    if held is not None and held[0] != last_yielded:
        item = emit(held)
        if item:
            yield item
