"""What becomes of work under way when the process is told to stop, and when it is killed."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from gradio_client import Client

from storage.store import Store
from tests.fixtures.haven_process import HavenProcess
from tests.fixtures.videos import colour_video, constant, numbered_video
from tests.running import opened

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

ROOT = Path(__file__).resolve().parents[1]
WAIT = 60
FRAMES = 400
KILLS = 8
VIDEOS = 6
ANSWERS = 80  # about each video


@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_a_running_job_to_be_resumed_with_all_that_it_had(tmp_path, number):
    clip = numbered_video(tmp_path / "clip.mp4", constant(FRAMES, 10), gop=10).path
    haven = HavenProcess(tmp_path / "data", tmp_path / "models", tmp_path / "errors.txt")
    with haven:
        client = Client(haven.address, verbose=False)
        job_id = client.predict(str(clip), "moving", interval=0.1, api_name="/submit_video")["job_id"]
        pause = threading.Event()
        while (seen := client.predict(job_id, api_name="/job"))["frames_done"] < 3:
            pause.wait(0.01)
        assert haven.stop(number) == 0
    assert (tmp_path / "errors.txt").read_text() == ""
    engine = opened(tmp_path)
    try:
        left = engine.job(job_id)
        assert left.frames_done >= seen["frames_done"]
        if left.status != "completed":  # the machine was quick
            assert left.status == "interrupted"
            engine.resume_job(job_id)
        while engine.job(job_id).status != "completed":
            pause.wait(0.01)
        assert [round(frame.time * 10) for frame in engine.frames(job_id)] == list(range(FRAMES))
    finally:
        engine.close()


@pytest.mark.timeout(240)
def test_a_library_that_is_killed_again_and_again_analyses_every_video_once(tmp_path):
    films = tmp_path / "films"
    films.mkdir()
    clip = colour_video(tmp_path / "clip.mp4", ["red", "blue"] * 4).path
    for n in range(VIDEOS):
        shutil.copy(clip, films / f"{n}.mp4")
        with (films / f"{n}.mp4").open("ab") as file:
            file.write(bytes([n]))  # each is a video of its own
    moments, answers = random.Random(3), []
    while not _watched(tmp_path / "data", films, moments.randrange(40) if len(answers) < KILLS else None):
        answers.append(_answers_left(tmp_path / "data", tmp_path / "copy"))
    assert answers == sorted(answers), "what was kept before a kill is there after the next"
    assert any(0 < kept < VIDEOS * ANSWERS for kept in answers), f"kills met no work: {answers}"
    store = Store.open(tmp_path / "data")
    try:
        files = store.library.files(limit=100)
        assert [file.state for file in files] == ["done"] * VIDEOS
        jobs = store.jobs(limit=1000)
        alive = Counter(job.video_path for job in jobs if job.status == "completed")
        assert alive == dict.fromkeys((str(films / f"{n}.mp4") for n in range(VIDEOS)), 1)
        assert all(job.status in ("completed", "cancelled") for job in jobs)
        assert {job.frames_done for job in jobs if job.status == "completed"} == {ANSWERS}
        assert len({file.job_id for file in files}) == VIDEOS
    finally:
        store.close()


def _watched(data: Path, films: Path, kill_after: int | None) -> bool:
    """One process over the folder, killed after so many jobs and answers more; whether it ended by itself."""
    command = [sys.executable, "-m", "tests.fixtures.library_worker", str(data), str(films)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "watching\n"
        if kill_after is not None:
            _wait_for_more(data, kill_after, worker)
            worker.kill()
        done = worker.stdout.read() == "done\n"
    return done and worker.returncode == 0


def _wait_for_more(data: Path, more: int, worker: subprocess.Popen[str]) -> None:
    """Until there are so many more jobs and answers than now, or the process has ended."""
    jobs_and_answers = "SELECT (SELECT COUNT(*) FROM job) + (SELECT COUNT(*) FROM frame_answer)"
    pause = threading.Event()
    with closing(sqlite3.connect(f"{(data / 'haven.db').as_uri()}?mode=ro", uri=True)) as database:
        (before,) = database.execute(jobs_and_answers).fetchone()
        while worker.poll() is None:
            (now,) = database.execute(jobs_and_answers).fetchone()
            if now - before >= more:
                return
            pause.wait(0.002)


def _answers_left(data: Path, copy: Path) -> int:
    """How many a killed process left: counted in a copy, so that the next process finds all as it was."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in ("haven.db", "haven.db-wal"):
        if (data / name).exists():
            shutil.copy(data / name, copy / name)
    with closing(sqlite3.connect(copy / "haven.db")) as database:
        (answers,) = database.execute("SELECT COUNT(*) FROM frame_answer").fetchone()
    return int(answers)
