"""The sound of a small copy: the first audio stream of a video as AAC, for as long as it can be read.

A copy is there to be looked at: what is wrong with the sound is a line in the log, and the pictures go on.
Knows no pictures. Imports the video library, so it is imported when a copy is made.
"""

import logging
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Discard

from engine.video.container import Video

log = logging.getLogger(__name__)

CODEC = "aac"
FORMAT = "fltp"  # of the samples that its encoder takes
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # that every browser plays
USUAL_RATE = 48000
BITS_A_CHANNEL = 64_000  # a second
MOST_WAITING = 5_000  # packets that come before the first picture
JITTER = Fraction(1, 50)  # seconds; containers round the times of their packets


class Sound:
    """Takes the packets of one audio stream as they are read, and gives those of its copy."""

    def __init__(self, source: Video) -> None:
        """Of the first audio stream; without one, or where its codec is not known, there is no sound."""
        self._name = source.path.name
        self._zero = source.start * source.time_base  # seconds: when the first picture is shown
        self._source = self._chosen(source)
        self._waiting: deque[Packet] = deque(maxlen=MOST_WAITING)
        self._copy: Any = None  # the stream that is written; the library has another type for each kind
        self._resampler: av.AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None  # of what the resampler takes
        self._end = 0  # samples of the copy

    @property
    def streams(self) -> list[Any]:
        """What has to be read beside the pictures."""
        return [] if self._source is None else [self._source]

    def begin(self, out: OutputContainer) -> None:
        """Give the copy a stream for it."""
        if self._source is None:
            return
        self._copy = out.add_stream(
            CODEC, rate=self._source.rate if self._source.rate in RATES else USUAL_RATE
        )
        self._copy.layout = "mono" if self._source.channels == 1 else "stereo"
        self._copy.bit_rate = BITS_A_CHANNEL * self._copy.channels

    def take(self, packet: Packet) -> None:
        """One more packet was read; an empty one stands for the end."""
        if packet.size and self._source is not None:
            self._waiting.append(packet)

    def copied(self) -> list[Packet]:
        """What can be written of it by now."""
        copied: list[Packet] = []
        while self._waiting:
            for frame in self._decoded(self._waiting.popleft()):
                copied += self._encoded(frame)
        return copied

    def rest(self) -> list[Packet]:
        """What the encoder still holds, in the end."""
        if self._source is not None and not self._end:
            log.info("the preview of %s has no sound: none of it can be read", self._name)
        return self._encoded(None) if self._end else []

    def _chosen(self, source: Video) -> AudioStream | None:
        found = source.container.streams.audio
        if not found:
            return None
        if found[0].codec_context is None or found[0].rate <= 0 or CODEC not in av.codecs_available:
            log.info("the preview of %s has no sound: its codec is not known here", self._name)
            return None
        found[0].discard = Discard.default  # it was left out when the video was opened
        return found[0]

    def _decoded(self, packet: Packet) -> Iterator[AudioFrame]:
        if self._source is None:
            return
        try:
            yield from self._source.decode(packet)
        except av.FFmpegError as error:
            log.debug("a piece of sound is left out: %s", error)

    def _encoded(self, frame: AudioFrame | None) -> list[Packet]:
        """The packets that one frame completes, or in the end the last ones; none once something is wrong."""
        if self._copy is None or self._source is None:
            return []
        try:
            packets: list[Packet] = []
            for piece in self._resampled(frame):
                piece.pts, piece.time_base = self._end, Fraction(1, self._copy.rate)
                self._end += piece.samples
                packets += self._copy.encode(piece)
            return packets if frame is not None else [*packets, *self._copy.encode(None)]
        except (av.FFmpegError, ValueError) as error:
            log.info("the preview of %s has no sound from here on: %s", self._name, error)
            self._source = None
            return []

    def _resampled(self, frame: AudioFrame | None) -> Iterator[AudioFrame]:
        """A frame as the encoder takes it; nothing of one that lies before the beginning, or doubles."""
        if frame is None:
            yield from self._resampler.resample(None) if self._resampler is not None else ()
            return
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self._kind:  # it may change midway, as broadcasts do
            yield from self._resampled(None)
            self._resampler = av.AudioResampler(FORMAT, self._copy.layout, self._copy.rate)
            self._kind = kind
        if self._resampler is not None and self._follows(frame):
            frame.pts = None
            yield from self._resampler.resample(frame)

    def _follows(self, frame: AudioFrame) -> bool:
        """Leave a gap where there is one in the video; False for what was heard already."""
        if frame.pts is None or frame.time_base is None:
            return True
        rate = self._copy.rate
        at = round((frame.pts * frame.time_base - self._zero) * rate)
        if at > self._end + rate * JITTER:
            self._end = at
        return at >= self._end - rate * JITTER
