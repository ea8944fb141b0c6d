"""Naming servers on the Models tab: a real browser and Haven, servers on loopback, a file as keyring."""

import os
import re

import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.faulty_server import FaultyServer, works
from tests.fixtures.haven_process import HavenProcess
from tests.fixtures.keyring_stand_in import KeyringStandIn
from tests.fixtures.ollama_server import OllamaStandIn

pytestmark = pytest.mark.browser

SECRET = "sk-very-secret"


@pytest.fixture(scope="module")
def keyring(tmp_path_factory):
    return KeyringStandIn(tmp_path_factory.mktemp("keyring"))


@pytest.fixture(scope="module")
def haven(tmp_path_factory, keyring):
    with pytest.MonkeyPatch.context() as environment:
        for name in ("OPENAI_BASE_URL", "HAVEN_OPENAI_SERVERS"):
            environment.delenv(name, raising=False)
        environment.setenv("OLLAMA_HOST", "127.0.0.1:9")
        environment.setenv(
            "PYTHONPATH", os.pathsep.join((str(keyring.folder), os.environ.get("PYTHONPATH", "")))
        )
        with HavenProcess(tmp_path_factory.mktemp("haven"), tmp_path_factory.mktemp("shelf")) as running:
            yield running


@pytest.fixture
def models(page: Page) -> Page:
    page.get_by_role("tab", name="Models").click()
    expect(page.locator("[data-part=models-servers] li").first).to_be_visible()
    return page


def test_a_server_is_named_used_changed_and_removed(models, keyring, haven):
    form = models.locator("[data-server]")
    here = models.locator(".models-here")
    with FaultyServer(works()) as server:
        form.locator("summary").click()
        form.get_by_label("Name").fill("lab")
        form.get_by_label("Address").fill("no address")
        form.get_by_label("Key").fill(SECRET)
        form.get_by_role("button", name="Save").click()
        expect(models.locator("[data-server-said]")).to_contain_text("Write it like http")
        form.get_by_label("Address").fill(server.base_url)
        form.get_by_role("button", name="Save").click()
        row = models.locator(".servers .model")
        expect(row).to_contain_text(f"{server.base_url} · has a key")
        expect(here).to_contain_text("lab: colours")  # the list of models follows
        models.get_by_label("Provider").click()
        expect(models.get_by_role("option", name=re.compile("^OpenAI-compatible$"))).to_be_visible()
        models.keyboard.press("Escape")
        assert keyring.kept == {f"haven {server.base_url}": SECRET}
        assert SECRET not in models.content()
        row.get_by_role("button", name="Change lab").click()
        expect(form.get_by_label("Key")).to_have_value("")
        form.get_by_label("Name").fill("desk")
        form.get_by_role("button", name="Save").click()
        expect(here).to_contain_text("desk: colours")
        assert keyring.kept  # the same address, so the same key
        remove = row.get_by_role("button", name="Remove desk")
        remove.click()
        expect(remove).to_have_text("Remove it and its key")
        remove.click()
        expect(models.locator(".servers")).to_contain_text("None is named yet.")
        expect(here).not_to_contain_text("colours")
        assert keyring.kept == {}
    for file in haven.data.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


def test_the_address_of_ollama_is_named_and_given_up_and_all_fits_a_phone(models):
    models.set_viewport_size({"width": 390, "height": 844})
    field = models.get_by_label("Ollama’s address")
    expect(field).to_have_attribute("placeholder", "http://127.0.0.1:9")
    models.locator("[data-server] summary").click()
    assert models.evaluate("() => document.documentElement.scrollWidth") == 390
    with OllamaStandIn() as server:
        field.fill(server.url)
        field.press("Enter")
        expect(models.locator(".models-here")).to_contain_text(f"at {server.url}")
        field.fill("")
        field.press("Enter")
        expect(models.locator("[data-server-said]")).to_contain_text("usual address counts again")
        expect(models.locator(".models-here")).not_to_contain_text(f"at {server.url}")
