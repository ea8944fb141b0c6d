"""Two analyses of a video side by side: in a real browser, against a real Haven."""

import re
from pathlib import Path

import pytest
from gradio_client import Client
from playwright.sync_api import Page, expect

from tests.browser.test_spans import slide
from tests.fixtures.videos import colour_video

pytestmark = pytest.mark.browser

TAGS = "mostly blue, colourful"
# Of each second of each tag: whether there is a bar in A, a line between them, and a bar in B.
BANDS = """() => [...document.querySelectorAll('[data-compare-lines] canvas')].map((track) => {
  const copy = Object.assign(document.createElement('canvas'), { width: track.width, height: track.height });
  const paint = copy.getContext('2d', { willReadFrequently: true });
  paint.drawImage(track, 0, 0);
  const page = getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number);
  return [0, 1, 2, 3].map((second) => [4, 11, 18].map((height) => {
    const at = [Math.round((second + 0.5) / 4 * track.width), Math.round(height / 23 * track.height)];
    const [r, g, b] = paint.getImageData(...at, 1, 1).data;
    const coloured = Math.max(r, g, b) - Math.min(r, g, b) > 40;
    const strong = Math.abs(r - page[0]) + Math.abs(g - page[1]) + Math.abs(b - page[2]) > 200;
    return Number(height === 11 ? strong : coloured);
  }).join(''));
})"""
DRAWN = f"(wanted) => JSON.stringify(({BANDS})()) === JSON.stringify(wanted)"
BLUE = ["000", "101", "000", "000"]
PLAYHEAD = """(share) => {
  const rows = document.querySelector('.compare-rows');
  return getComputedStyle(rows).getPropertyValue('--playhead') === share;
}"""
WHOLE_PAGE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def runs(scripts, short_video) -> list[str]:
    """Two analyses of four seconds of red, blue, green and yellow; the second one is twice as fine."""
    return [analysed(scripts, short_video, TAGS, step) for step in (1, 0.5)]


def analysed(scripts: Client, video: Path, tags: str, step: float) -> str:
    last = list(scripts.submit(str(video), tags, "", step, api_name="/analyze_video"))[-1]
    assert last["status"] == "completed"
    return last["job_id"]


def show(page: Page, job: str) -> None:
    page.get_by_role("tab", name="Jobs").click()
    page.locator(f"#job-{job}").get_by_role("button", name="Open").click()


@pytest.fixture
def compared(page, runs) -> Page:
    """A page on which the finer analysis is open, held against the other one."""
    show(page, runs[1])
    page.locator("[data-other]").select_option(runs[0])
    expect(page.locator(".compare-table tbody tr")).to_have_count(2)
    return page


def cells(page: Page) -> list[list[str]]:
    read = "(all) => all.map((row) => [...row.cells].map((cell) => cell.innerText.trim()))"
    return page.locator(".compare-table tbody tr").evaluate_all(read)


def test_the_comparison_follows_the_threshold(compared):
    page = compared
    page.wait_for_function(DRAWN, arg=[BLUE, ["101", "101", "000", "101"]])
    expect(page.locator(".compare-sum")).to_contain_text("100 %")
    expect(page.get_by_text("They differ nowhere.")).to_be_visible()
    page.get_by_label("Spans of").select_option("colourful")
    slide(page, 80)
    page.wait_for_function(DRAWN, arg=[BLUE, ["101", "011", "000", "101"]])
    assert cells(page) == [
        ["mostly blue", "100\xa0%", "1.0 s", "0.0 s", "0.0 s", "0.0 s"],
        ["colourful", "75\xa0%", "2.0 s", "0.0 s", "1.0 s", "0.0 s"],
    ]
    expect(page.locator(".compare-sum")).to_contain_text("88 %")
    page.get_by_role("button", name="As all tags").click()
    page.wait_for_function(DRAWN, arg=[BLUE, ["101", "101", "000", "101"]])


def test_a_difference_and_a_place_of_the_bars_are_sought(compared):
    page = compared
    page.get_by_label("Spans of").select_option("colourful")
    slide(page, 80)
    difference = page.locator(".compare-list button")
    expect(difference).to_have_count(1)
    expect(difference).to_contain_text(re.compile(r"0:01\.00 – 0:02\.00\s*colourful\s*only in B\s*1\.00 s"))
    difference.focus()
    page.keyboard.press("Enter")
    expect(page.locator("video")).to_have_js_property("currentTime", 1)
    page.wait_for_function(PLAYHEAD, arg="0.25")
    track = page.locator("[data-compare-lines] canvas").first
    track.click(position={"x": track.bounding_box()["width"] * 0.75, "y": 5})
    page.wait_for_function("() => Math.abs(document.querySelector('video').currentTime - 3) < 0.1")
    page.get_by_role("button", name="As all tags").click()
    expect(page.get_by_text("They differ nowhere.")).to_be_visible()


def test_a_comparison_is_left(compared):
    page = compared
    page.get_by_role("button", name="Leave the comparison").click()
    expect(page.locator("[data-compare-view]")).to_be_hidden()
    expect(page.get_by_role("button", name="Leave the comparison")).to_be_hidden()
    expect(page.locator("[data-other]")).to_be_focused()
    expect(page.locator("[data-other]")).to_have_value("")


def test_a_video_that_was_analysed_once_is_compared_with_nothing(compared, scripts, tmp_path):
    page = compared
    alone = analysed(scripts, colour_video(tmp_path / "alone.mp4", ["blue", "red"]).path, TAGS, 0.5)
    show(page, alone)
    expect(page.locator(".caption b")).to_have_text("alone.mp4")
    expect(page.locator(".span-table:not(.compare-table) tbody tr").first).to_be_visible()
    expect(page.locator("[data-compare]")).to_be_hidden()


def test_what_was_deleted_meanwhile_is_said(page, runs, scripts, short_video):
    other = analysed(scripts, short_video, "dark", 2)
    show(page, runs[1])
    page.locator("[data-other]").select_option(other)
    expect(page.locator(".compare-table tbody tr")).to_have_count(3)
    expect(page.locator(".compare-sum")).to_contain_text("No tag was asked for in both")
    scripts.predict(other, api_name="/delete_job")
    slide(page, 51)
    expect(page.locator("[data-compare-trouble]")).to_contain_text("it may have been deleted")
    page.locator("[data-other]").select_option(runs[0])
    expect(page.locator(".compare-table tbody tr")).to_have_count(2)
    expect(page.locator("[data-compare-trouble]")).to_be_hidden()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_comparison_fits_the_window(compared, width):
    compared.set_viewport_size({"width": width, "height": 900})
    expect(compared.locator(".compare-track").first).to_be_visible()
    assert compared.evaluate(WHOLE_PAGE) == 0
