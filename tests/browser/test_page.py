"""The page as a person uses it: in a real browser, against a real Haven, with real videos."""

import re
import sqlite3

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
LOADING_MS = 120_000  # the library is imported for the first time


def choose(page: Page, video) -> None:
    """Give the page a video as a file chosen from the disk."""
    if page.locator(".stage[data-empty=no]").count():
        page.get_by_role("button", name="Choose another").click()
    page.set_input_files(".drop input[type=file]", str(video))
    expect(page.locator(".caption b")).to_have_text(video.name)


def analyse(page: Page, tags: str, prompt: str = "", interval: str = "0.5") -> None:
    page.get_by_label("Tags to look for").fill(tags)
    page.get_by_label("Question for each frame").fill(prompt)
    page.get_by_label("A frame every (s)").fill(interval)
    page.get_by_role("button", name="Analyse").click()


def counted(page: Page) -> tuple[int, int]:
    """Frames done and planned, as the page's title says them."""
    done, planned = re.match(r"(\d+)/(\d+) · ", page.title()).groups()
    return int(done), int(planned)


def finished(page: Page) -> None:
    expect(page.locator(".run")).to_have_class(re.compile("completed"))


def start_long_run(page: Page, video) -> None:
    choose(page, video)
    analyse(page, "moving", interval="0.04")
    expect(page.locator("li[id^=frame-]").first).to_be_visible()


def cancel(page: Page) -> None:
    page.locator("#haven-run").get_by_role("button", name="Cancel").click()
    expect(page.locator(".run")).to_have_class(re.compile("cancelled"))


def followed_job(page: Page) -> str:
    return page.evaluate("() => haven.followed()")


def kept_frames(haven, job: str) -> int:
    with sqlite3.connect(f"file:{haven.data / 'haven.db'}?mode=ro", uri=True) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        table = next(name for name in tables if name.startswith("frame"))
        columns = [row[1] for row in database.execute(f"pragma table_info({table})")]
        owner = next(name for name in columns if name.startswith("job"))
        (count,) = database.execute(f"select count(*) from {table} where {owner} = ?", (job,)).fetchone()
    database.close()
    return count


def test_a_chosen_video_is_played_and_analysed_frame_by_frame(page, short_video, haven):
    choose(page, short_video)
    page.wait_for_function("() => document.querySelector('video').readyState >= 1")
    analyse(page, "mostly red, mostly blue, moving", "What is in this frame?")
    finished(page)
    cards = page.locator("li[id^=frame-]")
    expect(cards).to_have_count(9)
    times = cards.locator("b").all_inner_texts()
    assert times == sorted(times, reverse=True)
    expect(page.locator("#frame-0 .chip")).to_have_text(["mostly red", "moving?"])
    expect(page.locator("#frame-2 .chip").first).to_have_text("mostly blue")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.card img')].every((one) => one.naturalWidth > 0)"
    )
    expect(page.locator(".summary")).to_contain_text("9 frames analysed")
    assert page.title() == "colours.mp4 · Haven"
    assert kept_frames(haven, followed_job(page)) == 9


def test_a_video_that_is_dropped_while_the_disk_is_full_is_refused_in_words(page, short_video):
    """What the server says then has a test of its own, on a disk that is full.

    The status is put in behind the browser's back, which would complain of it on its console.
    """
    said = "The disk is full. Free some space on the disk of /films and try again."
    page.route("**/gradio_api/upload", lambda route: route.fulfill(body=said))
    page.evaluate("Object.defineProperty(XMLHttpRequest.prototype, 'status', { get: () => 507 })")
    page.set_input_files(".drop input[type=file]", str(short_video))
    expect(page.locator("#haven-video-said")).to_have_text(
        f"{short_video.name} could not be taken in. {said}"
    )
    expect(page.locator(".sending")).to_be_hidden()


def test_picking_a_frame_seeks_the_video_by_mouse_and_by_key(page, short_video):
    choose(page, short_video)
    analyse(page, "moving")
    finished(page)
    page.locator("#frame-4 .card").click()
    expect(page.locator("video")).to_have_js_property("currentTime", 2)
    page.locator("#frame-2 .card").focus()
    page.keyboard.press("Enter")
    expect(page.locator("video")).to_have_js_property("currentTime", 1)


def test_progress_is_true_and_cancel_keeps_what_was_finished(page, long_video, haven):
    start_long_run(page, long_video)
    first, planned = counted(page)
    page.wait_for_function("(before) => parseInt(document.title) > before + 10", arg=first)
    bar = page.locator("#haven-run [role=progressbar]")
    assert bar.get_attribute("aria-valuemax") == str(planned) == "10001"
    at_once = "(bar) => [bar.ariaValueNow, document.querySelector('.figures b').textContent]"
    drawn, said = bar.evaluate(at_once)  # both from one drawing
    assert said == f"{int(drawn):,}"
    cancel(page)
    kept = int(bar.get_attribute("aria-valuenow"))
    assert 10 < kept < planned
    expect(page.locator(".figures")).to_contain_text("kept")
    expect(page.locator("[data-some]")).to_be_hidden()  # else some were not drawn while they came
    expect(page.locator("li[id^=frame-]").first).to_have_id(f"frame-{kept - 1}")
    expect(page.locator("li[id^=frame-]")).to_have_count(min(kept, 60))
    places = page.locator(".cards > li").evaluate_all("(all) => all.map((one) => Number(one.id.slice(6)))")
    assert places == list(range(kept - 1, kept - 1 - len(places), -1))
    assert kept_frames(haven, followed_job(page)) == kept


def test_pause_holds_and_resume_goes_on(page, long_video):
    start_long_run(page, long_video)
    page.locator("#haven-run").get_by_role("button", name="Pause").click()
    expect(page.locator(".run")).to_have_class(re.compile("paused"))
    held = counted(page)[0]
    page.locator("#haven-run").get_by_role("button", name="Resume").click()
    page.wait_for_function("(held) => parseInt(document.title) > held", arg=held)
    cancel(page)


def test_a_reload_and_a_second_window_follow_the_running_job(page, open_page, reload, long_video):
    start_long_run(page, long_video)
    reload(page)
    expect(page.locator("li[id^=frame-]").first).to_be_visible()
    expect(page.locator(".caption b")).to_have_text("long.mp4")
    expect(page.get_by_label("Tags to look for")).to_have_value("moving")
    before = counted(page)[0]
    other = open_page()
    other.wait_for_function("(before) => parseInt(document.title) > before", arg=before)
    expect(other.locator("#haven-chip")).to_contain_text("Busy: analysing long.mp4")
    cancel(other)
    page.bring_to_front()
    expect(page.locator(".run")).to_have_class(re.compile("cancelled"))


def test_an_empty_page_follows_what_a_script_began(page, scripts, long_video):
    expect(page.locator(".stage")).to_have_attribute("data-empty", "yes")
    job = scripts.predict(str(long_video), "moving", "", 0.1, api_name="/submit_video")
    expect(page.locator(".caption b")).to_have_text("long.mp4")
    page.wait_for_function("() => parseInt(document.title) > 0")
    scripts.predict(job["job_id"], api_name="/cancel_job")
    expect(page.locator(".run")).to_have_class(re.compile("cancelled"))


def test_older_frames_come_when_they_are_asked_for(page, long_video):
    start_long_run(page, long_video)
    page.wait_for_function("() => parseInt(document.title) > 70")
    cancel(page)
    page.get_by_role("button", name="Show older frames").click()
    page.wait_for_function("() => document.querySelectorAll('.cards > li').length > 60")
    places = page.locator(".cards > li").evaluate_all("(all) => all.map((one) => Number(one.id.slice(6)))")
    assert places == list(range(places[0], places[0] - len(places), -1))
    page.set_viewport_size({"width": 390, "height": 844})
    heights = "(all) => all.map((one) => one.getBoundingClientRect().height)"
    assert min(page.locator(".cards > li").evaluate_all(heights)) > 40, "a list that scrolls squeezes no card"


def test_a_page_that_was_kept_waiting_shows_no_hole_between_its_frames(page, scripts, long_video):
    start_long_run(page, long_video)
    page.wait_for_function("() => document.querySelectorAll('.cards > li').length > 3")
    held = []
    page.route("**/follow?*", lambda route: held.append(route))
    while not held:
        page.wait_for_timeout(50)
    job = followed_job(page)
    before = scripts.predict(job, api_name="/job")["frames_done"]
    while scripts.predict(job, api_name="/job")["frames_done"] < before + 150:
        page.wait_for_timeout(50)
    scripts.predict(job, api_name="/cancel_job")
    page.unroute("**/follow?*")  # what was held goes on
    expect(page.locator(".run")).to_have_class(re.compile("cancelled"))
    older = page.get_by_role("button", name="Show older frames")
    while older.is_visible():
        shown = page.locator(".cards > li").count()
        older.click()
        page.wait_for_function("(n) => document.querySelectorAll('.cards > li').length > n", arg=shown)
    places = page.locator(".cards > li").evaluate_all("(all) => all.map((one) => Number(one.id.slice(6)))")
    assert places == list(range(len(places) - 1, -1, -1))
    assert len(places) > 150


def test_a_path_that_is_no_video_is_explained(page, tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("These are notes and no film.")
    page.get_by_label("Or name a file on this machine").fill(str(text))
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.locator("#haven-video-said [role=alert]")).to_contain_text("notes.mp4")
    expect(page.locator(".stage")).to_have_attribute("data-empty", "yes")


def test_analyse_without_a_video_says_what_to_do(page):
    page.get_by_role("button", name="Analyse").click()
    expect(page.locator("#haven-video-said [role=alert]")).to_contain_text("Choose a video first")


def test_the_sample_clip_is_made_and_shown(page):
    page.get_by_role("button", name="Try the sample clip").click()
    expect(page.locator(".caption")).to_contain_text("lake.mp4")
    page.wait_for_function("() => document.querySelector('video').videoWidth === 640")


def test_a_tag_of_the_vocabulary_is_added_by_a_click(page):
    page.locator(".vocabulary summary").click()
    page.locator("[data-tag=blurry]").click()
    page.locator("[data-tag=still]").click()
    expect(page.get_by_label("Tags to look for")).to_have_value("blurry, still")


def test_the_page_is_used_with_the_keyboard_alone(page, short_video):
    page.get_by_label("Or name a file on this machine").focus()
    page.keyboard.type(str(short_video))
    page.keyboard.press("Enter")
    expect(page.locator(".caption b")).to_have_text("colours.mp4")
    page.get_by_label("Tags to look for").focus()
    page.keyboard.type("moving")
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "() => document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"
        )
        reached.append(name)
        if name == "Analyse":
            break
    assert reached[-1] == "Analyse", reached
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    finished(page)


TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def fits(page: Page, width: int) -> None:
    """Make the window that wide: nothing in it is wider."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function(f"(width) => innerWidth === width && ({TOO_WIDE})() === 0", arg=width)


def test_nothing_scrolls_sideways(open_page, short_video):
    widths = (390, 768, 1280, 2560)
    page = open_page(390, 900)
    for width in widths:
        fits(page, width)
    choose(page, short_video)
    analyse(page, "mostly red, " + ", ".join(f"mostly {one}" for one in ("blue", "green", "yellow", "white")))
    finished(page)
    for width in widths:
        fits(page, width)
    page.get_by_role("tab", name="Jobs").click()
    expect(page.locator(".job").first).to_be_visible()
    for width in widths:
        fits(page, width)


def test_the_primary_button_is_above_the_fold(page):
    box = page.get_by_role("button", name="Analyse").bounding_box()
    assert box["y"] + box["height"] < 720


def test_light_and_dark_are_kept_from_the_first_picture_on(page, reloaded):
    before = page.evaluate("() => document.documentElement.dataset.look")
    page.get_by_role("button", name="Light or dark").click()
    after = page.evaluate("() => document.documentElement.dataset.look")
    assert {before, after} == {"light", "dark"}
    reloaded.add(page)
    page.reload(wait_until="commit")
    page.wait_for_function("() => document.body")
    assert page.evaluate("() => document.documentElement.dataset.look") == after
    page.locator("#haven-chip .chip-line").first.wait_for()
    assert page.evaluate("() => document.body.classList.contains('dark')") == (after == "dark")


def test_the_history_opens_a_job_and_deletes_it_when_asked_twice(page, short_video, haven):
    choose(page, short_video)
    analyse(page, "moving")
    finished(page)
    job = followed_job(page)
    page.get_by_role("tab", name="Jobs").click()
    row = page.locator(f"#job-{job}")
    expect(row).to_contain_text("Finished")
    row.get_by_role("button", name="Open").click()
    expect(page.locator("#haven-tab-video")).to_be_visible()
    expect(page.locator("li[id^=frame-]")).to_have_count(9)
    page.get_by_role("tab", name="Jobs").click()
    remove = row.locator("[data-act=delete]")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.post_data or ""))
    remove.dblclick()  # is one click, and no answer to what it asks
    expect(remove).to_have_text("Really delete?")
    assert kept_frames(haven, job) == 9
    remove.click()
    expect(row).to_have_count(0)
    assert kept_frames(haven, job) == 0
    assert sum('"delete"' in data for data in sent) == 1


def test_the_tiny_model_is_loaded_from_the_bar_and_names_the_colours(page, open_page, short_video):
    second = open_page()
    page.bring_to_front()
    load(page, "Transformers", "tiny_model")
    expect(page.locator("#haven-chip")).to_contain_text("sees pictures", timeout=LOADING_MS)
    expect(page.get_by_label("Model", exact=True)).to_have_value("tiny_model")
    second.bring_to_front()
    expect(second.get_by_label("Model", exact=True)).to_have_value("tiny_model")
    page.bring_to_front()
    choose(page, short_video)
    analyse(page, "red, blue", "What colour is this?", "1")
    finished(page)
    expect(page.locator("#frame-0 .chip")).to_have_text(["red"])
    expect(page.locator("#frame-1 .chip")).to_have_text(["blue"])
    expect(page.locator("#frame-2 .card-answer")).to_contain_text("green")
    load(page, "Built-in (no download)", "scene-facts")
    expect(second.get_by_label("Model", exact=True)).to_have_value("scene-facts")


def load(page: Page, provider: str, model: str) -> None:
    page.get_by_label("Provider").click()
    page.get_by_role("option", name=provider).click()
    expect(page.get_by_label("Model", exact=True)).to_have_value(model)
    page.get_by_role("button", name="Load", exact=True).click()
    page.wait_for_function(
        "(model) => document.querySelector('.chip-line.ready')?.title.includes(model)",
        arg=model,
        timeout=LOADING_MS,
    )


COUNT_FRAMES = """
window.animationFrames = 0;
const grant = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (callback) => (window.animationFrames++, grant(callback));
"""


def test_a_page_at_rest_asks_for_no_animation_frames(browser, haven):
    page = browser.new_page()
    page.add_init_script(COUNT_FRAMES)
    page.goto(haven.address)
    expect(page.locator(".stage")).to_be_visible()
    expect(page.locator("#haven-chip")).to_contain_text("Ready")
    page.wait_for_function(
        "async () => { const before = window.animationFrames; "
        "await new Promise((done) => setTimeout(done, 500)); return window.animationFrames - before <= 2; }"
    )
    page.close()
