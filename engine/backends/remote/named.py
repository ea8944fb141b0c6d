"""The servers that a person named while Haven runs, beside those that the environment names.

Like the environment there is one such list in a process: providers are made anew for each question, and read
it then. Holds no keys.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Named:
    """What was named."""

    openai: tuple[tuple[str, str], ...] = ()  # the name and the address of each
    ollama: str = ""  # its address; empty: what OLLAMA_HOST says


class _List:
    now = Named()


def tell(named: Named) -> None:
    """From now on these count."""
    _List.now = named


def told() -> Named:
    return _List.now
