"""What several tests share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def gguf_shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shelf with the tiny model as GGUF, called `tiny`, and its mmproj. Not to be changed by a test."""
    from tests.fixtures.write_gguf import write_pair  # imports the writer only where it is needed

    shelf = tmp_path_factory.mktemp("gguf")
    write_pair(shelf)
    return shelf
