"""One loaded model, meeting the port: it answers conversations and, where it sees, looks at frames."""

import gc
import logging
import weakref
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from transformers import PreTrainedModel

from engine.backends.base import (
    BackendInfo,
    Finished,
    Frame,
    FrameAnswer,
    FrameTask,
    LoadProgress,
    Message,
    TextDelta,
)
from engine.backends.local import prove
from engine.backends.transformers import devices
from engine.backends.transformers.answering import Answerer
from engine.backends.transformers.checkpoint import open_checkpoint
from engine.backends.transformers.interrupt import Interrupt
from engine.backends.transformers.loading import explain, load_model, load_processor, load_tokenizer
from engine.backends.transformers.looking import Looker
from engine.backends.transformers.prompts import Prompts, Reader
from engine.cancel import CancelToken
from engine.catalog import read_config, sees_and_writes
from engine.errors import HavenError, ModelError
from engine.settings import GenerationSettings, LoadOptions

log = logging.getLogger(__name__)

# A CPU gains nothing from reading more at once, and one operation must stay well below 100 ms there.
_CPU_TOKENS, _GPU_TOKENS = 512, 16_384
_CPU_FRAMES, _GPU_FRAMES = 1, 8


class TransformersBackend:
    """Answers one request at a time. `close` gives the memory back; nothing may be asked after it."""

    def __init__(
        self,
        model: PreTrainedModel,
        reader: Reader,
        placement: devices.Placement,
        info: BackendInfo,
    ) -> None:
        """Raises: ModelError when the model cannot be asked what a backend is asked."""
        self._info = info
        self._model = model
        self._prompts = Prompts(reader, model.device, placement.dtype)
        shared = (model, self._prompts, Interrupt(model, placement))
        self._answerer = Answerer(*shared, info.context_length)
        at_once = _CPU_TOKENS if placement.device.type == "cpu" else _GPU_TOKENS
        self._looker = Looker(*shared, at_once) if info.vision else None

    @property
    def info(self) -> BackendInfo:
        return self._info

    def stream(
        self, messages: Sequence[Message], params: GenerationSettings, cancel: CancelToken
    ) -> Iterator[TextDelta | Finished]:
        """As the port says. The messages are read as they are: a system prompt is one of them."""
        return self._answerer.stream(messages, params, cancel)

    def look(self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken) -> Iterator[FrameAnswer]:
        """As the port says; at most `info.batch_size` captions are written together."""
        cancel.raise_if_cancelled()
        if self._looker is None:
            error = f"{self._info.model} does not see pictures. Load a model that does."
            yield from (FrameAnswer("failed", dict.fromkeys(task.tags), error=error) for _ in frames)
            return
        for start in range(0, len(frames), self._info.batch_size):
            batch = frames[start : start + self._info.batch_size]
            yield from self._looker.answers(batch, task, cancel)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return self._prompts.of_messages(messages)["input_ids"].shape[1]

    def warm_up(self, cancel: CancelToken) -> None:
        """Raises: ModelError, Cancelled."""
        prove(self, FrameTask(("grey", "red")), cancel)

    def close(self) -> None:
        model = weakref.ref(self._model)
        del self._model, self._prompts, self._answerer, self._looker
        if model() is not None:  # accelerate's hooks, on a model that is spread over devices, make cycles
            gc.collect()
        devices.give_memory_back()


def load_backend(
    name: str, folder: Path, options: LoadOptions, progress: LoadProgress, cancel: CancelToken
) -> TransformersBackend:
    """Raises: ModelError, InvalidInput; Cancelled. After each of them the memory is given back."""
    try:
        return _load(name, folder, options, progress, cancel)
    except HavenError as error:
        failure = type(error)(*error.args)
    except Exception as error:  # whatever a library raises at files that do not fit together
        log.warning("loading %s", folder, exc_info=True)
        failure = ModelError(f"{folder} cannot be loaded. {explain(error)}")
    # A new exception, raised only here: the trace of the first one holds on to half a model.
    devices.give_memory_back()
    raise failure


def _load(
    name: str, folder: Path, options: LoadOptions, progress: LoadProgress, cancel: CancelToken
) -> TransformersBackend:
    placement = devices.place(options)
    checkpoint = open_checkpoint(folder)
    config = read_config(folder)
    sees = sees_and_writes(config)
    progress(0.0, "Reading tokenizer and processor." if sees else "Reading the tokenizer.")
    reader = load_processor(folder) if sees else load_tokenizer(folder)
    cancel.raise_if_cancelled()
    _set_library_aside()
    model = load_model(folder, sees, checkpoint, placement, options, progress, cancel)
    info = BackendInfo(
        provider="transformers",
        model=name,
        digest=checkpoint.digest(config),
        vision=sees,
        context_length=_context_length(model, reader, options),
        memory_bytes=model.get_memory_footprint(),
        batch_size=_CPU_FRAMES if placement.device.type == "cpu" else _GPU_FRAMES,
        load_options=options.as_dict(),
        in_main_memory=placement.device.type != "cuda",
    )
    progress(1.0, f"{name} is in memory.")
    return TransformersBackend(model, reader, placement, info)


@cache
def _set_library_aside() -> None:
    """Once: torch and transformers stay as long as the process does, so nobody need look for garbage in them.

    A full search would stop every thread for a fifth of a second, whenever it comes.
    """
    gc.freeze()


def _context_length(model: PreTrainedModel, reader: Reader, options: LoadOptions) -> int:
    """What the model was made for, less where less was asked for. In tokens."""
    made_for = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    made_for = made_for or getattr(reader, "tokenizer", reader).model_max_length
    return min(made_for, options.n_ctx or made_for)
