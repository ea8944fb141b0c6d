"""From answers at single times to stretches of time in which a tag holds.

All arithmetic is on integers of microseconds. Spans are made from the stored answers whenever a
threshold or a gap changes; no model is asked, and nothing here knows where the answers came from.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

HIT_STATES = frozenset({"answered", "reused"})


@dataclass(frozen=True)
class Sample:
    """One answered time: `tags` has the probability of yes for each asked tag, None where it is unknown."""

    time_us: int
    state: str
    tags: Mapping[str, float | None]
    unmeasured: frozenset[str] = frozenset()  # tags of which it is not known how sure the answer is


@dataclass(frozen=True)
class Span:
    """A tag holds from `start_us` up to, and not including, `end_us`."""

    tag: str
    start_us: int
    end_us: int
    confidence: float | None  # mean over the hits of which it is known; None where it is of none
    hits: int
    corrected: bool = False  # by a person: its times are not the model's


@dataclass(frozen=True)
class Looked:
    """A stretch of time that was looked at, from `start_us` up to `end_us`; where not `answered`, in vain."""

    start_us: int
    end_us: int
    answered: bool


@dataclass(frozen=True)
class Total:
    """All spans of one tag together; they never overlap, so their lengths add up."""

    spans: int
    hits: int
    duration_us: int


def spans(
    samples: Sequence[Sample],
    duration_us: int,
    interval_us: int,
    tag: str,
    threshold: float = 0.5,
    max_gap_us: int = 0,
    min_duration_us: int = 0,
    cancelled: bool = False,
    longest_us: int | None = None,
) -> list[Span]:
    """The spans of one tag, in order; `samples` are in the order of time.

    A hit lasts until the next sample, whatever that says; the last one until `duration_us`, the end of
    what was to be analysed. Where the run was stopped before that (`cancelled`), or the duration is not
    known (0), the last one lasts `interval_us`, the time from one sample to the next. No hit
    lasts longer than `longest_us`, where samples stand too far apart to speak for the time between. A
    failed, unparsed or unknown sample is no hit: it ends a span, but says nothing of the time that it
    stands for.
    A hit has at least `threshold`. Spans no further apart than `max_gap_us` are one; what is shorter
    than `min_duration_us` after that is dropped.
    """
    found: list[_Open] = []
    ends = _Ends(samples, duration_us, interval_us, cancelled, longest_us)
    for index, sample in enumerate(samples):
        if not is_hit(sample, tag, threshold):
            continue
        end_us = ends.of(index)
        if found and sample.time_us - found[-1].end_us <= max_gap_us:
            found[-1].end_us = end_us
            found[-1].hits.append(sample)
        else:
            found.append(_Open(sample.time_us, end_us, [sample]))
    return [each.closed(tag) for each in found if each.end_us - each.start_us >= min_duration_us]


def totals(found: Iterable[Span]) -> dict[str, Total]:
    """The total of each tag, in the order in which the tags first appear."""
    summed: dict[str, Total] = {}
    for span in found:
        old = summed.get(span.tag, Total(0, 0, 0))
        length = span.end_us - span.start_us
        summed[span.tag] = Total(old.spans + 1, old.hits + span.hits, old.duration_us + length)
    return summed


def looked(
    samples: Sequence[Sample],
    duration_us: int,
    interval_us: int,
    cancelled: bool = False,
    tag: str | None = None,
    longest_us: int | None = None,
) -> list[Looked]:
    """Which stretches were looked at, in order; each sample stands for the time that a hit would last.

    With a `tag`, a sample of which it is unknown whether the tag holds was looked at in vain.
    """
    found: list[Looked] = []
    ends = _Ends(samples, duration_us, interval_us, cancelled, longest_us)
    for index, sample in enumerate(samples):
        answered = sample.state in HIT_STATES and (tag is None or sample.tags.get(tag) is not None)
        if found and found[-1].answered == answered and found[-1].end_us >= sample.time_us:
            found[-1] = Looked(found[-1].start_us, ends.of(index), answered)
        else:
            found.append(Looked(sample.time_us, ends.of(index), answered))
    return found


def partly_unknown(samples: Iterable[Sample], tags: Sequence[str]) -> list[str]:
    """The tags of which some answer does not say whether they hold; what failed says nothing of any."""
    asked, unknown = set(tags), set[str]()
    for sample in samples:
        if sample.state in HIT_STATES and (len(sample.tags) < len(asked) or None in sample.tags.values()):
            unknown |= {tag for tag in asked - unknown if sample.tags.get(tag) is None}
    return [tag for tag in tags if tag in unknown]


def is_hit(sample: Sample, tag: str, threshold: float) -> bool:
    """Whether the tag holds there."""
    value = sample.tags.get(tag) if sample.state in HIT_STATES else None
    return value is not None and value >= threshold


def confidence_of(hits: Iterable[Sample], tag: str) -> float | None:
    """How sure the model was of these hits: the mean of what was measured, None where nothing was."""
    known = [value for hit in hits if tag not in hit.unmeasured and (value := hit.tags[tag]) is not None]
    return fmean(known) if known else None


@dataclass(frozen=True)
class _Ends:
    """How long each of the samples stands for what it says."""

    samples: Sequence[Sample]
    duration_us: int
    interval_us: int
    cancelled: bool
    longest_us: int | None

    def of(self, index: int) -> int:
        """Within the duration where that is known; never empty, even where the duration that a file gives
        ends before its last picture."""
        start_us = self.samples[index].time_us
        end_us = self.duration_us
        if index + 1 < len(self.samples):
            end_us = self.samples[index + 1].time_us
        elif self.cancelled or self.duration_us <= 0:
            end_us = start_us + self.interval_us
        if self.longest_us is not None:
            end_us = min(end_us, start_us + self.longest_us)
        if 0 < self.duration_us < end_us:
            end_us = self.duration_us
        return max(end_us, start_us + 1)


@dataclass
class _Open:
    """A span that may still grow."""

    start_us: int
    end_us: int
    hits: list[Sample]

    def closed(self, tag: str) -> Span:
        return Span(tag, self.start_us, self.end_us, confidence_of(self.hits, tag), len(self.hits))
