"""The provider: which folders hold a model that transformers could load, and whether one will load.

Cheap to make and to list; torch and transformers are imported when a model is validated.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.backends.base import Backend, LoadPlan, LoadProgress, ModelEntry
from engine.backends.transformers.checkpoint import Checkpoint, open_checkpoint
from engine.backends.transformers.checks import check_readers, refuse_broken_template, refuse_no_template
from engine.cancel import CancelToken
from engine.catalog import ModelFolder, model_folders, only_writes, read_config, sees_and_writes
from engine.errors import InvalidInput, ModelError
from engine.settings import LoadOptions

_NEEDED = ("torch", "transformers", "accelerate", "safetensors", "PIL")
_FOREIGN_OPTIONS = {  # options of other providers, and what to do instead
    "n_gpu_layers": "Choose device instead.",
    "parallel": "It answers one at a time: leave it out.",
}
_ROOM_TO_WORK = 1.1  # of the weights' size: cache, activations, and what is copied while loading


class TransformersProvider:
    """Models that answer in text, whether they see or not, from the shelf and the Hugging Face cache."""

    id = "transformers"
    label = "Transformers"

    def unavailable(self, patient: CancelToken | None = None, model: str = "") -> str:
        """Why it cannot be used here; empty when it can. Nothing is imported to find out."""
        missing = [name for name in _NEEDED if find_spec(name) is None]
        if not missing:
            return ""
        return f"{' and '.join(missing)} is not installed. Run: pip install -r requirements.txt"

    def models(self, shelf: Path, model: str = "", cancel: CancelToken | None = None) -> list[ModelEntry]:
        """Every language model that is there; one that cannot be loaded says why in its `detail`."""
        entries = (_entry(folder) for folder in model_folders(shelf))
        return [entry for entry in entries if entry is not None]

    def validate(
        self, entry: ModelEntry, options: LoadOptions, cancel: CancelToken | None = None
    ) -> LoadPlan:
        """Raises: ModelError, InvalidInput; see the port."""
        folder = _folder(entry)
        config = read_config(folder)
        checkpoint = open_checkpoint(folder)
        refuse_no_template(folder, config)
        _refuse_options(options)
        from engine.backends.transformers import devices

        _refuse_unknown_code(folder, config)
        check_readers(folder, config)
        refuse_broken_template(folder)
        placement = devices.place(options)
        weights = _bytes_in_memory(checkpoint, placement.dtype.itemsize, options.quantization)
        return LoadPlan(
            checkpoint.digest(config), int(weights * _ROOM_TO_WORK), devices.free_bytes(placement)
        )

    def load(
        self, entry: ModelEntry, options: LoadOptions, progress: LoadProgress, cancel: CancelToken
    ) -> Backend:
        """Raises: ModelError; Cancelled, with the memory given back."""
        from engine.backends.transformers.model import load_backend

        folder = _folder(entry)
        _refuse_options(options)
        _refuse_unknown_code(folder, read_config(folder))
        return load_backend(entry.name, folder, options, progress, cancel)


def _entry(folder: ModelFolder) -> ModelEntry | None:
    """None for a folder that holds another kind of model."""
    sees, size = True, 0
    try:
        config = read_config(folder.path)
        sees = sees_and_writes(config)
        if not sees and not only_writes(config):
            return None
        refuse_no_template(folder.path, config)
        check_readers(folder.path, config)
        size = open_checkpoint(folder.path).size_bytes
        detail = f"{folder.home}: {folder.path}"
    except ModelError as error:
        detail = f"Cannot be loaded. {error}"
    return ModelEntry(folder.name, TransformersProvider.id, sees, size, detail, folder.path)


def _folder(entry: ModelEntry) -> Path:
    if entry.location is None or not entry.location.is_dir():
        raise ModelError(f"There is no model folder {entry.location or entry.name}. Choose another model.")
    return entry.location


def _refuse_options(options: LoadOptions) -> None:
    """Raises: InvalidInput for what this provider cannot do, ModelError for what is not installed."""
    for name, instead in _FOREIGN_OPTIONS.items():
        if getattr(options, name) is not None:
            raise InvalidInput(f"Transformers has no load option {name}. {instead}")
    if options.quantization is not None and find_spec("bitsandbytes") is None:
        raise ModelError(
            f"Loading in {options.quantization} needs the package bitsandbytes. Run: pip install "
            "bitsandbytes, or leave quantization out."
        )
    if options.flash_attention and find_spec("flash_attn") is None:
        raise ModelError(
            "flash_attention needs the package flash-attn and a CUDA device. Run: pip install flash-attn, "
            "or leave flash_attention out."
        )


def _refuse_unknown_code(folder: Path, config: dict[str, Any]) -> None:
    """Raises: ModelError for a kind of model that the installed transformers has no code for."""
    from transformers.models.auto import modeling_auto

    kind, sees = config.get("model_type"), sees_and_writes(config)
    seeing, writing = (
        modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
        modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    )
    if kind in (seeing if sees else writing):
        return
    if config.get("auto_map"):
        raise ModelError(
            f"{folder} needs Python code of its own (auto_map in config.json), which is never run. "
            "Pick a model that transformers supports itself."
        )
    what = "a model that sees pictures" if sees else "a language model"
    raise ModelError(
        f"{folder} is of the kind {kind!r}, which the installed transformers cannot load as {what}. "
        "Update transformers, or pick another model."
    )


def _bytes_in_memory(checkpoint: Checkpoint, item_bytes: int, quantization: str | None) -> float:
    """An estimate: floats get the chosen format, matrices the quantised one with its scales."""
    per_item = {None: item_bytes, "8bit": 1.02, "4bit": 0.57}[quantization]
    total = 0.0
    for tensor in checkpoint.tensors:
        if not tensor.is_float:
            total += tensor.size_bytes
        elif len(tensor.shape) == 2:
            total += tensor.items * per_item
        else:
            total += tensor.items * item_bytes
    return total
