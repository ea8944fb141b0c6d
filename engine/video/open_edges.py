"""Which starts and ends of spans are not known to one frame, although they were to be narrowed.

One is known where the picture on its other side was answered otherwise. Narrowing ends where a question got
no answer, or one that does not say whether the tag holds; and at listed times nobody looks between two that
agree, nor before the first and behind the last.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.video.refine import disagreements
from engine.video.spans import HIT_STATES, Sample, Span


def opened(beside: Iterable[tuple[Sample, Sample]], tag: str, threshold: float) -> bool:
    """Whether a sample that was added since all was narrow disagrees with the one before or behind it.

    `beside`: each of those that were added, with the one before it and with the one behind it. Where two
    disagree a span starts or ends that was not known before, and nobody looked between them.
    """
    return any(disagreements(*pair, {tag: threshold}) for pair in beside)


@dataclass(frozen=True)
class Narrowed:
    """Samples of one tag, in the order of time, between which all was asked that narrows a span of it.

    `longest_us` as `spans.spans` has it; `end_known`: the last sample stands for the rest of the range.
    """

    samples: Sequence[Sample]
    tag: str
    threshold: float
    longest_us: int | None
    end_known: bool

    def open_edges(self, found: Sequence[Span]) -> int:
        """How many starts and ends of these spans are not known; those that a person set are."""
        times = [sample.time_us for sample in self.samples]
        open_edges = 0
        for span in found:
            if not span.corrected:
                first, behind = bisect_left(times, span.start_us), bisect_left(times, span.end_us)
                open_edges += (not self._starts_at(first)) + (not self._ends_before(behind))
        return open_edges

    def _starts_at(self, first: int) -> bool:
        return self._is_absent(first - 1) if first else self.longest_us is None

    def _ends_before(self, behind: int) -> bool:
        if behind == len(self.samples):
            return self.end_known
        lasted_us = self.samples[behind].time_us - self.samples[behind - 1].time_us
        return self._is_absent(behind) and (self.longest_us is None or lasted_us <= self.longest_us)

    def _is_absent(self, place: int) -> bool:
        sample = self.samples[place]
        sure = sample.tags.get(self.tag) if sample.state in HIT_STATES else None
        return sure is not None and sure < self.threshold
