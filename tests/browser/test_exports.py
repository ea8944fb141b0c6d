"""Every format out of the menu of a real page, and the file beside the video, found by a real Haven."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine.video.exports import FORMATS, read_spans
from tests.fixtures.videos import colour_video
from tests.reading_back import (
    SPAN_FORMATS,
    ffmpeg_chapters,
    read_json,
    read_table,
    spans_in,
    youtube_chapters,
)

pytestmark = pytest.mark.browser
TAGS = ["mostly red", "mostly blue"]
SECONDS, RATE = 30.0, 10  # of each colour, pictures a second


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """Red, blue, red again; named by its path, so that there is a place beside it."""
    place = tmp_path_factory.mktemp("films") / "lake.mp4"
    return colour_video(place, ["red", "blue", "red"], SECONDS, rate=RATE).path


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
    shown = page.wait_for_function("() => haven.shownJob()")  # its frames are drawn a little later
    return shown.json_value()


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
    for format in SPAN_FORMATS:
        assert spans_in(format, files[format], RATE) == times, format
    assert read_json(files["json"].read_text())["job"]["job_id"] == job
    assert len(read_table(files["csv_frames"].read_bytes().decode())) == 19
    chapters = [(int(start), tag) for start, _, tag in times]
    assert [(start, title) for start, _, title in ffmpeg_chapters(files["ffmetadata"])[1]] == chapters
    assert youtube_chapters(files["youtube"].read_text(), 3 * SECONDS) == chapters


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
        expect(page.get_by_role("menuitem").first).to_be_visible()
        box = page.locator("[data-exports]").bounding_box()
        assert box["x"] >= 0 and box["y"] >= 0
        assert box["x"] + box["width"] <= width and box["y"] + box["height"] <= height
        page.keyboard.press("Escape")


def test_there_is_nothing_to_export_before_an_analysis(page):
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.locator("#haven-video-said")).to_contain_text("There is nothing to export yet")
    expect(page.get_by_role("menuitem").first).to_be_hidden()
