"""What can be measured in a picture, and between it and the one before: light, sharpness, colour, change.

All measures are made on a picture of about 640 pixels' width, the change on one of about 160, so that
they cost the same for any size of video and noise is averaged out. Knows no tags and no thresholds but
the two that say what a black and what a changed pixel is.
"""

import weakref
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from engine.backends.base import Picture
from engine.backends.colours import colour_shares

_WIDTH, _SMALL_WIDTH = 640, 160  # pixels
_BLACK = 31  # of 255; a pixel is black where no channel is above it (blue at its fullest has a luma of 29)
_CHANGED = 10  # luma by which a pixel of the small picture differs to have changed, of 255
_BINS = 32  # of each channel's histogram
_OPPONENTS = np.array([[1, -1, 0], [0.5, 0.5, -1]], np.float32)  # red - green, yellow - blue


@dataclass(frozen=True)
class Scene:
    """The measures of one picture; those of change are None for the first one, where nothing is known.

    Luma is that of ITU-R BT.601 on the gamma-encoded values, as cameras and screens have it.
    """

    brightness: float  # mean luma, [0, 1]
    contrast: float  # standard deviation of luma, [0, 0.5] (RMS contrast; Peli, 1990)
    sharpness: float  # root mean square of luma's Laplacian, levels of 255 (after Pech-Pacheco et al., 2000)
    colourfulness: float  # about 0 (grey) to 110 (Hasler and Suesstrunk, 2003)
    black: float  # share of pixels with no channel above 31 of 255, [0, 1]
    colours: dict[str, float]  # share of each of eleven basic colours, the largest first
    motion: float | None  # share of the picture that changed since the one before, [0, 1]
    difference: float | None  # mean absolute difference of luma from the one before, [0, 1]
    shot_change: float | None  # how little the colours of the two have in common, [0, 1]

    def as_facts(self) -> dict[str, Any]:
        """Plain JSON, rounded to what is meaningful; colours of less than one per cent are left out."""
        facts = {field.name: _rounded(getattr(self, field.name)) for field in fields(self)}
        facts["colours"] = {name: round(share, 3) for name, share in self.colours.items() if share >= 0.01}
        return facts


class Measurer:
    """Measures one picture after another, and does not reduce the same one twice."""

    def __init__(self) -> None:
        self._last: _Reduced | None = None

    def measure(self, picture: Picture, previous: Picture | None) -> Scene:
        """The measures of `picture` (RGB, uint8, H x W x 3) and of the change since `previous`."""
        now = _Reduced(picture)
        before = None if previous is None else self._reduced(previous)
        self._last = now
        return Scene(**_look(now), **_change(now, before))

    def _reduced(self, picture: Picture) -> "_Reduced":
        last = self._last
        return last if last is not None and last.is_of(picture) else _Reduced(picture)


class _Reduced:
    """A picture made small, in the forms that the measures need, each made once."""

    def __init__(self, picture: Picture) -> None:
        self._picture = weakref.ref(picture)  # to know it again, without keeping it
        self.rgb = _at_most(picture, _WIDTH)

    def is_of(self, picture: Picture) -> bool:
        return self._picture() is picture

    @cached_property
    def luma(self) -> np.ndarray:
        return cv2.cvtColor(self.rgb, cv2.COLOR_RGB2GRAY)

    @cached_property
    def small_rgb(self) -> np.ndarray:
        return _at_most(self.rgb, _SMALL_WIDTH)

    @cached_property
    def small_luma(self) -> np.ndarray:
        return cv2.cvtColor(self.small_rgb, cv2.COLOR_RGB2GRAY)

    @cached_property
    def histograms(self) -> np.ndarray:
        """One smoothed histogram a channel, 3 x bins, each with the sum 1."""
        channels = [
            cv2.calcHist([self.small_rgb], [channel], None, [_BINS], [0, 256]).ravel() for channel in range(3)
        ]
        # Smoothed, so that light that shifts by a level or two does not move everything to the next bin.
        smooth = cv2.GaussianBlur(np.stack(channels), (9, 1), 1.5, borderType=cv2.BORDER_REPLICATE)
        return smooth / smooth.sum(axis=1, keepdims=True)


def _look(now: _Reduced) -> dict[str, Any]:
    mean, deviation = cv2.meanStdDev(now.luma)
    edges = cv2.norm(cv2.Laplacian(now.luma, cv2.CV_16S), cv2.NORM_L2)
    black = cv2.inRange(now.rgb, (0, 0, 0), (_BLACK, _BLACK, _BLACK))
    return {
        "brightness": float(mean[0, 0]) / 255,
        "contrast": float(deviation[0, 0]) / 255,
        "sharpness": edges / now.luma.size**0.5,
        "colourfulness": _colourfulness(now.small_rgb),
        "black": cv2.countNonZero(black) / black.size,
        "colours": colour_shares(now.small_rgb),
    }


def _change(now: _Reduced, before: _Reduced | None) -> dict[str, Any]:
    if before is None:
        return {"motion": None, "difference": None, "shot_change": None}
    small = cv2.absdiff(now.small_luma, _fitted(before.small_luma, now.small_luma))
    whole = cv2.absdiff(now.luma, _fitted(before.luma, now.luma))
    shared = np.minimum(now.histograms, before.histograms).sum(axis=1)
    return {
        "motion": np.count_nonzero(small > _CHANGED) / small.size,
        "difference": cv2.mean(whole)[0] / 255,
        "shot_change": max(0.0, 1.0 - float(shared.mean())),
    }


def _colourfulness(rgb: np.ndarray) -> float:
    mean, deviation = cv2.meanStdDev(cv2.transform(rgb.astype(np.float32), _OPPONENTS))
    return float(np.hypot(*deviation.ravel()) + 0.3 * np.hypot(*mean.ravel()))


def _at_most(picture: np.ndarray, width: int) -> np.ndarray:
    """A picture of at most `width`, each of its pixels the mean of those that it stands for."""
    while picture.shape[1] >= 2 * width and picture.shape[0] >= 2:
        height, half = picture.shape[0] // 2, picture.shape[1] // 2
        # To the half, of an even size, is what OpenCV does several times as fast as anything else.
        picture = cv2.resize(picture[: 2 * height, : 2 * half], (half, height), interpolation=cv2.INTER_AREA)
    if picture.shape[1] <= width:
        return picture
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _fitted(picture: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A video may change its size on the way."""
    if picture.shape == like.shape:
        return picture
    return cv2.resize(picture, (like.shape[1], like.shape[0]), interpolation=cv2.INTER_AREA)


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
