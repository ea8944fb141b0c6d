"""One person's whole way: a folder is watched and analysed, the process is killed in the middle of a video
and started again, and what was found is moved, corrected and taken out as files that other programs read.
"""

import shutil
import signal
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from playwright.sync_api import Page, expect

from engine.video.exports import FORMATS
from tests.browser.test_exports import saved
from tests.browser.test_library import to_library, video, watch
from tests.browser.test_page import load
from tests.browser.test_spans import SHADED, correct, rows, slide
from tests.fixtures.haven_process import HavenProcess
from tests.fixtures.slow_model import TINY
from tests.fixtures.videos import colour_video
from tests.reading_back import (
    SPAN_FORMATS,
    Span,
    ffmpeg_chapters,
    read_json,
    read_table,
    spans_in,
    youtube_chapters,
)

pytestmark = pytest.mark.browser

RATE, INTERVAL = 10, 1  # pictures a second; seconds from one that is looked at to the next
TAGS = ["red", "blue"]
BETWEEN = (228, 122, 30)  # the model is 0.95 sure that this is red, and 0.999 of what is red
QUARTERS = {  # of each video: what is shown, and for how many seconds
    "a.mp4": (["red", "blue", "green", "red"], 1.0),
    "b.mp4": (["red", "blue", BETWEEN, "red"], 20.0),  # 81 frames, of which it is killed after a few
    "c.mp4": (["blue", "blue", "yellow", "red"], 1.0),
}
SPANS: Mapping[str, Sequence[Span]] = {
    "a.mp4": [(0, 1, "red"), (1, 2, "blue"), (3, 4, "red")],
    "b.mp4": [(0, 20, "red"), (20, 40, "blue"), (40, 80, "red")],
    "c.mp4": [(0, 2, "blue"), (3, 4, "red")],
}
KILLED = "b.mp4"
WORKING_MS = 240_000  # a busy machine is no failure


@pytest.fixture(scope="module")
def haven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HavenProcess]:
    """One of its own, since it is killed on the way."""
    shelf = tmp_path_factory.mktemp("shelf")
    shutil.copytree(TINY, shelf / TINY.name)
    with HavenProcess(tmp_path_factory.mktemp("haven"), shelf) as process:
        yield process


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    for name, (colours, seconds) in QUARTERS.items():
        colour_video(folder / name, colours, seconds, rate=RATE)
    return folder


def analysed(page: Page, name: str) -> None:
    expect(video(page, name)).to_contain_text("Analysed", timeout=WORKING_MS)


def jobs(scripts: Client) -> dict[str, str]:
    """The id of the job of each video. Two of one video are an error."""
    found = [(job["video"], job["job_id"]) for job in scripts.predict(api_name="/jobs")]
    assert len(found) == len(dict(found)), "a video has two jobs"
    return dict(found)


def begun(scripts: Client, name: str) -> str:
    """The id of the job of a video, as soon as some of its frames are answered."""
    pause = threading.Event()
    while True:
        for job in scripts.predict(api_name="/jobs"):
            if job["video"] == name and job["frames_done"] >= 5:
                assert job["status"] == "running", "it was done before it was seen running"
                return job["job_id"]
        pause.wait(0.05)  # the processors are the model's


def spans(scripts: Client, job_id: str) -> list[Span]:
    found = scripts.predict(job_id, api_name="/job_result")["spans"]
    return sorted((span["start"], span["end"], span["tag"]) for span in found)


def kept(haven: HavenProcess, job_id: str) -> list[tuple[Any, ...]]:
    """The rows of a job's answers, as they stand in the database."""
    database = sqlite3.connect(f"file:{haven.data / 'haven.db'}?mode=ro", uri=True)
    try:
        return list(
            database.execute("select * from frame_answer where job_id = ? order by time_us", [job_id])
        )
    finally:
        database.close()


@pytest.mark.timeout(900)
def test_a_folder_is_analysed_through_a_kill_then_corrected_and_exported(
    open_page, haven, scripts, films, tmp_path
):
    # The folder is watched, and looked at with a model that sees.
    page = open_page()
    load(page, "Transformers", TINY.name)
    watch(to_library(page), films, ", ".join(TAGS), str(INTERVAL))

    # The process is killed in the middle of the second video.
    job_id = begun(scripts, KILLED)
    told = scripts.predict(job_id, api_name="/job_result")
    page.close()
    assert haven.stop(signal.SIGKILL) == -signal.SIGKILL
    before = kept(haven, job_id)
    assert 0 < len(told["frames"]) <= len(before) < told["job"]["frames_total"] == 80 / INTERVAL + 1

    # Started again it says so, and goes on by one press.
    haven.start()
    page = to_library(open_page())
    expect(video(page, KILLED)).to_contain_text("Interrupted")
    page.get_by_role("button", name="Resume all").click()
    for name in SPANS:
        analysed(page, name)

    # What was answered before the kill is there, as it was, and once.
    after = kept(haven, job_id)
    assert set(before) <= set(after)
    assert len(after) == told["job"]["frames_total"]
    frames = {frame["time"]: frame for frame in scripts.predict(job_id, api_name="/job_result")["frames"]}
    assert len(frames) == len(after)
    assert [frames[frame["time"]] for frame in told["frames"]] == told["frames"]
    assert {name: spans(scripts, job) for name, job in jobs(scripts).items()} == SPANS

    # It is opened from the library; the timeline follows the threshold.
    video(page, KILLED).get_by_role("button", name=f"Open {KILLED}").click()
    expect(page.locator(".caption b")).to_have_text(KILLED)
    blue = [False, True, False, False]
    page.wait_for_function(SHADED, arg=[[True, False, True, True], blue])
    slide(page, 99)
    page.wait_for_function(SHADED, arg=[[True, False, False, True], blue])

    # A span is corrected.
    correct(page, "blue", "0:20.00", "60")
    page.wait_for_function(SHADED, arg=[[True, False, False, True], [False, True, True, False]])
    assert rows(page) == [
        ["red", "0:00.00", "0:20.00"],
        ["blue corrected", "0:20.00", "1:00.00"],
        ["red", "1:00.00", "1:20.00"],
    ]

    # Every format is saved, and says just that to the program that it is for.
    files = {format: saved(page, format) for format in FORMATS}
    found: list[Span] = [(0, 20, "red"), (20, 60, "blue"), (60, 80, "red")]
    assert {format: spans_in(format, files[format], RATE) for format in SPAN_FORMATS} == dict.fromkeys(
        SPAN_FORMATS, found
    )
    assert ffmpeg_chapters(files["ffmetadata"]) == (KILLED, found)
    chapters = youtube_chapters(files["youtube"].read_text(), found[-1][1])
    assert chapters == [(start, tag) for start, _, tag in found]
    everything = read_json(files["json"].read_text(encoding="utf-8"))
    table = read_table(files["csv_frames"].read_bytes().decode())
    assert len(everything["frames"]) == len(table) == len(after)
    assert [float(row["time_seconds"]) for row in table] == sorted(frames)
