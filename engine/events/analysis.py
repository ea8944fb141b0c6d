"""What the analysis of a video yields, frame by frame. Times are microseconds, `..._us`."""

from dataclasses import dataclass

from engine.backends.base import Frame, FrameAnswer


@dataclass(frozen=True, eq=False)
class FrameRead:
    """A frame and what the model said of it."""

    frame: Frame
    answer: FrameAnswer
    seconds: float  # that the model took


@dataclass(frozen=True)
class FrameLost:
    """A sample that could not be decoded."""

    index: int
    time_us: int
    error: str


@dataclass(frozen=True)
class AnalysisEnded:
    """The last event of an analysis that was not cancelled."""

    frames_read: int
    frames_lost: int
