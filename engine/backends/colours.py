"""Names for colours: the eleven basic terms that English has (Berlin and Kay, 1969).

A name is decided by hue, saturation and value, with boundaries where people draw them; every colour
has exactly one. Knows no pictures' meaning, only how much of each colour there is.
"""

from functools import cache

import numpy as np

NAMES = ("black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
_BITS = 5  # of each channel that decide: 32,768 colours, named once

# Hue in degrees from which each family holds, up to the next one; red goes round through 0.
_HUES = ((0, "red"), (15, "orange"), (44, "yellow"), (68, "green"), (168, "blue"), (252, "purple"))
_HUES_END = ((318, "pink"), (344, "red"))


def colour_shares(picture: np.ndarray) -> dict[str, float]:
    """How much of a picture (RGB, uint8, H x W x 3) has each colour: shares in [0, 1], the largest first.

    Colours that do not occur are left out.
    """
    coarse = (picture >> (8 - _BITS)).astype(np.uint16)
    codes = (coarse[..., 0] << (2 * _BITS)) | (coarse[..., 1] << _BITS) | coarse[..., 2]
    counts = np.bincount(_table()[codes].ravel(), minlength=len(NAMES))
    order = np.argsort(-counts, kind="stable")
    return {NAMES[index]: float(counts[index] / codes.size) for index in order if counts[index]}


def colour_name(red: int, green: int, blue: int) -> str:
    """The name of one colour, each channel in [0, 255]."""
    return next(iter(colour_shares(np.array([[[red, green, blue]]], np.uint8))))


@cache
def _table() -> np.ndarray:
    """The index into NAMES of every coarse colour."""
    steps = (np.arange(1 << _BITS) + 0.5) / (1 << _BITS)
    rgb = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    return _named(*_hsv(rgb)).astype(np.uint8)


def _hsv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hue in [0, 360), saturation and value in [0, 1] of colours (N x 3, in [0, 1]); Smith, 1978."""
    red, green, blue = rgb.T
    value, chroma = rgb.max(axis=1), np.ptp(rgb, axis=1)
    safe = np.where(chroma > 0, chroma, 1)
    hue = np.select(
        [value == red, value == green],
        [(green - blue) / safe % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    return hue * 60, chroma / np.where(value > 0, value, 1), value


def _named(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    names = np.zeros(hue.shape, np.int64)
    for start, name in _HUES + _HUES_END:
        names[hue >= start] = NAMES.index(name)

    # Pale reds and purples are pink; dark and dull oranges are brown; dark yellows are olive.
    reddish = (hue >= 290) | (hue < 12)
    names[reddish & (saturation < 0.5) & (value > 0.72)] = NAMES.index("pink")
    purplish = (hue >= 290) & (hue < 335)
    names[purplish & (value < 0.6)] = NAMES.index("purple")
    orangeish = (hue >= 10) & (hue < 48)
    dull = (value < 0.75) | ((saturation < 0.72) & (value < 0.86))
    names[orangeish & dull] = NAMES.index("brown")
    names[(hue >= 48) & (hue < 68) & (value < 0.6)] = NAMES.index("green")

    # Without enough colour only lightness counts. What is dark needs more to be seen as coloured.
    chroma = saturation * value
    colourless = (saturation < 0.13) | (chroma < 0.08)
    names[colourless] = NAMES.index("grey")
    names[colourless & (value > 0.87)] = NAMES.index("white")
    names[(value < 0.16) | (colourless & (value < 0.22))] = NAMES.index("black")
    return names
