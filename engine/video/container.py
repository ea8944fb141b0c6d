"""Opening a video file: what is accepted, which stream is the video, how it is turned to be shown.

The only module that knows containers and their oddities. Knows nothing of samples or plans. Imports the
video library, so it is imported when a file is first opened.
"""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import Type
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from engine.backends.base import Picture
from engine.errors import MediaError

# Formats that hold their pictures themselves. Playlists (hls, dash, concat, sdp, image sequences) are left
# out: they name other files and addresses, which a person who picked one file did not ask to open.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,asf,ogg,mxf,nut,wtv,rm,dv,gxf,"
    "ivf,obu,h264,hevc,vvc,av1,m4v,vc1,mjpeg,gif,apng,yuv4mpegpipe"
)
_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
_MATRIX_ONE = 1 << 16  # a display matrix is 3 x 3 of 16.16 fixed point numbers
_PACKETS_TO_FIRST_PICTURE = 300
_REMEDY = "Try it in a video player; if it plays there, convert it to MP4 with H.264 and pick that file."


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
    def of(cls, frame: VideoFrame) -> "Turn":
        """Read from the display matrix (ISO/IEC 14496-12, 6.2.2) to the nearest quarter turn."""
        side_data = frame.side_data
        if Type.DISPLAYMATRIX not in side_data:
            return cls()
        a, b, _, c, d = np.frombuffer(bytes(side_data[Type.DISPLAYMATRIX]), np.int32)[:5].tolist()
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
        self.time_base = Fraction(stream.time_base or Fraction(1, 1_000_000))
        self.rate = stream.average_rate or stream.guessed_rate or None
        self._reformatter = VideoReformatter()

    @property
    def duration_us(self) -> int:
        """How long the file says that it is; 0 where it does not say, or says nonsense."""
        if self.stream.duration is not None:
            return max(0, round(self.stream.duration * self.time_base * 1_000_000))
        return max(0, self.container.duration or 0)  # already in microseconds

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
        raise MediaError(f"{self.path.name} has a video track, but no picture in it can be read. {_REMEDY}")

    def picture(self, frame: VideoFrame) -> Picture:
        """A decoded frame as it is shown: RGB, uint8, H x W x 3, contiguous."""
        rgb = self._reformatter.reformat(frame, format="rgb24").to_ndarray()
        return Turn.of(frame).apply(rgb)


@contextmanager
def open_video(path: Path) -> Iterator[Video]:
    """Open a file as a video, and close it in the end.

    Raises:
        MediaError: what is there cannot be read as a video; the message says what to do.
    """
    _check_file(path)
    try:
        container = av.open(str(path.absolute()), options=dict(_OPTIONS), metadata_errors="replace")
    except av.FFmpegError as error:
        raise MediaError(f"{path.name} cannot be read as a video ({error.strerror}). {_REMEDY}") from error
    with container:
        yield Video(path, container, _choose_stream(path, container))


def _check_file(path: Path) -> None:
    """Raises: MediaError for what is no file with something in it. Opens nothing: a pipe would block."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise MediaError(f"There is no file {path}. Check the name, or pick the video again.") from error
    except (OSError, ValueError) as error:
        raise MediaError(f"{path} cannot be opened ({error}). Check the name and the permissions.") from error
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
        raise MediaError(f"{path.name} uses a video codec that is not known here. {_REMEDY}")
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    return stream
