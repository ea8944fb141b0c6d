"""Pictures in messages: kept as files beside the database, given to models as arrays."""

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from engine.backends.base import Picture
from engine.errors import InvalidInput
from engine.paths import why_not

LONGEST_SIDE = 2048  # pixels; larger pictures are made smaller before a model gets them
MOST_PIXELS = 100_000_000  # a file that claims more is refused unread
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")


class Pictures:
    """The pictures of all sessions, in a folder a session."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, session_id: str, files: Sequence[Path]) -> tuple[str, ...]:
        """Copy pictures into the session's folder, under their hash; gives their names there.

        Raises: InvalidInput for a file that is no picture, naming it; then none is kept.
        """
        for file in files:
            read_picture(file)
        return tuple(self._copy(session_id, file) for file in files)

    def keep_data(self, session_id: str, pictures: Sequence[tuple[str, bytes]]) -> tuple[str, ...]:
        """As `keep`, for pictures that are no files yet: their suffixes and bytes."""
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"picture-{at}{suffix}" for at, (suffix, _) in enumerate(pictures, 1)]
            for file, (_, data) in zip(files, pictures, strict=True):
                file.write_bytes(data)
            return self.keep(session_id, files)

    def read(self, session_id: str, names: Sequence[str]) -> tuple[Picture, ...]:
        """As arrays: RGB, uint8, H x W x 3. Raises: InvalidInput when one is gone."""
        return tuple(read_picture(self.path(session_id, name)) for name in names)

    def path(self, session_id: str, name: str) -> Path:
        """Where a picture is. Raises: InvalidInput for a name that is none of ours."""
        if not session_id.isalnum() or not name or Path(name).name != name or name.startswith("."):
            raise InvalidInput(f"There is no picture {name!r}.")
        return self._folder / session_id / name

    def forget(self, session_id: str) -> None:
        """Remove what a session had."""
        if session_id.isalnum():
            shutil.rmtree(self._folder / session_id, ignore_errors=True)

    def _copy(self, session_id: str, file: Path) -> str:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise InvalidInput(why_not(file, error)) from error
        name = hashlib.sha256(data).hexdigest()[:32] + file.suffix.lower()
        place = self.path(session_id, name)
        if not place.exists():
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            partial = place.with_suffix(".partial")
            partial.write_bytes(data)
            partial.replace(place)
        return name


def read_picture(file: Path) -> Picture:
    """RGB, uint8, H x W x 3, turned as its EXIF data says. Raises: InvalidInput, naming the file."""
    import numpy as np
    from PIL import Image, ImageOps

    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InvalidInput(
                    f"{file.name} has {image.width} x {image.height} pixels; that is too large."
                )
            upright = ImageOps.exif_transpose(image).convert("RGB")
            upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            return np.ascontiguousarray(upright, np.uint8)
    except FileNotFoundError as error:
        raise InvalidInput(f"The picture {file.name} is not there any more.") from error
    except (Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system, not of the format
            raise InvalidInput(why_not(file, error)) from error
        known = ", ".join(FORMATS)
        raise InvalidInput(f"{file.name} is no picture that can be read. Use one of: {known}.") from error
