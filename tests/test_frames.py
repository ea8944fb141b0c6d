"""Sampling: which pictures are chosen, when a player shows them, and that they are the right ones.

The expectation is worked out from the times that the pictures were written with, in fractions.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from math import floor
from pathlib import Path

import av
import numpy as np
import pytest

from engine.cancel import CancelToken
from engine.settings import Sampling
from engine.video.frames import effective_interval, probe, sample, sample_count
from tests.fixtures.videos import (
    Clip,
    colour_video,
    constant,
    frame_number,
    numbered_video,
    turned,
    variable,
)

NTSC = Fraction(30_000, 1001)
TENTH = Fraction(1, 10)
HALF_HOUR = 1800

CLIPS: dict[str, Callable[[Path], Clip]] = {
    "constant rate": lambda d: numbered_video(d / "a.mp4", constant(100), b_frames=3),
    "29.97 a second": lambda d: numbered_video(d / "b.mp4", constant(100, NTSC), gop=250, b_frames=2),
    "variable rate": lambda d: numbered_video(d / "c.mp4", variable(80), gop=12, b_frames=2),
    "variable rate, long groups": lambda d: numbered_video(d / "d.mp4", variable(80), gop=250),
    "open groups": lambda d: numbered_video(
        d / "e.mp4", constant(100), b_frames=3, encoding={"x264-params": "open-gop=1"}
    ),
    "open groups, HEVC": lambda d: numbered_video(
        d / "f.mp4", constant(60), codec="libx265", encoding={"x265-params": "open-gop=1:log-level=none"}
    ),
    "key pictures only": lambda d: numbered_video(d / "g.mp4", constant(60), gop=1),
    "an endless group": lambda d: numbered_video(d / "h.mp4", constant(1000), gop=100_000, b_frames=3),
    "starts at 5 s, MP4": lambda d: numbered_video(d / "i.mp4", constant(70, start=5), b_frames=2),
    "starts at 5 s, Matroska": lambda d: numbered_video(d / "j.mkv", constant(70, start=5), b_frames=2),
    "starts at 5 s, transport stream": lambda d: numbered_video(
        d / "k.ts", constant(70, start=5), b_frames=2
    ),
    "sound beside": lambda d: numbered_video(d / "l.mp4", constant(70), b_frames=2, audio=True),
    "sound beside, Matroska": lambda d: numbered_video(d / "m.mkv", constant(300, NTSC), audio=True),
    "VP9": lambda d: numbered_video(d / "n.webm", constant(40), codec="libvpx-vp9"),
    "MPEG-4 in AVI": lambda d: numbered_video(
        d / "o.avi", constant(60), codec="mpeg4", clock=Fraction(1, 30), b_frames=2
    ),
    "H.264 in AVI": lambda d: numbered_video(
        d / "t.avi", constant(60), codec="libx264", clock=Fraction(1, 30), b_frames=2
    ),
    "fragments": lambda d: numbered_video(
        d / "p.mp4", constant(90), b_frames=2, muxing={"movflags": "frag_keyframe+empty_moov"}
    ),
    "10 bits": lambda d: numbered_video(
        d / "q.mkv",
        constant(40),
        codec="libx265",
        pixels="yuv420p10le",
        encoding={"x265-params": "log-level=none"},
    ),
    "one picture": lambda d: numbered_video(d / "r.mp4", constant(1)),
    "a picture every half hour": lambda d: numbered_video(
        d / "s.mp4", constant(20, Fraction(1, HALF_HOUR)), gop=3
    ),
}
INTERVALS = [Fraction(1, 30), 1001 / Fraction(30_000) * 15, TENTH, Fraction(1, 3), Fraction(1), Fraction(7)]


@pytest.fixture(scope="module")
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return CLIPS[request.param](tmp_path_factory.mktemp("clip"))


every_clip = pytest.mark.parametrize("clip", CLIPS, indirect=True)


def expected(clip: Clip, sampling: Sampling) -> list[int]:
    """The numbers of the pictures that the sampling asks for."""
    times = [time - clip.times[0] for time in clip.times]
    if clip.path.suffix == ".mkv" or clip.path.suffix == ".webm":
        times = [Fraction(floor(time * 1000 + Fraction(1, 2)), 1000) for time in times]
    interval = effective_interval(probe(clip.path), sampling)
    end = times[-1] + 1 if sampling.end_us is None else Fraction(sampling.end_us, 1_000_000)
    slack = Fraction(1, 2000) if clip.path.suffix in (".mkv", ".webm") else Fraction(1, 150_000)
    target = Fraction(sampling.start_us, 1_000_000)
    shown, numbers = 0, []
    while target < min(end, times[-1] + 2 * interval):
        while shown + 1 < len(times) and times[shown + 1] <= target + slack and times[shown + 1] < end:
            shown += 1
        numbers.append(shown)
        target += interval
    numbers = sorted(set(numbers))
    last = max(number for number, time in enumerate(times) if time < end)
    if sampling.max_frames is not None:
        numbers = numbers[: max(1, sampling.max_frames - 1)]
    return numbers if sampling.max_frames == 1 else sorted({*numbers, last})


def numbers_and_times(clip: Clip, sampling: Sampling) -> tuple[list[int], list[int]]:
    frames = list(sample(clip.path, sampling, CancelToken()))
    return [frame_number(frame.picture) for frame in frames], [frame.time_us for frame in frames]


@pytest.mark.parametrize("interval", INTERVALS, ids=str)
@every_clip
def test_each_sample_is_the_picture_on_screen_at_its_time(clip: Clip, interval: Fraction) -> None:
    sampling = Sampling(interval * HALF_HOUR if clip.path.name == "s.mp4" else interval)

    numbers, times = numbers_and_times(clip, sampling)

    assert numbers == expected(clip, sampling)
    rounding = 500 if clip.path.suffix in (".mkv", ".webm") else 12
    assert all(abs(time - clip.time_us(n)) <= rounding for n, time in zip(numbers, times, strict=True))


@pytest.mark.parametrize(("start", "end"), [(0, 1.5), (1, 1.5), (1.01, 1.02), (0.9, None), (2.0, 2.0001)])
@pytest.mark.parametrize(
    "clip", ["constant rate", "variable rate", "open groups", "starts at 5 s, Matroska"], indirect=True
)
def test_a_range_has_its_first_and_its_last_picture(clip: Clip, start: float, end: float | None) -> None:
    sampling = Sampling.of(0.4, start=start, end=end)

    assert numbers_and_times(clip, sampling)[0] == expected(clip, sampling)


@pytest.mark.parametrize("interval", INTERVALS, ids=str)
@pytest.mark.parametrize(
    "clip",
    [
        "constant rate",
        "29.97 a second",
        "open groups",
        "starts at 5 s, MP4",
        "sound beside",
        "VP9",
        "one picture",
    ],
    indirect=True,
)
def test_at_a_constant_rate_the_plan_counts_the_samples_exactly(clip: Clip, interval: Fraction) -> None:
    sampling = Sampling(interval)

    assert sample_count(probe(clip.path), sampling) == len(list(sample(clip.path, sampling, CancelToken())))


@pytest.mark.parametrize("most", [1, 2, 3, 10, 99])
@pytest.mark.parametrize("clip", ["constant rate", "variable rate"], indirect=True)
def test_a_maximum_widens_the_interval_and_keeps_the_whole_range(clip: Clip, most: int) -> None:
    sampling = Sampling(Fraction(1, 50), max_frames=most)

    numbers, _ = numbers_and_times(clip, sampling)

    assert len(numbers) <= most
    assert numbers == expected(clip, sampling)
    assert most == 1 or numbers[-1] == len(clip.times) - 1


@pytest.mark.parametrize(
    "clip",
    [
        "constant rate",
        "variable rate, long groups",
        "open groups",
        "an endless group",
        "sound beside, Matroska",
    ],
    indirect=True,
)
def test_a_resumed_run_yields_what_an_undisturbed_one_would_have(clip: Clip) -> None:
    sampling = Sampling(len(clip.times) * Fraction(1, 30) / 9)
    whole = list(sample(clip.path, sampling, CancelToken()))

    for done in range(len(whole)):
        rest = list(sample(clip.path, sampling, CancelToken(), after_us=whole[done].time_us))

        assert [(f.index, f.time_us) for f in rest] == [(f.index, f.time_us) for f in whole[done + 1 :]]
        for again, before in zip(rest, whole[done + 1 :], strict=True):
            assert np.array_equal(again.picture, before.picture)
            assert np.array_equal(again.previous, before.previous)


def test_each_frame_has_the_sampled_picture_before_it(tmp_path: Path) -> None:
    clip = numbered_video(tmp_path / "a.mp4", constant(60), b_frames=2)

    frames = list(sample(clip.path, Sampling(Fraction(1, 2)), CancelToken()))

    assert frames[0].previous is None
    assert all(b.previous is a.picture for a, b in pairwise(frames))
    assert [frame.index for frame in frames] == list(range(len(frames)))


def test_pictures_are_what_the_library_itself_makes_of_them(tmp_path: Path) -> None:
    clip = numbered_video(tmp_path / "a.mp4", constant(40), b_frames=2)
    with av.open(str(clip.path)) as container:
        plain = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]

    for frame in sample(clip.path, Sampling(Fraction(1, 30)), CancelToken()):
        assert frame.picture.dtype == np.uint8
        assert frame.picture.flags.c_contiguous
        assert np.array_equal(frame.picture, plain[frame_number(frame.picture)])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_pictures_are_turned_as_the_container_asks(tmp_path: Path, quarters: int, mirrored: bool) -> None:
    upright = numbered_video(tmp_path / "upright.mp4", constant(30))
    path = turned(tmp_path / "turned.mp4", upright.path, quarters, mirrored)
    info = probe(path)

    for frame in sample(path, Sampling(Fraction(1, 3)), CancelToken()):
        assert frame.picture.flags.c_contiguous
        assert frame.picture.shape == (info.height, info.width, 3)
        stored = frame.picture[:, ::-1] if mirrored else frame.picture
        assert frame_number(np.rot90(stored, -quarters)) == round(frame.time_us * 30 / 1_000_000)
    assert info.rotation == quarters * 90


def test_a_size_that_changes_midway_is_followed(tmp_path: Path) -> None:
    small = numbered_video(tmp_path / "small.ts", constant(30), size=(192, 112))
    large = numbered_video(tmp_path / "large.ts", constant(30, start=1), size=(320, 192))
    both = tmp_path / "both.ts"
    both.write_bytes(small.path.read_bytes() + large.path.read_bytes())

    frames = list(sample(both, Sampling(Fraction(1, 2)), CancelToken()))

    assert [frame.picture.shape[:2] for frame in frames] == [(112, 192)] * 2 + [(192, 320)] * 3
    assert [frame_number(frame.picture) for frame in frames] == [0, 15, 0, 15, 29]


def test_colours_come_out_as_they_went_in(tmp_path: Path) -> None:
    clip = colour_video(tmp_path / "c.mp4", ["red", "blue", "yellow"])

    means = [f.picture.mean(axis=(0, 1)) for f in sample(clip.path, Sampling(Fraction(1)), CancelToken())]

    assert np.abs(means[0] - (220, 30, 30)).max() < 12
    assert np.abs(means[1] - (30, 60, 220)).max() < 12
    assert np.abs(means[2] - (235, 215, 30)).max() < 12


def test_what_a_video_says_of_itself(tmp_path: Path) -> None:
    clip = numbered_video(tmp_path / "a.mp4", constant(60, NTSC), audio=True)

    info = probe(str(clip.path))

    assert (info.path, info.width, info.height, info.codec) == (clip.path, 192, 112, "h264")
    assert info.rate == NTSC
    assert info.duration_us == round(60 / NTSC * 1_000_000)
