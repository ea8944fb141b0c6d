"""Tag lists and questions that are kept by name, as a person uses them on the Video and the Chat tab."""

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

QUESTION = "What is on the water?"


@pytest.fixture(autouse=True)
def nothing_kept(scripts):
    for saved in scripts.predict(api_name="/saved_prompts"):
        scripts.predict(saved["name"], api_name="/delete_prompt")


def menu(page: Page, place: str) -> Locator:
    """Opened."""
    found = page.locator(f"{place} .saved")
    found.locator("summary").click()
    expect(found.locator(".saved-list > li").first).to_be_visible()
    return found


def test_tags_and_a_question_are_kept_taken_and_deleted_with_undo(page, scripts):
    tags, question = page.get_by_label("Tags to look for"), page.get_by_label("Question for each frame")
    tags.fill('boat, "red, round sign"')
    question.fill(QUESTION)
    saved = menu(page, "#haven-saved")
    expect(saved).to_contain_text("Nothing is kept yet.")
    saved.get_by_label("Keep what is written above as").fill("Boats")
    page.keyboard.press("Enter")
    expect(saved.locator("[data-saved-said]")).to_contain_text("Kept as “Boats”.")
    kept = {"name": "Boats", "tags": ["boat", "red, round sign"], "prompt": QUESTION}
    assert scripts.predict(api_name="/saved_prompts") == [kept]
    tags.fill("something else")
    question.fill("")
    saved.locator(".saved-take").click()
    expect(tags).to_have_value('boat, "red, round sign"')
    expect(question).to_have_value(QUESTION)
    expect(tags).to_be_focused()
    page.keyboard.press("Control+z")  # as if it had been typed
    expect(tags).to_have_value("something else")
    saved = menu(page, "#haven-saved")
    saved.get_by_role("button", name="Delete Boats").click()
    expect(saved).to_contain_text("Deleted “Boats”.")
    expect(saved.locator(".saved-row")).to_have_count(0)
    assert scripts.predict(api_name="/saved_prompts") == []
    saved.get_by_role("button", name="Undo").click()
    expect(saved.locator(".saved-row")).to_have_count(1)
    assert scripts.predict(api_name="/saved_prompts") == [kept]


def test_a_name_that_is_taken_is_replaced_with_undo_and_nothing_is_not_kept(page, scripts):
    scripts.predict("Boats", tags="boat", api_name="/save_prompt")
    page.get_by_label("Tags to look for").fill("")
    page.get_by_label("Question for each frame").fill("")
    saved = menu(page, "#haven-saved")
    saved.get_by_label("Keep what is written above as").fill("Boats")
    saved.get_by_role("button", name="Keep").click()
    expect(saved.get_by_text("There is nothing to save")).to_have_css("color", "rgb(179, 38, 30)")
    page.get_by_label("Tags to look for").fill("sail")
    saved.get_by_role("button", name="Keep").click()
    expect(saved).to_contain_text("“Boats” was there and has been replaced.")
    saved.get_by_role("button", name="Undo").click()
    expect(saved.locator(".saved-row")).to_contain_text("boat")
    assert scripts.predict(api_name="/saved_prompts")[0]["tags"] == ["boat"]


@pytest.mark.parametrize("width", [390, 1280])
def test_a_question_is_put_into_the_chats_box_where_the_caret_is(open_page, scripts, width):
    scripts.predict("Only tags", tags="boat", api_name="/save_prompt")
    scripts.predict("Water " * 12, QUESTION, api_name="/save_prompt")
    page = open_page(width, 844)
    page.get_by_role("tab", name="Chat").click()
    box = page.get_by_label("Message", exact=True)
    box.fill("Look: ")
    saved = menu(page, ".chat")
    expect(saved.locator(".saved-row")).to_have_count(1)
    assert page.evaluate("() => document.documentElement.scrollWidth") == width
    saved.locator(".saved-take").click()
    expect(box).to_have_value(f"Look: {QUESTION}")
    expect(box).to_be_focused()
    expect(saved.locator(".saved-list")).to_be_hidden()
