"""Which starts and ends were to be known to one frame and are not: the tables are the specification."""

import pytest

from engine.video.open_edges import Narrowed
from engine.video.spans import Sample, Span, spans

US = 1_000_000
MARKS = {"x": ("failed", {}), "u": ("unparsed", {"dog": None}), "?": ("answered", {"dog": None})}


def samples(marks, seconds=None):
    """`1` and `0` are answered, `x` failed, `u` not understood, `?` answered, and unknown of the tag."""
    times = range(len(marks)) if seconds is None else seconds
    known = (MARKS.get(mark) or ("answered", {"dog": float(mark)}) for mark in marks)
    return [Sample(time * US, *each) for time, each in zip(times, known, strict=True)]


def open_edges(asked, duration, gap=0, longest=None, end_known=True):
    found = spans(asked, duration * US, US, "dog", max_gap_us=gap * US, longest_us=longest)
    return Narrowed(asked, "dog", 0.5, longest, end_known).open_edges(found)


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ("", 0),
        ("000", 0),
        ("0110", 0),
        ("11", 0),  # from the beginning to the end
        ("01?0", 1),
        ("0?10", 1),
        ("0x1x0", 2),
        ("1u1", 2),  # the end of one, and the start of the next
        ("0x0", 0),  # nothing starts there
        ("01001?", 1),
    ],
)
def test_next_to_a_frame_without_an_answer_nothing_is_known(marks, expected):
    assert open_edges(samples(marks), len(marks)) == expected


def test_what_a_gap_joins_has_no_edge():
    assert open_edges(samples("01x10"), 5, gap=1) == 0


def test_where_the_end_of_the_video_is_not_known_neither_is_that_of_what_lasts_until_then():
    assert open_edges(samples("011"), 3, end_known=False) == 1


@pytest.mark.parametrize(
    ("marks", "seconds", "expected"),
    [
        ("1", [5], 2),  # nobody looked before and behind it
        ("010", [4, 5, 6], 0),
        ("0110", [4, 5, 30, 31], 2),  # nor between the two
        ("010", [4, 5, 30], 1),  # a picture that is on screen for long: nothing is claimed of most of it
    ],
)
def test_at_listed_times_nothing_is_known_of_what_nobody_looked_at(marks, seconds, expected):
    assert open_edges(samples(marks, seconds), 60, longest=2 * US, end_known=False) == expected


def test_what_a_person_corrected_is_as_they_say():
    corrected = Span("dog", 1 * US, 2 * US, None, 1, corrected=True)
    assert Narrowed(samples("x1x"), "dog", 0.5, None, True).open_edges([corrected]) == 0
