"""Two runs over one video, held side by side tag by tag: where both say the same, and where only one does.

Only time for which both have an answer is compared: what one of them did not look at, or where its frames
failed, is no difference and is left out. All arithmetic is on integers of microseconds, and stretches are
half-open. Knows nothing of jobs, settings or pages.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.video.corrections import Stretch
from engine.video.spans import Looked, Span

Caption = tuple[int, str]  # when, in microseconds, and what was said


@dataclass(frozen=True)
class TagFound:
    """What one run says of one tag: where it holds, and what was looked at. Both are in the order of time."""

    spans: Sequence[Span]
    looked: Sequence[Looked]


@dataclass(frozen=True)
class Difference:
    """A stretch in which a tag holds in one run and, though it was looked at, not in the other."""

    start_us: int
    end_us: int
    only_in: Literal["first", "second"]


@dataclass(frozen=True)
class Agreement:
    """How far two runs agree about a tag. The lengths add up to the duration of the video."""

    both_us: int
    only_first_us: int
    only_second_us: int
    neither_us: int
    left_out_us: int  # one of them has no answer there
    differences: tuple[Difference, ...]  # in the order of time

    @property
    def compared_us(self) -> int:
        """The time for which both have an answer."""
        return self.same_us + self.only_first_us + self.only_second_us

    @property
    def same_us(self) -> int:
        return self.both_us + self.neither_us


def compare(first: TagFound, second: TagFound, duration_us: int) -> Agreement:
    """Two runs about one tag, in a video of that length; what lies behind its end is left out."""
    whole = [(0, duration_us)]
    compared = common(common(_answered(first), _answered(second)), whole)
    mine, other = common(_holding(first), compared), common(_holding(second), compared)
    both, only_first, only_second = common(mine, other), outside(mine, other), outside(other, mine)
    differences = [Difference(start, end, "first") for start, end in only_first]
    differences += [Difference(start, end, "second") for start, end in only_second]
    length = _length(compared)
    return Agreement(
        _length(both),
        _length(only_first),
        _length(only_second),
        length - _length(both) - _length(only_first) - _length(only_second),
        duration_us - length,
        tuple(sorted(differences, key=lambda one: one.start_us)),
    )


def share(agreements: Iterable[Agreement]) -> float | None:
    """The share of the compared time in which both say the same, in [0, 1]; None where none was compared."""
    same = compared = 0
    for each in agreements:
        same += each.same_us
        compared += each.compared_us
    return same / compared if compared else None


def nearest(
    first: Sequence[Caption], second: Sequence[Caption], within_us: int
) -> list[tuple[Caption, Caption]]:
    """Captions of two runs that are about the same moment, each at most once; both are in the order of time.

    Two are a pair if neither has a nearer one in the other run, and they are no further apart than
    `within_us`. Of two that are as near, the earlier counts.
    """
    times = [time_us for time_us, _ in first], [time_us for time_us, _ in second]
    pairs = []
    for place, (time_us, _) in enumerate(first):
        other = _nearest(times[1], time_us)
        if other is None or abs(times[1][other] - time_us) > within_us:
            continue
        if _nearest(times[0], times[1][other]) == place:
            pairs.append((first[place], second[other]))
    return pairs


def common(one: Sequence[Stretch], other: Sequence[Stretch]) -> list[Stretch]:
    """Where both are; each is in order and does not overlap itself."""
    return [
        (max(start, begin), min(end, stop))
        for (start, end), met in _meeting(one, other)
        for begin, stop in met
    ]


def outside(one: Sequence[Stretch], other: Sequence[Stretch]) -> list[Stretch]:
    """What is left of one outside of the other; each is in order and does not overlap itself."""
    found: list[Stretch] = []
    for (start, end), met in _meeting(one, other):
        for begin, stop in met:
            if start < begin:
                found.append((start, begin))
            start = stop
        if start < end:
            found.append((start, end))
    return found


def _meeting(one: Sequence[Stretch], other: Sequence[Stretch]) -> Iterator[tuple[Stretch, Sequence[Stretch]]]:
    """Each stretch of one, with those of the other that it meets."""
    first = behind = 0
    for start, end in one:
        while first < len(other) and other[first][1] <= start:
            first += 1
        behind = max(behind, first)
        while behind < len(other) and other[behind][0] < end:
            behind += 1
        yield (start, end), other[first:behind]


def _answered(run: TagFound) -> list[Stretch]:
    return _joined((each.start_us, each.end_us) for each in run.looked if each.answered)


def _holding(run: TagFound) -> list[Stretch]:
    return _joined((span.start_us, span.end_us) for span in run.spans)


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Those that touch or overlap as one, so that no seam of a correction looks like two differences."""
    joined: list[Stretch] = []
    for start, end in stretches:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def _length(stretches: Iterable[Stretch]) -> int:
    return sum(end - start for start, end in stretches)


def _nearest(times: Sequence[int], wanted: int) -> int | None:
    """The place of the time that is nearest; None where there is none."""
    after = bisect_left(times, wanted)
    near = [place for place in (after - 1, after) if 0 <= place < len(times)]
    return min(near, key=lambda place: abs(times[place] - wanted), default=None)
