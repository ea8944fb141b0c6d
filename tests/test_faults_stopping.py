"""What becomes of work under way when the process is told to stop, and when it is killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from gradio_client import Client

from engine.engine import Engine
from storage.store import Store
from tests.fixtures.haven_process import HavenProcess
from tests.fixtures.videos import colour_video, constant, numbered_video

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

ROOT = Path(__file__).resolve().parents[1]
WAIT = 60
FRAMES = 400
KILLS = 8
VIDEOS = 6


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
    engine = Engine(Store.open(tmp_path / "data"), tmp_path / "models")
    engine.start()
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
    moments, killed, done = random.Random(3), 0, False
    while not done:
        longest = moments.uniform(0, 0.6) if killed < KILLS else None
        done = _watched(tmp_path / "data", films, longest)
        killed += not done
    store = Store.open(tmp_path / "data")
    try:
        files = store.library.files(limit=100)
        assert [file.state for file in files] == ["done"] * VIDEOS
        jobs = store.jobs(limit=1000)
        alive = Counter(job.video_path for job in jobs if job.status == "completed")
        assert alive == dict.fromkeys((str(films / f"{n}.mp4") for n in range(VIDEOS)), 1)
        assert all(job.status in ("completed", "cancelled") for job in jobs)
        assert {job.frames_done for job in jobs if job.status == "completed"} == {80}
        assert len({file.job_id for file in files}) == VIDEOS
    finally:
        store.close()


def _watched(data: Path, films: Path, kill_after: float | None) -> bool:
    """One process over the folder; whether it came to its end."""
    command = [sys.executable, "-m", "tests.fixtures.library_worker", str(data), str(films)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "watching\n"
        killer = threading.Timer(kill_after, worker.kill) if kill_after is not None else None
        if killer is not None:
            killer.start()
        done = worker.stdout.read() == "done\n"
        if killer is not None:
            killer.cancel()
            killer.join()
    return done and worker.returncode == 0
