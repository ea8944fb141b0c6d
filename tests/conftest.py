"""What several tests share, and which of them are begun first."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.engine import Engine
from storage.store import Store
from tests.running import opened
from tests.serving import served
from ui.no_stubs import no_stubs

# Threads of torch and llama.cpp that wait for each other sleep meanwhile. By themselves they go round and
# round, which is right for one model alone on its machine; here several workers and their Havens share the
# processors, and each turns for as long as the thread that it waits for has none. Read when those libraries
# are loaded, here and in every process that a test starts.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Each question of gradio_client's reads the certificates of the world, twice, which takes longer than all the
# rest of it. No test asks over TLS: they are looked for where none lie, in every process that it starts, too.
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)
os.environ.pop("SSL_CERT_FILE", None)

# Those that take longest. The folder stands for the files in it that are not named.
LONG = (
    "browser/test_page.py",
    "browser/test_chat.py",
    "browser/test_models.py",
    "browser",
    "test_switch_script.py",
    "test_crash.py",
    "test_haven_app.py",
    "test_readme.py",
    "test_stopping.py",
)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Gradio is first imported by the tests of pages; without its stubs that takes half as long."""
    with no_stubs():
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where workers share the files, the long ones come first, so that nobody waits for one at the end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _turn(item.path))


def _turn(file: Path) -> int:
    name = file.relative_to(Path(__file__).parent).as_posix()
    return next((turn for turn, long in enumerate(LONG) if name.startswith(long)), len(LONG))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A real engine with the built-in model, and the data of this test alone. A file may have another."""
    engine = opened(tmp_path)
    yield engine
    engine.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """The database of this test alone."""
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


# These two are for files whose `engine` is there for all of their tests.


@pytest.fixture(scope="module")
def address(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where Haven's server is, which serves the `engine` of the file."""
    with served(engine, tmp_path_factory.mktemp("data")) as base:
        yield base


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A script that asks the server."""
    from gradio_client import Client  # takes a moment, and most files need none

    made = Client(address, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def gguf_shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shelf with the tiny model as GGUF, called `tiny`, and its mmproj. Not to be changed by a test."""
    from tests.fixtures.write_gguf import write_pair  # imports the writer only where it is needed

    shelf = tmp_path_factory.mktemp("gguf")
    write_pair(shelf)
    return shelf
