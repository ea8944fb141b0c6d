"""Spans as a person moves, reads and corrects them: in a real browser, against a real Haven."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import av
import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.videos import changed, colour_video

pytestmark = pytest.mark.browser

# The colour of the canvas in the middle of each second, as far from the bare field as a bar is.
SHADES = """() => [...document.querySelectorAll('[data-timeline] canvas')].map((track) => {
  const copy = Object.assign(document.createElement('canvas'), { width: track.width, height: track.height });
  const paint = copy.getContext('2d', { willReadFrequently: true });
  paint.drawImage(track, 0, 0);
  return [0, 1, 2, 3].map((second) => {
    const at = Math.round((second + 0.5) / 4 * track.width);
    const [r, g, b] = paint.getImageData(at, Math.round(track.height / 2), 1, 1).data;
    return Math.max(r, g, b) - Math.min(r, g, b) > 40;
  });
})"""
SHADED = f"(wanted) => JSON.stringify(({SHADES})()) === JSON.stringify(wanted)"
# Red, green, blue and how much covers the hatching, in the middle of each ninth of the first row; then what
# is drawn where something failed, and where nothing was found.
PIXELS = """() => {
  const track = document.querySelector('[data-timeline] canvas');
  const copy = Object.assign(document.createElement('canvas'), { width: track.width, height: 1 });
  const paint = copy.getContext('2d', { willReadFrequently: true });
  paint.drawImage(track, 0, -Math.round(track.height / 2));
  const pixel = (at) => [...paint.getImageData(Math.round(at), 0, 1, 1).data];
  const found = [...Array(9).keys()].map((ninth) => pixel((ninth + 0.5) / 9 * track.width));
  const drawn = (name) => {
    paint.fillStyle = getComputedStyle(track).getPropertyValue(name);
    paint.fillRect(0, 0, 1, 1);
    return pixel(0);
  };
  return [found, drawn('--haven-bad'), drawn('--haven-field')];
}"""
PLAYHEAD = "() => parseFloat(getComputedStyle(document.querySelector('[data-timeline]'), '::after').left)"
BLUE, COLOURFUL = (
    [False, True, False, False],
    [True, True, False, True],
)  # in each second; 0.96 0.71 0.49 0.84 sure


@pytest.fixture
def analysed(page, short_video) -> Page:
    """A page with four seconds of red, blue, green and yellow, looked at every half second."""
    page.set_input_files(".drop input[type=file]", str(short_video))
    expect(page.locator(".caption b")).to_have_text(short_video.name)
    page.get_by_label("Tags to look for").fill("mostly blue, colourful")
    page.get_by_label("A frame every (s)").fill("0.5")
    page.get_by_role("button", name="Analyse").click()
    expect(page.locator(".run")).to_have_class(re.compile("completed"))
    expect(page.locator(".span-table tbody tr")).to_have_count(3)
    return page


def paling_video(folder: Path) -> Path:
    """Nine half seconds: less and less colourful, with black between; the eighth is damaged."""
    colours = ["red", "black", "blue", "black", (210, 80, 80), "black", (200, 100, 100), "green", "yellow"]
    whole = colour_video(folder / "whole.mp4", colours, seconds_each=0.5).path
    with av.open(str(whole)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]

    def spoil(data: bytearray) -> bytearray:
        for place, size in packets[35:40]:
            data[place + 4 : place + size] = bytes(size - 4)
        return data

    return changed(folder / "paling.mp4", whole, spoil)


# Gradio's own requests go through: where one of them fails, Gradio loads the page again by itself.
UNANSWERED = """() => {
    window.online = fetch;
    window.fetch = (asked, how) =>
        String(asked.url ?? asked).includes("/gradio_api/")
            ? online(asked, how)
            : Promise.reject(new TypeError());
}"""


@contextmanager
def nobody_answers(page: Page) -> Iterator[None]:
    """As if Haven were gone: what Haven's own scripts ask is sent to nobody."""
    page.evaluate(UNANSWERED)
    yield
    page.evaluate("() => { window.fetch = online; }")


def rows(page: Page) -> list[list[str]]:
    """Tag, start and end of every row of the table."""
    cells = "(all) => all.map((row) => [...row.cells].slice(0, 3).map((cell) => cell.innerText.trim()))"
    return page.locator(".span-table tbody tr").evaluate_all(cells)


def slide(page: Page, per_cent: int) -> None:
    slider = page.locator('[data-rule="threshold"]')
    slider.wait_for()  # before the spans are there nobody listens
    slider.evaluate(
        "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input', { bubbles: true }));"
        " slider.dispatchEvent(new Event('change', { bubbles: true })); }",
        per_cent,
    )


def correct(page: Page, tag: str, start: str, end: str) -> None:
    page.locator(f'tr[data-tag="{tag}"] [data-correct]').first.click()
    page.locator("[data-from]").fill(start)
    page.locator("[data-to]").fill(end)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-span-form]")).to_be_hidden()


def test_the_timeline_follows_the_threshold(analysed):
    page = analysed
    page.wait_for_function(SHADED, arg=[BLUE, COLOURFUL])
    assert rows(page) == [
        ["colourful", "0:00.00", "0:02.00"],
        ["mostly blue", "0:01.00", "0:02.00"],
        ["colourful", "0:03.00", "0:04.00"],
    ]
    page.get_by_label("Spans of").select_option("colourful")
    slide(page, 80)
    page.wait_for_function(SHADED, arg=[BLUE, [True, False, False, True]])
    expect(page.locator("[data-threshold]")).to_have_text("80 %")
    expect(page.locator("#frame-2 .chip")).to_have_text(["mostly blue"])
    page.get_by_label("Join gaps up to", exact=True).fill("2")
    page.wait_for_function(SHADED, arg=[BLUE, [True] * 4])
    page.get_by_role("button", name="As all tags").click()
    page.wait_for_function(SHADED, arg=[BLUE, COLOURFUL])
    page.get_by_label("Drop shorter than", exact=True).fill("1.5")
    page.wait_for_function(SHADED, arg=[BLUE, [True, True, False, False]])
    page.get_by_label("Spans of").select_option("all tags")
    page.get_by_label("Drop shorter than", exact=True).fill("30")
    page.get_by_label("Unit of the shortest").select_option("%")
    page.wait_for_function(SHADED, arg=[[False] * 4, [True, True, False, False]])
    assert rows(page) == [["colourful", "0:00.00", "0:02.00"]]


def test_the_timeline_of_an_analysis_that_was_opened_on_another_tab_is_there_when_it_is_in_sight(analysed):
    page = analysed
    page.get_by_role("tab", name="Jobs").click()
    page.evaluate("() => { const job = haven.followed(); haven.followJob(''); haven.followJob(job); }")
    page.wait_for_function("() => document.querySelector('[data-timeline] canvas')?.width === 1")
    page.get_by_role("tab", name="Video").click()
    page.wait_for_function(SHADED, arg=[BLUE, COLOURFUL])


def test_a_corrected_span_is_still_corrected_after_a_reload_and_in_a_new_run(analysed, reload):
    page = analysed
    page.wait_for_function(SHADED, arg=[BLUE, COLOURFUL])
    correct(page, "mostly blue", "0:02.00", "4")
    moved = [[False, False, True, True], COLOURFUL]
    page.wait_for_function(SHADED, arg=moved)
    expect(page.locator('tr[data-tag="mostly blue"]')).to_contain_text("corrected")
    reload(page)
    page.wait_for_function(SHADED, arg=moved)
    expect(page.locator(".span-mark")).to_have_count(1)
    before = page.evaluate("() => haven.followed()")
    page.get_by_role("button", name="Analyse").click()
    page.wait_for_function("(before) => !['', before].includes(haven.shownJob())", arg=before)
    expect(page.locator(".run")).to_have_class(re.compile("completed"))
    page.wait_for_function(SHADED, arg=moved)
    page.get_by_role("button", name="Undo the last correction").click()
    page.wait_for_function(SHADED, arg=[BLUE, COLOURFUL])
    expect(page.get_by_role("button", name="Undo the last correction")).to_be_hidden()


def test_a_span_is_added_and_deleted_and_a_wrong_time_is_explained(analysed):
    page = analysed
    page.get_by_role("button", name="Add a span").click()
    page.locator("[data-from]").fill("3")
    page.locator("[data-to]").fill("soon")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-span-trouble]")).to_contain_text("Write a time as 62.5")
    page.locator("[data-to]").fill("0:03.50")
    with nobody_answers(page):
        page.get_by_role("button", name="Save").click()
        expect(page.locator("[data-span-trouble]")).to_have_text("Haven did not answer. Try again.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".span-table tbody tr")).to_have_count(4)
    expect(page.locator("[data-span-trouble]")).to_be_hidden()
    page.locator("tr:has(.span-mark) [data-correct]").click()
    page.get_by_role("button", name="Delete this span").click()
    expect(page.locator(".span-table tbody tr")).to_have_count(3)
    for _ in range(2):
        page.get_by_role("button", name="Undo the last correction").click()
    expect(page.get_by_role("button", name="Undo the last correction")).to_be_hidden()


def test_the_spans_of_another_analysis_with_as_many_tags_are_corrected_by_its_own_tags(analysed):
    page = analysed
    page.get_by_label("Tags to look for").fill("mostly green, mostly yellow")
    page.get_by_role("button", name="Analyse").click()
    expect(page.locator('tr[data-tag="mostly green"]')).to_have_count(1)
    expect(page.locator(".run")).to_have_class(re.compile("completed"))
    correct(page, "mostly green", "0:01.00", "3")
    expect(page.locator('tr[data-tag="mostly green"]')).to_contain_text("corrected")
    page.get_by_role("button", name="Undo the last correction").click()
    expect(page.get_by_role("button", name="Undo the last correction")).to_be_hidden()


def test_picking_a_row_or_the_timeline_seeks(analysed):
    page = analysed
    page.locator(".span-seek").nth(1).click()
    expect(page.locator("video")).to_have_js_property("currentTime", 1)
    page.wait_for_function("() => document.querySelector('.line-head').value === '1'")
    track = page.locator("[data-timeline] canvas").first
    box = track.bounding_box()
    track.click(position={"x": box["width"] * 0.75, "y": 5})
    page.wait_for_function("() => Math.abs(document.querySelector('video').currentTime - 3) < 0.1")
    stood = page.evaluate(PLAYHEAD)
    page.locator("video").evaluate("(video) => { video.muted = true; return video.play(); }")
    page.wait_for_function(f"(stood) => ({PLAYHEAD})() > stood + 5", arg=stood)


def test_the_timeline_shows_how_sure_it_is_what_failed_and_what_was_not_looked_at(page, tmp_path):
    page.set_input_files(".drop input[type=file]", str(paling_video(tmp_path)))
    expect(page.locator(".caption b")).to_have_text("paling.mp4")
    page.get_by_label("Tags to look for").fill("colourful")
    page.get_by_label("A frame every (s)").fill("0.5")
    page.get_by_role("button", name="More").click()
    page.get_by_label("To (s)").fill("4")
    page.get_by_role("button", name="Analyse").click()
    expect(page.locator(".run")).to_have_class(re.compile("completed_with_errors"))
    slide(page, 10)
    expect(page.locator(".span-table tbody tr")).to_have_count(4)
    page.wait_for_function(f"() => (([found, , field]) => `${{found[6]}}` !== `${{field}}`)(({PIXELS})())")
    (*shades, failed, unlooked), bad, field = page.evaluate(PIXELS)
    apart = [sum(abs(a - b) for a, b in zip(shade, field, strict=True)) for shade in shades]
    assert apart[1::2] == [0, 0, 0], "nothing is found in black"
    paler = pairwise([*apart[::2], 0])
    assert all(one > next_one + 10 for one, next_one in paler), "0.96 0.71 0.47 0.21 sure"
    assert failed == bad
    assert unlooked[3] == 0, "the hatching behind is seen"
    hatched = re.compile("repeating-linear-gradient")
    expect(page.locator("[data-timeline] canvas")).to_have_css("background-image", hatched)


def test_a_search_opens_the_video_where_it_is(analysed, open_page):
    other = open_page()
    other.get_by_role("tab", name="Jobs").click()
    other.get_by_label("Find in all videos").fill("where was something blue?")
    with nobody_answers(other):
        other.get_by_role("button", name="Find", exact=True).click()
        expect(other.locator("[data-found]")).to_have_text("Haven did not answer. Try again.")
    other.get_by_role("button", name="Find").click()
    hit = other.locator(".found button").first
    expect(hit).to_contain_text("mostly blue")
    hit.click()
    expect(other.locator(".caption b")).to_have_text("colours.mp4")
    expect(other.locator("video")).to_have_js_property("currentTime", 1)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_spans_fit_the_window(analysed, open_page, width):
    page = open_page(width, 900)
    expect(page.locator(".span-table tbody tr")).to_have_count(3)
    page.locator("[data-correct]").first.click()
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0
