"""Typed settings with their units and bounds. Knows nothing of where they are kept or shown.

Each settings class checks itself when it is made, so that a value out of bounds never travels; the
message names the setting, the value and the bounds.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from typing import Any, Self

from engine.bounds import number, refuse_unknown, truth, whole
from engine.errors import BadSetting, InvalidInput, Name

MAX_TAGS = 500
MODES = ("interval", "shots", "keyframes", "times")
MAX_TIMES = 100_000
MAX_VOTES = 25
REUSE_PER_CENT = 2.0  # of change up to which a frame counts as the same, where nothing else is said


@dataclass(frozen=True)
class GenerationSettings:
    """How a model writes. Changed without a reload; holds for the next request."""

    max_new_tokens: int = 256
    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 40  # 0 means: no limit
    seed: int = -1  # -1 means: another one each time
    system_prompt: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_new_tokens", whole("max_new_tokens", self.max_new_tokens, 1, 32768))
        object.__setattr__(self, "temperature", number("temperature", self.temperature, 0, 2))
        object.__setattr__(self, "top_p", number("top_p", self.top_p, 0.01, 1))
        object.__setattr__(self, "top_k", whole("top_k", self.top_k, 0, 1000))
        object.__setattr__(self, "seed", whole("seed", self.seed, -1, 2**31 - 1))
        if not isinstance(self.system_prompt, str) or len(self.system_prompt) > 20_000:
            raise BadSetting(Name("system_prompt"), " must be a text of at most 20,000 characters.")

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """A copy with `changes`. Raises: InvalidInput for an unknown name or a value out of bounds."""
        refuse_unknown("Generation", changes, tuple(f.name for f in fields(self)))
        return type(self)(**{**asdict(self), **changes})


@dataclass(frozen=True)
class LoadOptions:
    """How a model is put into memory. `None` leaves the choice to the backend."""

    n_ctx: int | None = None  # tokens
    n_gpu_layers: int | None = None
    flash_attention: bool | None = None
    device: str | None = None  # "cpu", "cuda", "cuda:1", "mps"
    dtype: str | None = None  # "float32", "bfloat16", "float16"
    quantization: str | None = None  # "4bit", "8bit"
    parallel: int | None = None  # requests that a server is sent at once

    def __post_init__(self) -> None:
        if self.n_ctx is not None:
            object.__setattr__(self, "n_ctx", whole("n_ctx", self.n_ctx, 128, 2_000_000))
        if self.n_gpu_layers is not None:
            object.__setattr__(self, "n_gpu_layers", whole("n_gpu_layers", self.n_gpu_layers, -1, 1000))
        if self.flash_attention not in (None, True, False):
            raise BadSetting(
                Name("flash_attention"), f" must be true or false, not {self.flash_attention!r}."
            )
        if self.device is not None and str(self.device).split(":")[0] not in ("cpu", "cuda", "mps"):
            raise BadSetting(Name("device"), f" must be cpu, cuda or mps, not {self.device!r}.")
        _one_of("dtype", self.dtype, ("float32", "bfloat16", "float16"))
        _one_of("quantization", self.quantization, ("4bit", "8bit"))
        if self.parallel is not None:
            object.__setattr__(self, "parallel", whole("parallel", self.parallel, 1, 64))

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Raises: InvalidInput for an unknown option or a value that it cannot have."""
        refuse_unknown("Loading a model", options, tuple(f.name for f in fields(cls)))
        return cls(**options)

    def as_dict(self) -> dict[str, Any]:
        """Only what was chosen: what is left to the backend is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def of_answers(self) -> dict[str, Any]:
        """Of what was chosen, what may change an answer: not how many are asked for at once."""
        return {name: value for name, value in self.as_dict().items() if name != "parallel"}


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are looked at, which need no answer of their own, and how often one is asked.

    `interval` is in seconds and exact, so that a long video does not drift. With more frames in the
    range than `max_frames`, the interval is widened until they fit: the whole range stays covered.
    """

    interval: Fraction = Fraction(2)
    start_us: int = 0
    end_us: int | None = None
    max_frames: int | None = None
    mode: str = "interval"  # one of MODES
    times_us: tuple[int, ...] = ()  # in order, each once; for the mode `times` alone
    reuse: float | None = None  # per cent of change up to which an answer is used again; None: never
    refine: bool = False  # narrow each start and end of a span to one frame
    votes: int = 1  # answers a frame, where a server gives no probabilities: their share is the confidence

    @classmethod
    def of(
        cls,
        interval: object = 2.0,
        fps: object = None,
        start: object = 0,
        end: object = None,
        max_frames: object = None,
        mode: object = None,
        times: object = None,
        reuse: object = None,
        refine: object = False,
        votes: object = 1,
    ) -> Self:
        """From seconds and frames a second as people write them; `fps` goes before `interval`.

        `times` is the mode of that name. `reuse`: per cent, or true for the usual threshold.

        Raises: InvalidInput for what is not a number, out of bounds, or an empty range; for an unknown
        mode, and for times beside what says otherwise which frames are looked at.
        """
        mode = _mode(mode, times)
        if mode == "times":
            _refuse_beside_times(fps=fps, start=start or None, end=end, max_frames=max_frames)
        if fps is not None:
            seconds = 1 / _exact("fps", fps, 0.0001, 1000)
        else:
            seconds = _exact("interval", interval, 0.001, 86_400)
        start_us = round(number("start", start, 0, 1e9) * 1_000_000)
        end_us = None if end is None else round(number("end", end, 0, 1e9) * 1_000_000)
        if end_us is not None and end_us <= start_us:
            raise BadSetting(
                Name("end"),
                f" ({end_us / 1e6:g} s) must come after ",
                Name("start"),
                f" ({start_us / 1e6:g} s).",
            )
        most = None if max_frames is None else whole("max_frames", max_frames, 1, 10_000_000)
        listed = _times_us(times) if mode == "times" else ()
        cast = whole("votes", votes, 1, MAX_VOTES)
        narrowed = truth("refine", refine)
        return cls(seconds, start_us, end_us, most, mode, listed, _reuse(reuse), narrowed, cast)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON that `from_dict` reads back exactly."""
        return {
            "interval": [self.interval.numerator, self.interval.denominator],
            "start_us": self.start_us,
            "end_us": self.end_us,
            "max_frames": self.max_frames,
            "mode": self.mode,
            "times_us": list(self.times_us),
            "reuse": self.reuse,
            "refine": self.refine,
            "votes": self.votes,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `as_dict`, of an older version too."""
        return cls(
            Fraction(*data["interval"]),
            data["start_us"],
            data["end_us"],
            data["max_frames"],
            data.get("mode", "interval"),
            tuple(data.get("times_us", ())),
            data.get("reuse"),
            data.get("refine", False),
            data.get("votes", 1),
        )


def _exact(name: str, value: object, low: float, high: float) -> Fraction:
    """A number as a person wrote it: 0.1 is one tenth, 29.97 is 2997/100."""
    return Fraction(repr(number(name, value, low, high)))


def _mode(mode: object, times: object) -> str:
    if times is not None and mode in (None, "", "times"):
        return "times"
    if mode in (None, ""):
        return "interval"
    if mode not in MODES:
        raise BadSetting(Name("mode"), f" must be one of {', '.join(MODES)}, not {mode!r:.80}.")
    if mode == "times":
        raise InvalidInput("The mode times needs a list of times in seconds, such as times=[1, 2.5].")
    if times is not None:
        raise BadSetting(
            Name("times"),
            " says which frames are looked at: leave out ",
            Name("mode", str(mode)),
            ", or the times.",
        )
    return str(mode)


def _refuse_beside_times(**others: object) -> None:
    for name, value in others.items():
        if value is not None:
            raise BadSetting(
                Name("times"), " says exactly which frames are looked at: leave out ", Name(name), "."
            )


def _times_us(times: object) -> tuple[int, ...]:
    """Seconds as microseconds, in order and each once."""
    if not isinstance(times, (list, tuple)) or not times:
        raise BadSetting(Name("times"), f" must be a list of seconds, such as [1, 2.5], not {times!r:.80}.")
    if len(times) > MAX_TIMES:
        raise InvalidInput(f"{len(times):,} times are too many; {MAX_TIMES:,} is the most.")
    return tuple(sorted({round(number("A time", time, 0, 1e9) * 1_000_000) for time in times}))


def _reuse(value: object) -> float | None:
    if value is None or isinstance(value, bool):
        return REUSE_PER_CENT if value else None
    return number("reuse", value, 0.1, 50, " (per cent of change up to which an answer is used again)")


def _one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise BadSetting(Name(name), f" must be one of {', '.join(choices)}, not {value!r}.")
