"""The spans in one list of a file, checked and packed as they come: 24 bytes each, however many there are."""

import re
from array import array
from collections.abc import Iterator, Sequence
from math import isnan, nan
from operator import le
from typing import Any

from engine.errors import InvalidInput
from engine.video.exports.fields import MOST_SECONDS, as_mapping, as_probability, as_seconds, needed
from engine.video.exports.pieces import NO_LARGER

_NUMBER = rb"(?:0|[1-9][0-9]{0,9})(?:\.[0-9]{1,20})?(?:e-?[0-9]{1,2})?"
# As Haven writes them: what is written otherwise is read by the rules of JSON, and takes longer.
_TIMES = rb'\{"start": (%b), "end": (%b), ' % (_NUMBER, _NUMBER)
_SPAN = re.compile(_TIMES + rb'"confidence": (%b|null)\}' % _NUMBER)
_SUM = re.compile(_TIMES + rb'"totalConfidence": (?:%b|null)\}' % _NUMBER)


class Times:
    """Start and end in seconds, and confidence, of each. What is wrong is kept, to be said with its place.

    Behind the first that is wrong none is taken any more.
    """

    def __init__(self, room: "Room") -> None:
        self._room = room
        self._starts, self._ends, self._sure = array("d"), array("d"), array("d")  # not a number: not said
        self._wrong = ""

    def __iter__(self) -> Iterator[tuple[float, float | None, float | None]]:
        """Raises: InvalidInput behind the last that is right, without the name of the list."""
        for start, end, sure in zip(self._starts, self._ends, self._sure, strict=True):
            yield start, None if isnan(end) else end, None if isnan(sure) else sure
        if self._wrong:
            raise InvalidInput(self._wrong)

    def __repr__(self) -> str:
        return "[…]"

    def extend(self, spans: Sequence[Any]) -> None:
        """Raises: InvalidInput when there are too many in the file."""
        self._room.take(len(spans))
        for span in spans:
            if self._wrong:
                return
            try:
                start, end, sure = _checked(span)
            except InvalidInput as error:
                self._wrong = f"[{len(self._starts)}]{error}"
                return
            self._starts.append(start)
            self._ends.append(end)
            self._sure.append(sure)

    def took(self, text: bytes) -> bool:
        """Whether these are spans as Haven writes them, none of them wrong. Raises: as `extend`."""
        found = _SPAN.findall(text)
        if self._wrong or not _nothing_else(text, len(found)):
            return False
        starts, ends = [float(start) for start, _, _ in found], [float(end) for _, end, _ in found]
        sure = [nan if one == b"null" else float(one) for _, _, one in found]
        if max(ends) > MOST_SECONDS or not all(map(le, starts, ends)) or any(one > 1 for one in sure):
            return False
        self._room.take(len(found))
        self._starts.extend(starts)
        self._ends.extend(ends)
        self._sure.extend(sure)
        return True


class Room:
    """For how many spans there is room in all lists of a file together."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most

    def take(self, spans: int) -> None:
        """Raises: InvalidInput when there is none left."""
        self._left -= spans
        if self._left < 0:
            raise InvalidInput(f"it has more than {self._most:,} spans. {NO_LARGER}")


class PassedOver:
    """What stands in a list that is of no interest."""

    def __repr__(self) -> str:
        return "[…]"

    def extend(self, _values: Sequence[Any]) -> None:
        """Forgets them."""

    def took(self, text: bytes) -> bool:
        """Whether these are sums as Haven writes them."""
        return _nothing_else(text, len(_SUM.findall(text)))


def _nothing_else(text: bytes, found: int) -> bool:
    """Whether a part of a list is just what was found in it: a brace and two commas each, one between."""
    return text.count(b"{") == found > 0 and text.count(b",") == 3 * found - 1


def _checked(span: Any) -> tuple[float, float, float]:
    """Raises: InvalidInput, which goes on behind the name of the span."""
    described = as_mapping(span, "")
    start = as_seconds(needed(described, "start", "."), ".start")
    end, sure = described.get("end"), described.get("confidence")
    until = nan if end is None else as_seconds(end, ".end")
    if until < start:
        raise InvalidInput(f" ends at {until:g} s, before it starts at {start:g} s.")
    known = as_probability(sure, ".confidence")
    return start, until, nan if known is None else known
