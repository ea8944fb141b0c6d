"""Samples by content, key pictures, lists of times: which pictures these are, and what is refused."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engine.cancel import CancelToken
from engine.engine import Engine
from engine.errors import Cancelled, InvalidInput
from engine.events.analysis import FrameLost
from engine.settings import Sampling
from engine.video.frames import planned_count, probe, sample
from engine.video.request import AnalysisRequest
from storage.store import Store
from tests.fixtures.colours import COLOURS
from tests.fixtures.videos import (
    changed,
    colour_video,
    constant,
    flipped,
    frame_number,
    numbered_video,
    variable,
    write_video,
)

SIZE = (192, 112)


def numbers(path: Path, sampling: Sampling, after_us: int | None = None) -> list[int]:
    return [frame_number(frame.picture) for frame in sample(path, sampling, CancelToken(), after_us)]


def times(path: Path, sampling: Sampling, after_us: int | None = None) -> list[float]:
    return [frame.time_us / 1e6 for frame in sample(path, sampling, CancelToken(), after_us)]


# a list of times


@pytest.mark.parametrize("name", ["a.mp4", "b.mkv", "c.ts"])
def test_each_time_of_a_list_gives_the_picture_on_screen_then_once(name, tmp_path):
    clip = numbered_video(tmp_path / name, constant(100, 30, start=2), b_frames=2)
    assert numbers(clip.path, Sampling.of(times=[1.0, 0, 0.05, 1.01, 2.49, 3.3])) == [0, 1, 30, 74, 99]


def test_a_list_of_times_is_met_at_a_variable_rate_and_resumed(tmp_path):
    clip = numbered_video(tmp_path / "v.mp4", variable(60), gop=12, b_frames=2)
    asked = [float(clip.times[n] - clip.times[0]) + 0.005 for n in (3, 17, 18, 40)]
    listed = Sampling.of(times=asked)
    assert numbers(clip.path, listed) == [3, 17, 18, 40]
    assert numbers(clip.path, listed, clip.time_us(17)) == [18, 40]
    assert planned_count(probe(clip.path), Sampling.of(times=[1, 1.001, 2])) in (2, 3)


# key pictures


@pytest.mark.parametrize("name", ["a.mp4", "b.mkv", "c.webm"])
def test_key_pictures_only(name, tmp_path):
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    clip = numbered_video(tmp_path / name, constant(100), gop=15, codec=codec)
    keys = list(range(0, 100, 15))
    mode = Sampling.of(mode="keyframes")
    assert numbers(clip.path, mode) == keys
    assert [f.index for f in sample(clip.path, mode, CancelToken())] == list(range(len(keys)))
    assert numbers(clip.path, mode, clip.time_us(45)) == [60, 75, 90]
    assert numbers(clip.path, Sampling.of(mode="keyframes", start=0.7, end=2.5)) == [30, 45, 60]
    assert planned_count(probe(clip.path), mode) == (len(keys) if name.endswith("mp4") else 0)


def test_the_most_key_pictures_are_spread_over_the_video(tmp_path):
    clip = numbered_video(tmp_path / "a.mp4", constant(300), gop=10)
    found = numbers(clip.path, Sampling.of(mode="keyframes", max_frames=4))
    assert len(found) <= 4 and found[0] == 0 and found[-1] >= 180


# shots


def cuts(path: Path, colours: list[str], lengths: list[int], rate: int = 10) -> list[float]:
    """A video of plain colours, each as long as `lengths` says in pictures; gives when each begins."""
    plain = {name: np.full((SIZE[1], SIZE[0], 3), COLOURS[name], np.uint8) for name in colours}
    shown = [plain[name] for name, length in zip(colours, lengths, strict=True) for _ in range(length)]
    write_video(path, shown, constant(len(shown), rate), gop=1000, size=SIZE, b_frames=2)
    return [float(sum(lengths[:n])) / rate for n in range(len(lengths))]


def test_each_shot_has_a_frame_however_short_it_is(tmp_path):
    path = tmp_path / "cuts.mp4"
    begins = cuts(path, ["red", "blue", "green", "red", "yellow"], [33, 2, 1, 58, 7])
    last = 10.0
    assert times(path, Sampling.of(1000, mode="shots")) == [*begins, last]


def test_a_long_shot_has_a_frame_every_interval(tmp_path):
    path = tmp_path / "cuts.mp4"
    cuts(path, ["red", "blue"], [25, 40])
    assert times(path, Sampling.of(1, mode="shots")) == [0, 1, 2, 2.5, 3.5, 4.5, 5.5, 6.4]


def test_a_shot_that_is_faded_into_has_a_frame(tmp_path):
    red, blue = (np.full((SIZE[1], SIZE[0], 3), COLOURS[name], np.float32) for name in ("red", "blue"))
    mixes = [0.0] * 20 + [step / 40 for step in range(1, 40)] + [1.0] * 41
    shown = [(red * (1 - mix) + blue * mix).astype(np.uint8) for mix in mixes]
    path = tmp_path / "fade.mp4"
    write_video(path, shown, constant(100, 20), gop=1000, size=SIZE)
    found = times(path, Sampling.of(1000, mode="shots"))
    assert any(2.9 <= time < 4.95 for time in found), found


def moving(path: Path, cut_at: int) -> Path:
    """Bars that run fast, and from `cut_at` on run the other way over another colour."""
    bars = (np.arange(SIZE[0]) // 24 % 2 * 200).astype(np.uint8)
    shown = []
    for number in range(120):
        picture = np.full(
            (SIZE[1], SIZE[0], 3), (20, 20, 20) if number < cut_at else (240, 30, 250), np.uint8
        )
        picture[:, :, 1] = np.roll(bars, number * 5 if number < cut_at else -number * 5)
        shown.append(picture)
    write_video(path, shown, constant(120, 30), gop=1000, size=SIZE)
    return path


def test_what_moves_fast_is_no_shot_with_each_picture_and_a_cut_in_it_is(tmp_path):
    path = moving(tmp_path / "fast.mp4", 70)
    found = times(path, Sampling.of(1000, mode="shots"))
    known = [time for time in found if time > 0.1]  # the second picture has nothing to be compared with
    assert known == pytest.approx([70 / 30, 119 / 30], abs=1e-5)
    assert len(found) <= len(known) + 2


@pytest.mark.parametrize("content", ["plain", "moving"])
def test_shots_go_on_behind_a_frame_as_if_nothing_had_been(content, tmp_path):
    path = tmp_path / "cuts.mp4"
    if content == "plain":
        cuts(path, ["red", "blue", "green", "red"], [33, 8, 20, 21])
    else:
        moving(path, 70)
    mode = Sampling.of(0.7, mode="shots")
    whole = times(path, mode)
    for place, time in enumerate(whole):
        assert times(path, mode, round(time * 1e6)) == whole[place + 1 :]


def test_shots_stay_below_the_most_frames_and_within_the_range(tmp_path):
    path = tmp_path / "cuts.mp4"
    cuts(path, ["red", "blue"] * 20, [3] * 40)
    few = times(path, Sampling.of(1000, mode="shots", max_frames=5))
    assert 3 <= len(few) <= 5 and few[0] == 0
    assert times(path, Sampling.of(1000, mode="shots", start=1.5, end=2.4)) == [1.5, 1.8, 2.1, 2.3]


def test_shots_of_a_damaged_video_say_what_was_lost_and_go_on(tmp_path):
    clip = numbered_video(tmp_path / "a.mp4", constant(200), gop=20)
    path = changed(tmp_path / "b.mp4", clip.path, flipped)
    items = list(sample(path, Sampling.of(1, mode="shots"), CancelToken()))
    lost = [item for item in items if isinstance(item, FrameLost)]
    assert [item.index for item in items] == list(range(len(items)))
    assert len(lost) <= 2, "one for a damaged stretch, not one for each picture"
    assert frame_number(items[-1].picture) == 199


@pytest.mark.parametrize("mode", ["shots", "keyframes"])
def test_these_modes_stop_when_they_are_cancelled(mode, tmp_path):
    clip = colour_video(tmp_path / "a.mp4", ["red", "blue", "green"])
    cancel = CancelToken()
    items = sample(clip.path, Sampling.of(1, mode=mode), cancel)
    next(items)
    cancel.cancel("enough")
    with pytest.raises(Cancelled):
        list(items)


# at the door


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"mode": "random"}, "mode must be one of interval, shots, keyframes, times"),
        ({"mode": 3}, "mode must be one of"),
        ({"mode": "times"}, "needs a list of times"),
        ({"times": []}, "times must be a list of seconds"),
        ({"times": "1, 2"}, "times must be a list of seconds"),
        ({"times": [1, "two"]}, "A time must be a number"),
        ({"times": [-1]}, "A time must be from 0"),
        ({"times": [float("nan")]}, "A time must be a number"),
        ({"times": [1], "mode": "shots"}, "leave out mode='shots'"),
        ({"times": [1], "start": 1}, "leave out start"),
        ({"times": [1], "fps": 5}, "leave out fps"),
        ({"times": [1], "max_frames": 5}, "leave out max_frames"),
        ({"reuse": 0}, "reuse"),
        ({"reuse": 51}, "reuse"),
        ({"reuse": "much"}, "reuse"),
        ({"refine": "yes"}, "refine must be true or false"),
        ({"refine": 1}, "refine must be true or false"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options, named):
    with pytest.raises(InvalidInput, match=named):
        AnalysisRequest.of("lake.mp4", "boat", options=options)


def test_a_time_behind_the_end_is_refused_before_anything_runs(tmp_path):
    clip = colour_video(tmp_path / "lake.mp4", ["red", "blue"])
    engine = Engine(Store.open(tmp_path / "data"), tmp_path / "models")
    try:
        with pytest.raises(InvalidInput, match=r"times has 7\.5 s, but lake\.mp4 ends at 2 s"):
            engine.submit_video(AnalysisRequest.of(clip.path, "dark", options={"times": [1, 7.5]}))
        assert engine.jobs() == []
    finally:
        engine.close()


def test_to_refine_needs_tags():
    with pytest.raises(InvalidInput, match="name at least one tag"):
        AnalysisRequest.of("lake.mp4", prompt="What is there?", options={"refine": True})


@pytest.mark.parametrize(
    "given",
    [
        {"mode": "shots", "max_frames": 9},
        {"mode": "keyframes", "start": 1, "end": 2},
        {"times": [3, 1.5, 1.5]},
        {"mode": "times", "times": (0,)},
        {"reuse": True, "refine": True},
        {"reuse": 7.5},
        {"reuse": False, "refine": False},
    ],
)
def test_what_is_kept_of_it_is_read_back_as_it_was(given):
    sampling = Sampling.of(**given)
    assert Sampling.from_dict(json.loads(json.dumps(sampling.as_dict()))) == sampling


def test_a_job_of_an_older_version_is_read_as_it_was_meant():
    old = {"interval": [1, 2], "start_us": 5, "end_us": None, "max_frames": 3}
    assert Sampling.from_dict(old) == Sampling(Fraction(1, 2), 5, None, 3)
