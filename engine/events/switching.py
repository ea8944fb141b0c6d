"""What serves now, and a switch to another model on its way."""

from dataclasses import dataclass
from typing import Literal

SwitchPhase = Literal[
    "waiting", "validating", "closing", "loading", "warming", "restoring", "done", "failed", "cancelled"
]


@dataclass(frozen=True)
class SwitchProgress:
    """One step of a model switch; `progress` is a true share of the work in [0, 1]."""

    phase: SwitchPhase
    progress: float
    message: str


@dataclass(frozen=True)
class SwitchFinished(SwitchProgress):
    """The last step. `provider` and `model` are what serves now, whether or not the switch succeeded."""

    success: bool
    provider: str
    model: str
    seconds: float
    interruption_seconds: float  # time in which no request could start


@dataclass(frozen=True)
class Status:
    """What serves now."""

    state: Literal["ready", "loading"]
    provider: str
    model: str
    vision: bool
    memory_bytes: int
    generation: int  # counts the flips: the same number means the same loaded model
    busy: tuple[str, ...]  # what is running on it, for the person
    last_error: str  # why the last switch failed; empty after one that succeeded
