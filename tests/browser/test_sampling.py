"""How frames are picked, as a person says it on the page."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_page import analyse, choose, finished, followed_job

pytestmark = pytest.mark.browser


def test_shots_and_exact_ends_are_asked_for_on_the_page(page, short_video, scripts):
    choose(page, short_video)
    page.get_by_label("Tags to look for").fill("mostly red, mostly blue, mostly green")
    page.get_by_role("button", name="More").click()
    page.get_by_label("Which frames").click()
    page.get_by_role("option", name="Each shot, and between").click()
    page.get_by_label("Find the exact frame where each tag starts and ends").check()
    page.get_by_label("Reuse up to (%)").fill("2")
    page.get_by_label("Reuse up to (%)").blur()
    expect(page.locator("#haven-plan")).to_contain_text(re.compile("at least .* more for each span"))

    analyse(page, "mostly red, mostly blue, mostly green", interval="100")

    finished(page)
    result = scripts.predict(followed_job(page), api_name="/job_result")
    states = {frame["time"]: frame["state"] for frame in result["frames"]}
    assert {0, 1, 2, 3}.issubset(states)
    assert [time for time in states if states[time] == "reused"] == [3.9]
    assert [(span["tag"], span["start"], span["end"]) for span in result["spans"]] == [
        ("mostly red", 0, 1),
        ("mostly blue", 1, 2),
        ("mostly green", 2, 3),
    ]


def test_frames_a_second_go_before_the_interval(page, short_video):
    choose(page, short_video)
    page.get_by_label("Tags to look for").fill("mostly red")
    page.get_by_role("button", name="More").click()
    page.get_by_label("Or frames a second").fill("5")
    page.get_by_label("Or frames a second").blur()
    expect(page.locator("#haven-plan")).to_contain_text("21 frames")
    page.get_by_role("button", name="Analyse").click()
    finished(page)
    expect(page.locator(".summary")).to_contain_text("21 frames analysed")


def test_what_it_would_take_follows_from_the_run_that_has_just_ended(page, short_video):
    plan = page.locator("#haven-plan")
    choose(page, short_video)
    page.get_by_label("Question for each frame").fill("What is there?")
    page.get_by_label("Question for each frame").blur()
    expect(plan).to_contain_text("time unknown until it runs")
    page.get_by_role("button", name="Analyse").click()
    finished(page)
    expect(plan).to_contain_text("with this model (from 1 earlier run)")


def test_narrowing_shows_the_frames_in_between_and_what_is_refused_says_why(page, short_video, scripts):
    choose(page, short_video)
    page.get_by_role("button", name="More").click()
    page.get_by_label("Or at times (s)").fill("0.5 and 2")
    analyse(page, "mostly red")
    expect(page.locator("#haven-video-said")).to_contain_text("“At times” must be a number")
    page.get_by_label("Or at times (s)").fill("0.25, 3")
    page.get_by_label("Find the exact frame where each tag starts and ends").check()
    analyse(page, "mostly red")
    finished(page)
    result = scripts.predict(followed_job(page), api_name="/job_result")
    # An answer at a listed time holds for half a second at most, the interval: nobody looked from 0.7 to 0.9.
    assert [(span["start"], span["end"]) for span in result["spans"]] == [(0.2, 0.7), (0.9, 1)]
    expect(page.locator("li[id^=frame-]")).to_have_count(len(result["frames"]))
    assert len(result["frames"]) > 4
