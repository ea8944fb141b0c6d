"""Hits to spans: the tables are the specification. Times in seconds here, microseconds inside."""

import pytest

from engine.video.spans import Sample, Span, Total, looked, spans, totals

US = 1_000_000


def sample(second, mark):
    """`1` a sure yes, `0` a sure no, a number its probability, `?` unknown, `x` failed, `u` unparsed."""
    state = {"x": "failed", "u": "unparsed", "r": "reused"}.get(mark, "answered")
    tags = {"x": {}, "?": {"boat": None}, "u": {"boat": None}, "r": {"boat": 1.0}}.get(mark)
    return Sample(round(second * US), state, {"boat": float(mark)} if tags is None else tags)


def made(marks, duration=None, **changes):
    """The spans of marks one second apart, as (start, end, hits) in seconds."""
    marks = marks.split()
    found = spans(
        [sample(second, mark) for second, mark in enumerate(marks)],
        duration_us=round((len(marks) if duration is None else duration) * US),
        interval_us=US,
        tag="boat",
        **changes,
    )
    return [(span.start_us / US, span.end_us / US, span.hits) for span in found]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ("", []),
        ("0 0 0", []),
        ("1 0 0", [(0, 1, 1)]),
        ("0 1 0", [(1, 2, 1)]),
        ("0 0 1", [(2, 3, 1)]),
        ("1 1 1", [(0, 3, 3)]),
        ("1 0 1", [(0, 1, 1), (2, 3, 1)]),
        ("1 1 0 1 1", [(0, 2, 2), (3, 5, 2)]),
        ("1 r 1", [(0, 3, 3)]),
        ("0.5 0.49 0.51", [(0, 1, 1), (2, 3, 1)]),
    ],
)
def test_a_hit_lasts_until_the_next_sample_and_a_single_hit_is_a_span(marks, expected):
    assert made(marks) == expected


@pytest.mark.parametrize("nothing", ["x", "u", "?"])
def test_a_sample_without_an_answer_ends_a_hit(nothing):
    assert made(f"1 {nothing} 1") == [(0, 1, 1), (2, 3, 1)]
    assert made(f"{nothing} 1 {nothing}") == [(1, 2, 1)]
    assert made(f"1 {nothing}", max_gap_us=10 * US) == [(0, 1, 1)]


def test_a_hit_lasts_no_longer_than_samples_say_anything_of():
    far = [sample(5, "1"), sample(6, "1"), sample(30, "1"), sample(59, "1")]
    found = spans(far, 60 * US, 2 * US, "boat", longest_us=2 * US)
    assert [(span.start_us / US, span.end_us / US) for span in found] == [(5, 8), (30, 32), (59, 60)]
    stretches = looked(far, 60 * US, 2 * US, longest_us=2 * US)
    assert [(one.start_us / US, one.end_us / US) for one in stretches] == [(5, 8), (30, 32), (59, 60)]


@pytest.mark.parametrize(
    ("duration", "cancelled", "end"),
    [(10, False, 10), (2.5, False, 2.5), (10, True, 3), (2.5, True, 2.5), (0, False, 3), (0, True, 3)],
)
def test_the_last_hit_lasts_to_the_end_or_one_interval_where_the_end_is_not_known(duration, cancelled, end):
    assert made("0 0 1", duration=duration, cancelled=cancelled) == [(2, end, 1)]


def test_a_duration_shorter_than_the_video_gives_no_empty_span():
    assert made("0 0 1", duration=1) == [(2, 2.000001, 1)]


def test_a_cancelled_run_shortens_only_the_last_hit():
    found = [Sample(0, "answered", {"boat": 1.0}), Sample(5 * US, "answered", {"boat": 0.0})]
    (span,) = spans(found, 100 * US, US, "boat", cancelled=True)
    assert (span.start_us, span.end_us) == (0, 5 * US)


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (0, [(0, 1, 1), (2, 3, 1), (5, 6, 1)]),
        (1 * US - 1, [(0, 1, 1), (2, 3, 1), (5, 6, 1)]),
        (1 * US, [(0, 3, 2), (5, 6, 1)]),
        (2 * US, [(0, 6, 3)]),
    ],
)
def test_spans_no_further_apart_than_the_gap_are_one(gap, expected):
    assert made("1 0 1 0 0 1", max_gap_us=gap) == expected


@pytest.mark.parametrize(
    ("least", "gap", "expected"),
    [
        (2 * US, 0, [(2, 4, 2)]),
        (2 * US + 1, 0, []),
        (4 * US, US, [(0, 4, 3)]),  # joined first, then measured
    ],
)
def test_spans_shorter_than_the_minimum_are_dropped_after_joining(least, gap, expected):
    assert made("1 0 1 1", min_duration_us=least, max_gap_us=gap) == expected


def test_confidence_is_the_mean_of_the_hits_alone():
    marks = ["0.6", "0.8", "0.1", "0.7"]
    found = spans(
        [sample(second, mark) for second, mark in enumerate(marks)],
        4 * US,
        US,
        "boat",
        max_gap_us=US,
    )
    assert found == [Span("boat", 0, 4 * US, pytest.approx(0.7), 3)]


def test_the_threshold_moves_what_counts():
    assert made("0.2 0.6 0.9", threshold=0.7) == [(2, 3, 1)]
    assert made("0.2 0.6 0.9", threshold=0.1) == [(0, 3, 3)]


def test_tags_do_not_know_of_each_other():
    both = [
        Sample(0, "answered", {"boat": 1.0, "lake": 1.0}),
        Sample(US, "answered", {"boat": 0.0, "lake": 1.0}),
    ]
    assert [(s.start_us, s.end_us) for s in spans(both, 2 * US, US, "boat")] == [(0, US)]
    assert [(s.start_us, s.end_us) for s in spans(both, 2 * US, US, "lake")] == [(0, 2 * US)]
    assert spans(both, 2 * US, US, "tree") == []


def test_times_stay_exact_where_floats_would_drift():
    third = [Sample(number * US // 3, "answered", {"boat": 1.0}) for number in range(30_000)]
    (span,) = spans(third, 10_000 * US, US // 3, "boat")
    assert (span.start_us, span.end_us, span.hits) == (0, 10_000 * US, 30_000)


def test_totals_add_up_each_tag():
    found = [Span("a", 0, 5, 0.9, 2), Span("b", 0, 100, 0.5, 1), Span("a", 10, 12, 0.7, 1)]
    assert totals(found) == {"a": Total(2, 3, 7), "b": Total(1, 1, 100)}
    assert totals([]) == {}
