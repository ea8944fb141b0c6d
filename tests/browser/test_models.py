"""The Models tab as a person uses it: a real browser, a real Haven, and a hub and an Ollama on loopback."""

import re
import shutil

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_page import fits
from tests.fixtures.haven_process import HavenProcess
from tests.fixtures.hub_server import HubStandIn
from tests.fixtures.ollama_server import OllamaStandIn

pytestmark = pytest.mark.browser

LOADING_MS = 120_000  # the library is imported for the first time
SEES = "SmolVLM2 256M"
MODEL = "SmolVLM2-256M-Video-Instruct-Q8_0.gguf"
REPO = "ggml-org/SmolVLM2-256M-Video-Instruct-GGUF"


@pytest.fixture(scope="module")
def hub(gguf_shelf):
    """Has the tiny model under the name of one of the catalogue, and nothing else."""
    files = {MODEL: "tiny.gguf", f"mmproj-{MODEL}": "mmproj-tiny.gguf"}
    with HubStandIn(
        {REPO: {name: (gguf_shelf / here).read_bytes() for name, here in files.items()}}
    ) as running:
        yield running


@pytest.fixture(scope="module")
def ollama():
    with OllamaStandIn() as running:
        running.models.clear()
        yield running


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    return tmp_path_factory.mktemp("shelf")


@pytest.fixture(scope="module")
def haven(tmp_path_factory, hub, ollama, shelf):
    """With a shelf that nothing lies on yet."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_ENDPOINT", hub.url)
        environment.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        environment.setenv("OLLAMA_HOST", ollama.url)
        with HavenProcess(tmp_path_factory.mktemp("haven"), shelf) as running:
            yield running


@pytest.fixture
def models(page: Page, hub) -> Page:
    hub.hang_after.clear()
    return to_models(page)


def to_models(page: Page) -> Page:
    page.get_by_role("tab", name="Models").click()
    expect(page.locator(".offer").first).to_be_visible()
    return page


def offer(page: Page, label: str = SEES) -> Locator:
    """The one for llama.cpp."""
    named = page.locator("b", has_text=re.compile(f"^{re.escape(label)}$"))
    return page.locator(".offer").filter(has=named).filter(has_text="llama.cpp")


def press(row: Locator, name: str) -> None:
    row.locator("button", has_text=re.compile(f"^{name}$")).click()


def test_an_empty_shelf_says_what_to_do_and_what_can_be_had(models, shelf):
    expect(models.locator(".models-empty")).to_contain_text(str(shelf))
    row = offer(models)
    expect(row).to_contain_text("llama.cpp · sees pictures · Apache-2.0")
    expect(row).to_contain_text("279 MB to download")
    expect(row.get_by_role("link")).to_have_attribute("rel", "noopener noreferrer")
    expect(row.get_by_role("link")).to_have_attribute("target", "_blank")
    expect(models.locator(".model-group").first).to_contain_text("In use")


def test_a_model_that_the_hub_does_not_have_fails_with_a_message(models):
    row = offer(models, "SmolLM2 360M")
    press(row, "Download")
    expect(row.locator(".trouble")).to_contain_text("HuggingFaceTB/SmolLM2-360M-Instruct-GGUF")
    expect(row.locator("button", has_text="Try again")).to_be_visible()


def test_a_download_is_followed_stopped_gone_on_with_and_loaded(models, open_page, hub, scripts):
    hub.hang_after[MODEL] = 500_000
    row = offer(models)
    press(row, "Download")
    bar = row.get_by_role("progressbar")
    expect(row.locator(".amount")).to_have_text(re.compile(r"^\d+ kB of \d\.\d MB$|^\d+ kB of \d MB$"))
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
    other = to_models(open_page())
    press(offer(other), "Cancel")
    models.bring_to_front()
    expect(row.locator("button", has_text="Go on")).to_be_visible()
    assert int(bar.get_attribute("aria-valuenow")) > 0
    assert hub.ranges() == []
    hub.hang_after.clear()
    press(row, "Go on")
    expect(row).to_contain_text("On this machine")
    assert len(hub.ranges()) == 1
    expect(models.locator(".models-here")).to_contain_text(MODEL.removesuffix(".gguf"))
    press(row, "Load")
    expect(row).to_contain_text("In use", timeout=LOADING_MS)
    expect(models.locator("#haven-chip")).to_contain_text("Ready · sees pictures")
    expect(models.get_by_label("Provider")).to_have_value("llama.cpp")
    assert scripts.predict(api_name="/status")["provider"] == "llamacpp"
    press(models.locator(".model-group").first, "Load")
    expect(models.get_by_label("Model", exact=True)).to_have_value("scene-facts")


def test_the_bar_knows_a_model_that_has_arrived_without_a_reload(models, scripts):
    models.get_by_label("Provider").click()
    models.get_by_role("option", name="llama.cpp").click()
    scripts.submit("smolvlm2-256m-gguf", api_name="/download_model").result()
    expect(offer(models)).to_contain_text("On this machine")
    models.get_by_label("Model", exact=True).click()
    expect(models.get_by_role("option", name=re.compile(MODEL.removesuffix(".gguf")))).to_be_visible()
    models.keyboard.press("Escape")


def test_discarding_asks_once_and_gives_the_offer_back(models, hub, shelf):
    shutil.rmtree(shelf / REPO.split("/")[1], ignore_errors=True)
    row = offer(models)
    hub.hang_after[MODEL] = 500_000
    press(row, "Download")
    expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
    press(row, "Cancel")
    press(row, "Discard")
    press(row, "Really discard\\?")
    expect(row.locator("button", has_text=re.compile("^Download$"))).to_be_visible()
    expect(row).to_contain_text("279 MB to download")


def test_a_model_is_pulled_by_ollama_and_stopped(models, ollama):
    field = models.get_by_label("Name of an Ollama model")
    field.fill("no-such:1b")
    models.keyboard.press("Enter")
    expect(models.locator("[data-pulls='no-such:1b'] .trouble")).to_contain_text("file does not exist")
    expect(field).to_have_value("")
    field.fill("llama3.2:1b")
    models.get_by_role("button", name="Pull", exact=True).click()
    expect(models.locator(".models-here")).to_contain_text("llama3.2:1b")
    ollama.broken.add("hang-pull")
    field.fill("half:1b")
    models.get_by_role("button", name="Pull", exact=True).click()
    row = models.locator("[data-pulls='half:1b']")
    expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
    press(row, "Cancel")
    expect(row.locator("button", has_text="Go on")).to_be_visible()
    ollama.broken.clear()


def test_who_uses_the_keyboard_stays_in_the_row_while_its_buttons_change(models, hub):
    hub.gate.clear()
    row = offer(models)
    row.locator("button").first.focus()
    models.keyboard.press("Enter")
    expect(row.locator("button", has_text="Cancel")).to_be_focused()
    models.keyboard.press("Enter")
    expect(row.locator("button").first).to_be_focused()
    expect(row.locator("button").first).to_have_text(re.compile("^(Go on|Download)$"))
    hub.gate.set()


def test_what_goes_wrong_is_in_sight_on_a_phone(open_page):
    page = to_models(open_page(390, 844))
    last = page.locator('[data-act="download"]').last
    last.scroll_into_view_if_needed()
    last.evaluate("(button) => { button.dataset.job = 'nothing'; button.click(); }")
    said = page.locator("#haven-models-said [role=alert]")
    expect(said).to_contain_text("There is no model 'nothing'")
    expect(said).to_be_in_viewport(ratio=1)


def test_nothing_is_wider_than_the_window(open_page):
    page = to_models(open_page(390, 844))
    for width in (390, 1280, 2560):
        fits(page, width)
        cut = page.locator(".offer, .model").evaluate_all(
            "(rows) => rows.filter((row) => row.getBoundingClientRect().right > innerWidth).length"
        )
        assert cut == 0


def test_a_tab_that_is_not_in_sight_asks_nothing(models):
    models.get_by_role("tab", name="Jobs").click()
    expect(models.locator(".models")).to_be_hidden()
    asked = []
    models.on("request", lambda request: "/follow/models" in request.url and asked.append(request.url))
    for _ in range(3):
        with models.expect_response("**/follow?*"):
            pass
    assert len(asked) <= 1  # one may have been on its way
