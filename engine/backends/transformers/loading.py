"""Putting a model folder into memory: with true progress, cancellable, and only if its files fit together.

Weights come from safetensors files only, code only from the installed library. Knows transformers' loader;
nothing of what is done with the model afterwards.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.nn.modules.module import register_module_module_registration_hook
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)
from transformers.utils import logging as library_log

from engine.backends.base import LoadProgress
from engine.backends.chat_template import refuse_broken
from engine.backends.transformers.checkpoint import Checkpoint
from engine.backends.transformers.checks import no_template
from engine.backends.transformers.devices import Placement, ran_out_of_memory
from engine.backends.transformers.prompts import Reader, template_of
from engine.cancel import CancelToken
from engine.errors import ModelError
from engine.settings import LoadOptions

_hook_lock = threading.Lock()


def load_processor(folder: Path) -> ProcessorMixin:
    """The processor that came with a model that sees. Raises: ModelError."""
    processor = _read(AutoProcessor, "processor", folder)
    if not hasattr(processor, "tokenizer") or not hasattr(processor, "image_processor"):
        raise ModelError(f"{folder} has no image processor: it cannot be given pictures. Download it again.")
    if not getattr(processor, "chat_template", None):
        processor.chat_template = processor.tokenizer.chat_template
    _check_template(folder, processor)
    return processor


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that came with a text-only model. Raises: ModelError."""
    tokenizer = _read(AutoTokenizer, "tokenizer", folder)
    _check_template(folder, tokenizer)
    return tokenizer


def _read(kind: Any, name: str, folder: Path) -> Any:
    library_log.set_verbosity_error()  # its notices are about code; what matters to a person is raised here
    try:
        return kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a library's own types among them
        raise ModelError(f"The {name} of {folder} cannot be loaded: {_first_line(error)}") from error


def _check_template(folder: Path, reader: Reader) -> None:
    """Raises: ModelError for none, or one that is of no use: before the weights are read."""
    source = template_of(reader)
    if not source:
        raise no_template(folder)
    refuse_broken(source, f"The chat template of {folder}")


def load_model(
    folder: Path,
    sees: bool,
    checkpoint: Checkpoint,
    placement: Placement,
    options: LoadOptions,
    progress: LoadProgress,
    cancel: CancelToken,
) -> PreTrainedModel:
    """The model in evaluation mode, with what it `sees` with if it does, its weights where `placement` says.

    Raises: ModelError; Cancelled; MemoryError and torch's own errors when memory runs out.
    """
    kind = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    with _watched(checkpoint, progress, cancel):
        model, found = kind.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are refused below, with a message that names them
            output_loading_info=True,
            device_map=placement.device_map,
            dtype=placement.dtype,
            **_library_options(options),
        )
    cancel.raise_if_cancelled()
    _refuse_misfits(folder, model, found)
    return model.eval()


def _library_options(options: LoadOptions) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    if options.flash_attention:
        chosen["attn_implementation"] = "flash_attention_2"
    if options.quantization is not None:
        four = options.quantization == "4bit"
        chosen["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=four, load_in_8bit=not four, bnb_4bit_compute_dtype=torch.bfloat16
        )
    return chosen


def _refuse_misfits(folder: Path, model: PreTrainedModel, found: dict[str, Any]) -> None:
    """The library fills what is missing with random numbers; a model like that must not be loaded."""
    mismatched = sorted(found["mismatched_keys"])
    if mismatched:
        name, there, wanted = mismatched[0]
        raise _misfit(folder, f"{name} is {tuple(there)} in the weights, {tuple(wanted)} in config.json")
    if found["missing_keys"]:
        raise _misfit(folder, f"config.json asks for {min(found['missing_keys'])}, which the weights lack")
    extra = _surplus_layers(found["unexpected_keys"], model.state_dict())
    if extra:
        raise _misfit(folder, f"the weights hold {min(extra)}, which config.json has no place for")


def _surplus_layers(unexpected: Iterable[str], known: Collection[str]) -> set[str]:
    """Weights of one layer more in a stack that the model has. Others, of heads that it lacks, do no harm."""
    shapes = {_without_numbers(name) for name in known}
    return {name for name in unexpected if _without_numbers(name) in shapes}


def _without_numbers(name: str) -> str:
    return ".".join("#" if part.isdigit() else part for part in name.split("."))


def _misfit(folder: Path, what: str) -> ModelError:
    return ModelError(
        f"The weights of {folder} do not match its config.json: {what}. Download the model again."
    )


def explain(error: BaseException) -> ModelError:
    """What went wrong inside a library or the code of a model, for the person."""
    if ran_out_of_memory(error):
        return ModelError("The memory is full. Close other programs, or choose a smaller model or picture.")
    return ModelError(f"The model failed: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__


@contextmanager
def _watched(checkpoint: Checkpoint, progress: LoadProgress, cancel: CancelToken) -> Iterator[None]:
    """Follow what the library does on this thread, and break it off when cancelled.

    Torch calls a hook for every part that a model is built of, and the library makes its progress bars,
    one of which counts the weights, through another. Both are one for the process: hence the lock.
    """
    loader = threading.get_ident()

    def check(*_: object) -> None:
        if threading.get_ident() == loader:
            cancel.raise_if_cancelled()

    def follow(factory: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if threading.get_ident() != loader or named.get("desc") != "Loading weights":
            return factory(*args, **named)
        return _followed(args[0], checkpoint, progress, cancel)

    with _hook_lock:
        before = library_log.set_tqdm_hook(follow)
        building = register_module_module_registration_hook(check)
        try:
            yield
        finally:
            building.remove()
            library_log.set_tqdm_hook(before)


def _followed(
    weights: Iterable[tuple[str, Any]], checkpoint: Checkpoint, progress: LoadProgress, cancel: CancelToken
) -> Iterator[tuple[str, Any]]:
    """The pairs of `weights` (a name in the model, and where it comes from), told as bytes of the files."""
    sizes = {tensor.name: tensor.size_bytes for tensor in checkpoint.tensors}
    total, done, told = checkpoint.size_bytes, 0, 0.0
    for name, source in weights:
        cancel.raise_if_cancelled()
        done += sum(sizes.get(key, 0) for key in source.layer_targets.get(name, ()))
        yield name, source
        if done / total >= told + 0.01:
            told = done / total
            progress(told, f"{done / 1e9:.1f} of {total / 1e9:.1f} GB of weights")
    cancel.raise_if_cancelled()
