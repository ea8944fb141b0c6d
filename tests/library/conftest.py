"""What the tests of the library share: folders, videos, and an engine that watches without waiting."""

import pytest
from fixtures.videos import colour_video, constant, numbered_video

from engine.library import queueing, watch
from tests.running import until
from tests.watching import opened, put, states, watched


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """What a person waits seconds for happens as soon as it can."""
    monkeypatch.setattr(queueing, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(watch, "SCAN_SECONDS", 0.1)
    monkeypatch.setattr(queueing, "AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(queueing, "LONGEST_AGAIN_SECONDS", 0.05)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Short videos, made once."""
    folder = tmp_path_factory.mktemp("clips")
    colour_video(folder / "red.mp4", ["red"])
    colour_video(folder / "blue.mp4", ["blue"])
    colour_video(folder / "both.mp4", ["red", "blue"])
    numbered_video(folder / "long.mp4", constant(3000), gop=30)
    return folder


@pytest.fixture
def films(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    return folder


@pytest.fixture
def engine(tmp_path):
    engine = opened(tmp_path)
    engine.start()
    yield engine
    engine.close()


@pytest.fixture
def queue(engine, clips, films):
    """One that runs, and three that wait."""
    for name in ("a.mp4", "b.mp4", "c.mp4", "d.mp4"):
        video = put(clips, "long.mp4", films, name)
        with video.open("ab") as file:
            file.write(name.encode())  # another content, which no player minds
    watched(engine, films, interval=0.04)
    until(lambda: list(states(engine).values()), lambda found: found == ["queued"] * 4)
    until(lambda: engine.library.queue(), lambda view: (view.running, view.waiting) == (1, 3))
    return engine.library
