"""What the tests of the tabs share: a fake engine, and a video that stands on the stage."""

import pytest
from fake_engine import FakeEngine

from ui import stage
from ui.asking import Asked
from ui.house import House
from ui.media import Opened


@pytest.fixture
def engine(tmp_path):
    return FakeEngine(tmp_path)


@pytest.fixture
def house(engine, tmp_path):
    return House(engine, tmp_path / "samples")


@pytest.fixture
def clip(tmp_path):
    place = tmp_path / "lake.mp4"
    place.write_bytes(b"film")
    return place


@pytest.fixture
def staged(house, clip):
    return stage.stage_of_path(house, str(clip))


@pytest.fixture
def job(engine, clip):
    return engine.submit_video(Asked(tags="boat, sun", prompt="What?").request(Opened(clip, "lake.mp4")))
