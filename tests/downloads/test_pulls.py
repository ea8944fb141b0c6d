"""Models that an Ollama server pulls, shown among the downloads."""

import pytest

from engine.errors import InvalidInput
from tests.fetching import SOON, ended, got, until, view
from tests.fixtures.ollama_server import OllamaStandIn


@pytest.fixture
def ollama(monkeypatch):
    with OllamaStandIn() as running:
        monkeypatch.setenv("OLLAMA_HOST", running.url)
        yield running


def test_a_pull_tells_its_share_and_ends_with_the_model_on_the_server(shop, ollama):
    downloads = shop()
    downloads.pull(" new:1b ")
    done = ended(downloads, "ollama:new:1b")
    assert (done.state, done.progress) == ("completed", 1.0)
    assert "new:1b" in ollama.models


def test_a_pull_can_be_left_and_started_again_by_its_id(shop, ollama):
    ollama.broken.add("hang-pull")
    downloads = shop()
    downloads.pull("new:1b")
    until(lambda: view(downloads, "ollama:new:1b").progress, "the first bytes")
    downloads.cancel("ollama:new:1b")
    assert view(downloads, "ollama:new:1b").state == "partial"
    assert ollama.left.wait(SOON)
    ollama.broken.clear()
    assert got(downloads, "ollama:new:1b").state == "completed"


def test_a_pull_of_what_nobody_has_says_what_the_server_says(shop, ollama):
    downloads = shop()
    downloads.pull("no-such:model")
    assert "file does not exist" in ended(downloads, "ollama:no-such:model").message


def test_a_pull_without_a_server_says_so(shop, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    downloads = shop()
    downloads.pull("new:1b")
    assert "No Ollama server answers" in ended(downloads, "ollama:new:1b").message


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 500])
def test_a_pull_of_no_name_is_refused(shop, name):
    with pytest.raises(InvalidInput, match="which model"):
        shop().pull(name)
