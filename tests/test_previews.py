"""Copies for the browser of videos that it cannot play: the same pictures at the same times."""

import shutil
import threading
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import av
import pytest
from fake_engine import FakeEngine
from fastapi import FastAPI
from fastapi.testclient import TestClient
from fixtures.videos import audio_only, constant, frame_number, half, numbered_video, turned, variable
from fixtures.videos import changed as changed_file

from engine.cancel import CancelToken
from engine.errors import Cancelled
from engine.video.frames import probe
from engine.video.previews import Previews, make_preview
from ui.house import House
from ui.media import Opened
from ui.previews import preview_routes

WAIT = 60
TICK = Fraction(1, 1000)  # as fine as the encoder of MPEG-4 part 2 takes it


@pytest.fixture
def previews(tmp_path):
    made = Previews(tmp_path / "previews")
    yield made
    made.close()


def until(look, *states):
    pause = threading.Event()
    for _ in range(WAIT * 50):
        if (view := look()).state in states:
            return view
        pause.wait(0.02)
    raise AssertionError(view)


def shown(path):
    """Number and time of every picture of a file, seconds."""
    with av.open(str(path)) as container:
        return [
            (frame_number(frame.to_ndarray(format="rgb24")), float(frame.time))
            for frame in container.decode(video=0)
        ]


def copied(video, target):
    make_preview(video, target, CancelToken(), lambda share: None)
    return shown(target)


@pytest.mark.parametrize("name", ["a.avi", "a.mkv", "a.mp4"])
def test_every_picture_is_shown_when_the_video_shows_it(tmp_path, name):
    codec = {"a.avi": "mpeg4", "a.mkv": "ffv1", "a.mp4": "mpeg4"}[name]
    clip = numbered_video(tmp_path / name, constant(30, 10), codec=codec, clock=TICK)
    found = copied(clip.path, tmp_path / "out.mp4")
    assert [number for number, _ in found] == list(range(30))
    assert [time for _, time in found] == pytest.approx([n / 10 for n in range(30)], abs=0.002)
    info = probe(tmp_path / "out.mp4")
    assert info.codec == "h264" and (info.width, info.height) == (192, 112)


def test_times_that_vary_and_begin_late_are_kept(tmp_path):
    clip = numbered_video(tmp_path / "a.mkv", variable(20), codec="mpeg4", clock=TICK)
    wanted = [float(time) for time in clip.times]
    assert [time for _, time in copied(clip.path, tmp_path / "out.mp4")] == pytest.approx(wanted, abs=0.002)
    late = numbered_video(tmp_path / "late.mp4", constant(10, 10, start=5), codec="mpeg4", clock=TICK)
    assert copied(late.path, tmp_path / "late_out.mp4")[0][1] == pytest.approx(0, abs=0.002)


def test_a_turned_video_is_upright(tmp_path):
    clip = numbered_video(tmp_path / "a.mp4", constant(5, 10))
    on_its_side = turned(tmp_path / "turned.mp4", clip.path, 1)
    make_preview(on_its_side, tmp_path / "out.mp4", CancelToken(), lambda share: None)
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height, info.rotation) == (112, 192, 0)


def test_a_large_video_gets_small(tmp_path):
    clip = numbered_video(tmp_path / "a.mp4", constant(3, 10), size=(1920, 1080), codec="mpeg4", clock=TICK)
    found = copied(clip.path, tmp_path / "out.mp4")
    assert [number for number, _ in found] == [0, 1, 2]
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height) == (960, 540)


def test_damage_leaves_the_rest(tmp_path):
    clip = numbered_video(tmp_path / "a.mkv", constant(60, 10), codec="mpeg4", clock=TICK)
    broken = changed_file(tmp_path / "half.mkv", clip.path, half)
    numbers = [number for number, _ in copied(broken, tmp_path / "out.mp4")]
    assert 5 < len(numbers) < 60 and numbers == list(range(len(numbers)))


def test_a_copy_is_made_once_and_found_again(previews, tmp_path):
    clip = numbered_video(tmp_path / "a.avi", constant(20, 10), codec="mpeg4", clock=TICK)
    assert previews.view(clip.path).state == "none" and previews.file(clip.path) is None
    assert previews.begin(clip.path).state in ("waiting", "making", "ready")
    assert until(lambda: previews.view(clip.path), "ready").progress == 1.0
    place = previews.file(clip.path)
    before = place.stat().st_mtime_ns
    assert previews.begin(clip.path).state == "ready"
    assert place.stat().st_mtime_ns == before
    assert [file.suffix for file in place.parent.iterdir()] == [".mp4"]
    numbered_video(tmp_path / "a.avi", constant(21, 10), codec="mpeg4", clock=TICK)
    assert previews.view(clip.path).state == "none", "it is another video now"


def test_what_cannot_be_copied_says_why(previews, tmp_path):
    sound = audio_only(tmp_path / "sound.mp4")
    previews.begin(sound)
    assert "holds no video" in until(lambda: previews.view(sound), "failed").message
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile 'a.mp4'\n")
    previews.begin(tmp_path / "list.mp4")
    assert until(lambda: previews.view(tmp_path / "list.mp4"), "failed").message
    with pytest.raises(OSError):
        previews.begin(tmp_path / "missing.mp4")


def test_it_stops_when_it_is_told_to_and_leaves_nothing(previews, tmp_path):
    clip = numbered_video(tmp_path / "a.avi", constant(3000, 25), codec="mpeg4", clock=TICK)
    previews.begin(clip.path)
    until(lambda: previews.view(clip.path), "making")
    assert previews.stop(clip.path).state == "none"
    previews.close()
    assert list((tmp_path / "previews").iterdir()) == []


def test_a_cancelled_copy_reads_no_further(tmp_path):
    clip = numbered_video(tmp_path / "a.avi", constant(50, 10), codec="mpeg4", clock=TICK)
    cancel, shares = CancelToken(), []

    def progress(share):
        shares.append(share)
        cancel.cancel()

    with pytest.raises(Cancelled):
        make_preview(clip.path, tmp_path / "out.mp4", cancel, progress)
    assert len(shares) <= 4


def test_closing_stops_what_is_being_made(tmp_path):
    clip = numbered_video(tmp_path / "a.avi", constant(3000, 25), codec="mpeg4", clock=TICK)
    other = shutil.copy(clip.path, tmp_path / "b.avi")
    previews = Previews(tmp_path / "previews")
    previews.begin(clip.path)
    previews.begin(type(clip.path)(other))
    previews.close()
    assert list((tmp_path / "previews").glob("*")) == []


def test_a_page_has_a_copy_made_follows_it_and_plays_it(tmp_path):
    clip = numbered_video(tmp_path / "a.avi", constant(20, 10), codec="mpeg4", clock=TICK)
    engine = FakeEngine(tmp_path / "data")
    house = House(engine, tmp_path)
    token = house.opened.add(Opened(clip.path, "a.avi"))
    app = FastAPI()
    app.include_router(preview_routes(house))
    asked = TestClient(app)
    address = f"/media/opened/{token}/preview"
    assert asked.get(address).json() == {"state": "none", "progress": 0.0, "message": ""}
    assert asked.get(f"{address}.mp4").status_code == 404
    assert asked.post(address).json()["state"] in ("waiting", "making", "ready")
    until(lambda: engine.previews.view(clip.path), "ready")
    part = asked.get(f"{address}.mp4", headers={"range": "bytes=0-99"})
    assert (part.status_code, part.headers["content-type"], len(part.content)) == (206, "video/mp4", 100)
    assert asked.delete(address).json()["state"] == "ready"
    assert asked.get("/media/opened/unknown/preview").status_code == 404
    assert asked.post("/media/job/unknown/preview").status_code == 404
    clip.path.unlink()
    assert asked.post(address).status_code == 404
    engine.close()


class OnASlowDisk(type(Path())):
    """A video that remembers which threads have touched its disk."""

    touched: ClassVar[list[str]] = []

    def stat(self, **how):
        self.touched.append(threading.current_thread().name)
        return super().stat(**how)

    def is_file(self, **how):
        self.touched.append(threading.current_thread().name)
        return super().is_file(**how)


def test_the_disk_of_a_video_holds_up_no_other_page(tmp_path):
    engine = FakeEngine(tmp_path / "data")
    house = House(engine, tmp_path)
    token = house.opened.add(Opened(OnASlowDisk(tmp_path / "a.avi"), "a.avi"))
    (tmp_path / "a.avi").write_bytes(b"")
    app = FastAPI()
    app.include_router(preview_routes(house))
    OnASlowDisk.touched.clear()
    assert TestClient(app).get(f"/media/opened/{token}/preview.mp4").status_code == 404
    assert OnASlowDisk.touched and all(name.startswith("page-slow") for name in OnASlowDisk.touched)
    engine.close()
