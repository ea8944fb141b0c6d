"""Other ways to take numbered pictures out of a video, each as its own documentation suggests.

Each takes a path and ascending picture numbers and yields pictures in that order. OpenCV's come as BGR,
and are not turned into RGB: that favours the peer.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import av
import cv2
import numpy as np

Peer = Callable[[Path, Sequence[int]], Iterator[np.ndarray]]


def opencv_grab(path: Path, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """Grab everything in order, and retrieve what is wanted."""
    capture = cv2.VideoCapture(str(path))
    wanted = set(numbers)
    for number in range(numbers[-1] + 1):
        capture.grab()
        if number in wanted:
            yield capture.retrieve()[1]
    capture.release()


def opencv_seek(path: Path, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """Set the position for each picture, and read it."""
    capture = cv2.VideoCapture(str(path))
    for number in numbers:
        capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        yield capture.read()[1]
    capture.release()


def pyav_in_order(path: Path, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """Decode everything in order with all threads, and convert what is wanted."""
    wanted = set(numbers)
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                yield frame.to_ndarray(format="rgb24")
            if number == numbers[-1]:
                return


def pyav_seek(path: Path, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """Seek to the key picture before each picture, and decode up to it."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        ticks = 1 / (stream.average_rate * stream.time_base)
        for number in numbers:
            stamp = round(number * ticks)
            container.seek(stamp, stream=stream)
            yield next(f for f in container.decode(stream) if f.pts >= stamp).to_ndarray(format="rgb24")


def decord_batch(path: Path, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """Ask for all pictures at once."""
    from decord import VideoReader, cpu

    yield from VideoReader(str(path), ctx=cpu(0)).get_batch(list(numbers)).asnumpy()


def peers() -> dict[str, Peer]:
    """Those that can be measured here."""
    found: dict[str, Peer] = {
        "OpenCV grab": opencv_grab,
        "OpenCV seek": opencv_seek,
        "PyAV in order": pyav_in_order,
        "PyAV seek": pyav_seek,
    }
    if find_spec("decord"):
        found["decord"] = decord_batch
    else:
        print("decord is not installed, so it is left out: pip install -r benchmarks/requirements.txt")
    return found
