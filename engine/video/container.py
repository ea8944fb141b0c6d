"""Opening a video file: what is accepted, which stream is the video, how it is turned to be shown.

The only module that knows containers and their oddities. Knows nothing of samples or plans. Imports the
video library, so it is imported when a file is first opened.
"""

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from math import floor
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import Type
from av.stream import Discard, Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from engine.backends.base import Picture
from engine.errors import MediaError
from engine.paths import why_not

# Formats that hold their pictures themselves. Playlists (hls, dash, concat, sdp, image sequences) are left
# out: they name other files and addresses, which a person who picked one file did not ask to open.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,mxf,nut,wtv,rm,dv,gxf,"
    "ivf,obu,h264,hevc,vvc,av1,m4v,vc1,mjpeg,gif,apng,yuv4mpegpipe"
)
_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
# What a decoder has to know about a stream beside its packets.
_PARAMETERS = (
    *("extradata", "codec_tag", "width", "height", "pix_fmt", "bits_per_coded_sample", "profile"),
    *("color_range", "color_primaries", "color_trc", "colorspace", "field_order"),
)
# Containers that number pictures in the order of decoding, and do not say when one is shown.
_UNTIMED = ("avi", "h264", "hevc", "vvc", "m4v", "mpegvideo", "vc1")
_BROKEN_OFF_US = 1_000_000  # containers round their lengths; this much is not rounding
_PACKETS_TO_FIRST_PICTURE = 300
_EARLY = 3600  # seconds, longer than any part of a file that lies before its beginning
REMEDY = "Try it in a video player; if it plays there, convert it to MP4 with H.264 and pick that file."


@dataclass(frozen=True)
class Turn:
    """How stored pictures are turned to be shown: quarter turns counterclockwise, then a mirroring."""

    quarters: int = 0
    mirrored: bool = False

    def apply(self, picture: Picture) -> Picture:
        """A picture as it is shown; contiguous."""
        if self.quarters:
            picture = np.rot90(picture, self.quarters)
        if self.mirrored:
            picture = picture[:, ::-1]
        return np.ascontiguousarray(picture)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a stored picture once it is turned."""
        return (height, width) if self.quarters % 2 else (width, height)

    @classmethod
    def of(cls, frame: VideoFrame) -> "Turn | None":
        """By the display matrix (ISO/IEC 14496-12, 6.2.2), to the nearest quarter turn; None without one.

        Not for every frame of a video: to ask for the side data makes a reference cycle, which keeps the
        frame in memory until the collector comes by.
        """
        side_data = frame.side_data
        if Type.DISPLAYMATRIX not in side_data:
            return None
        matrix = bytes(side_data[Type.DISPLAYMATRIX])  # type: ignore[typeddict-item]
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
        mirrored = a * d - b * c < 0
        if mirrored:  # a mirroring after the turn is a change of sign of the first column
            a, c = -a, -c
        angle = float(np.degrees(np.arctan2(b, a)))
        return cls(round(-angle / 90) % 4, mirrored)


class Video:
    """An open video file, and the stream in it that is looked at. Made by `open_video`."""

    def __init__(self, path: Path, container: InputContainer, stream: VideoStream) -> None:
        self.path = path
        self.container = container
        self.stream = stream
        self.size = path.stat().st_size  # bytes
        self.time_base = Fraction(stream.time_base or Fraction(1, 1_000_000))
        self.rate = stream.average_rate or stream.guessed_rate or None
        stream.codec_context.thread_count = 1  # it decodes a single picture: see `first_picture`
        # Pictures out of order, and nothing says when each is shown: their order is known once decoded.
        self.untimed = container.format.name in _UNTIMED and stream.codec_context.has_b_frames
        # Only this family lists every picture with its place and size before any is read.
        self.sized_index = container.format.name.startswith("mov") and len(stream.index_entries) > 0
        self.start = stream.start_time or 0  # the time stamp that a player takes for zero
        self._counts_from_zero = _is_matroska(container)  # its lengths hold the start

    @property
    def before_all(self) -> int:
        """The time stamp of a first picture that has none: Matroska's are those that lie before zero."""
        return self.start - round(_EARLY / self.time_base) if self._counts_from_zero else 0

    @property
    def duration_us(self) -> int:
        """How long the file says that its pictures last; 0 where it does not say, or says nonsense."""
        start_us = round(self.start * self.time_base * 1_000_000)
        if self.stream.duration is not None:
            return max(0, round(self.stream.duration * self.time_base * 1_000_000))
        if "DURATION" in self.stream.metadata:  # of this track in a Matroska file: when it ends
            return max(0, _clock_us(self.stream.metadata["DURATION"]) - start_us)
        length_us = max(0, self.container.duration or 0)  # of the longest track
        return max(0, length_us - start_us) if self._counts_from_zero else length_us

    def time_us(self, pts: int) -> int:
        """When a player shows a picture with this time stamp."""
        return max(0, round((pts - self.start) * self.time_base * 1_000_000))

    def stamp_at(self, time_us: int) -> int:
        """The latest time stamp up to a time."""
        return self.start + floor(Fraction(time_us, 1_000_000) / self.time_base)

    def breaks_off(self, end_us: int) -> bool:
        """Whether pictures are missing of a file in which the last one that can be read ends at `end_us`."""
        if self.sized_index:
            last = self.stream.index_entries[-1]
            return last.pos + last.size > self.size
        of_this_track = self.stream.duration is not None or "DURATION" in self.stream.metadata
        promised = of_this_track or len(self.container.streams) == 1
        return promised and self.duration_us - end_us > _BROKEN_OFF_US

    def stored_turn(self, key: Packet) -> Turn:
        """How the container wants pictures to be turned; found by decoding one, a key picture."""
        if not self.container.format.name.startswith(("mov", "matroska")):
            return Turn()
        decoder = self.stream.codec_context
        try:
            frames = decoder.decode(key) or decoder.decode(None)
        except av.FFmpegError:
            return Turn()  # it is damaged, and whoever wants it will hear of it
        return Turn.of(frames[0]) or Turn() if frames else Turn()

    def decoder(self, threads: int = 1) -> VideoCodecContext:
        """A decoder of this stream's packets, independent of any other. Not open yet."""
        source = self.stream.codec_context
        decoder = av.CodecContext.create(source.codec.name, "r")
        for name in _PARAMETERS:
            setattr(decoder, name, getattr(source, name))
        decoder.thread_count = threads
        decoder.thread_type = "FRAME" if threads > 1 else "NONE"
        return decoder

    def first_picture(self) -> VideoFrame:
        """Decode the first picture that can be decoded, from where the file stands.

        Raises: MediaError where there is none near.
        """
        packets = islice(self.container.demux(self.stream), _PACKETS_TO_FIRST_PICTURE)
        for packet in packets:
            try:
                frames = self.stream.decode(packet)
            except av.FFmpegError:
                continue  # a damaged start; a later picture may still be whole
            if frames:
                return frames[0]
        raise MediaError(f"{self.path.name} has a video track, but no picture in it can be read. {REMEDY}")


@contextmanager
def open_video(path: Path) -> Iterator[Video]:
    """Open a file as a video, and close it in the end.

    Raises:
        MediaError: what is there cannot be read as a video; the message says what to do.
    """
    _check_file(path)
    with _opened(path) as container:
        stream = _choose_stream(path, container)
        if not _is_matroska(container) or _index_is_read(container, stream):
            yield Video(path, container, stream)
            return
    with _opened(path) as container:  # after a seek that failed it may find no picture any more
        yield Video(path, container, _choose_stream(path, container))


def _opened(path: Path) -> InputContainer:
    """Raises: MediaError."""
    try:
        return av.open(str(path.absolute()), options=dict(_OPTIONS), metadata_errors="replace")
    except av.FFmpegError as error:
        raise MediaError(f"{path.name} cannot be read as a video ({error.strerror}). {REMEDY}") from error


def _is_matroska(container: InputContainer) -> bool:
    return container.format.name.startswith("matroska")


def _index_is_read(container: InputContainer, stream: VideoStream) -> bool:
    """Have a Matroska file's index read, which is done at the first seek only; half a file has none."""
    try:
        container.seek(stream.start_time or 0, stream=stream)
    except av.FFmpegError:
        return False
    return True


def _check_file(path: Path) -> None:
    """Raises: MediaError for what is no file with something in it. Opens nothing: a pipe would block."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise MediaError(f"There is no file {path}. Check the name, or pick the video again.") from error
    except (OSError, ValueError) as error:
        raise MediaError(why_not(path, error)) from error
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(f"{path} is a folder. Name a video file in it.")
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"{path} is a device or a pipe, not a file. Name a video file.")
    if status.st_size == 0:
        raise MediaError(f"{path.name} is empty (0 bytes). Copy or download it again.")


def _choose_stream(path: Path, container: InputContainer) -> VideoStream:
    """The first video that is no cover picture. Only its packets will be read."""
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        covers = " but a cover picture" if container.streams.video else ""
        raise MediaError(f"{path.name} holds no video{covers}. Pick a file with moving pictures.")
    stream = videos[0]
    if stream.codec_context is None:
        raise MediaError(f"{path.name} uses a video codec that is not known here. {REMEDY}")
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    return stream


def _clock_us(text: str) -> int:
    """Microseconds of a time as Matroska's tags have it, 00:01:02.345678900; 0 for anything else."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", text.strip())
    if found is None:
        return 0
    hours, minutes, seconds = found.groups()
    return round((int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)) * 1_000_000)
