"""Which files the page may play or analyse, and under which names.

A video that a person chose gets a random token; only the token travels through the page, so that no
request can name a file that nobody chose. Knows neither Gradio nor what is inside a video.
"""

import os
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InvalidInput
from engine.paths import place_of

MOST_OPENED = 200  # tokens that are remembered; the oldest is forgotten first


@dataclass(frozen=True)
class Opened:
    """A video that was chosen: where it is, how the person knows it, and whose it is."""

    path: Path
    name: str
    uploaded: bool = False  # it came through the browser and lies in the upload folder


class OpenedVideos:
    """The videos chosen since the start, by token. May be used from any thread."""

    def __init__(self, most: int = MOST_OPENED) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._by_token: OrderedDict[str, Opened] = OrderedDict()

    def add(self, opened: Opened) -> str:
        """The token under which `opened` is known from now on."""
        token = secrets.token_urlsafe(18)
        with self._lock:
            self._by_token[token] = opened
            while len(self._by_token) > self._most:
                self._by_token.popitem(last=False)
        return token

    def get(self, token: str) -> Opened | None:
        """What was opened under `token`; None if it is unknown or was forgotten."""
        with self._lock:
            opened = self._by_token.get(token)
            if opened is not None:
                self._by_token.move_to_end(token)
        return opened


def upload_folder() -> Path:
    """Where the browser's uploads land: private to this user, set before Gradio is imported."""
    return Path(os.environ["GRADIO_TEMP_DIR"]).resolve()


def uploaded_file(path: str) -> Path:
    """The uploaded file that a request names.

    Raises:
        InvalidInput: it does not lie in the upload folder, whatever links lead there, or is no file.
    """
    try:
        real = Path(path).resolve(strict=True)
    except (OSError, ValueError):
        raise InvalidInput("That upload is not here any more. Choose the file again.") from None
    if not real.is_relative_to(upload_folder()) or not real.is_file():
        raise InvalidInput("That file was not uploaded here. Upload it, or give its path as a plain text.")
    return real


def given_video(video: object) -> Opened:
    """The video that a script hands over: an uploaded file (a dict), or a path on this machine (a text).

    Raises:
        InvalidInput: it is neither, or names a file that was not uploaded.
    """
    if isinstance(video, dict):
        path = uploaded_file(str(video.get("path") or ""))
        return Opened(path, Path(str(video.get("orig_name") or "")).name or path.name, uploaded=True)
    if isinstance(video, str) and video.strip():
        text = video.strip()
        if Path(text).is_relative_to(upload_folder()):
            path = uploaded_file(text)
            return Opened(path, path.name, uploaded=True)
        return Opened(Path(text), Path(text).name)
    raise InvalidInput("Give a video: an uploaded file, or the path of one on this machine.")


def given_picture(picture: object) -> Path:
    """A picture that a script hands over. Raises: as `given_file`."""
    return given_file(picture, "Give pictures as uploaded files, or as paths on this machine.")


def given_file(
    file: object, wanted: str = "Give a file: an uploaded one, or the path of one on this machine."
) -> Path:
    """A file that a script hands over: an uploaded one (a dict), or a path on this machine (a text).

    Raises:
        InvalidInput: it is neither, and `wanted` says so; or it names a file that was not uploaded.
    """
    if isinstance(file, dict):
        return uploaded_file(str(file.get("path") or ""))
    if isinstance(file, str) and file.strip():
        place = place_of(file.strip())
        return uploaded_file(str(place)) if place.is_relative_to(upload_folder()) else place
    raise InvalidInput(wanted)
