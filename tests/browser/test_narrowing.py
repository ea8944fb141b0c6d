"""Spans whose threshold is moved after they were narrowed, and unknown tags: in a real browser."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.browser

FIRST_CELLS = "xpath=./*[position() <= 3]"
# Whether each row of the timeline is drawn, in the middle of each second, as where there was no answer.
LOST = """() => [...document.querySelectorAll('[data-timeline] canvas')].map((track) => {
  const copy = Object.assign(document.createElement('canvas'), { width: track.width, height: 1 });
  const paint = copy.getContext('2d', { willReadFrequently: true });
  paint.drawImage(track, 0, -Math.round(track.height / 2));
  const pixel = (at) => [...paint.getImageData(Math.round(at), 0, 1, 1).data];
  const found = [0, 1, 2, 3].map((second) => pixel((second + 0.5) / 4 * track.width));
  paint.fillStyle = getComputedStyle(track).getPropertyValue('--haven-bad');
  paint.fillRect(0, 0, 1, 1);
  return found.map((colour) => `${colour}` === `${pixel(0)}`);
})"""


@pytest.fixture
def staged(page, short_video) -> Page:
    """Four seconds of red, blue, green and yellow, with fields that say what to look for."""
    page.set_input_files(".drop input[type=file]", str(short_video))
    expect(page.locator(".caption b")).to_have_text(short_video.name)
    page.get_by_label("Tags to look for").fill("colourful")
    page.get_by_label("A frame every (s)").fill("0.7")
    return page


def analyse(page: Page) -> None:
    page.get_by_role("button", name="Analyse").click()
    expect(page.locator(".run")).to_have_class(re.compile("completed"))
    expect(page.locator(".span-table tbody tr")).to_have_count(2)


def first_row(page: Page, *wanted: str) -> None:
    """Tag, start and end that it comes to show; until then it is drawn as the run found it on its way."""
    cells = page.locator(".span-table tbody tr").first.locator(FIRST_CELLS)
    expect(cells).to_have_text(wanted, use_inner_text=True)


def test_spans_are_narrowed_again_after_the_threshold_was_moved(staged):
    page = staged
    page.get_by_role("button", name="More").click()
    page.get_by_label("Find the exact frame where each tag starts and ends").check()
    analyse(page)
    first_row(page, "colourful", "0:00.00", "0:02.00")
    expect(page.locator("[data-inexact]")).to_have_count(0)
    page.locator('[data-rule="threshold"]').fill("80")
    page.locator('[data-rule="threshold"]').dispatch_event("change")
    expect(page.locator("[data-inexact]")).to_contain_text("exact to one frame for 50\xa0%")
    first_row(page, "colourful", "0:00.00", "0:01.40")
    page.get_by_role("button", name="Narrow spans again").click()
    expect(page.locator("[data-inexact]")).to_have_count(0)
    expect(page.locator(".span-table tbody tr").first).to_contain_text("0:01.00")
    expect(page.get_by_role("button", name="Narrow spans again")).to_have_count(0)
    first_row(page, "colourful", "0:00.00", "0:01.00")


def test_where_a_tag_is_unknown_its_row_says_so_and_no_other(staged):
    def unknown(route: Route) -> None:
        answer = route.fetch()
        drawn = answer.json()
        drawn["rows"][1] |= {"looked": [[0, 2, False], [2, 4, True]], "bars": []}
        route.fulfill(response=answer, json=drawn)

    page = staged
    page.get_by_label("Tags to look for").fill("colourful, grey")
    page.route("**/follow/timeline*", unknown)
    analyse(page)
    wanted = [[False] * 4, [True, True, False, False]]
    page.wait_for_function(f"(wanted) => JSON.stringify(({LOST})()) === JSON.stringify(wanted)", arg=wanted)
