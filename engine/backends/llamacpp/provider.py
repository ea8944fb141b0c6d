"""The provider: which GGUF models could be loaded, and whether one will load.

Cheap to make and to list; the library is imported when a model is validated.
"""

from importlib.util import find_spec
from pathlib import Path

from engine.backends.base import Backend, LoadPlan, LoadProgress, ModelEntry
from engine.backends.llamacpp.checks import check, check_template
from engine.backends.llamacpp.shelf import ShelvedModel, model_at, shelved_models
from engine.backends.llamacpp.trial import survive
from engine.cancel import CancelToken
from engine.errors import InvalidInput, ModelError
from engine.settings import LoadOptions

_FOREIGN_OPTIONS = {  # options of other providers, and what to do instead
    "device": "Choose n_gpu_layers instead: 0 for the CPU.",
    "dtype": "A GGUF file has its number format in it: pick another file.",
    "quantization": "A GGUF file is quantised already: pick another file.",
    "parallel": "It answers one at a time: leave it out.",
}
_ROOM_TO_WORK = 1.05  # of what will be resident: what is copied while loading, and the library itself


class LlamaCppProvider:
    """GGUF models from the shelf."""

    id = "llamacpp"
    label = "llama.cpp"

    def unavailable(self, patient: CancelToken | None = None, model: str = "") -> str:
        """Why it cannot be used here; empty when it can. Nothing is imported to find out."""
        if find_spec("llama_cpp") is None:
            return "llama-cpp-python is not installed. Run: pip install -r requirements.txt"
        return ""

    def models(self, shelf: Path, model: str = "", cancel: CancelToken | None = None) -> list[ModelEntry]:
        """Every GGUF model that is there; one that cannot be loaded says why in its `detail`."""
        return [_entry(model) for model in shelved_models(shelf)]

    def validate(
        self, entry: ModelEntry, options: LoadOptions, cancel: CancelToken | None = None
    ) -> LoadPlan:
        """Raises: ModelError, InvalidInput; see the port."""
        _refuse_options(options)
        shelved = _shelved(entry)
        from engine.backends.llamacpp import native

        native.prepare()
        checked = check(shelved, native.known_architectures())
        check_template(checked)
        survive(checked)
        needed = checked.resident_bytes(checked.context_length(options.n_ctx))
        return LoadPlan(checked.digest, int(needed * _ROOM_TO_WORK), native.free_bytes())

    def load(
        self, entry: ModelEntry, options: LoadOptions, progress: LoadProgress, cancel: CancelToken
    ) -> Backend:
        """Raises: ModelError; Cancelled, with the memory given back."""
        cancel.raise_if_cancelled()
        _refuse_options(options)
        checked = check(_shelved(entry))
        from engine.backends.llamacpp.model import load_backend

        return load_backend(entry.name, checked, options, progress, cancel)


def _entry(model: ShelvedModel) -> ModelEntry:
    detail = str(model.files[0])
    if model.missing:
        more = f" and {len(model.missing) - 1} more" if len(model.missing) > 1 else ""
        detail = f"Cannot be loaded. {model.missing[0]}{more} is missing."
    return ModelEntry(
        model.name,
        LlamaCppProvider.id,
        model.projector is not None,
        model.size_bytes,
        detail,
        model.files[0],
    )


def _shelved(entry: ModelEntry) -> ShelvedModel:
    """Looked up anew, since files may have come or gone. Raises: ModelError."""
    found = model_at(entry.location) if entry.location is not None else None
    if found is None:
        raise ModelError(f"There is no model file {entry.location or entry.name}. Choose another model.")
    return found


def _refuse_options(options: LoadOptions) -> None:
    """Raises: InvalidInput for what this provider cannot do."""
    for name, instead in _FOREIGN_OPTIONS.items():
        if getattr(options, name) is not None:
            raise InvalidInput(f"llama.cpp has no load option {name}. {instead}")
