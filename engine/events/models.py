"""Where models come from: providers, servers, and models worth getting with their downloads."""

from dataclasses import dataclass
from typing import Literal

DownloadState = Literal["waiting", "downloading", "partial", "completed", "failed"]


@dataclass(frozen=True)
class ProviderStatus:
    """One line of the provider dropdown."""

    id: str
    label: str
    available: bool
    reason: str  # why not; empty when available


@dataclass(frozen=True)
class Fit:
    """Whether a model fits into memory."""

    fits: bool = True
    said: str = ""  # a sentence: what is closed for it, or why it does not fit; empty when it fits as it is


@dataclass(frozen=True)
class ModelOffer:
    """A model that is worth getting, and whether this machine could take it."""

    id: str  # stays the same from version to version
    label: str  # for the person, such as "SmolVLM2 500M"
    provider: str  # that loads it: llamacpp or transformers
    repo: str  # owner/name on the Hugging Face Hub
    revision: str  # branch, tag or commit of it
    files: tuple[str, ...]  # names, or patterns with *
    vision: bool
    download_bytes: int  # about; the true size is asked of the hub when a download starts
    memory_bytes: int  # about what a loaded model and its context take
    licence: str
    licence_url: str
    about: str  # one line
    here: bool  # whole on this machine already, on the shelf or in the Hugging Face cache
    fits: Fit  # into the memory that is free now


@dataclass(frozen=True)
class DownloadView:
    """How far a download is. One that was stopped is `partial`: the next start goes on from there."""

    id: str  # that of its offer, or "ollama:<name>" for a model that an Ollama server pulls
    state: DownloadState
    done_bytes: int
    total_bytes: int  # 0: not known yet
    bytes_per_second: float | None  # of the last seconds; None: unknown, or it stands still
    eta_seconds: float | None  # None: unknown
    message: str  # for the person: what is done now, or why it stopped
    progress: float | None = None  # share of it in [0, 1]; a pull knows no more than this; None: unknown


@dataclass(frozen=True)
class ServerView:
    """An OpenAI-compatible server that somebody named. Its key is not among it."""

    name: str
    base_url: str
    has_key: bool
    named_by: Literal["page", "environment"]


@dataclass(frozen=True)
class ServersView:
    """The servers that models may come from."""

    openai: tuple[ServerView, ...]
    ollama: str  # the address that was named on the page; empty: the usual one counts
    usual_ollama: str  # what OLLAMA_HOST says, else this machine's
    no_keyring: str  # why no key can be kept here, and what to do instead; empty where one can
