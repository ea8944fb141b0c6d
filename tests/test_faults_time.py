"""Videos whose time stamps or sizes are not what one expects: what is sampled, and what a job makes of it.

Every picture carries its number, and the test knows with which time stamp it was written.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from engine.backends.base import Frame, FrameAnswer, FrameTask
from engine.backends.builtin import BuiltinBackend
from engine.cancel import CancelToken
from engine.settings import Sampling
from engine.video.frames import probe, sample, sample_count
from engine.video.preview_copy import make_preview
from tests.fakes import FakeBackend
from tests.fixtures.stamps import with_stamps
from tests.fixtures.videos import claiming, constant, frame_number, numbered_video, variable
from tests.running import Running

TENTH = Sampling(Fraction(1, 10))
RATE = 10
COUNT = 40
WRITTEN = [n * 1000 // RATE for n in range(COUNT)]  # milliseconds
MODES = {
    "interval": TENTH,
    "few": Sampling.of(1),
    "most": Sampling.of(0.1, max_frames=7),
    "range": Sampling.of(0.1, start=0.5, end=2.5),
    "times": Sampling(mode="times", times_us=(0, 1_000_000, 1_050_000, 3_000_000)),
    "keyframes": Sampling(mode="keyframes"),
    "shots": Sampling.of(1, mode="shots"),
}


def early(stamps: list[int]) -> list[int]:
    """They begin before zero."""
    return [stamp - 450 for stamp in stamps]


def doubled(stamps: list[int]) -> list[int]:
    """Every second picture has the time of the one before it."""
    return [stamps[n - n % 2] for n in range(len(stamps))]


def all_alike(stamps: list[int]) -> list[int]:
    return [stamps[0]] * len(stamps)


def back_once(stamps: list[int]) -> list[int]:
    """After two seconds the clock is set back by one."""
    return [stamp if stamp < 2000 else stamp - 1000 for stamp in stamps]


def to_and_fro(stamps: list[int]) -> list[int]:
    """Behind the first picture, neighbours have changed places, which no decoder asked for."""
    return [stamps[min(((n - 1) ^ 1) + 1, len(stamps) - 1) if n else 0] for n in range(len(stamps))]


def from_the_end(stamps: list[int]) -> list[int]:
    """They run backwards altogether."""
    return stamps[::-1]


def far_ahead(stamps: list[int]) -> list[int]:
    """One picture in the middle claims to be shown half a minute later."""
    return [stamp + (20_000 if n == COUNT // 2 else 0) for n, stamp in enumerate(stamps)]


STAMPS: dict[str, Callable[[list[int]], list[int]]] = {
    change.__name__: change
    for change in (early, doubled, all_alike, back_once, to_and_fro, from_the_end, far_ahead)
}


@pytest.fixture(scope="module", params=[5, 250], ids=["short groups", "one group"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "source.mkv"
    return numbered_video(path, constant(COUNT, RATE), gop=request.param).path


def start_ms(path: Path) -> int:
    """The time stamp that a player takes for zero."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return round((stream.start_time or 0) * stream.time_base * 1000)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("how", STAMPS)
def test_each_picture_is_given_at_its_own_time_and_times_go_forwards(
    tmp_path: Path, source: Path, how: str, mode: str
) -> None:
    path = with_stamps(tmp_path / "x.mkv", source, STAMPS[how])
    stamps = STAMPS[how](WRITTEN)

    items = list(sample(path, MODES[mode], CancelToken()))

    frames = [item for item in items if isinstance(item, Frame)]
    assert frames or mode == "range", "something of it can be seen"
    times = [frame.time_us for frame in frames]
    assert all(a < b for a, b in pairwise(times)), times
    zero = start_ms(path)
    for frame in frames:
        number = frame_number(frame.picture)
        own = [n for n, stamp in enumerate(stamps) if max(0, stamp - zero) * 1000 == frame.time_us]
        assert number in own, f"picture {number} at {frame.time_us} us, where only {own} belong"


@pytest.mark.parametrize("how", STAMPS)
def test_a_job_about_it_ends_and_counts_what_it_kept(tmp_path: Path, source: Path, how: str) -> None:
    path = with_stamps(tmp_path / "x.mkv", source, STAMPS[how])
    house = Running(tmp_path / "data", FakeBackend())
    try:
        job = house.run(path, tags="boat", interval=0.1)
        frames = house.frames(job.id)
        assert job.status in ("completed", "completed_with_errors"), job.error
        lost = 4 if how == "to_and_fro" else 1  # of a group's last pictures some stand behind the next key
        assert len(frames) == job.frames_done and job.frames_failed <= lost
        assert all(start < end for start, end in house.spans(job.id)["boat"])
        again = house.run(path, tags="boat", interval=0.1)
        assert [frame.time_us for frame in house.frames(again.id)] == [frame.time_us for frame in frames]
    finally:
        house.close()


# How many pictures come when others with later time stamps were there before them.
PASSED_OVER = {"back_once": 9, "to_and_fro": 19, "from_the_end": 39, "far_ahead": 19}


@pytest.mark.parametrize("how", STAMPS)
def test_pictures_that_are_out_of_order_are_counted_and_said(tmp_path: Path, source: Path, how: str) -> None:
    path = with_stamps(tmp_path / "x.mkv", source, STAMPS[how])
    expected = PASSED_OVER.get(how, 0)
    for options in ({}, {"mode": "shots"}):
        told: list[int] = []
        list(sample(path, Sampling.of(0.1, **options), CancelToken(), passed_over=told.append))
        assert told == ([expected] if expected else []), options
    house = Running(tmp_path / "data", FakeBackend())
    try:
        job = house.run(path, tags="boat", interval=0.1)
        said = f"{expected} pictures of x.mkv could not be looked at, being out of order"
        assert (said in job.error) == bool(expected), job.error
        assert job.status == "completed_with_errors" or not expected
    finally:
        house.close()


@pytest.mark.parametrize("how", PASSED_OVER)
def test_they_are_counted_too_where_a_run_over_shots_goes_on_behind_them(
    tmp_path: Path, source: Path, how: str
) -> None:
    path = with_stamps(tmp_path / "x.mkv", source, STAMPS[how])
    shots = Sampling.of(0.1, mode="shots")
    for shot in list(sample(path, shots, CancelToken())):
        told: list[int] = []
        list(sample(path, shots, CancelToken(), shot.time_us, told.append))
        assert told == [PASSED_OVER[how]], shot.time_us


def test_what_was_counted_is_still_said_when_only_the_summary_is_written(
    tmp_path: Path, source: Path
) -> None:
    path = with_stamps(tmp_path / "x.mkv", source, back_once)
    house = Running(tmp_path / "data", FakeBackend(words=[""]))
    try:
        job = house.run(path, prompt="What is there?", interval=0.1, options={"summary": True})
        assert "The summary could not be written" in job.error
        house.backend._words = ("A lake.",)
        job = house.resume(job.id)
        assert (job.status, job.summary) == ("completed_with_errors", "A lake.")
        assert job.error.startswith("9 pictures of x.mkv could not be looked at"), job.error
    finally:
        house.close()


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.ts", "a.avi", "a.flv"])
@pytest.mark.parametrize("encoding", [{}, {"x264-params": "open-gop=1:b-pyramid=2"}], ids=["closed", "open"])
def test_pictures_that_are_decoded_before_they_are_shown_are_in_order(
    tmp_path: Path, name: str, encoding: dict[str, str]
) -> None:
    """With every way to read them: all, with jumps, from the middle of a group, and key pictures alone."""
    path = numbered_video(tmp_path / name, constant(120, 25), b_frames=3, encoding=encoding).path
    jumps, middle = Sampling.of(2), Sampling.of(0.04, start=1.3)
    for sampling in (Sampling.of(0.04), jumps, middle, MODES["keyframes"], Sampling.of(1, mode="shots")):
        told: list[int] = []
        assert list(sample(path, sampling, CancelToken(), passed_over=told.append))
        assert told == [], sampling


def test_key_pictures_that_are_out_of_order_are_counted(tmp_path: Path) -> None:
    source = numbered_video(tmp_path / "source.mkv", constant(COUNT, RATE), gop=5).path
    path = with_stamps(tmp_path / "x.mkv", source, back_once)
    told: list[int] = []
    times = [
        item.time_us for item in sample(path, MODES["keyframes"], CancelToken(), passed_over=told.append)
    ]
    assert times == [0, 500_000, 1_000_000, 1_500_000, 2_000_000, 2_500_000]
    assert told == [1], (
        "the one that is set back to one second; that at 1.5 s is not later than the one there"
    )


class SeesTheSecondHalf(FakeBackend):
    """Says yes of the pictures from the twentieth on, by the numbers in them."""

    def _answer(self, asked: Frame, task: FrameTask) -> FrameAnswer:
        sure = float(frame_number(asked.picture) >= COUNT // 2)
        return FrameAnswer("answered", dict.fromkeys(task.tags, sure))


@pytest.mark.parametrize("how", STAMPS)
def test_starts_and_ends_are_narrowed_to_what_can_be_seen(tmp_path: Path, source: Path, how: str) -> None:
    path = with_stamps(tmp_path / "x.mkv", source, STAMPS[how])
    visible = [item.time_us for item in sample(path, TENTH, CancelToken())]
    house = Running(tmp_path / "data", SeesTheSecondHalf())
    try:
        job = house.run(path, tags="boat", interval=1, options={"refine": True})
        assert job.status.startswith("completed"), job.error
        assert ("out of order" in job.error) == (how in PASSED_OVER), job.error
        for before, after in pairwise(house.frames(job.id)):
            if before.state == after.state == "answered" and before.tags != after.tags:
                between = [time for time in visible if before.time_us < time < after.time_us]
                assert not between, f"{before.time_us} to {after.time_us} is not narrowed"
    finally:
        house.close()


@pytest.mark.parametrize("how", STAMPS)
def test_a_run_that_goes_on_behind_any_frame_is_an_undisturbed_one(
    tmp_path: Path, source: Path, how: str
) -> None:
    path = with_stamps(tmp_path / "x.mkv", source, STAMPS[how])
    whole = list(sample(path, TENTH, CancelToken()))
    for done in range(0, len(whole), 3):
        rest = list(sample(path, TENTH, CancelToken(), after_us=whole[done].time_us))
        assert [(item.index, item.time_us) for item in rest] == [
            (item.index, item.time_us) for item in whole[done + 1 :]
        ]


@pytest.mark.parametrize("how", STAMPS)
def test_a_preview_of_it_shows_its_pictures(tmp_path: Path, source: Path, how: str) -> None:
    path = with_stamps(tmp_path / "x.mkv", source, STAMPS[how])
    make_preview(path, tmp_path / "out.mp4", CancelToken(), lambda share: None)
    with av.open(str(tmp_path / "out.mp4")) as container:
        numbers = [frame_number(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert len(numbers) >= COUNT // 2 and numbers == sorted(numbers)


@pytest.mark.parametrize("name", ["a.mp4", "b.mp4", "a.mov", "a.ts"])
def test_what_lies_before_zero_is_shown_as_a_player_shows_it(tmp_path: Path, name: str) -> None:
    """A transport stream begins with it; MP4 cuts it off, with pictures that the others refer to."""
    times = constant(COUNT, RATE, start=Fraction(-1, 2))
    how = {"muxing": {"avoid_negative_ts": "disabled"}, "b_frames": 2 if name.startswith("b") else 0}
    clip = numbered_video(tmp_path / name, times, gop=10, **how)
    with av.open(str(clip.path)) as container:
        first = next(frame for frame in container.decode(video=0) if frame.time >= start_ms(clip.path) / 1000)
        begins = frame_number(first.to_ndarray(format="rgb24"))

    frames = list(sample(clip.path, TENTH, CancelToken()))

    assert [frame_number(frame.picture) for frame in frames] == list(range(begins, COUNT))
    assert [frame.time_us for frame in frames] == [n * 100_000 for n in range(COUNT - begins)]


def test_two_recordings_in_a_row_that_both_begin_at_zero(tmp_path: Path) -> None:
    """As a camera leaves them that was switched off and on: the clock of the second one is behind."""
    clips = [numbered_video(tmp_path / f"{n}.ts", constant(30)) for n in range(2)]
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(clip.path.read_bytes() for clip in clips))
    frames = [item for item in sample(both, TENTH, CancelToken()) if isinstance(item, Frame)]
    times = [frame.time_us for frame in frames]
    assert len(times) >= 10 and all(a < b for a, b in pairwise(times))
    assert all(frame_number(frame.picture) < 30 for frame in frames)
    house = Running(tmp_path / "data", FakeBackend())
    try:
        job = house.run(both, tags="boat", interval=0.1)
        assert "pictures of both.ts could not be looked at" in job.error
    finally:
        house.close()


# Claims


YEARS = 30 * 365 * 24 * 3600


@pytest.mark.parametrize("mode", ["interval", "few", "most", "keyframes", "shots"])
def test_thirty_years_in_name_only_end_where_the_pictures_end(tmp_path: Path, mode: str) -> None:
    short = numbered_video(tmp_path / "whole.mkv", constant(COUNT, RATE), gop=10)
    path = claiming(tmp_path / "x.mkv", short.path, YEARS)
    assert probe(path).duration_us == YEARS * 1_000_000

    items = list(sample(path, MODES[mode], CancelToken()))

    frames = [item for item in items if isinstance(item, Frame)]
    assert frames and all(frame.time_us == short.time_us(frame_number(frame.picture)) for frame in frames)
    assert len(items) - len(frames) <= 1, "one for all that is missing"


def test_a_job_of_thirty_years_in_name_only_says_what_was_read_of_it(tmp_path: Path) -> None:
    short = numbered_video(tmp_path / "whole.mkv", constant(COUNT, RATE))
    path = claiming(tmp_path / "x.mkv", short.path, YEARS)
    assert sample_count(probe(path), TENTH) == YEARS * 10
    house = Running(tmp_path / "data", FakeBackend())
    try:
        job = house.run(path, tags="boat", interval=0.1)
        assert (job.status, job.frames_done, job.frames_failed) == ("completed_with_errors", COUNT + 1, 1)
        assert "x.mkv ends here" in job.error
        assert house.spans(job.id)["boat"] == [(0.0, COUNT / RATE)]
        assert house.runner.view(job).duration == YEARS
    finally:
        house.close()


# Pictures


def test_a_size_that_changes_midway_stops_no_job(tmp_path: Path) -> None:
    """With all that compares a picture with the one before it: motion, cuts, reuse, shots, refinement."""
    small = numbered_video(tmp_path / "small.ts", constant(30), size=(192, 112))
    large = numbered_video(tmp_path / "large.ts", constant(30, start=1), size=(320, 192))
    both = tmp_path / "both.ts"
    both.write_bytes(small.path.read_bytes() + large.path.read_bytes())
    house = Running(tmp_path / "data", BuiltinBackend())
    try:
        for options in ({}, {"reuse": 1}, {"mode": "shots"}, {"mode": "keyframes"}, {"refine": True}):
            job = house.run(both, tags="moving, camera cut, mostly red", interval=0.25, options=options)
            assert job.status.startswith("completed"), (options, job.error)
            frames = [frame for frame in house.frames(job.id) if frame.state in ("answered", "reused")]
            assert len(frames) >= job.frames_done - 2, "but for what is damaged at the seam itself"
            assert frames[0].time_us == 0 and frames[-1].time_us > 1_500_000
            house.thumbnails.flush()
            assert all(house.thumbnails.path(job.id, frame.time_us).is_file() for frame in frames)
    finally:
        house.close()
    make_preview(both, tmp_path / "out.mp4", CancelToken(), lambda share: None)
    assert probe(tmp_path / "out.mp4").duration_us > 1_500_000


def test_ten_bits_a_colour_are_analysed_and_copied(tmp_path: Path) -> None:
    how = {"codec": "libx265", "pixels": "yuv420p10le", "encoding": {"x265-params": "log-level=none"}}
    clip = numbered_video(tmp_path / "x.mkv", variable(20), **how)
    house = Running(tmp_path / "data", BuiltinBackend())
    try:
        job = house.run(clip.path, tags="moving", interval=0.2)
        assert (job.status, job.frames_failed) == ("completed", 0), job.error
    finally:
        house.close()
    make_preview(clip.path, tmp_path / "out.mp4", CancelToken(), lambda share: None)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        numbers = [frame_number(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert numbers == list(range(20))


def test_a_very_large_picture_is_analysed_and_its_copy_is_small(tmp_path: Path) -> None:
    side = 8192
    how = {"codec": "mjpeg", "pixels": "yuvj420p", "encoding": {"strict": "unofficial"}}
    clip = numbered_video(tmp_path / "x.mkv", constant(2, 1), size=(side, side), **how)
    assert (probe(clip.path).width, probe(clip.path).height) == (side, side)
    house = Running(tmp_path / "data", BuiltinBackend())
    try:
        job = house.run(clip.path, tags="moving, mostly red", interval=1)
        assert (job.status, job.frames_done, job.frames_failed) == ("completed", 2, 0), job.error
        house.thumbnails.flush()
        place = house.thumbnails.path(job.id, 0)
        assert place.stat().st_size < 100_000
    finally:
        house.close()
    make_preview(clip.path, tmp_path / "out.mp4", CancelToken(), lambda share: None)
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height) == (540, 540)
