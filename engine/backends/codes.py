"""QR codes and bar codes in a picture. Slow beside all other measures, so only made when asked for."""

from dataclasses import dataclass
from typing import Literal

import cv2

from engine.backends.base import Picture

CodeKind = Literal["qr", "bar"]


@dataclass(frozen=True)
class Code:
    """A code that was found; its text is empty where it could not be read."""

    kind: CodeKind
    text: str


def read_codes(picture: Picture, kind: CodeKind) -> list[Code]:
    """All codes of one kind in a picture (RGB, uint8, H x W x 3), at its full size."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if kind == "qr":
        found, texts, *_ = cv2.QRCodeDetector().detectAndDecodeMulti(luma)
    else:
        found, texts, *_ = cv2.barcode.BarcodeDetector().detectAndDecodeWithType(luma)
    return [Code(kind, text) for text in texts] if found else []
