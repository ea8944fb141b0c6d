"""Files that are no video, half a video or damaged: what is said of them, and what is still read of them."""

import os
import re
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from engine.backends.base import Frame
from engine.cancel import CancelToken
from engine.errors import MediaError
from engine.events.analysis import FrameLost
from engine.settings import Sampling
from engine.video.frames import probe, sample, sample_count
from tests.fixtures.videos import (
    Clip,
    NoNumber,
    audio_only,
    changed,
    claiming,
    constant,
    flipped,
    frame_number,
    half,
    numbered_video,
)

TENTH = Sampling(Fraction(1, 10))


def _text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _without_header(folder: Path) -> Path:
    whole = numbered_video(folder / "whole.mp4", constant(60))  # its header comes last
    return changed(folder / "x.mp4", whole.path, half)


def _playlist(folder: Path, text: str) -> Path:
    numbered_video(folder / "other.ts", constant(30))
    return _text(folder / "x.mp4", text.format(other=folder / "other.ts"))


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{other}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile {other}\n"
NO_VIDEO: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no file": (lambda d: d / "x.mp4", "no file"),
    "a folder": (lambda d: d, "is a folder"),
    "a pipe": (lambda d: _pipe(d / "x.mp4"), "not a file"),
    "a device": (lambda d: Path("/dev/zero"), "not a file"),
    "an empty file": (lambda d: _text(d / "x.mp4", ""), "is empty"),
    "a text": (lambda d: _text(d / "x.mp4", "Dear all,\n" * 500), "cannot be read as a video"),
    "sound only": (lambda d: audio_only(d / "x.m4a"), "holds no video"),
    "sound with a cover picture": (lambda d: audio_only(d / "x.mp4", cover=True), "a cover picture"),
    "a header that never came": (_without_header, "cannot be read as a video"),
    "a playlist": (lambda d: _playlist(d, HLS), "cannot be read as a video"),
    "a list of files": (lambda d: _playlist(d, CONCAT), "cannot be read as a video"),
}


@pytest.mark.parametrize("case", NO_VIDEO)
def test_what_is_no_video_is_refused_by_name_with_a_remedy(tmp_path: Path, case: str) -> None:
    make, reason = NO_VIDEO[case]
    path = make(tmp_path)

    for attempt in (lambda: probe(path), lambda: next(sample(path, TENTH, CancelToken()))):
        with pytest.raises(MediaError, match=reason) as refusal:
            attempt()
        message = str(refusal.value)
        assert path.name in message
        assert re.search(r"\b(Check|Name|Pick|Try|Copy)\b", message), "says what to do"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    path = tmp_path_factory.mktemp("whole") / "whole.mp4"
    return numbered_video(path, constant(120), b_frames=2, muxing={"movflags": "faststart"})


def _read(path: Path, sampling: Sampling = TENTH) -> tuple[list[Frame], list[FrameLost]]:
    items = list(sample(path, sampling, CancelToken()))
    assert [item.index for item in items] == list(range(len(items)))
    frames = [item for item in items if isinstance(item, Frame)]
    return frames, [item for item in items if isinstance(item, FrameLost)]


def _is_right(frame: Frame) -> bool:
    try:
        return frame_number(frame.picture) == round(frame.time_us * 30 / 1_000_000)
    except NoNumber:
        return False


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_half_a_file_gives_its_half_and_says_what_is_missing(tmp_path: Path, ending: str) -> None:
    source = numbered_video(
        tmp_path / f"whole.{ending}",
        constant(120),
        muxing={"movflags": "faststart"} if ending == "mp4" else None,
    )
    path = changed(tmp_path / f"half.{ending}", source.path, half)

    frames, lost = _read(path)

    assert 10 <= len(frames) <= 30
    assert all(map(_is_right, frames))
    if ending != "ts":  # a transport stream may end anywhere: nothing says that it did so too early
        assert len(lost) == 1, "one word about all that is missing, not one for each"
        assert lost[0].index == len(frames)
        assert lost[0].time_us > frames[-1].time_us
        assert path.name in lost[0].error


def test_a_flipped_bit_loses_some_pictures_and_no_others(tmp_path: Path, whole: Clip) -> None:
    losses = mistakes = 0
    for place in range(20):
        path = changed(tmp_path / f"{place}.mp4", whole.path, lambda data, p=place: _flip(data, p / 20))
        frames, lost = _read(path)
        losses += len(lost)
        assert len(frames) + len(lost) == 41
        assert len(lost) <= 5, "the next key picture makes it whole again"
        assert all(path.name in item.error for item in lost)
        mistakes += len(frames) - sum(map(_is_right, frames))
    assert losses > 5
    assert mistakes <= losses / 3, "some damage is a valid picture to the decoder, but not much"


def _flip(data: bytearray, share: float) -> bytearray:
    """Flip bits in the media data, a share of the way through it."""
    first = data.index(b"mdat") + 1000
    place = first + int(share * (len(data) - first))
    for offset in range(3):
        data[place + offset] ^= 0xFF
    return data


def test_after_a_lost_picture_there_is_no_previous_one(tmp_path: Path, whole: Clip) -> None:
    path = changed(tmp_path / "x.mp4", whole.path, lambda data: _flip(data, 0.5))
    items = list(sample(path, TENTH, CancelToken()))

    for before, item in pairwise(items):
        if isinstance(item, Frame):
            assert (item.previous is None) == isinstance(before, FrameLost)


def test_a_resumed_run_of_a_damaged_file_is_an_undisturbed_one(tmp_path: Path, whole: Clip) -> None:
    path = changed(tmp_path / "x.mp4", whole.path, flipped)
    items = list(sample(path, TENTH, CancelToken()))

    for done in range(0, len(items), 5):
        rest = list(sample(path, TENTH, CancelToken(), after_us=items[done].time_us))
        assert [(type(i), i.index, i.time_us) for i in rest] == [
            (type(i), i.index, i.time_us) for i in items[done + 1 :]
        ]


def test_ten_hours_in_name_only_end_where_the_pictures_end(tmp_path: Path) -> None:
    source = numbered_video(tmp_path / "whole.mkv", constant(120))
    path = claiming(tmp_path / "x.mkv", source.path, 36_000)

    frames, lost = _read(path, Sampling(Fraction(1)))

    assert [frame.time_us for frame in frames] == [0, 1_000_000, 2_000_000, 3_000_000]
    assert all(map(_is_right, frames))
    assert [(item.index, item.time_us) for item in lost] == [(4, 4_000_000)], "one for all that is missing"
    assert sample_count(probe(path), Sampling(Fraction(1))) == 36_001, "what is claimed is planned"


def test_a_range_behind_the_end_has_no_samples(whole: Clip) -> None:
    assert list(sample(whole.path, Sampling.of(1, start=100), CancelToken())) == []
