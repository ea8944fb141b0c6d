"""What is asked of a server and what comes back, whichever protocol lies between: plain data.

A `Wire` is the protocol's side of it; everything else about a remote model is written once, against this.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

from engine.backends.base import Role
from engine.cancel import CancelToken
from engine.settings import GenerationSettings

_GREEDY = GenerationSettings(temperature=0.0, top_p=1.0, top_k=1, seed=0)


@dataclass(frozen=True)
class Turn:
    """One message, its pictures as JPEG files."""

    role: Role
    text: str
    pictures: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Ask:
    """One request. `schema` asks for JSON of that shape; `odds` for log-probabilities of the tokens."""

    turns: tuple[Turn, ...]
    settings: GenerationSettings
    schema: Mapping[str, Any] | None = None
    odds: bool = False
    quick: bool = False  # an answer without a model's long thinking, where that can be turned off

    @classmethod
    def greedy(cls, turn: Turn, max_new_tokens: int) -> Self:
        """A single question whose answer does not depend on chance."""
        return cls((turn,), replace(_GREEDY, max_new_tokens=max_new_tokens), quick=True)


@dataclass(frozen=True)
class TokenOdds:
    """A token that was written, and the likeliest ones at its place with their log-probabilities."""

    token: str
    likeliest: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Piece:
    """The next part of an answer; empty where the server only shows that it is alive (as in thinking)."""

    text: str = ""
    odds: tuple[TokenOdds, ...] = ()


@dataclass(frozen=True)
class End:
    """The answer is whole. Token counts are None where the server does not tell them."""

    at_limit: bool = False
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Wire(Protocol):
    """A protocol to one model on one server. Used by several threads at once."""

    def talk(self, ask: Ask, cancel: CancelToken) -> Iterator[Piece | End]:
        """Pieces and then one `End`. Raises: ServerFault, Cancelled."""

    def close(self) -> None:
        """Let the server forget the model, where it can, and close the lines."""
