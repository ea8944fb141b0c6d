"""Corrections laid over spans: the tables are the specification. Times in seconds here."""

import pytest

from engine.video.corrections import Correction, corrected
from engine.video.spans import Looked, Sample, Span, looked

US = 1_000_000


def stretch(pair):
    return pair and (round(pair[0] * US), round(pair[1] * US))


def laid(spans, *corrections, samples=()):
    """The spans after corrections, given as (old, new); a star marks those that a person shaped."""
    found = [Span("dog", *stretch(pair), 0.9, 1) for pair in spans]
    made = [Correction("dog", stretch(old), stretch(new)) for old, new in corrections]
    after = corrected(found, made, samples, 0.5)
    return [(span.start_us / US, span.end_us / US, "*" * span.corrected) for span in after]


@pytest.mark.parametrize(
    ("spans", "correction", "expected"),
    [
        # added
        ([], (None, (1, 2)), [(1, 2, "*")]),
        ([(5, 6)], (None, (1, 2)), [(1, 2, "*"), (5, 6, "")]),
        ([(0, 10)], (None, (9, 12)), [(0, 9, "*"), (9, 12, "*")]),
        ([(0, 10)], (None, (4, 5)), [(0, 4, "*"), (4, 5, "*"), (5, 10, "*")]),
        ([(0, 10)], (None, (4, 20)), [(4, 20, "*")]),  # most of the span is covered: it is the same one
        # deleted
        ([(0, 10)], ((0, 10), None), []),
        ([(0, 10), (20, 30)], ((0, 10), None), [(20, 30, "")]),
        ([(0, 11)], ((0, 10), None), []),  # a new run sees it end a little later
        ([(0, 40)], ((0, 10), None), [(10, 40, "*")]),  # a new run sees much more than that
        ([(20, 30)], ((0, 10), None), [(20, 30, "")]),
        # moved
        ([(0, 10)], ((0, 10), (2, 5)), [(2, 5, "*")]),
        ([(0, 10)], ((0, 10), (8, 20)), [(8, 20, "*")]),
        ([(1, 3), (4, 9)], ((0, 10), (0.5, 9.5)), [(0.5, 9.5, "*")]),  # a new run sees it as two
        ([], ((0, 10), (2, 5)), [(2, 5, "*")]),  # a new run does not see it
        ([(0, 10), (12, 14)], ((0, 10), (0, 13)), [(0, 13, "*"), (13, 14, "*")]),
    ],
)
def test_a_correction_holds_for_the_time_that_it_is_about(spans, correction, expected):
    assert laid(spans, correction) == expected


def test_later_corrections_go_before_earlier_ones():
    moved, moved_again = ((0, 10), (0, 5)), ((0, 5), (1, 2))
    assert laid([(0, 10)], moved, moved_again) == [(1, 2, "*")]
    assert laid([(0, 10)], moved, ((0, 5), None)) == []
    assert laid([], (None, (0, 4)), (None, (3, 6))) == [(0, 3, "*"), (3, 6, "*")]


def test_hits_and_confidence_are_counted_within_the_new_times():
    samples = [Sample(second * US, "answered", {"dog": 0.5 + second / 10}) for second in range(4)]
    (span,) = corrected([], [Correction("dog", None, (US, 3 * US))], samples, 0.5)
    assert (span.hits, span.confidence) == (2, pytest.approx(0.65))
    (span,) = corrected([], [Correction("dog", None, (8 * US, 9 * US))], samples, 0.5)
    assert (span.hits, span.confidence) == (0, None)


def test_without_corrections_nothing_is_touched():
    assert laid([(0, 10), (12, 14)]) == [(0, 10, ""), (12, 14, "")]


def seen(marks, **more):
    """Stretches of answers one second apart: `1` answered, `x` failed, `-` not looked at."""
    samples = [
        Sample(second * US, "failed" if mark == "x" else "answered", {})
        for second, mark in enumerate(marks)
        if mark != "-"
    ]
    found = looked(samples, len(marks) * US, US, **more)
    assert all(isinstance(one, Looked) for one in found)
    return [(one.start_us / US, one.end_us / US, one.answered) for one in found]


def test_what_was_looked_at_is_told_from_what_failed_and_what_was_not():
    assert seen("11x1") == [(0, 2, True), (2, 3, False), (3, 4, True)]
    assert seen("-11--", cancelled=True) == [(1, 3, True)]
    assert seen("") == []
