"""What must hold before a GGUF model is handed to native code, and what it will need there.

Headers only are read. The numbers that a header gives are compared with the shapes of the tensors, since
llama.cpp ends the process over some that contradict each other. Knows headers; loads nothing.
"""

import hashlib
import struct
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.backends.llamacpp.cursor import damaged
from engine.backends.llamacpp.gguf import Header, LongArray, read_header, repeats
from engine.backends.llamacpp.shelf import ShelvedModel
from engine.errors import ModelError

DEFAULT_CONTEXT = 8192  # tokens, where the model can read as many
SEQUENCES = 35  # that share the context: three that last, and questions about one frame side by side
READ_AT_ONCE = 512  # tokens
_SAMPLES, _SAMPLE_BYTES = 64, 16_384
_HALF_FLOAT = 2  # bytes of one number in the cache
_FLOAT = 4
_LARGEST = 1 << 24  # of any count or width in a model: a hundred times what exists


@dataclass(frozen=True)
class CheckedModel:
    """A model whose files are whole and belong together."""

    shelved: ShelvedModel
    headers: tuple[Header, ...]  # one for each file
    projector: Header | None

    @property
    def main(self) -> Header:
        return self.headers[0]

    @cached_property
    def digest(self) -> str:
        """The identity of the weights, as 64 hexadecimal digits.

        SHA-256 over the size, the header and 64 samples of 16 KiB of each file (the whole of one below
        1 MiB): weights that were trained differ everywhere.
        """
        told = hashlib.sha256()
        for header in (*self.headers, *([self.projector] if self.projector else [])):
            _sample(header, told)
        return told.hexdigest()

    @property
    def context_made_for(self) -> int:
        """Tokens."""
        return int(self.main.own("context_length"))

    def context_length(self, asked: int | None) -> int:
        """Tokens: what was asked for, at most what the model was made for."""
        return min(self.context_made_for, asked or DEFAULT_CONTEXT)

    def resident_bytes(self, context_length: int) -> int:
        """Weights, cache and work space: an estimate."""
        files = (*self.headers, *([self.projector] if self.projector else []))
        weights = sum(header.weight_bytes for header in files)
        return weights + self._cache_bytes(context_length) + self._work_bytes()

    def _cache_bytes(self, context_length: int) -> int:
        heads = _per_layer(self.main, "attention.head_count_kv", "attention.head_count")
        width = _head_width(self.main, "key") + _head_width(self.main, "value")
        return context_length * sum(heads) * width * _HALF_FLOAT

    def _work_bytes(self) -> int:
        """The logits of one reading, and three times as wide a row as the widest for each of its tokens."""
        width = max(_number(self.main, "embedding_length"), _vocabulary(self.main))
        return READ_AT_ONCE * width * _FLOAT


def check(model: ShelvedModel, known_architectures: Collection[str] = ()) -> CheckedModel:
    """Raises: ModelError, naming the file, when something is missing, damaged, or does not belong.

    An architecture is refused when it is not among the known ones, unless none is known.
    """
    if model.missing:
        more = f" and {len(model.missing) - 1} more" if len(model.missing) > 1 else ""
        raise ModelError(f"{model.name} is not complete: {model.missing[0]}{more} is missing. Download it.")
    headers = tuple(read_header(path) for path in model.files)
    _check_shards(headers)
    _check_architecture(headers[0], known_architectures)
    _check_text_model(headers)
    projector = read_header(model.projector) if model.projector else None
    if projector is not None:
        _check_projector(headers[0], projector)
    return CheckedModel(model, headers, projector)


def check_template(model: CheckedModel) -> None:
    """Raises: ModelError for a model that cannot be asked: no chat template, or one that is broken."""
    from engine.backends.chat_template import refuse_broken

    place, source = model.main.path, model.main.metadata.get("tokenizer.chat_template")
    if not isinstance(source, str) or not source.strip():
        raise ModelError(f"{place} has no chat template, so it cannot be asked anything. Pick a chat model.")
    refuse_broken(source, f"The chat template in {place}")


def _check_shards(headers: tuple[Header, ...]) -> None:
    for index, header in enumerate(headers):
        count = header.metadata.get("split.count", 1 if len(headers) == 1 else None)
        number = header.metadata.get("split.no", index)
        if (count or 1) != len(headers) or number != index:
            raise ModelError(
                f"{header.path} is not part {index + 1} of {len(headers)} of its model. Download it again."
            )
    announced = headers[0].metadata.get("split.tensors.count")
    held = sum(len(header.tensors) for header in headers)
    if len(headers) > 1 and announced not in (None, held):
        raise damaged(headers[0].path, f"its parts have {held} tensors where {announced} are announced")


def _check_architecture(main: Header, known: Collection[str]) -> None:
    if not main.architecture:
        raise damaged(main.path, "it does not say which architecture it has")
    if main.architecture == "clip":
        raise ModelError(f"{main.path} is the part of a model that sees, not a model. Pick the model itself.")
    if known and main.architecture not in known:
        raise ModelError(
            f"{main.path} is of the architecture {main.architecture!r}, which the installed "
            "llama-cpp-python cannot load. Update it, or pick another model."
        )


def _check_text_model(headers: tuple[Header, ...]) -> None:
    """Raises: ModelError unless the numbers in the header are those of the tensors."""
    main = headers[0]
    shapes = {name: tensor.shape for header in headers for name, tensor in header.tensors.items()}
    blocks = {name.split(".")[1] for name in shapes if name.startswith("blk.")}
    layers, width = _number(main, "block_count"), _number(main, "embedding_length")
    _number(main, "context_length")
    embedding = shapes.get("token_embd.weight")
    if embedding is None or len(embedding) != 2 or embedding != (width, _vocabulary(main)):
        raise damaged(main.path, "its vocabulary and its token_embd.weight have different sizes")
    if not blocks <= {str(layer) for layer in range(layers)} or str(layers - 1) not in blocks:
        raise damaged(main.path, f"it announces {layers} layers and has tensors of {len(blocks)}")
    for key in ("attention.head_count", "attention.head_count_kv"):
        if any(not 0 <= heads <= width for heads in _per_layer(main, key, "attention.head_count")):
            raise damaged(main.path, f"its {key} is {main.own(key)!r}")
    _check_vocabulary(main)


def _check_vocabulary(main: Header) -> None:
    count = _vocabulary(main)
    tokens = main.metadata["tokenizer.ggml.tokens"]
    if tokens.repeats if isinstance(tokens, LongArray) else repeats(tokens):
        raise damaged(main.path, "its vocabulary has a token twice")
    for key in ("scores", "token_type"):
        items = main.metadata.get(f"tokenizer.ggml.{key}")
        if items is not None and _length(items) != count:
            raise damaged(main.path, f"it has {count:,} tokens and {_length(items):,} of their {key}")
    for key, value in main.metadata.items():
        if key.startswith("tokenizer.ggml.") and key.endswith("_token_id") and not _is_below(value, count):
            raise damaged(main.path, f"{key} is {value!r}, and there are {count:,} tokens")


def _check_projector(main: Header, projector: Header) -> None:
    """Raises: ModelError unless what the projector puts out is what the model reads."""
    if projector.architecture != "clip" or not projector.metadata.get("clip.has_vision_encoder"):
        raise ModelError(
            f"{projector.path} is no projector for pictures. Take it away, or get the right one."
        )
    width = _number(main, "embedding_length")
    if not _puts_out(projector, width):
        raise ModelError(
            f"{projector.path.name} does not belong to {main.path.name}: it puts out no tokens of {width} "
            "numbers, which that model reads. Get the mmproj of this very model, or take it away."
        )
    for key in ("image_size", "patch_size", "block_count", "embedding_length", "attention.head_count"):
        value = projector.metadata.get(f"clip.vision.{key}")
        if value is not None and not (isinstance(value, int) and 0 < value < _LARGEST):
            raise damaged(projector.path, f"its {key} is {value!r}")


def _puts_out(projector: Header, width: int) -> bool:
    """Whether its tokens have `width` numbers: it says so, or its last layers have such a side.

    Older files give a number of the tower's own there, hence the second look.
    """
    said = projector.metadata.get("clip.vision.projection_dim")
    shapes = (t.shape for name, t in projector.tensors.items() if not name.startswith("v.blk."))
    return said == width or any(width in shape for shape in shapes)


def _number(header: Header, key: str, default: int | None = None) -> int:
    value = header.own(key)
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _LARGEST:
        raise damaged(header.path, f"its {header.architecture}.{key} is {value!r}")
    return value


def _per_layer(header: Header, key: str, otherwise: str) -> list[int]:
    """A number that may be given once or for each layer."""
    layers = _number(header, "block_count")
    value = header.own(key) if header.own(key) is not None else header.own(otherwise)
    values = list(value) if isinstance(value, tuple) else [value] * layers
    if len(values) < layers or not all(isinstance(item, int) for item in values):
        raise damaged(header.path, f"its {header.architecture}.{key} is {value!r}")
    return values[:layers]


def _head_width(header: Header, which: str) -> int:
    given = header.own(f"attention.{which}_length")
    if isinstance(given, int) and given > 0:
        return given
    heads = max(_per_layer(header, "attention.head_count", "attention.head_count"), default=1)
    return _number(header, "embedding_length") // max(1, heads)


def _vocabulary(header: Header) -> int:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, (tuple, LongArray)) or not _length(tokens):
        raise damaged(header.path, "it has no vocabulary")
    return _length(tokens)


def _length(items: Any) -> int:
    return items.count if isinstance(items, LongArray) else len(items) if isinstance(items, tuple) else -1


def _is_below(value: object, count: int) -> bool:
    """Whether it is a token; -1 and its unsigned twin stand for none."""
    return isinstance(value, int) and (0 <= value < count or value in (-1, 0xFFFFFFFF))


def _sample(header: Header, told: "hashlib._Hash") -> None:
    size = header.path.stat().st_size
    told.update(struct.pack("<Q", size))
    with Path(header.path).open("rb") as file:
        if size <= _SAMPLES * _SAMPLE_BYTES:
            told.update(file.read())
            return
        told.update(file.read(header.data_start))
        for index in range(_SAMPLES):
            file.seek(index * (size - _SAMPLE_BYTES) // (_SAMPLES - 1))
            told.update(file.read(_SAMPLE_BYTES))
