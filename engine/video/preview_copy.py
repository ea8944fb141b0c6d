"""One small H.264 copy of a video that a browser cannot play, as an MP4 that every browser plays.

It shows every picture when the video does, so that a time means the same in both, and says in itself what it
is a copy of. Its sound is the business of `preview_sound`. Knows nothing of where copies are kept.
"""

import logging
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cancel import CancelToken
from engine.errors import MediaError

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.frame import VideoFrame

    from engine.video.container import Turn, Video
    from engine.video.preview_sound import Sound

log = logging.getLogger(__name__)

MOST_PIXELS = (960, 540)  # of a copy: width and height, or the other way round
CLOCK = Fraction(1, 90_000)  # seconds a tick
ENCODERS = {
    "libx264": {"preset": "veryfast", "crf": "26"},
    "libopenh264": {"rc_mode": "quality"},
}
KEY_EVERY = "60"  # pictures: what a click in the timeline has to decode at most
_MADE_OF = "comment"  # the name in an MP4 under which it says what it is a copy of


def make_preview(
    video: Path, target: Path, cancel: CancelToken, progress: Callable[[float], None], sha256: str = ""
) -> None:
    """Write a copy of a video, which will say that it is one of `sha256`; damaged pictures are left out.

    `progress` is told the share of the video's length that is done, in [0, 1].
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
        with av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as out:
            out.metadata[_MADE_OF] = sha256
            stream = _picture_stream(out, name, source, turn.size(first.width, first.height))
            sound.begin(out)
            last = -1  # ticks
            for frame in _with_first(first, frames):
                out.mux(sound.copied())
                if frame is None:
                    continue
                shown = _shown(frame, turn, stream.width, stream.height)
                last = max(last + 1, _ticks(frame, source, last))
                shown.pts, shown.time_base = last, CLOCK
                out.mux(stream.encode(shown))
                length = source.duration_us * 1e-6  # seconds
                progress(min(float(last * CLOCK) / length, 1.0) if length else 0.0)
            out.mux(stream.encode())
            out.mux(sound.rest())


def made_of(copy: Path) -> str:
    """The SHA-256 of the video that a copy was made of, in hex; nothing where it does not say."""
    import av

    try:
        with av.open(str(copy)) as made:
            return made.metadata.get(_MADE_OF, "")
    except (av.FFmpegError, OSError) as error:
        log.info("%s does not say what it is a copy of: %s", copy, error)
        return ""


def _picture_stream(out: "OutputContainer", name: str, source: "Video", size: tuple[int, int]) -> Any:
    """Where pictures of `size`, width and height, go, made small by the encoder of that `name`."""
    rate = Fraction(source.rate or 25).limit_denominator(30_000)
    stream: Any = out.add_stream(name, rate=rate, options={**ENCODERS[name], "g": KEY_EVERY})
    stream.width, stream.height = _size(*size)
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = CLOCK
    return stream


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
