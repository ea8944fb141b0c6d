"""What is asked of a video, as it stands in the fields of a form: how they are called, and how they are read.

The Video tab makes widgets of the fields, the Library tab markup of its own; what both say is said here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Self

from engine.errors import InvalidInput
from engine.video.request import AnalysisRequest
from ui.media import Opened
from ui.wording import NO_BREAK

MODES = [
    ("Every few seconds", "interval"),
    ("Each shot, and between", "shots"),
    ("Key frames only", "keyframes"),
]
EVERY = 2.0  # seconds from one frame to the next, where nobody says otherwise
SHOWN_TIMES = 4  # of a list of times


@dataclass(frozen=True)
class Field:
    """One of them: its name in `Asked`, and what a person reads."""

    name: str
    label: str
    placeholder: str = ""

    @property
    def said(self) -> str:
        """The label as a message names it: without its unit, and without what it is an alternative to."""
        name = self.label.partition(" (")[0].removeprefix("Or ")
        return name[:1].upper() + name[1:]


TAGS = Field("tags", "Tags to look for", "boat, sun, hills")
PROMPT = Field("prompt", "Question for each frame", "Describe this frame in one sentence.")
INTERVAL = Field("interval", "A frame every (s)")
# Behind "More", line by line. Texts, since an empty number field is shown and sent as 0.
MODE = Field("mode", "Which frames")
FPS = Field("fps", "Or frames a second", "as above")
TIMES = Field("times", "Or at times (s)", "1.5, 12, 90")
REUSE = Field("reuse", "Reuse up to (%)", "never")
MOST = Field("most", "At most (frames)", "no limit")
START = Field("start", "From (s)", "start")
END = Field("end", "To (s)", "end")
VOTES = Field("votes", "Votes a frame (of servers without probabilities)", "one answer")
WRITTEN = (TAGS, PROMPT, INTERVAL, MODE, FPS, TIMES, REUSE, MOST, START, END, VOTES)
LINES = ((MODE,), (FPS, TIMES), (REUSE, MOST), (START, END), (VOTES,))
TICKS = (
    Field("refine", "Find the exact frame where each tag starts and ends"),
    Field("summary", "Write a summary of the whole video from these answers"),
    Field("codes", "Read QR and bar codes (0.1 s more for each frame)"),
)


@dataclass(frozen=True)
class Asked:
    """What stands in the fields, as the widgets give it."""

    tags: str = ""
    prompt: str = ""
    interval: float | None = EVERY  # seconds
    start: str = ""
    end: str = ""
    most: str = ""
    codes: bool = False
    mode: str | None = "interval"
    times: str = ""  # seconds, with commas or spaces between
    reuse: str = ""  # per cent
    refine: bool = False
    summary: bool = False
    fps: str = ""  # goes before the interval
    votes: str = ""

    @classmethod
    def of(cls, request: AnalysisRequest) -> Self:
        """The fields as they stand for a request: with its video it is asked again by them."""
        sampling = request.sampling
        listed = sampling.mode == "times"
        interval, fps = _pace(sampling.interval)
        return cls(
            tags=", ".join(tag.written for tag in request.asked),
            prompt=request.prompt,
            interval=interval,
            start=_seconds(sampling.start_us) if sampling.start_us else "",
            end="" if sampling.end_us is None else _seconds(sampling.end_us),
            most="" if sampling.max_frames is None else str(sampling.max_frames),
            codes=request.codes,
            mode="interval" if listed else sampling.mode,
            times=", ".join(map(_seconds, sampling.times_us)),
            reuse="" if sampling.reuse is None else _plain(sampling.reuse),
            refine=sampling.refine,
            summary=request.summary,
            fps=fps,
            votes="" if sampling.votes == 1 else str(sampling.votes),
        )

    @classmethod
    def of_form(cls, sent: Mapping[str, Any]) -> Self:
        """From a form of our own: texts, and ticks that are only sent where they are set.

        Raises: InvalidInput for an interval that is no number.
        """
        ticks = {tick.name for tick in TICKS}
        known = {field.name: sent[field.name] for field in fields(cls) if field.name in sent}
        given: dict[str, Any] = {
            name: bool(value) if name in ticks else str(value) for name, value in known.items()
        }
        if "interval" in given:
            given["interval"] = _interval(given["interval"])
        return cls(**given)

    def request(self, opened: Opened) -> AnalysisRequest:
        """Raises: InvalidInput, naming the field."""
        options = self.options()
        return AnalysisRequest.of(
            opened.path,
            self.tags,
            self.prompt,
            self.every(),
            options,
            uploaded=opened.uploaded,
            name=opened.name,
        )

    def every(self) -> float:
        """Seconds from one frame to the next. Raises: InvalidInput where nothing says how many."""
        if self.interval is not None:
            return self.interval
        if self.fps.strip():
            return EVERY
        raise InvalidInput("Say how many seconds lie between two frames, for example 2.")

    def options(self) -> dict[str, Any]:
        """What else is asked, as scripts say it; what is left empty is left out. Raises: InvalidInput."""
        given: dict[str, Any] = {
            "start": _number(START, self.start),
            "end": _number(END, self.end),
            "max_frames": _number(MOST, self.most),
            "fps": _number(FPS, self.fps),
            "mode": self.mode if self.mode != "interval" else None,
            "times": _numbers(TIMES, self.times),
            "reuse": _number(REUSE, self.reuse),
            "votes": _number(VOTES, self.votes),
        }
        ticked = {tick.name: True for tick in TICKS if getattr(self, tick.name)}
        return {name: value for name, value in given.items() if value not in (None, "")} | ticked


def quoted(label: str) -> str:
    """As it stands in a sentence."""
    return f"“{label}”"


def beyond(asked: Asked) -> list[str]:
    """What is asked beside tags, question and interval: those fields may be out of sight."""
    listed = [part.strip() for part in asked.times.split(",") if part.strip()]
    more = f" and {len(listed) - SHOWN_TIMES:,} more" if len(listed) > SHOWN_TIMES else ""
    modes = {mode: label[:1].lower() + label[1:] for label, mode in MODES}
    said: dict[str, object] = {
        f"from {asked.start}{NO_BREAK}s": asked.start,
        f"to {asked.end}{NO_BREAK}s": asked.end,
        f"at most {asked.most} frames": asked.most,
        modes.get(asked.mode or "", ""): asked.mode not in (None, "interval"),
        f"{asked.fps} frames a second": asked.fps,
        f"at {', '.join(listed[:SHOWN_TIMES])}{more}{NO_BREAK}s": listed,
        f"answers reused up to {asked.reuse}{NO_BREAK}%": asked.reuse,
        f"{asked.votes} votes a frame": asked.votes,
        "exact starts and ends": asked.refine,
        "a summary": asked.summary,
        "QR and bar codes": asked.codes,
    }
    return [words for words, holds in said.items() if holds]


def _pace(interval: Fraction) -> tuple[float, str]:
    """Seconds, and frames a second where seconds alone would not be exact."""
    seconds, fps = float(interval), float(1 / interval)
    if Fraction(repr(seconds)) == interval or Fraction(repr(fps)) != 1 / interval:
        return seconds, ""
    return max(round(seconds, 3), 0.001), _plain(fps)


def _interval(text: str) -> float | None:
    try:
        return _number(INTERVAL, text)
    except InvalidInput:
        raise InvalidInput("Say how many seconds lie between two frames, for example 2.") from None


def _number(field: Field, text: str) -> float | None:
    """What a person typed as a number; None for nothing. Raises: InvalidInput, naming the field."""
    if not text or not text.strip():
        return None
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        raise InvalidInput(
            f"{quoted(field.said)} must be a number, or be left empty; not {text.strip()!r:.80}."
        ) from None


def _numbers(field: Field, text: str) -> list[float] | None:
    """Numbers with commas, semicolons or spaces between; None for nothing. Raises: InvalidInput."""
    found = [_number(field, part) for part in (text or "").replace(",", " ").replace(";", " ").split()]
    return [number for number in found if number is not None] or None


def _seconds(time_us: int) -> str:
    """Exactly, and no longer than it has to be."""
    return f"{time_us / 1e6:.6f}".rstrip("0").rstrip(".")


def _plain(number: float) -> str:
    return repr(number).removesuffix(".0")
