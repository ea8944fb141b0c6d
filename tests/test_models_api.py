"""Getting models by script: gradio_client against a real server, and downloads that go as a test says."""

import pytest
from fake_downloads import LARGE, SMALL
from fake_engine import FakeEngine
from gradio_client.exceptions import AppError

OFFER = {
    "id", "label", "provider", "repo", "revision", "files", "vision", "download_bytes", "memory_bytes",
    "licence", "licence_url", "about", "here", "fits",
}  # fmt: skip
VIEW = {
    "id", "state", "done_bytes", "total_bytes", "bytes_per_second", "eta_seconds", "message", "progress",
}  # fmt: skip


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return FakeEngine(tmp_path_factory.mktemp("engine"))


@pytest.fixture
def downloads(engine):
    engine.downloads.known.clear()
    return engine.downloads


def test_the_catalogue_is_plain_data(client):
    offers = client.predict(api_name="/catalog")
    assert [offer["id"] for offer in offers] == ["small-sees", "large-writes"]
    assert set(offers[0]) == OFFER
    assert offers[0]["files"] == list(SMALL.files)
    assert [offer["fits"] for offer in offers] == ["", LARGE.fits.said]


def test_a_download_is_watched_to_its_end(client, downloads):
    views = iter(client.submit("small-sees", api_name="/download_model"))
    first = next(views)
    assert set(first) == VIEW
    assert (first["id"], first["state"]) == ("small-sees", "waiting")
    downloads.move("small-sees", state="downloading", done_bytes=5, total_bytes=10)
    assert (next(views)["done_bytes"], downloads.move("small-sees", state="completed").state) == (
        5,
        "completed",
    )
    assert [view["state"] for view in views] == ["completed"]


def test_a_download_that_fails_says_so_and_does_not_raise(client, downloads):
    views = iter(client.submit("small-sees", api_name="/download_model"))
    next(views)
    downloads.move("small-sees", state="failed", message="There is no connection.")
    last = list(views)[-1]
    assert (last["state"], last["message"]) == ("failed", "There is no connection.")


def test_a_cancelled_download_gives_how_far_it_was(client, downloads):
    views = iter(client.submit("small-sees", api_name="/download_model"))
    next(views)
    downloads.move("small-sees", state="downloading", done_bytes=5, total_bytes=10)
    stopped = client.predict("small-sees", api_name="/cancel_download")
    assert (stopped["state"], stopped["done_bytes"]) == ("partial", 5)
    assert list(views)[-1]["state"] == "partial"


def test_a_stream_ends_where_its_download_is_discarded(client, downloads):
    views = iter(client.submit("small-sees", api_name="/download_model"))
    next(views)
    downloads.discard("small-sees")
    assert list(views)[-1]["state"] == "partial"


def test_leaving_the_stream_does_not_stop_the_download(client, downloads):
    stream = client.submit("small-sees", api_name="/download_model")
    next(iter(stream))
    stream.cancel()
    assert client.predict(api_name="/status")["state"] == "ready"
    assert downloads.known["small-sees"].state == "waiting"


def test_a_pull_is_watched_under_the_name_of_its_model(client, downloads):
    views = iter(client.submit(" llava:7b ", api_name="/pull_model"))
    assert next(views)["id"] == "ollama:llava:7b"
    downloads.move("ollama:llava:7b", state="completed")
    assert list(views)[-1]["state"] == "completed"


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("/download_model", "There is no model 'nothing'"),
        ("/cancel_download", "There is no download 'nothing' to cancel"),
    ],
)
def test_what_is_not_known_is_named(client, downloads, endpoint, message):
    with pytest.raises(AppError, match=message):
        client.predict("nothing", api_name=endpoint)
