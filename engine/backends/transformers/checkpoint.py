"""A model folder, read without loading it: is it whole and safe, how large is it, which weights are these.

Reads headers only, so that checking a model of any size takes milliseconds. Knows the safetensors format
and the index of shards; knows neither torch nor what the tensors mean.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from engine.errors import ModelError
from engine.paths import why_not

INDEX = "model.safetensors.index.json"
WHOLE = "model.safetensors"
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_LONGEST_HEADER = 100_000_000  # bytes; the format's own limit
_SAMPLES, _SAMPLE_BYTES = 64, 16_384
_ITEM_BITS = {
    **dict.fromkeys(("F64", "I64", "U64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    "F4": 4,
}


@dataclass(frozen=True)
class Tensor:
    """One tensor as a header describes it."""

    name: str
    dtype: str  # "F32", "BF16", ... as safetensors writes it
    shape: tuple[int, ...]
    size_bytes: int

    @property
    def is_float(self) -> bool:
        return self.dtype in ("F64", "F32", "F16", "BF16")

    @property
    def items(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class Checkpoint:
    """The weights of one model folder: every file there, every header sound."""

    files: tuple[Path, ...]
    tensors: tuple[Tensor, ...]

    @property
    def size_bytes(self) -> int:
        return sum(tensor.size_bytes for tensor in self.tensors)

    def digest(self, config: Mapping[str, Any]) -> str:
        """The identity of weights and configuration, as 64 hexadecimal digits.

        SHA-256 over the configuration and, of each file, its size, its header and 64 samples of 16 KiB
        spread evenly over it (the whole of a file below 1 MiB). Weights that were trained differ
        everywhere, so this tells them apart at the cost of a megabyte of reading per file.
        """
        told = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
        for path in self.files:
            _sample(path, told)
        return told.hexdigest()


def open_checkpoint(folder: Path) -> Checkpoint:
    """Check the weights of `folder`, header by header.

    Raises:
        ModelError: no weights, pickled weights only, a shard missing, or a file that is cut or damaged.
    """
    files = weight_files(folder)
    try:
        tensors = tuple(tensor for path in files for tensor in read_header(path))
    except OSError as error:
        raise ModelError(why_not(error.filename or folder, error)) from error
    if not tensors:
        raise ModelError(f"{folder} holds no weights: {WHOLE} is empty. Download the model again.")
    return Checkpoint(files, tensors)


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files that the model consists of, by name. Raises: ModelError, as above."""
    if not folder.is_dir():
        raise ModelError(f"There is no model folder {folder}. Choose another model, or put it there.")
    index = folder / INDEX
    if (folder / WHOLE).is_file():
        names: Iterable[str] = [WHOLE]
    elif index.is_file():
        names = _shard_names(index)
    else:
        raise ModelError(_no_weights(folder))
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ModelError(
            f"{folder} is not complete: {missing[0]}{more} is missing. Download the model again."
        )
    return tuple(folder / name for name in names)


def read_header(path: Path) -> list[Tensor]:
    """The tensors of one safetensors file: 8 bytes of length, a JSON header, then the data without a gap.

    Raises: ModelError, naming the file, when header and file size do not agree; OSError.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
            raise _damaged(path, "it is no safetensors file, or only the start of one")
        raw = file.read(length)
    try:
        header = json.loads(raw)
        header.pop("__metadata__", None)
        tensors = [(_tensor(name, entry), entry["data_offsets"]) for name, entry in header.items()]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path, "its header cannot be read") from error
    _check_offsets(path, tensors, size - 8 - length)
    return [tensor for tensor, _ in tensors]


def _tensor(name: str, entry: Mapping[str, Any]) -> Tensor:
    start, end = entry["data_offsets"]
    return Tensor(name, entry["dtype"], tuple(int(side) for side in entry["shape"]), end - start)


def _check_offsets(path: Path, tensors: list[tuple[Tensor, list[int]]], data_bytes: int) -> None:
    position = 0
    for tensor, (start, end) in sorted(tensors, key=lambda pair: tuple(pair[1])):
        bits = _ITEM_BITS.get(tensor.dtype)
        fits = bits is None or -(-tensor.items * bits // 8) == end - start
        if start != position or end < start or not fits:
            raise _damaged(path, f"the place of the tensor {tensor.name} is wrong")
        position = end
    if position != data_bytes:
        raise _damaged(path, f"it has {data_bytes:,} bytes of weights where {position:,} are announced")


def _shard_names(index: Path) -> list[str]:
    try:
        places = json.loads(index.read_bytes())["weight_map"].values()
        names = sorted({str(name) for name in places})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(index, "it lists no shards") from error
    outside = [name for name in names if Path(name).name != name or not name.endswith(".safetensors")]
    if outside or not names:
        raise _damaged(index, f"it names {outside[0]!r}" if outside else "it lists no shards")
    return names


def _no_weights(folder: Path) -> str:
    pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
    if pickled:
        return (
            f"{folder} has pickled weights only ({pickled[0]}), which may run code when they are read. "
            "Get the model as safetensors."
        )
    return f"{folder} has no weights: {WHOLE} is missing. Download the model again."


def _damaged(path: Path, why: str) -> ModelError:
    return ModelError(f"{path} is damaged: {why}. Download the model again.")


def _sample(path: Path, told: "hashlib._Hash") -> None:
    size = path.stat().st_size
    told.update(struct.pack("<Q", size))
    with path.open("rb") as file:
        if size <= _SAMPLES * _SAMPLE_BYTES:
            told.update(file.read())
            return
        told.update(file.read(8 + struct.unpack("<Q", file.read(8))[0]))
        for index in range(_SAMPLES):
            file.seek(index * (size - _SAMPLE_BYTES) // (_SAMPLES - 1))
            told.update(file.read(_SAMPLE_BYTES))
