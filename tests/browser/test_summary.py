"""The summary of a whole video, asked for and read on the page."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_page import analyse, choose, finished, followed_job

pytestmark = pytest.mark.browser
LOADING_MS = 120_000


def test_a_summary_is_refused_by_the_built_in_model_and_written_by_one_that_writes(
    page, short_video, scripts
):
    choose(page, short_video)
    page.get_by_role("button", name="More").click()
    page.get_by_label("Write a summary of the whole video from these answers").check()
    analyse(page, "", "What colour is this?", interval="2")
    expect(page.locator("#haven-video-said")).to_contain_text("cannot write a summary")

    loaded = scripts.predict("transformers", "tiny_model", "refuse", {"n_ctx": 400}, api_name="/switch_model")
    assert loaded["success"]
    try:
        analyse(page, "", "What colour is this?", interval="2")
        expect(page.locator(".story")).to_be_visible(timeout=LOADING_MS)
        finished(page)
        result = scripts.predict(followed_job(page), api_name="/job_result")
        assert result["summary"]["text"]
        expect(page.locator(".story")).to_have_text(result["summary"]["text"])
    finally:  # else the model would have little room wherever it is loaded again
        scripts.predict("transformers", "tiny_model", "wait", {"n_ctx": None}, api_name="/switch_model")
        scripts.predict(api_name="/unload_model")
