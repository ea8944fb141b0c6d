"""The port that every backend meets, and the plain data that crosses it.

A backend is one loaded model. A provider is where its models come from. Everything that crosses the
port is a frozen dataclass or a NumPy array, so that a backend may later live in a child process or on
another machine. Capabilities are data on `info`, never `isinstance`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from engine.backends.yesno import question
from engine.cancel import CancelToken
from engine.settings import GenerationSettings, LoadOptions

Picture = np.ndarray  # RGB, uint8, H x W x 3
FrameState = Literal["answered", "reused", "failed", "unparsed"]
Role = Literal["system", "user", "assistant"]
# A request a tag, answered by log-probabilities; or one for all tags, which states yes or no.
Asking = Literal["odds", "statements"]
LoadProgress = Callable[[float, str], None]  # share done in [0, 1], and what is being done

# Tokens. An instruction of that many goes before the picture, where it can be read once for all frames.
LONG_INSTRUCTION = 128


@dataclass(frozen=True)
class BackendInfo:
    """What a loaded model is and can do."""

    provider: str
    model: str  # its name, as the catalog gives it
    digest: str  # identity of the weights: the same weights give the same digest
    vision: bool
    context_length: int  # tokens; 0 where there is no language model
    memory_bytes: int
    parallel: int = 1  # requests that it takes at once
    batch_size: int = 1  # frames that one `look` should be given, so that a waiting chat is served soon
    tag_vocabulary: tuple[str, ...] | None = None  # None: any tag may be asked
    codes: bool = False  # reads QR and bar codes
    asking: Asking | None = None  # how a server is asked about tags; None: no server, or it sees nothing
    in_main_memory: bool = True  # False where it is on a graphics card, in whole or in part
    load_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, str]:
        """What a job is pinned to."""
        return identity_of(self.digest, self.load_options)


def identity_of(digest: str, load_options: Mapping[str, Any]) -> tuple[str, str]:
    """By the weights, and how they are loaded: otherwise (4-bit, bf16) the same ones answer differently."""
    return digest, repr(sorted(load_options.items()))


@dataclass(frozen=True, eq=False)
class Frame:
    """One sampled picture of a video."""

    index: int  # place among the samples, from 0
    time_us: int  # when a player shows it, in microseconds from the start
    picture: Picture
    previous: Picture | None = None  # the sampled picture before it


@dataclass(frozen=True)
class FrameTask:
    """What is asked about each frame: tags, a caption, or both.

    Answers are greedy, whatever the chat's settings are. `described` has what counts as a tag, by its name,
    where that is said; the answer has it by the name all the same.
    """

    tags: tuple[str, ...] = ()
    prompt: str = ""
    max_new_tokens: int = 128
    codes: bool = False  # also read QR and bar codes, where the backend can (80 ms a frame)
    described: Mapping[str, str] = field(default_factory=dict)
    votes: int = 1  # how often each frame is asked about its tags, where a server gives no probabilities

    @property
    def questions(self) -> tuple[str, ...]:
        """Each tag as a yes/no question, in the order of `tags`."""
        return tuple(question(tag, description) for tag, description in self.descriptions.items())

    @property
    def descriptions(self) -> dict[str, str]:
        """Each tag with what counts as it, which may be empty."""
        return {tag: self.described.get(tag, "") for tag in self.tags}


@dataclass(frozen=True)
class FrameAnswer:
    """What a model says of one frame.

    `tags` has every asked tag with the probability of yes, in [0, 1], or None where that is unknown.
    A failed request is `state="failed"` with `error` set: never a tag that is absent.
    """

    state: FrameState
    tags: Mapping[str, float | None] = field(default_factory=dict)
    caption: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)  # plain JSON
    error: str = ""
    raw: str = ""


@dataclass(frozen=True, eq=False)
class Message:
    """One turn of a conversation as a backend gets it."""

    role: Role
    text: str
    images: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Usage:
    """What an answer took."""

    prompt_tokens: int
    completion_tokens: int
    seconds: float


@dataclass(frozen=True)
class TextDelta:
    """The next piece of an answer."""

    text: str


@dataclass(frozen=True)
class Finished:
    """The last item of a stream: `stop` (the model ended), `length` (max_new_tokens reached), `cancelled`."""

    reason: Literal["stop", "length", "cancelled"]
    usage: Usage


class Backend(Protocol):
    """One loaded model. Used by at most `info.parallel` threads at once; the slot sees to that."""

    @property
    def info(self) -> BackendInfo: ...

    def stream(
        self, messages: Sequence[Message], params: GenerationSettings, cancel: CancelToken
    ) -> Iterator[TextDelta | Finished]:
        """Answer a conversation, piece by piece; the last item is a `Finished`.

        After `cancel` the computing has stopped by the time that `Finished("cancelled")` arrives.
        Raises: ModelError when the model cannot answer; the backend stays usable.
        """

    def look(self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken) -> Iterator[FrameAnswer]:
        """One answer per frame, in order, each as soon as it is ready.

        A frame that the model fails on gives `state="failed"`; the others are still answered.
        Raises: Cancelled after `cancel`, once the computing has stopped; ServerAway, which is no failure of
        the frame. What was yielded stands.
        """

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """How many tokens the model would read for these messages, pictures included."""

    def warm_up(self, cancel: CancelToken) -> None:
        """Answer one token, and one small picture where it sees. Raises: ModelError, Cancelled."""

    def close(self) -> None:
        """Give the memory back. Called once, when nothing uses the backend any more."""


@dataclass(frozen=True)
class ModelEntry:
    """A model that could be loaded, as the catalog lists it."""

    name: str
    provider: str
    vision: bool
    size_bytes: int
    detail: str = ""  # for the person: where it is, or why it cannot be loaded
    location: Path | None = None  # folder or file


@dataclass(frozen=True)
class LoadPlan:
    """What validating a model found out, before anything is loaded."""

    digest: str
    memory_bytes: int  # needed while loading and after
    free_bytes: int  # at hand, on the device that it goes to


class Provider(Protocol):
    """Where models come from. Cheap to make: heavy libraries are imported by `load`."""

    id: str
    label: str

    def unavailable(self, patient: CancelToken | None = None, model: str = "") -> str:
        """Why it cannot be used here, for the person; empty when it can.

        A server that takes its time is a reason too; who is `patient` gives it all the time that it may take,
        until that token is cancelled. With a `model`, only a server that may have it counts.
        Raises: Cancelled.
        """

    def models(self, shelf: Path, model: str = "", cancel: CancelToken | None = None) -> list[ModelEntry]:
        """What can be loaded now; `shelf` is the models folder.

        With a `model`, what servers have that cannot have that one may be missing. Raises: Cancelled.
        """

    def validate(
        self, entry: ModelEntry, options: LoadOptions, cancel: CancelToken | None = None
    ) -> LoadPlan:
        """Check everything that can be checked without loading: files whole, safe formats, memory.

        Raises: ModelError or InvalidInput; Cancelled, where a server is asked. Whether `memory_bytes` fits is
        for the slot to decide.
        """

    def load(
        self, entry: ModelEntry, options: LoadOptions, progress: LoadProgress, cancel: CancelToken
    ) -> Backend:
        """Load the weights. Raises: ModelError; Cancelled, with the memory given back."""
