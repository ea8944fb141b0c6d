"""Reading little-endian values one behind the other from a file that is not trusted.

Every read is checked against the file's size before it is made, so that no length that a damaged file
gives can reach further, or ask for more memory, than the file itself. Knows nothing of what the values mean.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

from engine.errors import ModelError

_CHUNK = 1 << 20  # bytes


def damaged(path: Path, why: str) -> ModelError:
    """What to tell a person about a file that cannot be used."""
    return ModelError(f"{path} is damaged: {why}. Download it again.")


class Cursor:
    """A place in a file that only moves on. Raises: ModelError at the end of the file."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self.path, self.size = path, size
        self.position = 0  # bytes from the start of the file
        self._file = file
        self._buffer = b""  # the bytes before `_end`
        self._end = 0

    def number(self, layout: str) -> Any:
        """The next value, in the notation of `struct` (without the byte order)."""
        return struct.unpack("<" + layout, self._take(struct.calcsize("<" + layout)))[0]

    def text(self, longest: int) -> str:
        """The next string. Raises: ModelError when it is longer than `longest` bytes or no UTF-8."""
        raw = self.raw(longest)
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise damaged(self.path, "a name in its header is no text") from error

    def raw(self, longest: int) -> bytes:
        """The bytes of the next string."""
        length = self.number("Q")
        if length > longest:
            raise damaged(self.path, f"a text in its header is {length:,} bytes long")
        return self._take(length)

    def numbers(self, layout: str, count: int) -> tuple[Any, ...]:
        """`count` values of one kind."""
        whole = struct.Struct(f"<{count}{layout}")
        return whole.unpack(self._take(whole.size))

    def skip(self, count: int) -> None:
        """Pass over `count` bytes without reading them."""
        self._check(count)
        self.position += count

    def _take(self, count: int) -> bytes:
        if self.position + count > self._end:
            self._fill(count)
        start = self.position - (self._end - len(self._buffer))
        self.position += count
        return self._buffer[start : start + count]

    def _fill(self, count: int) -> None:
        self._check(count)
        self._file.seek(self.position)
        self._buffer = self._file.read(max(count, _CHUNK))
        self._end = self.position + len(self._buffer)
        if len(self._buffer) < count:
            raise damaged(self.path, "it became shorter while it was read")

    def _check(self, count: int) -> None:
        if count > self.size - self.position:
            raise damaged(self.path, "it is cut off, or a length in its header is wrong")
