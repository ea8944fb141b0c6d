"""The header of a GGUF file, read without the library: what is announced, and whether it adds up.

Native code trusts a header and may bring the whole process down with a wrong one, so each length, count and
offset is checked here against the file's size. The format is llama.cpp's GGUF, versions 2 and 3. Knows
nothing of what models are made of.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from engine.backends.llamacpp.cursor import Cursor, damaged
from engine.errors import ModelError
from engine.paths import why_not

MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_ALIGNMENT = "general.alignment"
_LONGEST_KEY, _LONGEST_NAME, _LONGEST_TEXT = 65_535, 63, 1 << 24  # bytes
_MOST_KEPT = 4096  # items of an array; of longer ones only the length is kept
_SMALLEST_PAIR, _SMALLEST_TENSOR = 13, 32  # bytes in the header
_MOST_DIMENSIONS = 4
_STRING, _ARRAY = 8, 9
_LAYOUTS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_ITEM_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
# Of each number format: how many weights are stored together, and in how many bytes.
# fmt: off
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 40),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110),
    22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
    29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}
# fmt: on


@dataclass(frozen=True)
class LongArray:
    """An array too long to be kept: a vocabulary, its scores, its merges."""

    count: int
    repeats: bool = False  # whether a text, other than the empty one, stands in it twice


@dataclass(frozen=True)
class Tensor:
    """One tensor as the header describes it."""

    name: str
    shape: tuple[int, ...]  # the one that changes fastest first
    kind: int  # the number format, as in `BLOCKS`
    offset: int  # bytes from the start of the data
    size_bytes: int


@dataclass(frozen=True)
class Header:
    """What a GGUF file says of itself; every length and place in it lies inside the file."""

    path: Path
    metadata: Mapping[str, Any]  # numbers, texts, tuples, LongArray
    tensors: Mapping[str, Tensor]
    data_start: int  # bytes: the header's length, padding included

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    @property
    def weight_bytes(self) -> int:
        return sum(tensor.size_bytes for tensor in self.tensors.values())

    def own(self, key: str) -> Any:
        """A value of the architecture's own, like `embedding_length`; None when it is not given."""
        return self.metadata.get(f"{self.architecture}.{key}")


def read_header(path: Path) -> Header:
    """Raises: ModelError, naming the file, when it is no GGUF file, or is cut off or damaged."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            _check_kind(path, file.read(8))
            return _header(Cursor(path, file, size))
    except OSError as error:
        raise ModelError(why_not(path, error)) from error


def _check_kind(path: Path, start: bytes) -> None:
    if start[:4] != MAGIC:
        said = "is empty" if not start else "is no GGUF file"
        raise ModelError(f"{path} {said}, whatever its name says. Download it again, or take it away.")
    if len(start) < 8:
        raise damaged(path, "it ends after a few bytes")
    version = int.from_bytes(start[4:8], "little")
    if version & 0xFFFF == 0:
        raise ModelError(f"{path} was made for big-endian machines. Get the little-endian file.")
    if version not in _VERSIONS:
        raise ModelError(
            f"{path} is GGUF version {version}; versions 2 and 3 can be read. Get a newer file of the model."
        )


def _header(cursor: Cursor) -> Header:
    cursor.skip(8)
    tensor_count, pair_count = cursor.number("Q"), cursor.number("Q")
    if tensor_count > cursor.size // _SMALLEST_TENSOR or pair_count > cursor.size // _SMALLEST_PAIR:
        raise damaged(cursor.path, "it announces more than a file of its size can hold")
    metadata = _metadata(cursor, pair_count)
    alignment = metadata.get(_ALIGNMENT, 32)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1) or alignment > 1 << 20:
        raise damaged(cursor.path, f"its alignment is {alignment!r}")
    tensors = [_tensor(cursor) for _ in range(tensor_count)]
    start = _padded(cursor.position, alignment)
    _check_places(cursor, tensors, start, alignment)
    named = {tensor.name: tensor for tensor in tensors}
    if len(named) < len(tensors):
        raise damaged(cursor.path, "it has two tensors of one name")
    return Header(cursor.path, metadata, named, start)


def _metadata(cursor: Cursor, count: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(count):
        key = cursor.text(_LONGEST_KEY)
        if key in found:
            raise damaged(cursor.path, f"{key} is given twice")
        found[key] = _value(cursor, cursor.number("I"))
    return found


def _value(cursor: Cursor, kind: int) -> Any:
    if kind == _STRING:
        return cursor.raw(_LONGEST_TEXT).decode(errors="replace")
    if kind == _ARRAY:
        return _array(cursor, cursor.number("I"), cursor.number("Q"))
    if kind not in _LAYOUTS:
        raise damaged(cursor.path, f"a value in its header is of the unknown kind {kind}")
    return cursor.number(_LAYOUTS[kind])


def _array(cursor: Cursor, kind: int, count: int) -> tuple[Any, ...] | LongArray:
    if kind != _STRING and kind not in _LAYOUTS:
        raise damaged(cursor.path, f"an array in its header is of the unknown kind {kind}")
    if count * _ITEM_BYTES.get(kind, 8) > cursor.size:
        raise damaged(cursor.path, f"an array in its header has {count:,} items")
    if count > _MOST_KEPT:
        if kind == _STRING:
            return LongArray(count, repeats(cursor.raw(_LONGEST_TEXT) for _ in range(count)))
        cursor.skip(count * _ITEM_BYTES[kind])
        return LongArray(count)
    if kind == _STRING:
        return tuple(cursor.raw(_LONGEST_TEXT) for _ in range(count))
    return cursor.numbers(_LAYOUTS[kind], count)


def _tensor(cursor: Cursor) -> Tensor:
    name = cursor.text(_LONGEST_NAME)
    dimensions = cursor.number("I")
    if not 1 <= dimensions <= _MOST_DIMENSIONS:
        raise damaged(cursor.path, f"the tensor {name} has {dimensions} dimensions")
    shape = cursor.numbers("Q", dimensions)
    kind, offset = cursor.number("I"), cursor.number("Q")
    if kind not in BLOCKS:
        raise ModelError(
            f"{cursor.path}: the tensor {name} has the unknown number format {kind}. Download it again; if "
            "that does not help, pick another file of the model."
        )
    together, stored = BLOCKS[kind]
    items = prod(shape)
    if items == 0 or shape[0] % together or items // together * stored > cursor.size:
        raise damaged(cursor.path, f"the tensor {name} cannot have the shape {shape}")
    return Tensor(name, shape, kind, offset, items // together * stored)


def _check_places(cursor: Cursor, tensors: list[Tensor], start: int, alignment: int) -> None:
    """One tensor behind the other, each padded, the last one inside the file."""
    position = 0
    for tensor in tensors:
        if tensor.offset != position:
            raise damaged(cursor.path, f"the place of the tensor {tensor.name} is wrong")
        if start + position + tensor.size_bytes > cursor.size:
            raise damaged(cursor.path, f"it is cut off: {tensor.name} lies behind its end")
        position = _padded(position + tensor.size_bytes, alignment)


def repeats(texts: Iterable[bytes]) -> bool:
    """Whether a text, other than the empty one, is among them twice."""
    seen: set[bytes] = set()
    twice = False
    for text in texts:
        twice = twice or (text in seen and text != b"")
        seen.add(text)
    return twice


def _padded(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment
