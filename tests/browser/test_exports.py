"""Every format out of the menu of a real page, and the file beside the video, found by a real Haven."""

import csv
import io
import json
from pathlib import Path

import av
import opentimelineio
import pytest
from playwright.sync_api import Page, expect

from engine.video.exports import FORMATS, read_spans
from tests.fixtures.videos import colour_video

pytestmark = pytest.mark.browser
TAGS = ["mostly red", "mostly blue"]
SECONDS = 30.0  # of each colour


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """Red, blue, red again; named by its path, so that there is a place beside it."""
    place = tmp_path_factory.mktemp("films") / "lake.mp4"
    return colour_video(place, ["red", "blue", "red"], SECONDS).path


@pytest.fixture
def job(page: Page, video: Path, scripts) -> str:
    """Analysed on the page, which shows it."""
    page.get_by_label("Or name a file on this machine").fill(str(video))
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.locator(".caption b")).to_have_text(video.name)
    page.get_by_label("Tags to look for").fill(", ".join(TAGS))
    page.get_by_label("Question for each frame").fill("")
    page.get_by_label("A frame every (s)").fill("5")
    page.get_by_role("button", name="Analyse").click()
    expect(page.locator("#haven-run .run")).to_have_class("run completed")
    return page.evaluate("() => haven.shownJob()")


def choose(page: Page, label: str) -> None:
    page.get_by_role("button", name="Export", exact=True).click()
    page.get_by_role("menuitem", name=label, exact=True).click()


def saved(page: Page, format: str) -> Path:
    with page.expect_download() as arriving:
        choose(page, FORMATS[format].label)
    assert arriving.value.suggested_filename.endswith(FORMATS[format].extension)
    return Path(arriving.value.path())


def test_every_format_is_saved_and_read_back(page, job, scripts):
    spans = scripts.predict(job, api_name="/job_result")["spans"]
    times = sorted((span["start"], span["end"], span["tag"]) for span in spans)
    assert [(start, tag) for start, _, tag in times] == [
        (0.0, TAGS[0]), (SECONDS, TAGS[1]), (2 * SECONDS, TAGS[0]),
    ]  # fmt: skip
    files = {format: saved(page, format) for format in FORMATS}
    assert json.loads(files["json"].read_text())["job"]["job_id"] == job
    assert sorted((s.start, s.end, s.tag) for s in read_spans(files["ai_json"]).spans) == times
    for format, rows in (("csv", 3), ("csv_frames", 19)):
        table = files[format].read_text(encoding="utf-8-sig")
        assert len(list(csv.DictReader(io.StringIO(table), strict=True))) == rows
    for format in ("vtt", "srt"):
        with av.open(str(files[format]), format={"vtt": "webvtt"}.get(format, format)) as container:
            texts = [bytes(packet).decode() for packet in container.demux() if packet.size]
        assert texts == [tag for _, _, tag in times]
    with av.open(str(files["ffmetadata"]), format="ffmetadata") as container:
        titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
    assert titles == [tag for _, _, tag in times]
    assert files["youtube"].read_text() == "0:00 mostly red\n0:30 mostly blue\n1:00 mostly red\n"
    assert files["edl"].read_text().count("* COMMENT: mostly red") == 2
    clip = opentimelineio.adapters.from_name("otio_json").read_from_file(str(files["otio"])).find_clips()[0]
    assert [marker.name for marker in clip.markers] == [tag for _, _, tag in times]
    cuts = json.loads(files["llc"].read_text())["cutSegments"]
    assert [(cut["start"], cut["end"], cut["name"]) for cut in cuts] == times


def test_a_format_without_room_for_it_says_why_on_the_page(page, job, scripts, video):
    one = scripts.predict(str(video), "dark", interval=30, api_name="/submit_video")["job_id"]
    said = page.locator("[data-exports-said]")
    page.evaluate("(job) => (haven.shownJob = () => job)", one)
    choose(page, FORMATS["youtube"].label)
    expect(said).to_contain_text("YouTube shows chapters only where there are at least 3")
    expect(page.locator("#haven-video video")).to_be_visible()


def test_the_file_beside_the_video_is_replaced_after_a_second_word_only(page, job, video):
    place = video.with_name("lake.mp4.AI.json")
    said = page.locator("[data-exports-said]")
    place.write_text("{}")
    choose(page, "Save .AI.json beside the video")
    expect(said).to_contain_text("Haven did not write it")
    assert place.read_text() == "{}"
    said.get_by_role("button", name="Replace it").click()
    expect(said).to_contain_text(f"Saved as {place}.")
    expect(said.get_by_role("button")).to_be_hidden()
    assert {span.tag for span in read_spans(place).spans} == set(TAGS)
    choose(page, "Save .AI.json beside the video")  # its own file it replaces without asking
    expect(said).to_contain_text("Saved as")


def test_the_menu_is_used_by_keys_alone(page, job):
    button = page.get_by_role("button", name="Export", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    items = page.get_by_role("menuitem")
    expect(items.first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(items.last).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(items.nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(items.first).to_be_hidden()
    with page.expect_download():
        button.focus()
        page.keyboard.press("Enter")
        expect(items.first).to_be_focused()
        page.keyboard.press("Enter")


def test_the_menu_stays_on_the_screen(page, job):
    for width, height in ((1280, 720), (390, 760), (1280, 300)):
        page.set_viewport_size({"width": width, "height": height})
        page.get_by_role("button", name="Export", exact=True).click()
        box = page.locator("[data-exports]").bounding_box()
        assert box["x"] >= 0 and box["y"] >= 0
        assert box["x"] + box["width"] <= width and box["y"] + box["height"] <= height
        page.keyboard.press("Escape")


def test_there_is_nothing_to_export_before_an_analysis(page):
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.locator("#haven-video-said")).to_contain_text("There is nothing to export yet")
    expect(page.get_by_role("menuitem").first).to_be_hidden()
