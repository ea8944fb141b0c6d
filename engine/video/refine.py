"""Narrowing the starts and ends of spans to one frame, by asking about the picture in the middle.

Where two neighbouring samples disagree about a tag, the change lies between them. The picture in the middle
of those between says in which half; n pictures take as many questions as n has binary digits. All that is
needed is the answers that are kept, so that a run that was killed goes on where it was.
"""

from bisect import bisect_left
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from engine.backends.base import Frame
from engine.cancel import CancelToken
from engine.events.analysis import FrameLost
from engine.settings import Sampling
from engine.video.frames import PassedOver, sample
from engine.video.spans import HIT_STATES, Sample


@dataclass(frozen=True)
class Gap:
    """Two neighbouring samples that disagree about some tags, and the pictures between them."""

    before: Sample
    after: Sample
    tags: int  # that they disagree about
    times_us: Sequence[int] = ()

    @property
    def middle_us(self) -> int:
        return self.times_us[len(self.times_us) // 2]

    @property
    def most_questions(self) -> int:
        """How many it takes at most until each change is known to one frame."""
        pictures = len(self.times_us)
        return min(pictures, self.tags * pictures.bit_length())


def gaps(samples: Sequence[Sample], thresholds: Mapping[str, float]) -> Iterator[Gap]:
    """Where samples, in the order of time, disagree with the next one. What failed agrees with all."""
    for before, after in pairwise(samples):
        if count := disagreements(before, after, thresholds):
            yield Gap(before, after, count)


def disagreements(before: Sample, after: Sample, thresholds: Mapping[str, float]) -> int:
    """The number of tags that hold in one of the two and not in the other.

    `thresholds` has the tags, each with the probability from which it holds.
    """
    pairs = ((_holds(before, *each), _holds(after, *each)) for each in thresholds.items())
    return sum(None not in pair and pair[0] != pair[1] for pair in pairs)


class Refinement:
    """Round by round: the pictures to ask about, then what was answered, then the halves that are left."""

    def __init__(
        self,
        path: str | Path,
        samples: Sequence[Sample],
        thresholds: Mapping[str, float],
        cancel: CancelToken,
        passed_over: PassedOver = lambda count: None,
    ) -> None:
        """`samples`: all that were answered, in the order of time; `thresholds` by tag, from which it holds;
        `passed_over` as `frames.sample` has it.

        Raises: MediaError, Cancelled.
        """
        self._path = path
        self._thresholds = thresholds
        self._cancel = cancel
        self._learnt: dict[int, Sample] = {}
        found = list(gaps(samples, thresholds))
        between = pictures_between(path, found, cancel, passed_over) if found else []
        self.gaps = [replace(gap, times_us=times) for gap, times in zip(found, between, strict=True) if times]

    @property
    def most_questions(self) -> int:
        """How many are still to be asked at most, unless a tag turns up for a moment that no sample saw."""
        return sum(gap.most_questions for gap in self.gaps)

    def pictures(self, numbers: Iterator[int]) -> Generator[Frame | FrameLost, None, None]:
        """The middle picture of each gap, in order, with the next numbers for its index.

        `previous` is the picture that the gap begins with.
        """
        middles = {gap.middle_us for gap in self.gaps}
        times = sorted(middles | {gap.before.time_us for gap in self.gaps})
        previous = None
        for item in sample(self._path, Sampling(mode="times", times_us=tuple(times)), self._cancel):
            if item.time_us not in middles:
                previous = item.picture if isinstance(item, Frame) else None
            elif isinstance(item, Frame):
                yield replace(item, index=next(numbers), previous=previous)
            else:
                yield replace(item, index=next(numbers))

    def learn(self, answered: Sample) -> None:
        """What was said of one of the pictures."""
        self._learnt[answered.time_us] = answered

    def narrow(self) -> None:
        """Go on to the halves in which a change is left; a gap whose picture failed stays as it is."""
        self.gaps = [half for gap in self.gaps for half in self._halves(gap)]
        self._learnt.clear()

    def _halves(self, gap: Gap) -> Iterator[Gap]:
        middle = self._learnt.get(gap.middle_us)
        place = len(gap.times_us) // 2
        if middle is None:  # it is out of order, and no player would show it
            others = [*gap.times_us[:place], *gap.times_us[place + 1 :]]
            yield from [replace(gap, times_us=others)] if others else []
            return
        sides = ((gap.before, middle, gap.times_us[:place]), (middle, gap.after, gap.times_us[place + 1 :]))
        for before, after, times in sides:
            count = disagreements(before, after, self._thresholds)
            if count and times:
                yield Gap(before, after, count, times)


def pictures_between(
    path: str | Path, wanted: Sequence[Gap], cancel: CancelToken, passed_over: PassedOver = lambda count: None
) -> list[list[int]]:
    """When the pictures inside each gap are shown; gaps are in order. Reads packets and decodes nothing.

    Raises: MediaError, Cancelled.
    """
    from engine.video.container import open_video
    from engine.video.packets import PacketReader, stamp
    from engine.video.planning import Order

    found: list[set[int]] = [set() for _ in wanted]
    begins = [gap.before.time_us for gap in wanted]
    with open_video(Path(path)) as video:
        reader = PacketReader(video, cancel)
        order = Order(reader)
        current, arrived = 0, False
        for packet in reader:
            shown_us = video.time_us(stamp(packet))
            order.see(stamp(packet))
            inside = bisect_left(begins, shown_us) - 1
            if inside >= 0 and not packet.is_discard and shown_us < wanted[inside].after.time_us:
                found[inside].add(shown_us)
            # Nothing is shown before it is decoded: behind this time, nothing of a gap can come any more.
            settled_us = -1
            if packet.dts is not None and not video.untimed:
                settled_us = video.time_us(packet.dts)
                order.settle(packet.dts)
            while current < len(wanted) and settled_us >= wanted[current].after.time_us:
                current, arrived = current + 1, False
            if current == len(wanted):
                break
            if not arrived:
                arrived, limit = True, video.stamp_at(begins[current])
                if (place := reader.worth_a_jump(limit)) is not None:
                    reader.jump(place, limit)
    if order.passed_over + reader.passed_over:
        passed_over(order.passed_over + reader.passed_over)
    return [sorted(times) for times in found]


def _holds(answered: Sample, tag: str, threshold: float) -> bool | None:
    sure = answered.tags.get(tag) if answered.state in HIT_STATES else None
    return None if sure is None else sure >= threshold
