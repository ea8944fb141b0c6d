"""A short made film to try Haven with: a boat crosses a lake while the sun goes down.

Drawn and written on this machine when it is first asked for; nothing is shipped or fetched. The drawing
and video libraries are imported then, because they are slow to import.
"""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

NAME = "lake.mp4"
WIDTH, HEIGHT = 640, 360
RATE = 10  # pictures a second
SECONDS = 12
HORIZON = 238  # y of the water's edge, in pixels

DAY, DUSK = (
    ((76, 141, 217), (255, 201, 152)),
    ((38, 44, 92), (236, 120, 84)),
)  # RGB at the top, at the horizon
WATER_DAY, WATER_DUSK = (31, 80, 117), (24, 40, 74)


def sample_clip(folder: Path) -> Path:
    """The clip in `folder`, made if it is not there yet: H.264, 12 s, 640 x 360, 10 pictures a second."""
    place = folder / NAME
    if not place.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{os.getpid()}.{NAME}"
        _write(partial)
        partial.replace(place)
    return place


def _write(place: Path) -> None:
    import av

    with av.open(str(place), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 2 * RATE
        for number, picture in enumerate(_pictures()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _pictures() -> Iterator[np.ndarray]:
    """RGB pictures, uint8, HEIGHT x WIDTH x 3."""
    count = RATE * SECONDS
    for number in range(count):
        yield _picture(number / (count - 1))


def _picture(moment: float) -> np.ndarray:
    """The scene at `moment`, from 0 (day) to 1 (dusk)."""
    picture = _sky(moment)
    _sun(picture, moment)
    _hills(picture, moment)
    picture[HORIZON:] = _mixed(WATER_DAY, WATER_DUSK, moment)
    _boat(picture, moment)
    return picture


def _sky(moment: float) -> np.ndarray:
    top, low = (np.array(_mixed(day, dusk, moment), float) for day, dusk in zip(DAY, DUSK, strict=True))
    share = np.linspace(0, 1, HORIZON)[:, None]
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[:HORIZON] = (top * (1 - share) + low * share).astype(np.uint8)[:, None]
    return picture


def _sun(picture: np.ndarray, moment: float) -> None:
    import cv2

    centre = (150 + round(230 * moment), 70 + round(190 * moment))
    cv2.circle(picture, centre, 30, (255, 226, 122), -1, cv2.LINE_AA)


def _hills(picture: np.ndarray, moment: float) -> None:
    import cv2

    far, near = _mixed((62, 112, 80), (30, 50, 60), moment), _mixed((45, 92, 70), (20, 38, 48), moment)
    for colour, corners in (
        (far, [(-20, HORIZON), (130, 150), (300, HORIZON)]),
        (near, [(150, HORIZON), (380, 120), (590, HORIZON)]),
    ):
        cv2.fillPoly(picture, [np.array(corners, np.int32)], colour, cv2.LINE_AA)


def _boat(picture: np.ndarray, moment: float) -> None:
    """From beyond the right edge to beyond the left one."""
    import cv2

    x, y = round(WIDTH + 40 - (WIDTH + 90) * moment), 292
    hull = [(x - 42, y), (x + 42, y), (x + 28, y + 20), (x - 28, y + 20)]
    sail = [(x - 4, y - 74), (x - 4, y - 6), (x + 36, y - 6)]
    cv2.fillPoly(picture, [np.array(hull, np.int32)], (122, 46, 38), cv2.LINE_AA)
    cv2.fillPoly(picture, [np.array(sail, np.int32)], (243, 241, 234), cv2.LINE_AA)


def _mixed(one: tuple[int, int, int], other: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
