"""The plan of a run over key pictures only: each decoded for itself, nothing else decoded at all.

Knows packets and presentation times; knows no pixels. Key pictures stand where the encoder put them, so
that how many there are is known beforehand only where the file has an index of its pictures.
"""

from collections.abc import Iterator
from pathlib import Path

from av.packet import Packet

from engine.cancel import CancelToken
from engine.settings import Sampling
from engine.video.container import Video, open_video
from engine.video.frames import least_distance_us
from engine.video.packets import PacketReader, stamp
from engine.video.planning import Order, Stretch
from engine.video.targets import Wish


class KeyPlanner:
    """Hands on each key picture of the range, no two closer together than `max_frames` allows."""

    def __init__(self, video: Video, sampling: Sampling, cancel: CancelToken, since_us: int = 0) -> None:
        """`since_us`: samples before this time are counted, but not decoded."""
        self._video = video
        self._sampling = sampling
        self._since_us = since_us
        self._distance_us = least_distance_us(video, sampling)
        self._reader = PacketReader(video, cancel)
        self._order = Order(self._reader)
        self._latest_us: int | None = None  # of the sample before
        self._wished = 0
        self.lost: Wish | None = None  # where the file ends before its time; known in the end

    @property
    def passed_over(self) -> int:
        """Pictures that could not be samples, since their time stamps lie before those of earlier ones."""
        return self._order.passed_over + self._reader.passed_over

    def stretches(self) -> Iterator[Stretch]:
        """The plan, in the order in which pictures are shown. Raises: Cancelled, MediaError."""
        video, jumped, end_us = self._video, False, 0
        start = video.stamp_at(self._sampling.start_us)
        for packet in self._reader:
            time_us = video.time_us(stamp(packet))
            end_us = max(end_us, video.time_us(stamp(packet) + max(1, packet.duration or 0)))
            if packet.is_keyframe and not packet.is_discard:
                self._order.see(stamp(packet))
                self._order.settle(stamp(packet))
            if self._is_over(packet, time_us):
                return
            if self._is_sample(packet, time_us):
                yield from self._wish(packet, time_us)
            if not jumped:
                jumped = True
                if (place := self._reader.worth_a_jump(start)) is not None:
                    self._reader.jump(place, start)
        if video.breaks_off(end_us):
            self.lost = Wish(self._wished, end_us, 0)

    def _wish(self, packet: Packet, time_us: int) -> Iterator[Stretch]:
        wish = Wish(self._wished, time_us, stamp(packet))
        self._wished, self._latest_us = self._wished + 1, time_us
        if time_us >= self._since_us:
            yield Stretch((packet,), (wish,), fresh=True, last=True)

    def _is_sample(self, packet: Packet, time_us: int) -> bool:
        if not packet.is_keyframe or packet.is_discard or time_us < self._sampling.start_us:
            return False
        return self._latest_us is None or time_us - self._latest_us >= max(1, self._distance_us)

    def _is_over(self, packet: Packet, time_us: int) -> bool:
        end_us, most = self._sampling.end_us, self._sampling.max_frames
        behind = packet.is_keyframe and end_us is not None and time_us >= end_us
        return behind or self._wished == most


def key_count(path: Path, sampling: Sampling) -> int:
    """How many key pictures the file's index lists in the range; 0 where it lists none.

    Raises: MediaError, as `open_video`.
    """
    with open_video(path) as video:
        if not video.sized_index:
            return 0
        start, end_us = sampling.start_us, sampling.end_us
        keys = (entry.timestamp for entry in video.stream.index_entries if entry.is_keyframe)
        times = map(video.time_us, keys)
        count = sum(start <= time and (end_us is None or time < end_us) for time in times)
    return count if sampling.max_frames is None else min(count, sampling.max_frames)
