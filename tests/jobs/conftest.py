"""What the tests of jobs share: a short video, and a house whose runner is at work."""

from pathlib import Path

import pytest

from tests.held import House, lake


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return lake(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def house(tmp_path: Path):
    house = House(tmp_path / "data")
    house.runner.start()
    yield house
    house.close()
