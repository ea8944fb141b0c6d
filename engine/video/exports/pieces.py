"""JSON read piece by piece, so that a file of any size takes the memory of what is wanted of it, and no more.

All of it is held against the rules of JSON, wanted or not. Long lists of plain things, such as spans, go to
whoever takes them, a thousand at a time. What no program writes is refused as soon as it is come to: brackets
within brackets without end, other names and values by the ten thousand, a single one of a megabyte.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, BinaryIO, NoReturn, Protocol

from engine.errors import InvalidInput

MOST_PARTS = 50_000  # names and values that are held at once, but for plain things in lists that are taken
MOST_PASSED = 400_000  # things in lists that somebody takes which are not plain, and what is within these
DEEPEST = 50  # objects and lists within one another
BLOCK = 1 << 20  # bytes read at a time
LONGEST = 1 << 18  # bytes of a name or a value that is surely read
NO_LARGER = "No larger file is read."
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_SPACE = re.compile(rb"[ \t\r\n]*+")
_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_SINGLE = re.compile(_TEXT + rb'|[^ \t\r\n,:\[\]{}"]++', re.DOTALL)  # a text, a number or a word
_SMALL = rb'\{(?:[^{}\[\]"]++|' + _TEXT + rb"){0,64}+\}"  # an object of nothing but these, with few names
_SMALL_ONE = re.compile(_SMALL, re.DOTALL)
_PLAIN = rb"(?:" + _SMALL + rb"|" + _TEXT + rb'|[^ \t\r\n,:\[\]{}"]++(?=[ \t\r\n,\]]))'  # nothing within it
_PLAIN_ONES = re.compile(_PLAIN + rb"(?:[ \t\r\n]*+,[ \t\r\n]*+" + _PLAIN + rb"){0,999}", re.DOTALL)

Way = tuple[str, ...]  # the names that lead to a value; empty for what has none, as it stands in a list


class Taker(Protocol):
    """Takes what stands in a list, and stands in its place."""

    def extend(self, values: list[Any], /) -> None: ...

    def took(self, text: bytes, /) -> bool:
        """Takes what stands there by its text where it knows the form: many times as fast."""


def read_pieces(file: BinaryIO, taker: Callable[[Way], Taker | None]) -> Any:
    """What is in a file of JSON in UTF-8. A list is kept where there is no `taker` for it.

    Raises: InvalidInput, saying what is wrong with "it" and where; OSError.
    """
    return _Reader(file, taker).whole()


class _Reader:
    """Goes through a file once. Holds what is left of a block, and the next one."""

    def __init__(self, file: BinaryIO, taker: Callable[[Way], Taker | None]) -> None:
        self._file = file
        self._taker = taker
        self._decoder = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_each_once)
        self._parts = self._passed = 0
        self._passing = False  # whether nobody keeps what is read
        first = file.read(BLOCK + len(_BYTE_ORDER_MARK))
        self._held, self._at = first, len(_BYTE_ORDER_MARK) * first.startswith(_BYTE_ORDER_MARK)
        self._ended = not first
        self._bytes_before, self._lines_before = 0, 0  # what is held no more

    def whole(self) -> Any:
        value = self._value(())
        if self._sign():
            raise self._no_json("there is more behind its end")
        return value

    def _value(self, way: Way) -> Any:
        if len(way) > DEEPEST:
            raise InvalidInput(f"it is no JSON that anybody wrote: too deep, in line {self._line()}.")
        self._count(1)
        sign = self._sign()
        small = _SMALL_ONE.match(self._held, self._at) if self._passing else None
        if small is not None:
            return self._decoded(small)
        if sign == b"{":
            return self._object(way)
        return self._list(way) if sign == b"[" else self._single()

    def _object(self, way: Way) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._expect(b"{")
        if self._has(b"}"):
            return found
        while True:
            if self._sign() != b'"':
                raise self._no_json("a name is missing")
            name = self._single()
            self._expect(b":")
            if name in found:
                raise _twice(name)
            found[name] = self._value((*way, name))
            if not self._has(b","):
                self._expect(b"}")
                return found

    def _list(self, way: Way) -> Any:
        taker = self._taker(way)
        taken: Any = [] if taker is None else taker
        self._expect(b"[")
        if self._has(b"]"):
            return taken
        while True:
            self._sign()
            plain = _PLAIN_ONES.match(self._held, self._at)
            if plain is None:
                taken.extend([self._value((*way, "")) if taker is None else self._in_passing((*way, ""))])
            elif taker is not None and taker.took(plain.group()):
                self._at = plain.end()
            else:
                self._count(0 if taker is not None else plain.group().count(b",") + 1)
                taken.extend(self._decoded(plain, b"[%b]"))
            if not self._has(b","):
                self._expect(b"]")
                return taken

    def _in_passing(self, way: Way) -> Any:
        """What somebody takes, who keeps none of its parts: they are no more once it is taken."""
        before, passing = self._parts, self._passing
        self._passing = True
        value = self._value(way)
        self._passed += self._parts - before
        self._parts, self._passing = before, passing
        if self._passed > MOST_PASSED:
            raise InvalidInput(f"it has more than {MOST_PASSED:,} values within the lists in it. {NO_LARGER}")
        return value

    def _single(self) -> Any:
        found = _SINGLE.match(self._held, self._at)
        if found is None or (found.end() == len(self._held) and not self._ended):
            too_long = len(self._held) - self._at >= LONGEST
            raise self._no_json("a text too long, or without end" if too_long else "a value is missing")
        return self._decoded(found)

    def _decoded(self, found: re.Match[bytes], within: bytes = b"%b") -> Any:
        """What stands there, which is passed; `within` brackets."""
        try:
            value = self._decoder.decode((within % found.group()).decode())
        except UnicodeDecodeError as error:
            place = self._bytes_before + found.start() + error.start - within.index(b"%")
            raise InvalidInput(f"byte {place} of it is no UTF-8.") from None
        except json.JSONDecodeError as error:
            raise self._no_json(error.msg, error.lineno - 1) from None
        except ValueError:
            raise InvalidInput("it is no JSON that anybody wrote: a number too long.") from None
        self._at = found.end()
        return value

    def _sign(self) -> bytes:
        """The next byte that is no white space, nothing at the end. What begins there is held, too."""
        self._pass_space()
        while len(self._held) - self._at < LONGEST and not self._ended:
            self._read_on()
            self._pass_space()
        return self._held[self._at : self._at + 1]

    def _pass_space(self) -> None:
        space = _SPACE.match(self._held, self._at)
        self._at = space.end() if space else self._at

    def _read_on(self) -> None:
        block = self._file.read(BLOCK)
        self._ended = not block
        self._bytes_before += self._at
        self._lines_before += self._held.count(b"\n", 0, self._at)
        self._held, self._at = self._held[self._at :] + block, 0

    def _has(self, sign: bytes) -> bool:
        """Whether that comes next; it is passed then."""
        found = self._sign() == sign
        self._at += found
        return found

    def _expect(self, sign: bytes) -> None:
        if not self._has(sign):
            raise self._no_json(f"{sign.decode()} is missing")

    def _count(self, parts: int) -> None:
        self._parts += parts
        if self._parts > MOST_PARTS:
            raise InvalidInput(f"it has more than {MOST_PARTS:,} names and values beside spans. {NO_LARGER}")

    def _line(self) -> int:
        return self._lines_before + self._held.count(b"\n", 0, self._at) + 1

    def _no_json(self, why: str, further: int = 0) -> InvalidInput:
        return InvalidInput(f"it is no JSON ({why} in line {self._line() + further:,}).")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _twice(Counter(name for name, _ in pairs).most_common(1)[0][0])
    return found


def _twice(name: str) -> InvalidInput:
    return InvalidInput(f"{name!r:.80} stands in it twice, and only one can be meant.")


def _refuse(word: str) -> NoReturn:
    raise InvalidInput(f"{word} is no number that JSON knows.")
