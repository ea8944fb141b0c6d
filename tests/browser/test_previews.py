"""A video that the browser cannot play is played all the same, once a small copy of it is made."""

from fractions import Fraction

import pytest
from playwright.sync_api import expect

from tests.fixtures.videos import constant, numbered_video

pytestmark = pytest.mark.browser


def test_a_video_in_a_format_of_no_browser_is_played_from_a_copy(page, tmp_path):
    clip = numbered_video(tmp_path / "old.avi", constant(40, 10), codec="mpeg4", clock=Fraction(1, 1000))
    page.get_by_label("Or name a file on this machine").fill(str(clip.path))
    page.get_by_role("button", name="Open", exact=True).click()
    video = page.locator(".stage video")
    page.wait_for_function("document.querySelector('.stage video').videoWidth > 0")
    assert video.get_attribute("src").endswith("/preview.mp4")
    expect(page.locator(".cannot")).to_be_hidden()
    assert video.evaluate("(video) => video.videoWidth") == 192
    assert 3.8 < video.evaluate("(video) => video.duration") < 4.2
