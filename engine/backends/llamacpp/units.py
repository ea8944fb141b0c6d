"""What a model reads, one behind the other: tokens, and parts of pictures. Knows no library."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PicturePart:
    """A part of a picture, the size of many tokens. Two are equal when they show the same."""

    picture: bytes  # digest of the pixels
    index: int  # among the parts of its picture
    tokens: int
    positions: int
    chunk: int | None = field(default=None, compare=False, repr=False)  # native, for as long as `owner` lives
    owner: object = field(default=None, compare=False, repr=False)

    def mark(self) -> "PicturePart":
        """The same without what the library needs to read it: what a sequence remembers."""
        return PicturePart(self.picture, self.index, self.tokens, self.positions)


Unit = int | PicturePart  # a token, or a part of a picture


def size(units: Sequence[Unit]) -> int:
    """In tokens."""
    return sum(1 if isinstance(unit, int) else unit.tokens for unit in units)


def in_common(first: Sequence[Unit], second: Sequence[Unit]) -> int:
    """How many units both begin with."""
    for index, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return index
    return min(len(first), len(second))


class History:
    """What a sequence holds, and how much that is; adding a token costs the same however long it is."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.tokens = 0
        self.position = 0  # where the next token goes: a picture may take fewer positions than tokens

    def add(self, units: Sequence[Unit]) -> None:
        for unit in units:
            self.units.append(unit)
            self.tokens += 1 if isinstance(unit, int) else unit.tokens
            self.position += 1 if isinstance(unit, int) else unit.positions

    def cut(self, kept: int) -> None:
        """Forget all but the first `kept` units."""
        first = self.units[:kept]
        self.units, self.tokens, self.position = [], 0, 0
        self.add(first)
