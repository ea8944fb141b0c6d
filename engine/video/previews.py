"""Small H.264 copies of videos that a browser cannot play: made in the background, kept, one at a time.

A copy shows every picture when the video does, so that a time means the same in both. It is found again by
path, size and date of the video. Its sound is the business of `preview_sound`. Knows no jobs and no pages.
"""

import errno
import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.cancel import CancelToken
from engine.errors import Cancelled, HavenError, MediaError

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from engine.video.container import Turn, Video
    from engine.video.preview_sound import Sound

log = logging.getLogger(__name__)

PreviewState = Literal["none", "waiting", "making", "ready", "failed"]
MOST_PIXELS = (960, 540)  # of a copy: width and height, or the other way round
CLOCK = Fraction(1, 90_000)  # seconds a tick
ENCODERS = {
    "libx264": {"preset": "veryfast", "crf": "26"},
    "libopenh264": {"rc_mode": "quality"},
}
KEY_EVERY = "60"  # pictures: what a click in the timeline has to decode at most
FULL = "The disk is full. Free some space, then choose the video again."


@dataclass(frozen=True)
class PreviewView:
    """How far a copy is."""

    state: PreviewState
    progress: float = 0.0  # share of the video's length, in [0, 1]
    message: str = ""  # why there is none


@dataclass(eq=False)
class _Making:
    cancel: CancelToken
    view: PreviewView


class Previews:
    """Makes copies below `folder` on a thread of its own. Every method may be called from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._makings: dict[Path, _Making] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="haven-preview")
        self._closed = False

    def begin(self, video: Path) -> PreviewView:
        """Have a copy made, unless there is one or it is being made. Raises: OSError for a missing video."""
        place = self._place(video)
        with self._lock:
            making = self._makings.get(place)
            busy = making is not None and making.view.state in ("waiting", "making")
            if not (busy or place.exists() or self._closed):
                making = self._makings[place] = _Making(CancelToken(), PreviewView("waiting"))
                self._thread.submit(self._make, video, place, making)
        return self.view(video)

    def view(self, video: Path) -> PreviewView:
        """How far the copy of a video is. Raises: OSError for a missing video."""
        place = self._place(video)
        if place.exists():
            return PreviewView("ready", 1.0)
        with self._lock:
            making = self._makings.get(place)
            return making.view if making is not None and making.view.state != "ready" else PreviewView("none")

    def file(self, video: Path) -> Path | None:
        """The copy, once it is whole. Raises: OSError for a missing video."""
        place = self._place(video)
        return place if place.exists() else None

    def stop(self, video: Path) -> PreviewView:
        """Make it no longer; what there is of it is thrown away. Raises: OSError for a missing video."""
        place = self._place(video)
        with self._lock:
            making = self._makings.pop(place, None)
        if making is not None:
            making.cancel.cancel("it was stopped")
        return self.view(video)

    def close(self) -> None:
        """Stop what is being made, and wait for it."""
        with self._lock:
            self._closed = True
            for making in self._makings.values():
                making.cancel.cancel("Haven is closing")
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _place(self, video: Path) -> Path:
        status = video.stat()
        named = f"{video.absolute()}\0{status.st_size}\0{status.st_mtime_ns}"
        digest = hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()
        return self._folder / f"{digest[:32]}.mp4"

    def _make(self, video: Path, place: Path, making: _Making) -> None:
        def progress(share: float) -> None:
            making.view = PreviewView("making", share)

        part = place.with_suffix(f".{threading.get_native_id()}.part")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_preview(video, part, making.cancel, progress)
            part.replace(place)
            making.view = PreviewView("ready", 1.0)
        except Cancelled:
            making.view = PreviewView("none")
        except Exception as error:  # the page says it; the analysis does not need this
            log.info("no preview of %s", video, exc_info=True)
            making.view = PreviewView("failed", message=_said(error))
        finally:
            part.unlink(missing_ok=True)


def make_preview(video: Path, target: Path, cancel: CancelToken, progress: Callable[[float], None]) -> None:
    """Write an MP4 that every browser plays; damaged pictures are left out.

    Raises: MediaError; Cancelled, asked before every packet; OSError.
    """
    import av

    from engine.video.container import Turn, open_video
    from engine.video.preview_sound import Sound

    name = next((known for known in ENCODERS if known in av.codecs_available), None)
    if name is None:
        raise MediaError("There is no H.264 encoder in this installation, so no preview can be made.")
    with open_video(video) as source:
        sound = Sound(source)
        frames = _frames(source, sound, cancel)
        first = next((frame for frame in frames if frame is not None), None)
        if first is None:
            raise MediaError(f"No picture of {video.name} can be read.")
        turn = Turn.of(first) or Turn()
        options: dict[str, str] = {**ENCODERS[name], "g": KEY_EVERY}
        muxing = {"movflags": "faststart"}
        with av.open(str(target), "w", format="mp4", options=muxing) as out:
            rate = Fraction(source.rate or 25).limit_denominator(30_000)
            stream: Any = out.add_stream(name, rate=rate, options=options)
            stream.width, stream.height = _size(*turn.size(first.width, first.height))
            stream.pix_fmt = "yuv420p"
            stream.time_base = stream.codec_context.time_base = CLOCK
            sound.begin(out)
            last = -1
            for frame in _with_first(first, frames):
                out.mux(sound.copied())
                if frame is None:
                    continue
                shown = _shown(frame, turn, stream.width, stream.height)
                last = max(last + 1, _ticks(frame, source, last))
                shown.pts, shown.time_base = last, CLOCK
                out.mux(stream.encode(shown))
                length = source.duration_us * 1e-6
                progress(min(float(last * CLOCK) / length, 1.0) if length else 0.0)
            out.mux(stream.encode())
            out.mux(sound.rest())


def _frames(source: "Video", sound: "Sound", cancel: CancelToken) -> "Iterator[VideoFrame | None]":
    """The pictures that can be read; None where a piece of sound came instead, which `sound` has then."""
    import av

    packets = source.container.demux(source.stream, *sound.streams)
    source.stream.codec_context.thread_type = "AUTO"
    while True:
        cancel.raise_if_cancelled()
        try:
            packet = next(packets, None)
            if packet is None:
                return
            if packet.stream is source.stream:
                yield from source.stream.decode(packet)
            else:
                sound.take(packet)
                yield None
        except av.EOFError:
            return
        except av.FFmpegError as error:
            log.debug("a picture is left out: %s", error)


def _with_first(first: "VideoFrame", others: "Iterator[VideoFrame | None]") -> "Iterator[VideoFrame | None]":
    yield first
    yield from others


def _ticks(frame: "VideoFrame", source: "Video", last: int) -> int:
    """When a player of the video shows this picture; one of unknown time follows the one before."""
    if frame.pts is None or frame.time_base is None:
        return last + round(1 / (source.rate or 25) / CLOCK)
    return max(0, round((frame.pts - source.start) * frame.time_base / CLOCK))


def _shown(frame: "VideoFrame", turn: "Turn", width: int, height: int) -> "VideoFrame":
    import av

    if not turn.quarters and not turn.mirrored:
        return frame.reformat(width=width, height=height, format="yuv420p")
    picture = turn.apply(frame.to_ndarray(format="rgb24"))
    turned = av.VideoFrame.from_ndarray(picture, format="rgb24")
    return turned.reformat(width=width, height=height, format="yuv420p")


def _size(width: int, height: int) -> tuple[int, int]:
    """Within MOST_PIXELS, never larger than it was, and even, as the encoder wants it."""
    most = MOST_PIXELS if width >= height else MOST_PIXELS[::-1]
    scale = min(1.0, most[0] / width, most[1] / height)
    return max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2)


def _said(error: Exception) -> str:
    if isinstance(error, HavenError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FULL
    return f"No preview can be made: {getattr(error, 'strerror', None) or error}."
