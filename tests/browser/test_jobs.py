"""What is done with an analysis that was made before: asked again with a change, held against another one,
taken out as a file; and spans of another program's file beside its own.
"""

import json
import re
from pathlib import Path

import pytest
from gradio_client import Client
from playwright.sync_api import Page, expect

from engine.video.exports.reading import MOST_BYTES, TOO_LARGE
from tests.running import until

pytestmark = pytest.mark.browser

TAGS = "mostly blue, colourful"
# Whether there is a bar of what was read in the middle of each second.
OUTLINES = """() => [...document.querySelectorAll('[data-read-lines] canvas')].map((track) => {
  const copy = Object.assign(document.createElement('canvas'), { width: track.width, height: track.height });
  const paint = copy.getContext('2d', { willReadFrequently: true });
  paint.drawImage(track, 0, 0);
  return [0, 1, 2, 3].map((second) => {
    const at = Math.round((second + 0.5) / 4 * track.width);
    return paint.getImageData(at, Math.round(track.height / 2), 1, 1).data[3] > 0;
  });
})"""


@pytest.fixture(scope="module")
def runs(scripts, short_video) -> list[str]:
    """Two analyses of four seconds of red, blue, green and yellow; the second from 0.5 s on, and finer."""
    given: list[dict] = [{}, {"start": 0.5, "refine": True}]
    return [
        analysed(scripts, short_video, step, options) for step, options in zip((1, 0.5), given, strict=True)
    ]


def analysed(scripts: Client, video: Path, step: float, options: dict) -> str:
    last = list(scripts.submit(str(video), TAGS, "", step, options, api_name="/analyze_video"))[-1]
    assert last["status"] == "completed"
    return last["job_id"]


def row(page: Page, job: str):
    page.get_by_role("tab", name="Jobs").click()
    return page.locator(f"#job-{job}")


def below_the_search(line) -> float:
    """How far down the list a row is, however far it is scrolled."""
    search = line.page.locator("#haven-find").bounding_box()
    return line.bounding_box()["y"] - search["y"]


def test_an_analysis_is_asked_once_more_with_one_change_and_what_was_typed_comes_back(page, runs, scripts):
    tags, interval = page.get_by_label("Tags to look for"), page.get_by_label("A frame every (s)")
    note = page.locator("#haven-filled")
    tags.fill("my own words")
    row(page, runs[1]).get_by_role("button", name="Open").click()
    expect(tags).to_have_value(TAGS)
    expect(interval).to_have_value("0.5")
    expect(note).to_contain_text(re.compile(r"Filled in: what the analysis of colours\.mp4 \(scene-facts, "))
    expect(note).to_contain_text("Under More: from 0.5 s; exact starts and ends.")
    note.get_by_role("button", name="Undo").click()
    expect(tags).to_have_value("my own words")
    expect(interval).to_have_value("2")
    note.get_by_role("button", name="Fill in again").click()
    expect(tags).to_have_value(TAGS)
    expect(page.locator(".span-table tbody tr")).not_to_have_count(0)
    page.locator('[data-rule="threshold"]').evaluate(
        "(slider) => { slider.value = 80; slider.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    until(lambda: scripts.predict(runs[1], api_name="/span_settings")["threshold"], lambda kept: kept == 0.8)
    interval.fill("0.25")
    page.get_by_role("button", name="Analyse").click()
    expect(note).to_be_hidden()
    page.wait_for_function("(before) => ![...before, ''].includes(haven.shownJob())", arg=runs)
    made = scripts.predict(limit=1, api_name="/jobs")[0]
    page.wait_for_function("(made) => haven.shownJob() === made", arg=made["job_id"])
    expect(page.locator(".run")).to_have_class(re.compile("completed"))
    times = [frame["time"] for frame in scripts.predict(made["job_id"], api_name="/job_result")["frames"]]
    assert times[:3] == [0.5, 0.7, 0.9]  # of the pictures on screen then: there are 5 a second
    assert scripts.predict(made["job_id"], api_name="/span_settings")["threshold"] == 0.8
    remove = row(page, made["job_id"]).get_by_role("button", name="Delete")
    remove.press("Enter")
    expect(remove).to_have_text("Really delete?")
    remove.press("Enter")
    expect(page.locator(f"#job-{made['job_id']}")).to_have_count(0)
    next_one = page.locator(f"#job-{runs[1]}")  # which stands in its place now
    expect(next_one.get_by_role("button").first).to_be_focused()


def test_a_row_leads_to_the_comparison_and_to_the_exports(page, runs, short_video):
    line = row(page, runs[1])
    line.get_by_role("button", name="Compare with").click()
    expect(page.get_by_role("menuitem")).to_have_count(1)
    expect(page.get_by_role("menuitem")).to_contain_text("scene-facts")
    page.get_by_role("menuitem").click()
    expect(page.locator(".compare-table tbody tr")).to_have_count(2)
    expect(page.locator("[data-compare-view]")).to_be_in_viewport()
    expect(page.locator("[data-other]")).to_have_value(runs[0])
    line = row(page, runs[0])  # the other way round: A is the one that was opened
    line.get_by_role("button", name="Compare with").click()
    page.get_by_role("menuitem").click()
    expect(page.locator("[data-other]")).to_have_value(runs[1])
    row(page, runs[0]).get_by_role("button", name="Export").click()
    page.keyboard.press("Tab")
    expect(page.get_by_role("menuitem")).to_have_count(0)
    expect(page.locator(f"#job-{runs[0]}").get_by_role("button", name="Delete")).to_be_focused()
    row(page, runs[0]).get_by_role("button", name="Export").click()
    with page.expect_download() as arriving:
        page.get_by_role("menuitem", name="Everything").click()
    assert json.loads(Path(arriving.value.path()).read_text())["job"]["job_id"] == runs[0]
    said = page.locator("#haven-jobs [data-job-exports-said]")
    expect(said).to_be_hidden()
    page.set_viewport_size({"width": 1280, "height": 280})  # there are more than it has room for
    before = below_the_search(line)
    row(page, runs[0]).get_by_role("button", name="Export").click()
    page.get_by_role("menuitem", name="beside the video").click()
    expect(said).to_contain_text("Saved as ")
    expect(said).to_be_in_viewport()
    assert below_the_search(line) == before
    short_video.with_name(f"{short_video.name}.AI.json").unlink()


def test_spans_of_another_programs_file_are_shown_apart_until_another_video_comes(
    page, runs, short_video, tmp_path
):
    frames = [{"start": 1, "end": 2, "confidence": 0.9}, {"start": 3, "end": 4, "confidence": 0.5}]
    file = tmp_path / "lake.AI.json"
    file.write_text(json.dumps({"tags": {"dog <b>": {"ai_model_name": "river", "time_frames": frames}}}))
    page.set_input_files("[data-read]", str(file))
    expect(page.locator("[data-read-said]")).to_contain_text("Choose the video first")
    row(page, runs[0]).get_by_role("button", name="Open").click()
    expect(page.locator("[data-timeline] canvas")).to_have_count(2)
    page.set_input_files("[data-read]", str(file))
    read = page.get_by_label("Spans read from a file")
    expect(read).to_contain_text(re.compile(r"from a file\s*lake\.AI\.json\s*2 spans of 1 tag"))
    assert page.evaluate(OUTLINES) == [[False, True, False, True]]
    expect(read.locator(".line-name")).to_have_text(["dog <b>"])
    expect(page.locator("[data-timeline] canvas")).to_have_count(2)
    read.locator(".span-seek").nth(1).click()
    expect(page.locator("video")).to_have_js_property("currentTime", 3)
    large = tmp_path / "large.AI.json"
    with large.open("wb") as file_of_nothing:
        file_of_nothing.truncate(MOST_BYTES + 1)
    page.set_input_files("[data-read]", str(large))
    expect(page.locator("[data-read-said]")).to_contain_text(f"large.AI.json {TOO_LARGE}")
    late = []
    page.route("**/spans/read", lambda route: route.continue_() if late else late.append(route))
    with page.expect_request("**/spans/read"):
        page.set_input_files("[data-read]", str(file))
    expect(page.locator("[data-read-said]")).to_have_text("Reading lake.AI.json…")
    file.write_text("{}")
    page.set_input_files("[data-read]", str(file))
    expect(page.locator("[data-read-said]")).to_contain_text("cannot be read as time spans")
    with page.expect_response("**/spans/read") as answered:
        late[0].continue_()
    answered.value.finished()
    page.unroute("**/spans/read")
    expect(page.locator("[data-read-said]")).to_contain_text("cannot be read")  # the late answer is ignored
    expect(read).to_be_visible()
    page.get_by_role("button", name="Choose another").click()
    page.get_by_label("Or name a file on this machine").fill(str(short_video))
    page.get_by_role("button", name="Open", exact=True).click()
    expect(read).to_be_hidden()
