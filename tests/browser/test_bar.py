"""The bar while a provider takes its time: a server on loopback that answers when the test says so."""

import threading

import pytest
from playwright.sync_api import expect

from tests.fixtures.faulty_server import SEES, FaultyServer, works
from tests.fixtures.haven_process import HavenProcess

pytestmark = pytest.mark.browser

WAIT = 60


class SlowServer(FaultyServer):
    """Tells its models once `tells` is set."""

    def __init__(self) -> None:
        super().__init__(works(), listing=SEES)
        self.tells = threading.Event()
        self.tells.set()

    def _answer(self, exchange, asked):
        assert self.tells.wait(WAIT)
        super()._answer(exchange, asked)


@pytest.fixture(scope="module")
def server():
    with SlowServer() as running:
        yield running
        running.tells.set()


@pytest.fixture(scope="module")
def haven(tmp_path_factory, server):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OPENAI_BASE_URL", server.base_url)
        environment.delenv("HAVEN_OPENAI_SERVERS", raising=False)
        environment.setenv("OLLAMA_HOST", "127.0.0.1:9")
        with HavenProcess(tmp_path_factory.mktemp("haven"), tmp_path_factory.mktemp("shelf")) as running:
            yield running


def test_a_list_that_is_opened_before_it_has_arrived_does_not_bring_the_old_name_back(page, server):
    provider, model = page.get_by_label("Provider"), page.get_by_label("Model", exact=True)
    expect(model).to_have_value("scene-facts")
    server.tells.clear()
    provider.click()
    page.get_by_role("option", name="OpenAI-compatible").click()
    expect(model).to_have_value("")
    model.click()
    server.tells.set()
    option = page.get_by_role("option")
    expect(option).to_have_count(1)
    expect(option).to_contain_text("colours")
    page.get_by_role("tab", name="Video").click()
    expect(model).to_have_value("colours")
    model.click()
    expect(option).to_have_count(1)
    expect(option).to_contain_text("colours")


def test_a_second_provider_that_is_picked_meanwhile_counts(page, server):
    provider, model = page.get_by_label("Provider"), page.get_by_label("Model", exact=True)
    server.tells.clear()
    provider.click()
    page.get_by_role("option", name="OpenAI-compatible").click()
    expect(model).to_have_value("")
    provider.click()
    page.get_by_role("option", name="Built-in").click()
    server.tells.set()
    expect(model).to_have_value("scene-facts")
    expect(provider).to_have_value("Built-in (no download)")
