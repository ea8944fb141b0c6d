"""One person's session in a real browser: from provider to provider without a restart, and then with one."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.haven_process import HavenProcess
from tests.fixtures.slow_model import TINY, make_slow_model
from tests.fixtures.write_gguf import write_pair
from tests.running import until

pytestmark = pytest.mark.browser

BUILTIN, LLAMA, TRANSFORMERS = "Built-in (no download)", "llama.cpp", "Transformers"
LOADING_MS = 120_000  # the libraries are imported for the first time


@pytest.fixture(scope="module")
def haven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HavenProcess]:
    """One of its own, since it is stopped on the way, and its first start must be the first."""
    shelf = tmp_path_factory.mktemp("shelf")
    shutil.copytree(TINY, shelf / TINY.name)
    model, _ = write_pair(shelf, make_slow_model(tmp_path_factory.mktemp("slow") / "slow"), "slow")
    (shelf / "truncated.gguf").write_bytes(model.read_bytes()[:-1000])
    with HavenProcess(tmp_path_factory.mktemp("haven"), shelf) as process:
        yield process


def picture(folder: Path, name: str, bgr: tuple[int, int, int]) -> Path:
    place = folder / f"{name}.png"
    cv2.imwrite(str(place), np.full((48, 64, 3), bgr, np.uint8))
    return place


def to_chat(page: Page) -> None:
    page.get_by_role("tab", name="Chat").click()
    expect(page.locator("[data-part=chat-newest] > *").first).to_be_visible()


def ask(page: Page, text: str, *pictures: Path) -> None:
    if pictures:
        page.set_input_files("[data-pick]", [str(each) for each in pictures])
        expect(page.locator(".chat-pictures li")).to_have_count(len(pictures))
        page.wait_for_function("() => haven.chatPictures.ready() !== null")  # they have been taken in
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Message", exact=True)).to_have_value("")


def press_load(page: Page, provider: str, first: str, model: str) -> None:
    """`first` is the one that is chosen with the provider."""
    page.get_by_label("Provider").click()
    page.get_by_role("option", name=provider).click()
    expect(page.get_by_label("Model", exact=True)).to_have_value(first)
    if model != first:
        page.get_by_label("Model", exact=True).click()
        page.get_by_role("option", name=model, exact=True).click()
        expect(page.get_by_label("Model", exact=True)).to_have_value(model)
    page.get_by_role("button", name="Load", exact=True).click()


def serves(page: Page, provider_id: str, model: str) -> None:
    """The chip of this window says so."""
    ready = page.locator(f".chip-line.ready[title='{provider_id} · {model}']")
    expect(ready).to_contain_text("Ready", timeout=LOADING_MS)


def test_one_session_through_all_local_providers_a_broken_file_and_a_restart(
    open_page, haven, scripts, tmp_path
):
    red, blue = picture(tmp_path, "red", (0, 0, 220)), picture(tmp_path, "blue", (220, 0, 0))
    page = open_page()
    other = open_page()
    page.bring_to_front()

    # It starts with the built-in provider, which says what it is.
    expect(page.get_by_label("Provider")).to_have_value(BUILTIN)
    expect(page.get_by_label("Model", exact=True)).to_have_value("scene-facts")
    to_chat(page)
    ask(page, "Hello")
    expect(page.locator(".answer.done")).to_contain_text("not a language model")

    page.locator(".chat-settings summary").click()
    for label, value in (("Temperature", "0"), ("Longest answer", "3000")):
        page.get_by_label(label).fill(value)
        page.get_by_label("Seed").focus()
        expect(page.locator("[data-settings-said]")).to_contain_text("Kept.")

    # llama.cpp, a picture, and an answer that is stopped.
    press_load(page, LLAMA, "slow", "slow")
    serves(page, "llamacpp", "slow")
    page.get_by_role("button", name="New chat").first.click()
    ask(page, "What colour is this?", red)
    expect(page.locator(".answer.done .written")).to_have_text("red")
    expect(page.locator(".answer .who")).to_have_text("slow")
    page.get_by_role("button", name="New chat").first.click()
    ask(page, "Name colours without end.")
    expect(page.locator(".answer.answering .written")).to_contain_text("red green")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator(".answer.stopped .fate")).to_contain_text("Stopped")
    expect(page.locator("#haven-chip")).to_contain_text("Ready")
    until(lambda: scripts.predict(api_name="/status")["busy"], lambda busy: not busy)

    # Transformers, in the same session; the other window says the same.
    press_load(page, TRANSFORMERS, TINY.name, TINY.name)
    serves(page, "transformers", TINY.name)
    other.bring_to_front()
    serves(other, "transformers", TINY.name)
    expect(other.get_by_label("Provider")).to_have_value(TRANSFORMERS)
    expect(other.get_by_label("Model", exact=True)).to_have_value(TINY.name)
    page.bring_to_front()
    ask(page, "What colour is this?", blue)
    expect(page.locator(".answer.done .written")).to_contain_text("blue")
    expect(page.locator(".answer .who")).to_have_text(["slow", TINY.name])
    assert scripts.predict(api_name="/status")["model"] == TINY.name

    # A broken file: the reason is on the screen, and the model that served serves.
    press_load(page, LLAMA, "slow", "truncated")
    failed = page.locator(".chip-line.failed")
    expect(failed.locator("summary")).to_contain_text("Failed", timeout=LOADING_MS)
    failed.locator("summary").click()
    expect(failed.locator("p")).to_be_visible()
    expect(failed.locator("p")).to_contain_text("truncated.gguf")
    serves(page, "transformers", TINY.name)
    ask(page, "What colour is this?", red)
    expect(page.locator(".answer.done")).to_have_count(2)
    expect(page.locator(".answer .who")).to_have_text(["slow", TINY.name, TINY.name])
    said = page.locator(".question .said, .answer .written").all_inner_texts()
    title = page.locator(".chat-row[aria-current] .chat-open span").first.inner_text()
    before = scripts.predict(api_name="/sessions")
    page.close()
    other.close()

    # After a restart everything is as it was, and the chat goes on.
    haven.restart()
    page = open_page()
    serves(page, "transformers", TINY.name)
    expect(page.get_by_label("Provider")).to_have_value(TRANSFORMERS)
    expect(page.get_by_label("Model", exact=True)).to_have_value(TINY.name)
    to_chat(page)
    expect(page.locator(".chat-row[aria-current] .chat-open span").first).to_have_text(title)
    expect(page.locator(".question .said, .answer .written")).to_have_text(said)
    expect(page.locator(".answer.stopped")).to_have_count(1)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.question img')].every((image) => image.naturalWidth === 64)"
    )
    page.locator(".chat-settings summary").click()
    expect(page.get_by_label("Temperature")).to_have_value("0")
    expect(page.get_by_label("Longest answer")).to_have_value("3000")
    assert scripts.predict(api_name="/sessions") == before
    ask(page, "What colour is this?", blue)
    expect(page.locator(".answer.done")).to_have_count(3)
    expect(page.locator(".answer .who")).to_have_text(["slow", *[TINY.name] * 3])
    expect(page.locator(".figures-line").last).to_have_text(re.compile(r"\d+ of 4,096 tokens"))
