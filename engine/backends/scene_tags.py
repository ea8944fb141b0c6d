"""The tags that measures can answer, and the sentence that sums them up.

Each tag is a ramp over one measure: a straight line from 0 to 1 between two values, 0.5 half-way, which
is where a tag starts to hold. A tag whose measure is unknown, as motion is in the first frame, is None.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.backends.colours import NAMES

if TYPE_CHECKING:  # the vocabulary is asked for when the page starts, which does not wait for OpenCV
    from engine.backends.codes import Code, CodeKind
    from engine.backends.scene import Scene

CODE_TAGS: "Mapping[CodeKind, str]" = {"qr": "qr code", "bar": "bar code"}
_NO_DETAIL = 0.01  # contrast below which there is nothing that could be sharp or blurred
_FOUND_UNREAD = 0.4  # what looks like a code but cannot be read: a fence does, too


@dataclass(frozen=True)
class Ramp:
    """0 at `zero` and beyond, 1 at `one` and beyond, whichever of them is the larger."""

    zero: float
    one: float

    def __call__(self, value: float) -> float:
        return round(min(1.0, max(0.0, (value - self.zero) / (self.one - self.zero))), 4)


_DARK, _BRIGHT = Ramp(0.35, 0.15), Ramp(0.55, 0.75)  # brightness
_LOW_CONTRAST = Ramp(0.12, 0.04)  # contrast
_BLURRY, _SHARP = Ramp(12, 4), Ramp(12, 20)  # sharpness
_COLOURFUL, _GREY = Ramp(25, 65), Ramp(14, 6)  # colourfulness
_MOVING, _STILL = Ramp(0.0, 0.02), Ramp(0.02, 0.0)  # motion
_CUT_COLOURS = Ramp(0.15, 0.55)  # shot change
_CUT_LUMA = Ramp(0.02, 0.10)  # difference
_BLACK = Ramp(0.96, 1.0)  # share of black pixels; 0.98 as in ffmpeg's blackdetect
_FROZEN = Ramp(0.002, 0.0)  # difference; 0.001 is a quarter of a level, below any camera's noise
_MOSTLY = Ramp(0.3, 0.7)  # share of a colour

_MEASURED: "Mapping[str, Callable[[Scene], float | None]]" = {
    "dark": lambda scene: _DARK(scene.brightness),
    "bright": lambda scene: _BRIGHT(scene.brightness),
    "low contrast": lambda scene: _LOW_CONTRAST(scene.contrast),
    "blurry": lambda scene: _BLURRY(scene.sharpness) if scene.contrast >= _NO_DETAIL else None,
    "sharp": lambda scene: _SHARP(scene.sharpness) if scene.contrast >= _NO_DETAIL else None,
    "colourful": lambda scene: _COLOURFUL(scene.colourfulness),
    "grey": lambda scene: _GREY(scene.colourfulness),
    "moving": lambda scene: None if scene.motion is None else _MOVING(scene.motion),
    "still": lambda scene: None if scene.motion is None else _STILL(scene.motion),
    "camera cut": lambda scene: _camera_cut(scene),
    "black frame": lambda scene: _BLACK(scene.black),
    "frozen": lambda scene: None if scene.difference is None else _FROZEN(scene.difference),
}
_COLOURS = {f"mostly {name}": name for name in NAMES}
VOCABULARY = (*_MEASURED, *CODE_TAGS.values(), *_COLOURS)


def answer_tag(tag: str, scene: "Scene", codes: "Collection[Code]") -> float | None:
    """The probability of yes for a tag of VOCABULARY; `codes` are those that were looked for and found."""
    if tag in _MEASURED:
        return _MEASURED[tag](scene)
    if tag in _COLOURS:
        return _MOSTLY(scene.colours.get(_COLOURS[tag], 0.0))
    found = (code for code in codes if CODE_TAGS[code.kind] == tag)
    return max((1.0 if code.text else _FOUND_UNREAD for code in found), default=0.0)


def describe(scene: "Scene", codes: "Collection[Code]") -> str:
    """What was measured, in a line for a person: "Mostly blue, bright, sharp; moving."."""
    if _BLACK(scene.black) >= 0.5:
        parts = ["Black frame"]
    else:
        seen = [tag for tag in ("dark", "bright", "low contrast", "blurry", "sharp") if _holds(tag, scene)]
        parts = [", ".join([_colour_words(scene), *seen])]
    parts += [tag for tag in ("camera cut", "frozen", "moving") if _holds(tag, scene)][:1]
    parts += [f"{code.kind} code" + (f" “{code.text}”" if code.text else "") for code in codes]
    return "; ".join(parts).replace("qr code", "QR code") + "."


def _holds(tag: str, scene: "Scene") -> bool:
    return (answer_tag(tag, scene, ()) or 0.0) >= 0.5


def _camera_cut(scene: "Scene") -> float:
    """Other colours, and another light in most places: a pan keeps its colours, a flicker is too weak.

    The first frame is no cut: nothing was cut from.
    """
    if scene.shot_change is None or scene.difference is None:
        return 0.0
    return min(_CUT_COLOURS(scene.shot_change), _CUT_LUMA(scene.difference))


def _colour_words(scene: "Scene") -> str:
    names = [name for name, share in scene.colours.items() if share >= 0.15][:3]
    if next(iter(scene.colours.values())) >= 0.5:
        return f"Mostly {names[0]}"
    return " and ".join(names).capitalize() or "Many colours"
