"""The packets of a video in decoding order, with jumps over what nobody needs.

Knows demuxing, seeking and how both go wrong. Knows no samples and no decoder.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
from av.packet import Packet

from engine.cancel import CancelToken
from engine.errors import MediaError
from engine.video.container import REMEDY, Video

_WORTH_A_JUMP = Fraction(1, 2)  # seconds of packets; reading on over fewer is as quick
_READ_ERRORS = 50  # in a row, until the rest of a file is given up
_KEYLESS = 300  # packets at the start without a key picture, until one is taken for it


class PacketReader:
    """Iterates over packets; the first one, and the first one after a jump, is a key picture.

    Packets with no presentation time have got their decoding time for it, and so have all packets of an
    `untimed` video: there, the nth packet says when the nth picture is shown. Pictures that are shown before
    the first key picture are left out: they refer to pictures that are not there. Those whose time lies even
    before the decoding of that key picture are out of order, and counted in `passed_over`.
    """

    def __init__(self, video: Video, cancel: CancelToken) -> None:
        self._video = video
        self._cancel = cancel
        self._stream = video.stream
        self._index = video.stream.index_entries
        self._demux: Iterator[Packet] = video.container.demux(video.stream)
        self._first_key: Packet | None = None
        self.seeks = 0
        self.passed_over = 0
        self._shown_from: int | None = None  # time stamp of the key picture that reading began at
        self._decoded_from: int | None = None  # its decoding time, where it has one
        self._land_before: int | None = None
        self._position: int | None = None  # time stamp of the packet read last
        self._delay = 0  # from decoding to showing a key picture, in ticks
        self._jumps = True

    def __iter__(self) -> Iterator[Packet]:
        keyless = 0
        while (packet := self._read()) is not None:
            if self._shown_from is None and not self._starts(packet, keyless):
                keyless += 1
            elif self._shown_from is not None and stamp(packet) >= self._shown_from:
                yield packet
            elif self._decoded_from is not None and stamp(packet) < self._decoded_from:
                self.passed_over += 1

    def worth_a_jump(self, limit: int) -> int | None:
        """Where to jump to for the picture on screen at `limit`, if that saves reading; else None."""
        if not self._jumps or self._position is None or self._video.untimed:
            return None
        found = self._index.search_timestamp(limit - self._delay)
        if found < 0:
            return None
        entry = self._index[found]
        far = (entry.timestamp - self._position) * self._video.time_base > _WORTH_A_JUMP
        return entry.timestamp if far and entry.pos + entry.size <= self._video.size else None

    def jump(self, place: int, limit: int) -> None:
        """Go on at the key picture at `place`. It is checked that it is shown at `limit` at the latest."""
        self._land_before = limit
        try:
            self._seek(place + self._delay)  # an index goes by decoding times, a seek by the time of showing
        except av.FFmpegError:
            self._start_over()

    def _seek(self, time: int) -> None:
        self._video.container.seek(time, stream=self._stream)
        self._demux = self._video.container.demux(self._stream)
        self._shown_from = None
        self.seeks += 1

    def _starts(self, packet: Packet, keyless: int) -> bool:
        """Whether reading can begin at this packet."""
        if not packet.is_keyframe and keyless < _KEYLESS:
            return False
        if self._land_before is not None and stamp(packet) > self._land_before:
            self._start_over()
            return False
        self._shown_from, self._decoded_from = packet.pts, packet.dts
        self._land_before = None
        self._first_key = self._first_key or packet
        if packet.dts is not None:
            self._delay = max(0, stamp(packet) - packet.dts)
        return True

    def _start_over(self) -> None:
        """The index is wrong, and a seek failed or went too far: read everything from the beginning on."""
        first, jumped = self._first_key, self._jumps
        self._jumps = False
        try:
            if first is None or not jumped:
                raise self._unreadable()
            self._seek(stamp(first) if first.dts is None else first.dts)
        except av.FFmpegError as error:
            raise self._unreadable() from error

    def _unreadable(self) -> MediaError:
        return MediaError(f"{self._video.path.name} can only be read from its beginning. {REMEDY}")

    def _read(self) -> Packet | None:
        """The next packet; None at the end, or where nothing more can be read."""
        for _ in range(_READ_ERRORS):
            self._cancel.raise_if_cancelled()
            try:
                packet = next(self._demux, None)
            except av.FFmpegError:  # a damaged place; most demuxers find their way after it
                self._demux = self._video.container.demux(self._stream)
                continue
            if packet is None or _is_end(packet):
                return None
            if packet.is_corrupt and self._video.sized_index:
                return None  # the file ends within this packet
            return self._timed(packet)
        return None

    def _timed(self, packet: Packet) -> Packet:
        if packet.pts is None or self._video.untimed:
            packet.pts = packet.dts if packet.dts is not None else self._after_latest()
        self._position = packet.pts if packet.dts is None else packet.dts
        return packet

    def _after_latest(self) -> int:
        if self._position is None:
            return self._video.before_all
        return self._position + max(1, round(1 / (self._video.rate or 25) / self._video.time_base))


def stamp(packet: Packet) -> int:
    """The presentation time of a packet that has been read, in ticks of its stream."""
    return cast(int, packet.pts)


def _is_end(packet: Packet) -> bool:
    """Whether this is the empty packet that stands for the end of a stream."""
    return packet.size == 0 and packet.pts is None and packet.dts is None
