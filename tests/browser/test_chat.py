"""The Chat tab as a person uses it: a real browser, a real Haven, the tiny model."""

import json
import re

import cv2
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, Route, expect

pytestmark = pytest.mark.browser

# Put in behind the browser's back, which would complain of such an answer on its console.
UPLOADS_FIND_NO_ROOM = """() => {
    for (const [name, value] of Object.entries({ ok: false, status: 507 })) {
        const { get } = Object.getOwnPropertyDescriptor(Response.prototype, name);
        const told = { get() { return this.url.endsWith("/upload") ? value : get.call(this); } };
        Object.defineProperty(Response.prototype, name, told);
    }
}"""

ENDLESS = "Name colours without end."


@pytest.fixture
def chat(page: Page, scripts) -> Page:
    scripts.predict(max_new_tokens=3000, temperature=0, api_name="/set_generation")
    return to_chat(page)


@pytest.fixture
def tiny(scripts) -> None:
    done = scripts.submit("transformers", "tiny_model", api_name="/switch_model").result()
    assert done["success"], done["message"]


@pytest.fixture
def red(tmp_path):
    place = tmp_path / "red.png"
    cv2.imwrite(str(place), np.full((48, 64, 3), (0, 0, 220), np.uint8))
    return place


def to_chat(page: Page) -> Page:
    page.get_by_role("tab", name="Chat").click()
    expect(page.locator("[data-part=chat-newest] > *").first).to_be_visible()
    return page


def ask(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Message", exact=True)).to_have_value("")


def send_before_the_upload_ends(page: Page, picture) -> tuple[Route, Locator]:
    """In a new chat; gives the upload, which is held, and the box."""
    held = []
    page.route("**/gradio_api/upload*", lambda route: held.append(route))
    page.get_by_role("button", name="New chat").first.click()
    with page.expect_request("**/gradio_api/upload*"):
        page.set_input_files("[data-pick]", str(picture))
    box = page.get_by_label("Message", exact=True)
    box.fill("What colour is this?")
    box.press("Enter")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    (upload,) = held
    return upload, box


def sessions(scripts) -> list[str]:
    return [session["title"] for session in scripts.predict(api_name="/sessions")]


def test_with_the_builtin_provider_the_tab_says_what_to_pick(chat, scripts):
    scripts.predict(api_name="/unload_model")
    expect(chat.locator("[data-part=chat-hint]")).to_contain_text("pick another provider")
    chat.get_by_role("button", name="What can I ask you about a picture?").click()
    expect(chat.locator(".answer.done")).to_contain_text("not a language model")


def test_a_question_about_a_picture_is_answered_and_found_after_a_reload(chat, tiny, red, reload):
    chat.set_input_files("[data-pick]", str(red))
    ask(chat, "What colour is this?")
    expect(chat.locator(".answer.done .written")).to_have_text("red")
    expect(chat.locator(".answer .who")).to_have_text("tiny_model")
    expect(chat.locator(".figures-line")).to_have_text(re.compile(r"\d+ of 4,096 tokens · [\d.]+ tokens/s"))
    chat.wait_for_function("() => document.querySelector('.question img').naturalWidth === 64")
    expect(chat.locator(".chat-pictures li")).to_have_count(0)
    reload(chat)
    expect(to_chat(chat).locator(".answer.done .written")).to_have_text("red")
    assert chat.get_by_role("tab", name="Chat").get_attribute("aria-selected") == "true"


def test_enter_while_a_picture_is_still_taken_in_waits_for_it_and_then_sends(chat, tiny, red):
    upload, box = send_before_the_upload_ends(chat, red)
    expect(chat.locator("[data-said]")).to_contain_text("sent as soon as its pictures are taken in")
    expect(chat.get_by_role("button", name="Send")).to_be_disabled()
    expect(box).to_have_value("What colour is this?")
    expect(chat.locator(".question")).to_have_count(0)
    upload.continue_()
    expect(chat.locator(".answer.done .written")).to_have_text("red")
    expect(chat.locator(".question img")).to_have_count(1)
    expect(box).to_have_value("")
    expect(chat.locator("[data-said]")).to_be_hidden()


def test_a_picture_that_cannot_be_taken_in_keeps_the_question_from_being_sent(chat, tiny, red):
    upload, box = send_before_the_upload_ends(chat, red)
    expect(chat.get_by_role("button", name="Send")).to_be_disabled()
    said = "The disk is full. Free some space on the disk of /films and try again."
    chat.evaluate(UPLOADS_FIND_NO_ROOM)
    upload.fulfill(body=said)
    expect(chat.locator("[data-said]")).to_contain_text(f"red.png could not be taken in. {said}")
    expect(box).to_have_value("What colour is this?")
    expect(chat.locator(".question")).to_have_count(0)
    box.press("Enter")  # without it, now that this was said
    expect(chat.locator(".answer.done")).to_have_count(1)


def test_an_answer_is_followed_in_two_windows_stopped_and_retried(chat, tiny, open_page):
    ask(chat, ENDLESS)
    expect(chat.locator(".answer.answering .written")).to_contain_text("red green blue")
    second = to_chat(open_page())
    expect(second.locator(".answer.answering .written")).to_contain_text("red green blue")
    expect(second.get_by_role("button", name="Send")).to_be_hidden()
    second.get_by_role("button", name="Stop", exact=True).click()
    for window in (chat, second):
        expect(window.locator(".answer.stopped .fate")).to_contain_text("Stopped")
        expect(window.get_by_role("button", name="Send")).to_be_visible()
    chat.get_by_role("button", name="Retry").click()
    expect(chat.locator(".answer.answering .written")).to_contain_text("red green")
    chat.get_by_role("button", name="Stop", exact=True).click()
    expect(chat.locator(".answer.stopped")).to_have_count(1)


def test_a_turn_that_fails_is_seen_and_a_changed_question_takes_its_place(chat, tiny):
    ask(chat, "word " * 6000)
    expect(chat.locator(".answer.failed .trouble")).to_contain_text("the model has room for")
    expect(chat.get_by_role("button", name="Retry")).to_be_visible()
    chat.locator(".question").hover()
    chat.get_by_role("button", name="Edit", exact=True).click()
    expect(chat.locator("[data-editing]")).to_be_visible()
    ask(chat, "What colour is this?")
    expect(chat.locator(".answer.done")).to_have_count(1)
    expect(chat.locator(".question .said")).to_have_text("What colour is this?")
    expect(chat.locator("[data-editing]")).to_be_hidden()


def test_chats_are_searched_renamed_deleted_and_brought_back(chat, tiny, scripts):
    chat.get_by_role("button", name="New chat").first.click()
    ask(chat, "What is in this frame?")
    expect(chat.locator(".answer.done")).to_have_count(1)
    chat.get_by_role("button", name="Rename What is in this frame?").click()
    chat.get_by_label("New name").fill("About <b>frames</b>")
    chat.keyboard.press("Enter")
    expect(chat.locator(".chat-row[aria-current] .chat-open span").first).to_have_text("About <b>frames</b>")
    chat.get_by_label("Search").fill("no such words")
    expect(chat.locator(".chat-sessions")).to_contain_text("No chat has these words.")
    chat.get_by_label("Search").fill("about <b>")
    expect(chat.locator(".chat-row")).to_have_count(1)
    chat.get_by_role("button", name="Delete About <b>frames</b>").click()
    expect(chat.locator("[data-said]")).to_contain_text("Deleted “About <b>frames</b>”.")
    expect(chat.locator(".chat-empty")).to_be_visible()
    assert "About <b>frames</b>" not in sessions(scripts)
    chat.get_by_role("button", name="Undo").click()
    expect(chat.locator(".question .said")).to_have_text("What is in this frame?")
    assert "About <b>frames</b>" in sessions(scripts)


def test_a_chat_is_exported_and_imported(chat, tiny, tmp_path, scripts):
    chat.get_by_role("button", name="New chat").first.click()
    ask(chat, "What shape is this?")
    expect(chat.locator(".answer.done")).to_have_count(1)
    with chat.expect_download() as download:
        chat.get_by_role("button", name="Export this chat as JSON").click()
    file = tmp_path / "chat.json"
    download.value.save_as(file)
    assert json.loads(file.read_text())["messages"][0]["text"] == "What shape is this?"
    before = len(sessions(scripts))
    chat.set_input_files("[data-import]", str(file))
    expect(chat.locator(".chat-row")).to_have_count(before + 1)
    expect(chat.locator(".question .said")).to_have_text("What shape is this?")
    file.write_text("{")
    chat.set_input_files("[data-import]", str(file))
    expect(chat.locator("[data-said]")).to_contain_text("chat.json is no JSON")


def test_settings_hold_from_the_next_question_and_are_refused_by_name(chat, tiny, scripts):
    chat.locator(".chat-settings summary").click()
    chat.get_by_label("Temperature").fill("7")
    chat.get_by_label("Seed").focus()
    expect(chat.locator("[data-settings-said]")).to_contain_text("temperature must be from 0 to 2")
    chat.get_by_label("Temperature").fill("0")
    chat.get_by_label("Longest answer").fill("2")
    chat.get_by_label("Seed").focus()
    expect(chat.locator("[data-settings-said]")).to_contain_text("Kept.")
    ask(chat, ENDLESS)
    expect(chat.locator(".answer.done .fate").last).to_contain_text("Ended at the limit of 2 new tokens")
    assert scripts.predict(api_name="/generation")["max_new_tokens"] == 2


def test_the_tab_fits_a_phone_and_enter_with_shift_breaks_the_line(chat):
    chat.set_viewport_size({"width": 390, "height": 844})
    box = chat.get_by_label("Message", exact=True)
    box.fill("one")
    box.press("Shift+Enter")
    expect(box).to_have_value("one\n")
    assert chat.evaluate("document.documentElement.scrollWidth") == 390
    chat.get_by_role("button", name="Chats", exact=True).click()
    expect(chat.get_by_label("Search")).to_be_visible()


def test_a_time_in_an_answer_leads_into_the_video(page, short_video, tmp_path):
    page.set_input_files(".drop input[type=file]", str(short_video))
    page.wait_for_function("() => document.querySelector('video').readyState >= 1")
    said = {"created_at": 1.0, "state": "done"}
    file = tmp_path / "chat.json"
    file.write_text(
        json.dumps(
            {
                "format": "haven-chat",
                "version": 1,
                "title": "Times",
                "created_at": 1.0,
                "messages": [
                    {**said, "role": "user", "text": "When?"},
                    {**said, "role": "assistant", "text": "It is green at **0:02**."},
                ],
            }
        )
    )
    to_chat(page).set_input_files("[data-import]", str(file))
    page.get_by_role("link", name="0:02").click()
    expect(page.get_by_role("tab", name="Video")).to_have_attribute("aria-selected", "true")
    expect(page.locator("video")).to_have_js_property("currentTime", 2)
