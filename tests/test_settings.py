"""Typed settings: every bound, every message."""

import json
import math
from fractions import Fraction

import pytest

from engine.bounds import named
from engine.errors import InvalidInput
from engine.settings import GenerationSettings, LoadOptions, Sampling

NOT_NUMBERS = ["2", "two", None, True, [1], math.nan, math.inf, -math.inf]


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("max_new_tokens", 1, 32768),
        ("temperature", 0, 2),
        ("top_p", 0.01, 1),
        ("top_k", 0, 1000),
        ("seed", -1, 2**31 - 1),
    ],
)
def test_a_generation_setting_has_bounds_that_its_message_names(name, least, most):
    settings = GenerationSettings()
    for value in (least, most):
        assert getattr(settings.changed({name: value}), name) == value
    for value in (least - 1, most + 1, *NOT_NUMBERS):
        with pytest.raises(InvalidInput, match=name):
            settings.changed({name: value})


@pytest.mark.parametrize("name", ["max_new_tokens", "top_k", "seed"])
def test_a_whole_number_may_be_written_as_a_float_but_has_no_fraction(name):
    changed = GenerationSettings().changed({name: 7.0})
    assert getattr(changed, name) == 7
    assert isinstance(getattr(changed, name), int)
    with pytest.raises(InvalidInput, match="whole number"):
        GenerationSettings().changed({name: 7.5})


def test_a_change_leaves_the_rest_and_the_original_as_they_were():
    before = GenerationSettings(temperature=1.5)
    after = before.changed({"top_k": 5})
    assert (after.temperature, after.top_k) == (1.5, 5)
    assert before.top_k == 40
    assert before.changed({}) == before


def test_an_unknown_setting_is_refused_by_name_with_those_that_there_are():
    with pytest.raises(InvalidInput, match=r"'temprature'.*temperature"):
        GenerationSettings().changed({"temprature": 1})


def test_a_system_prompt_is_a_text_of_some_length():
    assert GenerationSettings(system_prompt="x" * 20_000)
    for value in ("x" * 20_001, None, 5):
        with pytest.raises(InvalidInput, match="system_prompt"):
            GenerationSettings(system_prompt=value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_ctx": 4096, "n_gpu_layers": -1, "flash_attention": False},
        {"device": "cuda:1", "dtype": "bfloat16", "quantization": "4bit"},
        {"device": "mps"},
        {"parallel": 64},
    ],
)
def test_load_options_keep_what_was_chosen_and_leave_out_the_rest(options):
    assert LoadOptions.of(options).as_dict() == options


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_ctx", 127),
        ("n_ctx", "big"),
        ("n_gpu_layers", -2),
        ("flash_attention", "yes"),
        ("device", "tpu"),
        ("device", ""),
        ("dtype", "int8"),
        ("quantization", "2bit"),
        ("parallel", 0),
        ("parallel", 65),
        ("threads", 4),
    ],
)
def test_a_load_option_that_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(InvalidInput, match=name):
        LoadOptions.of({name: value})


@pytest.mark.parametrize(
    ("given", "interval"),
    [
        ({}, Fraction(2)),
        ({"interval": 0.1}, Fraction(1, 10)),
        ({"interval": 1}, Fraction(1)),
        ({"fps": 3}, Fraction(1, 3)),
        ({"fps": 29.97}, Fraction(100, 2997)),
        ({"fps": 5, "interval": 100}, Fraction(1, 5)),
    ],
)
def test_an_interval_is_exactly_what_was_written(given, interval):
    assert Sampling.of(**given).interval == interval


@pytest.mark.parametrize("value", [10**400, -(10**400), 10**4000, 1e301, "x" * 5000, [0] * 5000])
def test_what_is_far_from_being_a_number_is_refused_in_a_line(value):
    with pytest.raises(InvalidInput, match=r"interval must be (a number )?from 0\.001 to 86400") as refused:
        Sampling.of(interval=value)
    assert len(str(refused.value)) < 140


@pytest.mark.parametrize("given", ["x", ["dtype"], 5, True])
def test_settings_are_given_by_name(given):
    assert named("Options", None) == {}
    assert named("Options", {"dtype": "float32"}) == {"dtype": "float32"}
    with pytest.raises(InvalidInput, match="Options must be given by name"):
        named("Options", given)


@pytest.mark.parametrize("name", ["interval", "fps"])
@pytest.mark.parametrize("value", [0, -1, -0.5, "2", "abc", True, math.nan, math.inf, 1e9])
def test_an_interval_of_nothing_or_of_no_number_is_refused_by_name(name, value):
    with pytest.raises(InvalidInput, match=name):
        Sampling.of(**{name: value})


def test_a_range_is_in_microseconds_and_not_empty():
    sampling = Sampling.of(start=1.5, end=2.25, max_frames=10)
    assert (sampling.start_us, sampling.end_us, sampling.max_frames) == (1_500_000, 2_250_000, 10)
    for start, end in ((2, 2), (3, 2), (0, 0)):
        with pytest.raises(InvalidInput, match="must come after start"):
            Sampling.of(start=start, end=end)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("start", -1),
        ("end", "x"),
        ("end", math.nan),
        ("max_frames", 0),
        ("max_frames", 1.5),
        ("max_frames", -3),
    ],
)
def test_a_range_out_of_bounds_is_refused_by_name(name, value):
    with pytest.raises(InvalidInput, match=name):
        Sampling.of(**{name: value})


@pytest.mark.parametrize(
    "sampling",
    [Sampling(), Sampling.of(fps=29.97, start=1.000001, end=9, max_frames=5), Sampling.of(interval=0.001)],
)
def test_sampling_survives_json_exactly(sampling):
    assert Sampling.from_dict(json.loads(json.dumps(sampling.as_dict()))) == sampling
