"""A server without probabilities on the page: what it will be asked, what it only says, and how it votes."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.test_page import analyse, choose, finished
from tests.fixtures import faulty_server as ways
from tests.fixtures.faulty_server import SEES, FaultyServer, works

pytestmark = pytest.mark.browser


@pytest.fixture
def server(scripts):
    """Its model serves, and gives no log-probabilities."""
    with FaultyServer(ways.ignores_logprobs, listing=SEES) as server:
        scripts.predict("lab", server.base_url, api_name="/save_server")
        (model,) = scripts.predict("openai", api_name="/models")
        one_by_one = {"parallel": 1}
        *_, last = scripts.submit("openai", model["name"], "wait", one_by_one, api_name="/switch_model")
        assert last["success"], last["message"]
        yield server
        scripts.predict(api_name="/unload_model")
        scripts.predict("lab", api_name="/remove_server")


def test_a_server_votes_and_what_it_only_says_is_no_certainty(page, server, short_video):
    choose(page, short_video)
    page.get_by_label("Tags to look for").fill("dog")
    page.get_by_label("A frame every (s)").fill("2")
    page.get_by_label("A frame every (s)").blur()
    plan = page.locator("#haven-plan")
    expect(plan).to_contain_text("3 frames (3 requests to the server with about 3,")
    server.behaviours = [ways.says(json.dumps({"dog": True}))]
    analyse(page, "dog", interval="2")
    finished(page)
    expect(page.locator("[data-cards] .chip").first).to_have_attribute("title", "dog: said yes, not how sure")
    row = page.locator(".span-table tbody tr")
    expect(row).to_contain_text("said yes")
    expect(row).not_to_contain_text("%")

    page.get_by_role("button", name="More").click()
    page.get_by_label("Votes a frame").fill("3")
    page.get_by_label("Votes a frame").blur()
    expect(plan).to_contain_text("(9 requests to the server")
    yes, no = (ways.says(json.dumps({"dog": said})) for said in (True, False))
    server.behaviours = [yes, no, yes]
    before = len(server.chats())
    analyse(page, "dog", interval="2")
    expect(page.locator("[data-cards] .chip").last).to_have_attribute("title", "dog: 66.7\xa0% of 3 votes")
    finished(page)
    assert len(server.chats()) - before == 9
    expect(row).to_contain_text("89\xa0%")


def test_a_server_with_probabilities_is_asked_about_each_tag(page, server, scripts, short_video):
    server.behaviours = [works()]
    (model,) = scripts.predict("openai", api_name="/models")
    *_, last = scripts.submit("openai", model["name"], "wait", {"parallel": 2}, api_name="/switch_model")
    assert last["success"], last["message"]
    choose(page, short_video)
    page.get_by_label("Tags to look for").fill("dog, cat, boat")
    page.get_by_label("Tags to look for").blur()
    expect(page.locator("#haven-plan")).to_contain_text("3 frames (9 requests to the server with about 9,")
