"""Which pictures of a video are looked at, and when a player shows them.

Knows time, ranges and plans. How packets become pictures is the business of `decoding`, which is
imported when a file is first opened, because the video library is slow to import.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Protocol

from engine.backends.base import Frame
from engine.cancel import CancelToken
from engine.events.analysis import FrameLost
from engine.settings import Sampling

MICROSECONDS = 1_000_000
_LENGTH_SLACK = Fraction(1, 10)  # of a picture: containers round lengths to clocks of their own
_TARGET_SLACK = Fraction(1, 1000)
PassedOver = Callable[[int], None]  # told how many pictures a file has out of order


class Measured(Protocol):
    """What a plan is made from."""

    @property
    def duration_us(self) -> int: ...

    @property
    def rate(self) -> Fraction | None: ...


@dataclass(frozen=True)
class VideoInfo:
    """What a video says about itself, before any picture is decoded."""

    path: Path
    duration_us: int  # 0: unknown
    width: int  # as shown, rotation applied
    height: int
    codec: str
    rate: Fraction | None  # average pictures a second; None: unknown
    rotation: int  # degrees, counterclockwise, that the stored pictures are turned by to be shown


def probe(path: str | Path) -> VideoInfo:
    """Read the header of a video file.

    Raises:
        MediaError: there is no such file, or it is no video that can be read; the message says what to do.
    """
    from engine.video.container import Turn, open_video

    with open_video(Path(path)) as video:
        first = video.first_picture()
        turn = Turn.of(first) or Turn()
        width, height = turn.size(first.width, first.height)
        return VideoInfo(
            path=Path(path),
            duration_us=video.duration_us,
            width=width,
            height=height,
            codec=video.stream.codec_context.name,
            rate=video.rate,
            rotation=turn.quarters * 90,
        )


def sample_count(info: Measured, sampling: Sampling) -> int:
    """How many samples are planned: exact at a constant rate, else an estimate; 0 where it is unknown.

    Takes the same time for any length. What the file claims is believed here, and here only. Of shots
    it is the least number, since nobody knows where they are; of key pictures it is unknown here.
    """
    if sampling.mode == "keyframes":
        return 0
    if sampling.mode == "times":
        return _listed_count(info, sampling)
    return _count(info, sampling, effective_interval(info, sampling))


def planned_count(info: VideoInfo, sampling: Sampling) -> int:
    """As `sample_count`; key pictures are looked up in the file's index, where it has one.

    Raises: MediaError, as `probe`.
    """
    if sampling.mode != "keyframes":
        return sample_count(info, sampling)
    from engine.video.keyframes import key_count

    return key_count(info.path, sampling)


def effective_interval(info: Measured, sampling: Sampling) -> Fraction:
    """Seconds between samples: `sampling.interval`, widened where `max_frames` would be exceeded.

    The widened interval leaves room for the last picture of the range, which is always a sample.
    """
    most = sampling.max_frames
    if most is None or _count(info, sampling, sampling.interval) <= most:
        return sampling.interval
    return max(sampling.interval, Fraction(_length_us(info, sampling), MICROSECONDS * max(1, most - 1)))


def least_distance_us(info: Measured, sampling: Sampling) -> int:
    """Time between two samples, at the least, where the pictures themselves say which are samples.

    0 without `max_frames`, or where the length is not known.
    """
    most = sampling.max_frames
    return 0 if most is None else ceil(Fraction(_length_us(info, sampling), max(1, most - 1)))


def sample(
    path: str | Path,
    sampling: Sampling,
    cancel: CancelToken,
    after_us: int | None = None,
    passed_over: PassedOver = lambda count: None,
) -> Iterator[Frame | FrameLost]:
    """The sampled pictures of a video in order, decoding only what they need, in constant memory.

    Target k is `start + k * interval`; its sample is the picture that is on screen then (for the first
    target the first picture, where none is on screen yet), at that picture's own time. Targets on one
    picture give one sample, and the last picture of the range `[start, end)` is always one. `index`
    counts samples from 0. `after_us` leaves out the samples up to that time and changes nothing about
    the others.

    In the mode `times` the targets are those of the list; in `keyframes`, key pictures are the samples,
    and nothing else is decoded; in `shots`, the first picture of each shot is one, and one every
    interval while it lasts. With `after_us`, which must be the time of a sample then, `index` of shots
    counts from 0 behind it, since the shots before it are not looked for again.

    A picture that cannot be decoded is a `FrameLost`, and what follows is still read. Where a file ends
    before its time, one `FrameLost` stands for all that is missing, and it is the last item. A picture whose
    time stamp lies before that of an earlier one is no sample; how many those are, of what was read, is told
    to `passed_over` in the end, where there are any.

    Raises:
        MediaError: the file cannot be opened, or is no video.
        Cancelled: `cancel` was set; checked before every packet.
    """
    from engine.video.container import open_video
    from engine.video.decoding import read_samples
    from engine.video.shots import read_shots

    read = read_shots if sampling.mode == "shots" else read_samples
    with open_video(Path(path)) as video:
        yield from read(video, sampling, cancel, after_us, passed_over)


def _length_us(info: Measured, sampling: Sampling) -> int:
    """Length of the sampled range in microseconds; 0 where neither the file nor the range has an end."""
    ends = [end for end in (info.duration_us or None, sampling.end_us) if end is not None]
    return max(0, min(ends) - sampling.start_us) if ends else 0


def _count(info: Measured, sampling: Sampling, interval: Fraction) -> int:
    length = Fraction(_length_us(info, sampling), MICROSECONDS)
    if length == 0:
        return 0
    targets = -(-length // interval)
    if info.rate is None:
        return targets + 1
    first, last = _pictures(info.rate, Fraction(sampling.start_us, MICROSECONDS), length)
    at_last_target = first + floor((targets - 1) * interval * info.rate + _TARGET_SLACK)
    return min(targets + (at_last_target < last), last - first + 1)


def _listed_count(info: Measured, sampling: Sampling) -> int:
    """Times on one picture are one sample."""
    if info.rate is None:
        return len(sampling.times_us)
    rate = info.rate
    numbers = {floor(Fraction(time, MICROSECONDS) * rate + _TARGET_SLACK) for time in sampling.times_us}
    return len(numbers)


def _pictures(rate: Fraction, start: Fraction, length: Fraction) -> tuple[int, int]:
    """Numbers of the first and the last picture shown in a range, at a constant rate."""
    first = floor(start * rate + _TARGET_SLACK)
    return first, max(first, ceil((start + length) * rate - _LENGTH_SLACK) - 1)
