"""QR codes and bar codes in a picture. Slow beside all other measures, so only made when asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from engine.backends.base import Picture

CodeKind = Literal["qr", "bar"]


@dataclass(frozen=True)
class Code:
    """A code that was found; its text is empty where it could not be read."""

    kind: CodeKind
    text: str


def read_codes(picture: Picture, kind: CodeKind) -> list[Code]:
    """All codes of one kind in a picture (RGB, uint8, H x W x 3)."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if kind == "qr":
        _, texts, points, _ = cv2.QRCodeDetector().detectAndDecodeMulti(luma)
        return _codes(kind, texts, points)
    found = _bar_codes(luma)
    if any(code.text for code in found):
        return found
    return _bar_codes(luma[::2, ::2]) or found  # a large one is read at half the size


def _bar_codes(luma: np.ndarray) -> list[Code]:
    _, texts, _, points = cv2.barcode.BarcodeDetector().detectAndDecodeWithType(np.ascontiguousarray(luma))
    return _codes("bar", texts, points)


def _codes(kind: CodeKind, texts: Sequence[str], points: np.ndarray | None) -> list[Code]:
    return [] if points is None else [Code(kind, text) for text in texts]
