"""A video that the browser cannot play is played all the same, once a small copy of it is made."""

from fractions import Fraction

import av
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.fixtures.sounds import toned_video
from tests.fixtures.videos import Clip, constant, numbered_video

pytestmark = pytest.mark.browser


def test_a_video_in_a_format_of_no_browser_is_played_from_a_copy(page, tmp_path):
    clip = numbered_video(tmp_path / "old.avi", constant(40, 10), codec="mpeg4", clock=Fraction(1, 1000))
    played_from_a_copy(page, clip)


def test_a_video_in_hevc_is_played_from_a_copy_and_heard(page, tmp_path):
    if "libx265" not in av.codecs_available:
        pytest.skip("PyAV has no encoder for HEVC here.")
    if page.evaluate("document.createElement('video').canPlayType('video/mp4; codecs=\"hvc1.1.6.L60.90\"')"):
        pytest.skip("This browser plays HEVC by itself.")
    clip = toned_video(tmp_path / "phone.mp4", constant(40, 10), codec="libx265", clock=Fraction(1, 90_000))
    video = played_from_a_copy(page, clip)
    video.evaluate("(video) => { video.volume = 0; return video.play(); }")
    page.wait_for_function("document.querySelector('.stage video').webkitAudioDecodedByteCount > 0")


def played_from_a_copy(page: Page, clip: Clip) -> Locator:
    """Open it, wait for the copy, and give the player."""
    page.get_by_label("Or name a file on this machine").fill(str(clip.path))
    page.get_by_role("button", name="Open", exact=True).click()
    video = page.locator(".stage video")
    page.wait_for_function("document.querySelector('.stage video').videoWidth > 0")
    assert video.get_attribute("src").endswith("/preview.mp4")
    expect(page.locator(".cannot")).to_be_hidden()
    assert video.evaluate("(video) => video.videoWidth") == 192
    assert 3.8 < video.evaluate("(video) => video.duration") < 4.2
    return video
