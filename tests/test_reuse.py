"""Near-duplicates: which frames are asked about, which reuse an answer, and what becomes of failures."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engine.backends.base import FrameAnswer, FrameTask
from engine.cancel import CancelToken
from engine.events.analysis import FrameRead
from engine.video.analysis import analyse
from engine.video.reuse import Reuse
from tests.fakes import FakeBackend, Leases, frame
from tests.fixtures.videos import constant, write_video
from tests.running import Running

TASK = FrameTask(("boat",), "What is there?")
FAILED = FrameAnswer("failed", error="no idea")
UNPARSED = FrameAnswer("unparsed", {"boat": None}, raw="perhaps")
A, B, C = (40, 40, 40), (120, 120, 120), (200, 40, 40)
SIZE = (192, 112)


def seen(backend, colours, per_cent=2.0):
    """State and caption of each frame."""
    frames = [frame(number, colour=colour) for number, colour in enumerate(colours)]
    events = analyse(frames, Leases(backend), TASK, CancelToken(), Reuse(per_cent))
    return [(e.answer.state, e.answer.caption) for e in events if isinstance(e, FrameRead)]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 16])
def test_what_hardly_differs_from_the_last_answered_frame_reuses_its_answer(batch_size):
    backend = FakeBackend(batch_size=batch_size)
    assert seen(backend, [A, A, B, B, A, A]) == [
        ("answered", "frame 0"),
        ("reused", "frame 0"),
        ("answered", "frame 2"),
        ("reused", "frame 2"),
        ("answered", "frame 4"),
        ("reused", "frame 4"),
    ]
    assert backend.asked == [0, 2, 4]


@pytest.mark.parametrize("batch_size", [1, 2, 16])
@pytest.mark.parametrize("bad", [FAILED, UNPARSED], ids=["failed", "unparsed"])
def test_an_answer_that_is_none_is_never_reused(batch_size, bad):
    backend = FakeBackend(batch_size=batch_size, answers={1: bad, 2: bad})
    states = [state for state, _ in seen(backend, [A, B, B, B, B])]
    assert states == ["answered", bad.state, bad.state, "answered", "reused"]
    assert sorted(set(backend.asked)) == [0, 1, 2, 3]


def test_a_change_that_comes_slowly_is_seen():
    greys = [(level,) * 3 for level in range(100, 140)]  # one level a frame
    backend = FakeBackend()
    seen(backend, greys, per_cent=2.0)
    assert backend.asked == list(range(0, 40, 6)), "2 per cent are 5.1 levels"


@pytest.mark.parametrize(("per_cent", "asked"), [(1.0, [0, 1]), (10.0, [0])])
def test_the_threshold_says_what_hardly_differs(per_cent, asked):
    backend = FakeBackend()
    seen(backend, [(100, 100, 100), (110, 110, 110)], per_cent)
    assert backend.asked == asked


def test_a_small_thing_that_appears_is_a_difference():
    still = np.full((720, 1280, 3), 90, np.uint8)
    bird = still.copy()
    bird[300:320, 600:625] = 230
    reuse = Reuse(2.0)
    reuse.remember(still, FrameAnswer("answered", {"bird": 0.0}))
    noise = np.random.default_rng(3).integers(-3, 4, still.shape)
    assert reuse.answer_for((still + noise).astype(np.uint8)) is not None
    assert reuse.answer_for(bird) is None


@pytest.fixture
def running(tmp_path: Path):
    running = Running(tmp_path / "data", FakeBackend())
    yield running
    running.close()


def slides(path: Path, changes: list[int], count: int, rate: Fraction) -> Path:
    """A noisy picture that changes before each of `changes`, and stands still else."""
    noise = np.random.default_rng(7)
    pictures, picture = [], None
    for number in range(count):
        if picture is None or number in changes:
            picture = noise.integers(0, 256, (SIZE[1] // 8, SIZE[0] // 8, 3)).astype(np.uint8)
            picture = picture.repeat(8, axis=0).repeat(8, axis=1)
        pictures.append(picture)
    write_video(path, pictures, constant(count, rate), gop=50, size=SIZE, b_frames=2)
    return path


def test_two_hours_of_stills_ask_as_many_questions_as_pictures_differ(running, tmp_path):
    clip = slides(tmp_path / "still.mp4", [131, 400, 577], 720, Fraction(1, 10))
    job = running.run(clip, prompt="What is there?", interval=10, options={"reuse": True})
    frames = running.frames(job.id)
    assert (job.status, len(frames), job.frames_total) == ("completed", 720, 720)
    assert running.backend.asked == [0, 131, 400, 577]
    assert [frame.index for frame in frames if frame.state == "answered"] == [0, 131, 400, 577]
    assert {frame.caption for frame in frames[131:400]} == {"frame 131"}
    assert {frame.state for frame in frames} == {"answered", "reused"}


def test_without_being_asked_for_nothing_is_reused(running, tmp_path):
    clip = slides(tmp_path / "still.mp4", [], 12, Fraction(1))
    job = running.run(clip, tags="boat", interval=1)
    assert running.backend.asked == list(range(12))
    assert {frame.state for frame in running.frames(job.id)} == {"answered"}


def test_a_run_that_goes_on_reuses_the_answer_from_before_it_stopped(tmp_path):
    clip = slides(tmp_path / "still.mp4", [20], 30, Fraction(1))
    running = Running(tmp_path / "data", FakeBackend())
    running.backend._on_look = lambda asked: running.interrupt() if asked.index == 20 else None
    job = running.run(clip, prompt="What?", interval=1, options={"reuse": 1.5})
    assert (job.status, job.frames_done) == ("interrupted", 20)
    running.close()

    again = Running(tmp_path / "data", FakeBackend())
    job = again.resume(job.id)
    assert (job.status, again.backend.asked) == ("completed", [20])
    assert [frame.state for frame in again.frames(job.id)] == (
        ["answered"] + ["reused"] * 19 + ["answered"] + ["reused"] * 9
    )
    again.close()
