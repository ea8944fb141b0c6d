"""A killed process loses nothing that it had acknowledged, and whoever resumes its job finishes it as if
nothing had happened. The benchmark does the same two hundred times.
"""

import random
from pathlib import Path

import pytest

from tests.fixtures.killing import Run, Work, killed_until_done, problems, undisturbed
from tests.fixtures.videos import colour_video, constant, numbered_video

FRAME = {"time": 0.5, "state": "answered"}
RESULT = {"frames_done": 1, "frames": [FRAME], "spans": []}


@pytest.mark.timeout(240)
def test_ten_kills_lose_no_frame_and_double_none(tmp_path: Path) -> None:
    video = numbered_video(tmp_path / "numbers.mp4", constant(300, 30), gop=30, size=(320, 180), b_frames=2)
    work = Work(video.path, interval=1 / 30)
    reference = undisturbed(work, tmp_path / "undisturbed")

    runs = killed_until_done(work, tmp_path / "killed", random.Random(7), longest=0.5, kills=10)

    assert sum(run.killed for run in runs) == 10
    assert any(run.kept for run in runs[:-1]), "no kill came in the middle of the job"
    assert problems(runs, reference) == []


@pytest.mark.timeout(240)
def test_kills_while_spans_are_narrowed_lose_nothing_and_ask_nothing_twice(tmp_path: Path) -> None:
    video = colour_video(tmp_path / "colours.mp4", ["red", "blue", "green"] * 8, rate=30)
    work = Work(video.path, interval=0.7, refine=True)
    reference = undisturbed(work, tmp_path / "undisturbed")
    assert len(reference.asked) > 100, "most of it is narrowing"

    runs = killed_until_done(work, tmp_path / "killed", random.Random(5), longest=0.4, kills=6)

    assert sum(run.killed for run in runs) == 6
    assert problems(runs, reference) == []


@pytest.mark.parametrize(
    ("run", "complaint"),
    [
        (Run(result=RESULT, kept={1.0: {"time": 1.0}}), "lost"),
        (Run(result=RESULT, kept={0.5: {"time": 0.5, "state": "failed"}}), "differs"),
        (Run(result={**RESULT, "frames": [FRAME, FRAME]}), "doubled"),
        (Run(result={**RESULT, "frames_done": 2}), "count"),
        (Run(result={**RESULT, "spans": [{"tag": "bright"}]}), "undisturbed"),
    ],
)
def test_what_is_wrong_with_a_resumed_job_is_noticed(run: Run, complaint: str) -> None:
    assert any(complaint in problem for problem in problems([run], Run(result=RESULT)))


def test_a_frame_that_is_done_again_is_noticed() -> None:
    runs = [Run(kept={0.5: FRAME}), Run(asked=[500_000], result=RESULT)]

    assert problems(runs, Run(result=RESULT)) == ["run 1 did the kept frame at 500000 us again"]
