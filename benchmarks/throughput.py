"""Frames a second of a whole analysis beside a bare loop over the same frames with the same model.

Whole means: Haven as a process of its own, asked over HTTP by a script that follows the stream, with engine,
database, thumbnails and, where there is a browser, the real page open in it and following the job too. What
counts are the frames from the moment that the page follows to the last answer at the script. The loop
(`bare_loop`) is a process of its own too, and counts from the opening of the file. They run in turn, never
at once; both have loaded and warmed up their model before.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import save
from benchmarks.server import ROOT, running_haven
from tests.fixtures.videos import constant, numbered_video
from tests.install_browser import find_browser

LIMIT = 0.95
TINY_MODEL = ROOT / "tests" / "fixtures" / "tiny_model"


@dataclass(frozen=True)
class Case:
    """One model, with what it is asked of which video."""

    name: str
    provider: str
    model: str
    tags: str
    size: tuple[int, int]  # width and height, pixels
    pictures: int
    interval: float = 0.1  # seconds; the videos have 30 pictures a second


CASES = (
    Case("builtin, 720p", "builtin", "scene-facts", "bright, moving, mostly blue", (1280, 720), 9000),
    Case("builtin, 360p", "builtin", "scene-facts", "bright, moving, mostly blue", (640, 360), 18000),
    Case("tiny model, 360p", "transformers", TINY_MODEL.name, "red, blue", (640, 360), 3000),
)


@dataclass(frozen=True)
class Speed:
    """What one run did."""

    frames: int  # all of them
    rate: float  # frames a second


def main() -> None:
    """Print and save each case's rates and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    browser = find_browser()
    print(f"page watching: {browser or 'none, there is no browser here; the script alone follows'}")
    with tempfile.TemporaryDirectory() as folder:
        figures = [_measure(case, Path(folder), browser, given) for case in CASES]
    save("throughput", {"cases": figures, "page_watching": bool(browser), "limit": LIMIT})


def _measure(case: Case, folder: Path, browser: str | None, given: argparse.Namespace) -> dict[str, Any]:
    pictures, rounds = (case.pictures // 5, 1) if given.quick else (case.pictures, given.rounds)
    path = folder / f"{case.name}.mp4"
    fast = {"preset": "ultrafast"}
    video = numbered_video(path, constant(pictures), gop=30, size=case.size, encoding=fast)
    whole, bare = [], []
    for _ in range(rounds):
        whole.append(_whole(case, video.path, browser))
        bare.append(_bare(case, video.path))
    assert {speed.frames for speed in whole} == {speed.frames for speed in bare}, "not the same frames"
    rates = [statistics.median(speed.rate for speed in speeds) for speeds in (whole, bare)]
    print(
        f"{case.name:18} {whole[0].frames} frames: whole {rates[0]:6.1f}/s, bare loop {rates[1]:6.1f}/s, "
        f"ratio {rates[0] / rates[1]:.3f}, at least {LIMIT} is wanted; medians of {rounds}, in turn",
        flush=True,
    )
    video.path.unlink()
    return {
        "case": case.name,
        "frames": whole[0].frames,
        "whole_rates": [speed.rate for speed in whole],
        "bare_rates": [speed.rate for speed in bare],
        "ratio": rates[0] / rates[1],
    }


def _bare(case: Case, video: Path) -> Speed:
    asked = (case.provider, case.model, str(TINY_MODEL.parent), str(video), str(case.interval), case.tags)
    command = [sys.executable, "-m", "benchmarks.bare_loop", *asked]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout
    done = json.loads(said)
    return Speed(done["frames"], done["frames"] / done["seconds"])


def _whole(case: Case, video: Path, browser: str | None) -> Speed:
    from gradio_client import Client

    with tempfile.TemporaryDirectory() as data, running_haven(Path(data), TINY_MODEL.parent) as address:
        client = Client(address, verbose=False)
        *_, switched = client.submit(case.provider, case.model, api_name="/switch_model")
        if not switched["success"]:
            raise SystemExit(switched["message"])
        with _open_page(address, browser) as follow:
            asked = (str(video), case.tags, "", case.interval)
            views = client.submit(*asked, api_name="/analyze_video")
            follow()
            began = time.perf_counter()
            before = client.predict(api_name="/jobs")[0]["frames_done"]
            *_, last = views
            seconds = time.perf_counter() - began
        if last["status"] != "completed":
            raise SystemExit(f"the analysis ended as {last['status']}: {last['error']}")
        return Speed(last["frames_done"], (last["frames_done"] - before) / seconds)


@contextlib.contextmanager
def _open_page(address: str, browser: str | None) -> Iterator[Callable[[], None]]:
    """Haven's page in a browser without a window; what is given waits until it follows the running job."""
    if browser is None:
        yield lambda: None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page()
        page.goto(address)
        page.get_by_role("tab", name="Video").wait_for()

        def follow() -> None:
            page.wait_for_function("parseInt(document.title) >= 0")  # it counts the frames there

        yield follow
        chromium.close()


if __name__ == "__main__":
    main()
