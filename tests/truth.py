"""Made videos with known spans, and an oracle that answers truly from the number in each picture.

What is measured with them is the way from a video to its spans, and nothing of a model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from engine.backends.base import BackendInfo, Frame, FrameAnswer, FrameTask
from engine.cancel import CancelToken
from tests.fakes import FakeBackend
from tests.fixtures.videos import Clip, constant, frame_number, numbered_video, variable

Spans = Mapping[str, Sequence[tuple[int, int]]]  # by tag: from which picture, up to which, half-open
NTSC, FILM = Fraction(30_000, 1001), Fraction(24_000, 1001)


@dataclass(frozen=True)
class Truth:
    """A made video, and what is in it."""

    clip: Clip
    spans: Spans

    def seconds(self, tag: str) -> list[tuple[float, float]]:
        """Start and end of each span of a tag; where the video ends, the end is that of its last picture."""
        return [(self._at(start), self._at(end)) for start, end in self.spans[tag]]

    def _at(self, number: int) -> float:
        times = self.clip.times
        last = times[-1] + (times[-1] - times[-2])
        return float((times[number] if number < len(times) else last) - times[0])


class Oracle(FakeBackend):
    """Knows by the number in a picture which tags hold."""

    def __init__(self, spans: Spans, **more: object) -> None:
        super().__init__(**more)
        self.spans = spans
        self.info: BackendInfo

    def look(self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken) -> Iterator[FrameAnswer]:
        for frame, _ in zip(frames, super().look(frames, task, cancel), strict=True):
            number = frame_number(frame.picture)
            yield FrameAnswer("answered", {tag: self._sure(tag, number) for tag in task.tags})

    def _sure(self, tag: str, number: int) -> float:
        return float(any(start <= number < end for start, end in self.spans[tag]))


SETS: Mapping[str, tuple[Sequence[Fraction], Spans]] = {
    "overlaps": (
        constant(300, 30),
        {"dog": [(30, 150), (220, 290)], "boat": [(100, 250)], "sun": [(0, 300)], "rain": []},
    ),
    "touching edges": (constant(300, 25), {"a": [(50, 101)], "b": [(101, 170)], "c": [(50, 170)]}),
    "single hits": (constant(480, 24), {"flash": [(0, 30), (96, 98), (240, 245), (479, 480)]}),
    "long gaps": (constant(1200, 60), {"bird": [(7, 130), (1000, 1190)], "cat": [(400, 535)]}),
    "29.97 a second": (constant(300, NTSC), {"car": [(31, 99)], "bus": [(70, 222)]}),
    "23.976 a second": (constant(240, FILM), {"car": [(29, 77), (150, 240)]}),
    "variable rate": (variable(120), {"dog": [(11, 30), (61, 90)], "cat": [(25, 70)]}),
}


def truth(name: str, folder: Path) -> Truth:
    """One of the made videos, with a group of pictures of a second or so."""
    times, spans = SETS[name]
    return Truth(numbered_video(folder / f"{name.replace(' ', '-')}.mp4", times, gop=25, b_frames=2), spans)
