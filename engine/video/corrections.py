"""What a person said about spans, laid over those that were made of the model's answers.

A correction is about stretches of time, not about the span that a run happened to find, so that it
holds for a later run whose spans lie a little otherwise. Knows nothing of jobs or of where it is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.video.spans import Sample, Span, confidence_of, is_hit

Stretch = tuple[int, int]  # microseconds, half-open
MOST_OF_IT = 0.5  # of a span: where more than that was corrected away, the rest of it goes too


@dataclass(frozen=True)
class Correction:
    """`old` is where a span was, None where one was added; `new` where it is, None where one was deleted."""

    tag: str
    old: Stretch | None
    new: Stretch | None


def about_tag(corrections: Sequence[Correction], tag: str) -> list[Correction]:
    """Those of a tag, by the name that it has now: it is the same one with other capital letters."""
    return [replace(one, tag=tag) for one in corrections if one.tag.casefold() == tag.casefold()]


def corrected(
    found: Sequence[Span], corrections: Sequence[Correction], samples: Sequence[Sample], threshold: float
) -> list[Span]:
    """The spans of one tag with its corrections, in order; they never overlap.

    What a correction covers, before and after, is cut out of every other span; a span of the model's that
    loses more than half that way is dropped. Hits are counted anew within the new times.
    """
    if not corrections:
        return list(found)
    spans = list(found)
    for correction in corrections:
        for stretch in (correction.old, correction.new):
            if stretch is not None:
                spans = [piece for span in spans for piece in _without(span, *stretch)]
        if correction.new is not None:
            spans.append(Span(correction.tag, *correction.new, None, 0, corrected=True))
    spans.sort(key=lambda span: span.start_us)
    return [_counted(span, samples, threshold) if span.corrected else span for span in spans]


def _without(span: Span, start_us: int, end_us: int) -> list[Span]:
    """What is left of a span outside of a stretch: none, one or two pieces."""
    if end_us <= span.start_us or span.end_us <= start_us:
        return [span]
    sides = (span.start_us, min(start_us, span.end_us)), (max(end_us, span.start_us), span.end_us)
    pieces = [(start, end) for start, end in sides if start < end]
    left = sum(end - start for start, end in pieces)
    if not span.corrected and left < (1 - MOST_OF_IT) * (span.end_us - span.start_us):
        return []
    return [replace(span, start_us=start, end_us=end, corrected=True) for start, end in pieces]


def _counted(span: Span, samples: Sequence[Sample], threshold: float) -> Span:
    """With the model's hits within; without any, nothing is known of its confidence."""
    within = (s for s in samples if span.start_us <= s.time_us < span.end_us)
    hits = [s for s in within if is_hit(s, span.tag, threshold)]
    return replace(span, hits=len(hits), confidence=confidence_of(hits, span.tag))
