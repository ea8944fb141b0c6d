"""Pictures as servers take them: JPEG files, no larger than a vision model makes use of."""

from functools import cache

import numpy as np

from engine.backends.base import Picture

LONGEST_SIDE = 1536  # pixels; models scale down further, so more only costs the way there
_QUALITY = 92


def jpeg(picture: Picture) -> bytes:
    """An RGB picture (H x W x 3, uint8) as a JPEG file, scaled down to `LONGEST_SIDE` where it is larger."""
    import cv2

    height, width = picture.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    if not done:
        raise ValueError(f"A picture of {width} x {height} pixels cannot be written as JPEG.")
    return encoded.tobytes()


@cache
def small_picture() -> bytes:
    """One grey picture of 64 x 64, to find out whether a model sees at all."""
    return jpeg(np.full((64, 64, 3), 128, np.uint8))
