"""By which rules spans are made: bounds, units, and what differs for one tag."""

import pytest

from engine.errors import InvalidInput
from engine.video.span_settings import Length, SpanRule, SpanSettings

TAGS = ("dog", "cat")


def changed(*changes) -> SpanSettings:
    settings = SpanSettings()
    for one in changes:
        settings = settings.changed(one, TAGS)
    return settings


@pytest.mark.parametrize(
    ("written", "seconds", "of_200_s"),
    [
        (2, 2.0, 2_000_000),
        (0.5, 0.5, 500_000),
        ("2 s", 2.0, 2_000_000),
        ("1,5", 1.5, 1_500_000),
        ("1.5 %", "1.5 %", 3_000_000),
        ("100%", "100 %", 200_000_000),
        ("33.3333333 %", "33.3333333 %", 66_666_667),
        ("0.0000001 %", "1e-07 %", 0),
    ],
)
def test_a_length_is_seconds_or_a_share_of_the_video(written, seconds, of_200_s):
    length = Length.of("max_gap", written)
    assert length.plain() == seconds
    assert length.in_us(200_000_000) == of_200_s
    assert Length.of("max_gap", length.plain()) == length


def test_a_share_of_an_unknown_length_is_nothing():
    assert Length.of("max_gap", "50 %").in_us(0) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": 1.1}, "threshold must be from 0 to 1, not 1.1"),
        ({"threshold": "much"}, "threshold must be a number"),
        ({"max_gap": -1}, "max_gap must be from 0"),
        ({"max_gap": "101 %"}, "max_gap in per cent must be from 0 to 100"),
        ({"min_duration": "soon"}, "min_duration must be seconds"),
        ({"min_duration": "1 % s"}, "min_duration must be seconds"),
        ({"min_duration": "1.2.3"}, "min_duration must be seconds"),
        ({"min_duration": "nan"}, "min_duration must be seconds"),
        ({"min_duration": None}, "min_duration must be a number"),
        ({"gap": 1}, "no setting 'gap'"),
        ({"tags": {"cow": {}}}, "'cow' was not asked for. The tags are: dog, cat"),
        ({"tags": {"dog": {"threshold": 2}}}, "threshold must be from 0 to 1"),
        ({"tags": {"dog": {"gap": 2}}}, "no setting 'gap'"),
        ({"tags": {"dog": 0.5}}, "must be given by name"),
        ("0.5", "must be given by name"),
    ],
)
def test_what_is_off_is_named(changes, message):
    with pytest.raises(InvalidInput, match=message):
        changed(changes)


def test_a_tag_has_what_differs_and_else_the_rule_for_all():
    settings = changed({"tags": {"dog": {"threshold": 0.8}}}, {"max_gap": 2, "threshold": 0.3})
    assert settings.rule("dog") == SpanRule(0.8, Length(2.0))
    assert settings.rule("cat") == SpanRule(0.3, Length(2.0))
    assert settings.lowest == 0.3


def test_changes_of_a_tag_add_up_and_are_taken_back_by_none():
    settings = changed(
        {"tags": {"dog": {"threshold": 0.2}}},
        {"tags": {"dog": {"max_gap": "1 %"}, "cat": {"threshold": 0.9}}},
    )
    assert settings.tags == {"dog": {"threshold": 0.2, "max_gap": "1 %"}, "cat": {"threshold": 0.9}}
    assert settings.lowest == 0.2
    settings = settings.changed({"tags": {"dog": {"threshold": None}, "cat": None}}, TAGS)
    assert settings.tags == {"dog": {"max_gap": "1 %"}}


def test_what_is_kept_reads_back_as_it_was():
    settings = changed({"threshold": 0.7, "max_gap": "2 %", "tags": {"dog": {"min_duration": 3}}})
    assert SpanSettings.from_dict(settings.as_dict()) == settings
    assert SpanSettings.from_dict({}) == SpanSettings()
