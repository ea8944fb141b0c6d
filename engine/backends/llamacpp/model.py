"""One loaded GGUF model, meeting the port: it answers conversations and looks at frames."""

from collections.abc import Iterator, Sequence

import llama_cpp.llama_cpp as lib

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
from engine.backends.chat_template import ChatTemplate
from engine.backends.llamacpp import native
from engine.backends.llamacpp.answering import Answerer
from engine.backends.llamacpp.checks import CheckedModel
from engine.backends.llamacpp.loading import Loaded, load_native
from engine.backends.llamacpp.looking import Looker
from engine.backends.llamacpp.pictures import Pictures
from engine.backends.llamacpp.prompts import Prompts
from engine.backends.llamacpp.sequences import Sequences
from engine.backends.llamacpp.units import size
from engine.backends.llamacpp.vocabulary import Vocabulary
from engine.backends.local import prove
from engine.cancel import CancelToken
from engine.errors import HavenError, ModelError
from engine.settings import GenerationSettings, LoadOptions


class LlamaCppBackend:
    """Answers one request at a time. `close` gives the memory back; nothing may be asked after it."""

    def __init__(self, loaded: Loaded, info: BackendInfo) -> None:
        """Raises: ModelError when the model cannot be asked what a backend is asked."""
        self._info, self._loaded = info, loaded
        vocabulary = Vocabulary(loaded.model)
        named = {"bos_token": vocabulary.bos_text, "eos_token": vocabulary.eos_text}
        template = ChatTemplate(_template_source(loaded), named)
        pictures = Pictures(loaded.eyes) if loaded.eyes else None
        self._prompts = Prompts(template, vocabulary, pictures)
        self._looker: Looker | None = None
        self._sequences = Sequences(loaded, vocabulary.count)
        self._answerer = Answerer(loaded, vocabulary, self._prompts, self._sequences)
        if pictures:
            self._looker = Looker(vocabulary, self._prompts, self._sequences)

    @property
    def info(self) -> BackendInfo:
        return self._info

    @property
    def tokens_evaluated(self) -> int:
        """Tokens computed since the model was loaded; what was kept and used again does not count."""
        return self._sequences.evaluated

    def stream(
        self, messages: Sequence[Message], params: GenerationSettings, cancel: CancelToken
    ) -> Iterator[TextDelta | Finished]:
        """As the port says. The messages are read as they are: a system prompt is one of them."""
        return self._answerer.stream(messages, params, cancel)

    def look(self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken) -> Iterator[FrameAnswer]:
        """As the port says."""
        cancel.raise_if_cancelled()
        if self._looker is None:
            error = f"{self._info.model} reads text only. Pick a model that sees pictures."
            yield from (FrameAnswer("failed", dict.fromkeys(task.tags), error=error) for _ in frames)
            return
        yield from self._looker.answers(frames, task, cancel)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return size(self._prompts.of_messages(messages))

    def warm_up(self, cancel: CancelToken) -> None:
        """Raises: ModelError, Cancelled."""
        prove(self, FrameTask(("grey",), "Hi", max_new_tokens=1), cancel)

    def close(self) -> None:
        """Each part undoes the circles that it is in: to look for them would hold everything up (0.25 s)."""
        self._sequences.close()
        self._prompts.close()
        self._loaded.close()
        del self._sequences, self._prompts, self._answerer, self._looker
        native.give_memory_back()


def load_backend(
    name: str, checked: CheckedModel, options: LoadOptions, progress: LoadProgress, cancel: CancelToken
) -> LlamaCppBackend:
    """Raises: ModelError; Cancelled. After each of them the memory is given back."""
    try:
        return _load(name, checked, options, progress, cancel)
    except HavenError as error:
        failure = type(error)(*error.args)
    # A new exception, raised only here: the trace of the first one holds on to what was loaded.
    native.give_memory_back()
    raise failure


def _load(
    name: str, checked: CheckedModel, options: LoadOptions, progress: LoadProgress, cancel: CancelToken
) -> LlamaCppBackend:
    loaded = load_native(checked, options, progress, cancel)
    try:
        info = BackendInfo(
            provider="llamacpp",
            model=name,
            digest=checked.digest,
            vision=loaded.eyes is not None,
            context_length=loaded.context_length,
            memory_bytes=checked.resident_bytes(loaded.context_length),
            load_options=options.as_dict(),
            in_main_memory=options.n_gpu_layers == 0 or not native.has_gpu(),
        )
        backend = LlamaCppBackend(loaded, info)
    except BaseException:
        loaded.close()
        raise
    progress(1.0, f"{name} is in memory.")
    return backend


def _template_source(loaded: Loaded) -> str:
    source = lib.llama_model_chat_template(loaded.model, None)
    if not source:
        raise ModelError("The model has no chat template, so it cannot be asked anything. Pick a chat model.")
    return source.decode(errors="replace")
