"""The provider: which folders hold a model that transformers could load, and whether one will load.

Cheap to make and to list; torch and transformers are imported when a model is validated.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.backends.base import Backend, LoadPlan, LoadProgress, ModelEntry
from engine.backends.transformers.checkpoint import Checkpoint, open_checkpoint
from engine.cancel import CancelToken
from engine.catalog import ModelFolder, model_folders, read_config, sees_and_writes
from engine.errors import InvalidInput, ModelError
from engine.settings import LoadOptions

_NEEDED = ("torch", "transformers", "accelerate", "safetensors", "PIL")
_FOREIGN_OPTIONS = {"n_gpu_layers": "device"}  # options of other providers, and what to choose instead
_ROOM_TO_WORK = 1.1  # of the weights' size: cache, activations, and what is copied while loading


class TransformersProvider:
    """Models that read pictures and answer in text, from the shelf and the Hugging Face cache."""

    id = "transformers"
    label = "Transformers"

    def unavailable(self) -> str:
        """Why it cannot be used here; empty when it can. Nothing is imported to find out."""
        missing = [name for name in _NEEDED if find_spec(name) is None]
        if not missing:
            return ""
        return f"{' and '.join(missing)} is not installed. Run: pip install -r requirements.txt"

    def models(self, shelf: Path) -> list[ModelEntry]:
        """Every vision-language model that is there; one that cannot be loaded says why in its `detail`."""
        entries = (_entry(folder) for folder in model_folders(shelf))
        return [entry for entry in entries if entry is not None]

    def validate(self, entry: ModelEntry, options: LoadOptions) -> LoadPlan:
        """Raises: ModelError, InvalidInput; see the port."""
        folder = _folder(entry)
        config = read_config(folder)
        checkpoint = open_checkpoint(folder)
        _refuse_options(options)
        from engine.backends.transformers import devices

        _refuse_unknown_code(folder, config)
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
    try:
        config = read_config(folder.path)
        if not sees_and_writes(config):
            return None
        checkpoint = open_checkpoint(folder.path)
    except ModelError as error:
        return ModelEntry(
            folder.name, TransformersProvider.id, True, 0, f"Cannot be loaded. {error}", folder.path
        )
    return ModelEntry(
        folder.name,
        TransformersProvider.id,
        True,
        checkpoint.size_bytes,
        f"{folder.home}: {folder.path}",
        folder.path,
    )


def _folder(entry: ModelEntry) -> Path:
    if entry.location is None or not entry.location.is_dir():
        raise ModelError(f"There is no model folder {entry.location or entry.name}. Choose another model.")
    return entry.location


def _refuse_options(options: LoadOptions) -> None:
    """Raises: InvalidInput for what this provider cannot do, ModelError for what is not installed."""
    for name, instead in _FOREIGN_OPTIONS.items():
        if getattr(options, name) is not None:
            raise InvalidInput(f"Transformers has no load option {name}. Choose {instead} instead.")
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
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as KNOWN

    kind = config.get("model_type")
    if kind in KNOWN:
        return
    if config.get("auto_map"):
        raise ModelError(
            f"{folder} needs Python code of its own (auto_map in config.json), which is never run. "
            "Pick a model that transformers supports itself."
        )
    raise ModelError(
        f"{folder} is of the kind {kind!r}, which the installed transformers cannot load as a model that "
        "sees pictures. Update transformers, or pick another model."
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
