"""The provider that needs nothing: it measures pictures with OpenCV. It is no language model, and says so.

Answers are a function of the picture and the one before it, the same on every machine. OpenCV is
imported with the first picture or by `load`: a backend can be had before, for the page to start with.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from engine.backends.base import (
    Backend,
    BackendInfo,
    Finished,
    Frame,
    FrameAnswer,
    FrameTask,
    LoadPlan,
    LoadProgress,
    Message,
    ModelEntry,
    Picture,
    TextDelta,
    Usage,
)
from engine.backends.scene_tags import CODE_TAGS, VOCABULARY, answer_tag, describe
from engine.cancel import CancelToken
from engine.errors import InvalidInput, ModelError
from engine.settings import GenerationSettings, LoadOptions

if TYPE_CHECKING:
    from engine.backends.codes import Code, CodeKind
    from engine.backends.scene import Measurer

MODEL = "scene-facts"
DIGEST = "scene-facts-1"  # one more for every change that makes any answer another one
_WHAT_TO_PICK = (
    "I am the built-in provider: I measure pictures (light, sharpness, colours, motion, cuts), but I am "
    "not a language model and cannot talk. To chat, pick another provider and a model at the top of the "
    "page, and load it."
)


class BuiltinProvider:
    """Always there, with one model and nothing to download."""

    id = "builtin"
    label = "Built-in (no download)"

    def unavailable(self, patient: CancelToken | None = None, model: str = "") -> str:
        return "" if find_spec("cv2") else "OpenCV is not installed: pip install opencv-python."

    def models(self, shelf: Path, model: str = "", cancel: CancelToken | None = None) -> list[ModelEntry]:
        return [ModelEntry(MODEL, self.id, vision=True, size_bytes=0, detail="measures each frame")]

    def validate(
        self, entry: ModelEntry, options: LoadOptions, cancel: CancelToken | None = None
    ) -> LoadPlan:
        """Raises: ModelError for another model; InvalidInput for any option, since there is none."""
        if entry.name != MODEL:
            raise ModelError(f"The built-in provider has no model {entry.name!r}, only {MODEL!r}.")
        for name in options.as_dict():
            raise InvalidInput(f"The built-in provider has no option {name!r}. Leave it out.")
        return LoadPlan(DIGEST, memory_bytes=0, free_bytes=psutil.virtual_memory().available)

    def load(
        self, entry: ModelEntry, options: LoadOptions, progress: LoadProgress, cancel: CancelToken
    ) -> Backend:
        """Raises: ModelError where OpenCV cannot be imported."""
        cancel.raise_if_cancelled()
        progress(0.0, "importing OpenCV")
        try:
            import_module("cv2")
        except ImportError as error:
            raise ModelError(f"OpenCV cannot be imported: {error}. Install opencv-python anew.") from error
        progress(1.0, "ready")
        return BuiltinBackend()


class BuiltinBackend:
    """Measures frames one by one, and keeps nothing that would change an answer."""

    def __init__(self) -> None:
        self.info = BackendInfo(
            provider=BuiltinProvider.id,
            model=MODEL,
            digest=DIGEST,
            vision=True,
            context_length=0,
            memory_bytes=0,
            tag_vocabulary=VOCABULARY,
            codes=True,
        )

    def look(self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken) -> Iterator[FrameAnswer]:
        """Measures as `facts`, asked tags by their ramps, and what was measured as the caption of a prompt.

        Tags are told apart by their letters, not by their case. Codes are looked for only where
        `task.codes` or a tag asks for them.
        """
        unknown = [tag for tag in task.tags if tag.casefold() not in VOCABULARY]
        for frame in frames:
            cancel.raise_if_cancelled()
            yield self._refusal(unknown) if unknown else self._answer(frame, task)

    def stream(
        self, messages: Sequence[Message], params: GenerationSettings, cancel: CancelToken
    ) -> Iterator[TextDelta | Finished]:
        """Says what this is and what to pick instead, whatever it is asked."""
        began = time.perf_counter()
        if not cancel.cancelled:
            yield TextDelta(_WHAT_TO_PICK)
        yield Finished("cancelled" if cancel.cancelled else "stop", Usage(0, 0, time.perf_counter() - began))

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """There are no tokens here."""
        return 0

    def warm_up(self, cancel: CancelToken) -> None:
        import numpy as np

        grey = np.full((16, 16, 3), 128, np.uint8)
        list(self.look([Frame(0, 0, grey)], FrameTask(VOCABULARY, "warm up"), cancel))

    def close(self) -> None:
        """Nothing to give back."""

    @cached_property
    def _measurer(self) -> "Measurer":
        from engine.backends.scene import Measurer

        return Measurer()

    @cached_property
    def _read_codes(self) -> "Callable[[Picture, CodeKind], list[Code]]":
        from engine.backends.codes import read_codes

        return read_codes

    def _answer(self, frame: Frame, task: FrameTask) -> FrameAnswer:
        scene = self._measurer.measure(frame.picture, frame.previous)
        wanted = {tag.casefold() for tag in task.tags}
        kinds = [kind for kind, tag in CODE_TAGS.items() if task.codes or tag in wanted]
        codes = [code for kind in kinds for code in self._read_codes(frame.picture, kind)]
        facts = scene.as_facts()
        if kinds:
            facts["codes"] = [{"kind": code.kind, "text": code.text} for code in codes]
        return FrameAnswer(
            "answered",
            tags={tag: answer_tag(tag.casefold(), scene, codes) for tag in task.tags},
            caption=describe(scene, codes) if task.prompt else "",
            facts=facts,
        )

    def _refusal(self, unknown: list[str]) -> FrameAnswer:
        names = ", ".join(repr(tag) for tag in unknown[:3])
        known = ", ".join(VOCABULARY)
        return FrameAnswer("failed", error=f"The built-in provider does not know {names}. It knows: {known}.")
