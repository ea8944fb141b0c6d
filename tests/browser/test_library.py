"""The Library tab as a person uses it: a real browser, a real Haven, and folders with made videos."""

import re
import shutil

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_page import fits

pytestmark = pytest.mark.browser


@pytest.fixture
def library(page: Page, scripts) -> Page:
    scripts.predict(api_name="/resume_all")
    return to_library(page)


def to_library(page: Page) -> Page:
    page.get_by_role("tab", name="Library").click()
    expect(page.locator(".queue-head")).to_be_visible()
    return page


def video(page: Page, name: str) -> Locator:
    return page.locator(".video").filter(has=page.locator("b", has_text=re.compile(f"^{re.escape(name)}$")))


def watch(page: Page, folder, tags: str, interval: str = "1") -> None:
    page.get_by_label("Folder or video on this machine").fill(str(folder))
    form = page.locator("form.watch")
    form.get_by_label("Tags to look for").fill(tags)
    form.get_by_label("A frame every (s)").fill(interval)
    form.get_by_role("button", name="Watch").click()


def forget_all(scripts) -> None:
    for folder in scripts.predict(api_name="/folders"):
        scripts.predict(folder["folder_id"], api_name="/forget_folder")


def test_a_folder_is_watched_its_videos_are_analysed_found_and_opened(
    library, scripts, short_video, long_video, tmp_path
):
    expect(library.locator(".library-empty")).to_contain_text("No folder is watched yet")
    films = tmp_path / "films"
    (films / "more").mkdir(parents=True)
    shutil.copy(short_video, films / "colours.mp4")
    shutil.copy(long_video, films / "more" / "numbers.mp4")
    (films / "broken.mp4").write_bytes(b"nothing of a video")
    watch(library, films, "mostly red, mostly blue")
    said = re.compile("films is (watched. 3 videos are in it|being looked through)")
    expect(library.locator("#haven-library-said")).to_contain_text(said)
    for name in ("colours.mp4", "numbers.mp4"):
        expect(video(library, name)).to_contain_text("Analysed")
    colours = video(library, "colours.mp4")
    expect(colours.locator(".chips")).to_have_text("mostly redmostly blue")
    expect(colours.locator(".video-length")).to_have_text("0:04")
    expect(colours.locator(".video-model")).to_have_text("scene-facts")
    expect(video(library, "broken.mp4")).to_contain_text("cannot be read as a video")
    expect(library.locator(".folder")).to_contain_text("3 videos · 2 analysed · 1 set aside")
    library.get_by_label("Search").fill("blue")
    expect(library.locator(".video b")).to_have_text(["colours.mp4"])
    library.get_by_label("Search").fill("")
    library.get_by_label("Show").select_option("Set aside")
    expect(library.locator(".video b")).to_have_text(["broken.mp4"])
    library.get_by_label("Show").select_option("All")
    shutil.copy(short_video, films / "copy.mp4")
    library.get_by_role("button", name=re.compile("^Look now")).click()
    expect(video(library, "copy.mp4")).to_contain_text("The same video as colours.mp4")
    colours.get_by_role("button", name="Open colours.mp4").click()
    expect(library.locator("#haven-tab-video")).to_be_visible()
    expect(library.locator(".summary")).to_contain_text("5 frames")
    forget_all(scripts)


def test_the_queue_is_moved_paused_resumed_and_cancelled(library, scripts, long_video, tmp_path):
    films = tmp_path / "films"
    films.mkdir()
    for name in ("a", "b", "c"):  # another content each, which no player minds
        (films / f"{name}.mp4").write_bytes(long_video.read_bytes() + name.encode())
    watch(library, films, "bright", "0.04")
    names = library.locator(".queue-row b")
    expect(names).to_have_text(["a.mp4", "b.mp4", "c.mp4"])
    library.get_by_role("button", name="Move c.mp4 to the front").click()
    expect(names).to_have_text(["a.mp4", "c.mp4", "b.mp4"])
    library.get_by_role("button", name="Pause all").click()
    expect(library.locator(".queue-head")).to_contain_text("3 paused")
    expect(library.locator(".held")).to_be_visible()
    expect(video(library, "a.mp4")).to_contain_text("Paused")
    library.get_by_role("button", name="Resume all").click()
    expect(library.locator(".queue-head")).to_contain_text("1 running, 2 waiting")
    cancel = library.locator('[data-act="cancel_all"]')
    cancel.click()
    expect(cancel).to_have_text("Really cancel all?")
    cancel.click()
    expect(library.locator(".queue-head")).to_contain_text("Nothing is waiting")
    expect(cancel).to_have_text("Cancel all")  # and asks anew the next time
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        expect(video(library, name)).to_contain_text("Cancelled")
    assert {job["status"] for job in scripts.predict(api_name="/jobs")[:3]} == {"cancelled"}
    forget = library.get_by_role("button", name=re.compile("^Forget"))
    forget.click()
    library.locator('[data-act="forget"]').click()
    expect(library.locator(".library-empty")).to_be_visible()


def test_a_folder_is_asked_all_that_a_video_can_be_asked(library, scripts, tmp_path):
    library.locator(".watch summary").click()
    form = library.locator("form.watch")
    form.get_by_label("To (s)").fill("60")
    form.get_by_label("Which frames").select_option("Each shot, and between")
    form.get_by_label("Or frames a second").fill("0,3")
    form.get_by_label("Reuse up to (%)").fill("2")
    form.get_by_label("Find the exact frame").check()
    watch(library, tmp_path, "mostly red")
    expect(library.locator(".folder")).to_contain_text(
        "mostly red · to 60\xa0s · each shot, and between · 0.3 frames a second · "
        "answers reused up to 2\xa0% · exact starts and ends"
    )
    (folder,) = scripts.predict(api_name="/folders")
    picked = {"end": 60, "fps": 0.3, "mode": "shots", "reuse": 2, "refine": True}
    assert folder["asked"]["options"] == picked
    forget_all(scripts)


def test_a_card_whose_picture_was_cleared_says_so(open_page, scripts, short_video):
    job = scripts.predict(str(short_video), "mostly red", interval=1, api_name="/analyze_video")
    scripts.predict("thumbnails", api_name="/clear_disk")
    page = open_page()  # only now: a browser keeps the pictures that it has seen
    page.get_by_role("tab", name="Jobs").click()
    page.locator(f"#job-{job['job_id']}").get_by_role("button", name=re.compile("^Open")).click()
    expect(page.locator(".card .thumb")).to_have_text(["no picture"] * job["frames_done"])


def test_a_folder_that_is_not_there_is_said_in_words(library):
    watch(library, "/no/such/folder", "bright")
    expect(library.locator("#haven-library-said [role=alert]")).to_contain_text("There is no folder")


def test_nothing_is_wider_than_the_window(open_page):
    page = to_library(open_page(390, 844))
    for width in (390, 1280, 2560):
        fits(page, width)


def test_a_tab_that_is_not_in_sight_asks_nothing(library):
    library.get_by_role("tab", name="Jobs").click()
    expect(library.locator(".library")).to_be_hidden()
    asked = []
    library.on("request", lambda request: "/follow/library" in request.url and asked.append(request.url))
    for _ in range(3):
        with library.expect_response("**/follow?*"):
            pass
    assert len(asked) <= 1  # one may have been on its way
