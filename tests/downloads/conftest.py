"""What the tests of downloads share: a hub on loopback, a shelf, and whatever makes downloads of them."""

import pytest

from engine.downloads import Downloads
from tests.fetching import PAIR, TINY_FILES
from tests.fixtures.hub_server import HubStandIn
from tests.test_offers import ENTRY, FOLDER


@pytest.fixture(autouse=True, scope="module")
def imported():
    """The library, before any clock runs."""
    import huggingface_hub.hf_api

    return huggingface_hub


@pytest.fixture(autouse=True)
def no_key(tmp_path, monkeypatch):
    """Neither key nor cache of whoever runs the tests."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def hub():
    extras = {"pytorch_model.bin": b"pickled", "model.py": b"code", "onnx/model.json": b"{}"}
    with HubStandIn({"lab/Tiny-GGUF": dict(PAIR), "lab/tiny": {**TINY_FILES, **extras}}) as running:
        yield running


@pytest.fixture
def shelf(tmp_path):
    folder = tmp_path / "shelf"
    folder.mkdir()
    return folder


@pytest.fixture
def shop(hub, shelf, tmp_path):
    """Makes the downloads of a process; all of them are closed at the end."""
    catalog = tmp_path / "catalog.toml"
    many = [
        ENTRY.replace('"tiny"', f'"{id}"').replace("lab/Tiny-GGUF", f"lab/{id}") for id in ("two", "three")
    ]
    catalog.write_text(ENTRY + FOLDER.replace('"tiny"', '"folder"') + "".join(many), encoding="utf-8")
    hub.repos.update({"lab/two": dict(PAIR), "lab/three": dict(PAIR)})
    opened = []

    def make(endpoint=None, pauses=(0.0, 0.0)):
        opened.append(Downloads(shelf, catalog, endpoint or hub.url, pauses))
        return opened[-1]

    yield make
    hub.gate.set()
    for downloads in opened:
        downloads.close()
