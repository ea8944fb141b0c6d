"""Two runs side by side: the tables are the specification. Times in seconds there, microseconds inside."""

import random

import pytest

from engine.video.comparing import Agreement, Difference, TagFound, common, compare, nearest, outside, share
from engine.video.corrections import Correction, corrected
from engine.video.spans import Looked, Sample, Span, looked, spans

US = 1_000_000
STATES = {"x": "failed", "u": "unparsed"}


def run(marks, step=1, start=0, corrections=(), **rule):
    """`1` a sure yes, `0` a sure no, `?` unknown, `x` failed, `u` unparsed, `step` seconds apart."""
    marks = marks.split()
    answers = {"1": 0.9, "0": 0.1}
    samples = [
        Sample((start + place * step) * US, STATES.get(mark, "answered"), {"dog": answers.get(mark)})
        for place, mark in enumerate(marks)
    ]
    whole = (samples, (start + len(marks) * step) * US, step * US)
    found = corrected(spans(*whole, "dog", **rule), corrections, samples, 0.5)
    return TagFound(found, looked(*whole, tag="dog"))


def compared(first, second, duration):
    """Seconds of both, only the first, only the second, neither, left out; and the differences."""
    made = compare(first, second, duration * US)
    lengths = made.both_us, made.only_first_us, made.only_second_us, made.neither_us, made.left_out_us
    where = [(one.start_us / US, one.end_us / US, one.only_in) for one in made.differences]
    return [length / US for length in lengths], where


@pytest.mark.parametrize(
    ("first", "second", "lengths", "differences"),
    [
        ("1 1 0 0", "1 1 0 0", [2, 0, 0, 2, 0], []),
        ("0 0", "0 0", [0, 0, 0, 2, 0], []),
        ("1 1 0 0", "0 1 1 0", [1, 1, 1, 1, 0], [(0, 1, "first"), (2, 3, "second")]),
        ("1 1 1", "1 0 1", [2, 1, 0, 0, 0], [(1, 2, "first")]),
        ("1 1", "0 0", [0, 2, 0, 0, 0], [(0, 2, "first")]),
        # one after the other: where one ends, the other has not begun to differ
        ("1 0", "0 1", [0, 1, 1, 0, 0], [(0, 1, "first"), (1, 2, "second")]),
    ],
)
def test_both_one_or_neither(first, second, lengths, differences):
    assert compared(run(first), run(second), len(first.split())) == (lengths, differences)


@pytest.mark.parametrize("nothing", ["x", "u", "?"])
def test_a_stretch_without_an_answer_in_one_of_them_is_no_difference(nothing):
    first, second = run(f"1 {nothing} 1 0"), run("1 1 0 1")
    expected = [1, 1, 1, 0, 1], [(2, 3, "first"), (3, 4, "second")]
    assert compared(first, second, 4) == expected


@pytest.mark.parametrize("nothing", ["x", "u", "?"])
def test_a_difference_ends_where_nothing_is_known(nothing):
    first, second = run("1 1 1"), run(f"0 {nothing} 0")
    assert compared(first, second, 3) == ([0, 2, 0, 0, 1], [(0, 1, "first"), (2, 3, "first")])


def test_a_span_that_bridges_a_failed_frame_says_nothing_about_it():
    first, second = run("1 x 1", max_gap_us=US), run("1 0 1")
    assert [span.end_us for span in first.spans] == [3 * US]
    assert compared(first, second, 3) == ([2, 0, 0, 0, 1], [])


def test_what_only_one_of_them_looked_at_is_left_out():
    part, whole = run("1 1", start=2), run("1 1 1 0 0 0")
    assert compared(part, whole, 6) == ([1, 1, 0, 0, 4], [(3, 4, "first")])
    assert compared(whole, part, 6) == ([1, 0, 1, 0, 4], [(3, 4, "second")])
    assert compared(run(""), whole, 6) == ([0, 0, 0, 0, 6], [])


def test_runs_of_different_steps_are_compared_second_by_second():
    fine, coarse = run("0 1 1 1 0 0"), run("0 1 0", step=2)
    assert compared(fine, coarse, 6) == ([2, 1, 0, 3, 0], [(1, 2, "first")])


def test_each_run_has_rules_of_its_own():
    strict, lenient = run("1 0 1 0", min_duration_us=2 * US), run("1 0 1 0", max_gap_us=US)
    assert compared(strict, lenient, 4) == ([0, 0, 3, 1, 0], [(0, 3, "second")])


def test_a_correction_counts_like_an_answer():
    moved = [Correction("dog", (0, US), (US, 2 * US))]
    first, second = run("1 0 0", corrections=moved), run("1 0 0")
    assert compared(first, second, 3) == ([0, 1, 1, 1, 0], [(0, 1, "second"), (1, 2, "first")])


def test_the_seam_of_a_correction_makes_no_second_difference():
    added = [Correction("dog", None, (US, 2 * US))]
    first = run("1 1 1", corrections=added)
    assert len(first.spans) == 3
    assert compared(first, run("0 0 0"), 3) == ([0, 3, 0, 0, 0], [(0, 3, "first")])


def test_a_share_is_of_what_was_compared():
    half = compare(run("1 1 0 x"), run("1 0 1 1"), 4 * US)
    all_of_it = compare(run("1"), run("1"), US)
    nothing = compare(run("x"), run("1"), US)
    assert share([half]) == 1 / 3
    assert share([half, all_of_it, nothing]) == 2 / 4
    assert share([nothing]) is None
    assert share([]) is None


@pytest.mark.parametrize(
    ("one", "other", "both", "left"),
    [
        ([], [(0, 9)], [], []),
        ([(0, 9)], [], [], [(0, 9)]),
        ([(0, 9)], [(0, 9)], [(0, 9)], []),
        ([(0, 9)], [(2, 3), (3, 4), (6, 7)], [(2, 3), (3, 4), (6, 7)], [(0, 2), (4, 6), (7, 9)]),
        ([(0, 2), (4, 6)], [(2, 4)], [], [(0, 2), (4, 6)]),
        ([(0, 3), (5, 8)], [(2, 6)], [(2, 3), (5, 6)], [(0, 2), (6, 8)]),
        ([(3, 4)], [(0, 9)], [(3, 4)], []),
    ],
)
def test_stretches_are_half_open(one, other, both, left):
    assert common(one, other) == both
    assert outside(one, other) == left


def random_run(chance: random.Random, duration: int) -> TagFound:
    """Samples at whatever times, some in vain; times are so short that every microsecond can be looked at."""
    times = sorted(chance.sample(range(duration), chance.randint(0, duration // 3)))
    samples = [
        Sample(
            time_us,
            chance.choice(["answered", "answered", "reused", "failed"]),
            {"dog": chance.choice([1.0, 0.0, None])},
        )
        for time_us in times
    ]
    cut_short = chance.random() < 0.3
    rule = {"max_gap_us": chance.choice([0, 0, 3]), "min_duration_us": chance.choice([0, 0, 4])}
    found = spans(samples, duration, 3, "dog", 0.5, **rule, cancelled=cut_short)
    return TagFound(found, looked(samples, duration, 3, cut_short, tag="dog"))


def said(run: TagFound, at: int) -> bool | None:
    """Whether the tag holds at that microsecond; None where nothing is known."""
    if not any(one.answered and one.start_us <= at < one.end_us for one in run.looked):
        return None
    return any(span.start_us <= at < span.end_us for span in run.spans)


@pytest.mark.parametrize("seed", range(150))
def test_it_is_what_looking_at_every_microsecond_finds(seed):
    chance = random.Random(seed)
    duration = chance.randint(1, 60)
    first, second = random_run(chance, duration), random_run(chance, duration)
    made = compare(first, second, duration)
    pairs = [(said(first, at), said(second, at)) for at in range(duration)]
    known = [pair for pair in pairs if None not in pair]
    assert made.both_us == known.count((True, True))
    assert made.only_first_us == known.count((True, False))
    assert made.only_second_us == known.count((False, True))
    assert made.neither_us == known.count((False, False))
    assert made.left_out_us == duration - len(known)
    assert made.compared_us == len(known)
    for side, pair in (("first", (True, False)), ("second", (False, True))):
        inside = {
            at for one in made.differences if one.only_in == side for at in range(one.start_us, one.end_us)
        }
        assert inside == {at for at, found in enumerate(pairs) if found == pair}
    # Each is as long as it can be, and they are in order.
    ends = [(one.end_us, one.only_in) for one in made.differences]
    assert not any((one.start_us, one.only_in) in ends for one in made.differences)
    assert [one.start_us for one in made.differences] == sorted(one.start_us for one in made.differences)


@pytest.mark.parametrize("seed", range(40))
def test_turned_round_it_is_the_same_and_with_itself_a_run_agrees(seed):
    chance = random.Random(seed)
    first, second = random_run(chance, 50), random_run(chance, 50)
    made, turned = compare(first, second, 50), compare(second, first, 50)
    other = {"first": "second", "second": "first"}
    assert turned == Agreement(
        made.both_us,
        made.only_second_us,
        made.only_first_us,
        made.neither_us,
        made.left_out_us,
        tuple(Difference(one.start_us, one.end_us, other[one.only_in]) for one in made.differences),
    )
    alone = compare(first, first, 50)
    assert alone.differences == ()
    assert share([alone]) in (1.0, None)


def test_what_lies_behind_the_end_is_left_out():
    late = TagFound([Span("dog", 9, 11, 0.9, 1)], [Looked(0, 11, True)])
    assert compare(late, TagFound([], [Looked(0, 20, True)]), 10) == Agreement(
        0, 1, 0, 9, 0, (Difference(9, 10, "first"),)
    )


@pytest.mark.parametrize(
    ("first", "second", "within", "pairs"),
    [
        ([0, 2, 4], [0, 2, 4], 2, [(0, 0), (2, 2), (4, 4)]),
        ([0, 1, 2, 3, 4, 5, 6], [0, 5], 5, [(0, 0), (5, 5)]),
        ([0, 5], [0, 1, 2, 3, 4, 5, 6], 5, [(0, 0), (5, 5)]),
        ([1, 3], [2], 2, [(1, 2)]),  # the earlier of two that are as near
        ([2], [1, 3], 2, [(2, 1)]),
        ([0, 10], [4, 30], 5, [(0, 4)]),  # 10 and 30 are too far apart
        ([], [1], 5, []),
        ([1], [], 5, []),
    ],
)
def test_captions_are_paired_with_the_nearest_each_once(first, second, within, pairs):
    said_first, said_second = ([(time, f"{time} s") for time in times] for times in (first, second))
    found = nearest(said_first, said_second, within)
    assert [(one[0], other[0]) for one, other in found] == pairs
    assert all(one[1] == f"{one[0]} s" for pair in found for one in pair)
