"""Files of a watched folder that cannot be read, round by round: nothing here runs beside the test."""

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fixtures.videos import colour_video

from engine.engine import Engine
from engine.library import content, queueing, watch
from storage.store import Store

ASKED = {"tags": "mostly red, mostly blue", "interval": 0.5}


@pytest.fixture(autouse=True)
def settled_at_once(monkeypatch):
    monkeypatch.setattr(queueing, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(watch, "SCAN_SECONDS", 3600.0)  # looked through when the test says so


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return colour_video(tmp_path_factory.mktemp("clips") / "red.mp4", ["red"]).path


@pytest.fixture
def films(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    return folder


class Rounds:
    """A library whose rounds are the test's own, and a disk that stumbles over the files named in `bad`."""

    def __init__(self, engine, monkeypatch):
        self.engine = engine
        self.bad = {}
        self.tried = []
        self._sha256_of = content.sha256_of
        monkeypatch.setattr(queueing, "sha256_of", self._or_stumble)

    def _or_stumble(self, seen, store, cancel):
        name = Path(seen.path).name
        self.tried.append(name)
        if name in self.bad:
            raise OSError(self.bad[name], "It stumbles")
        return self._sha256_of(seen, store, cancel)

    def round(self):
        """What the thread does once; gives which files were read in it, in order."""
        self.tried.clear()
        self.engine.library._watcher._round()
        return list(self.tried)

    def look(self):
        """As `round`, with another look at the folders first."""
        self.engine.library._watched.hurry()
        self.engine.library._watched._woken = False
        return self.round()

    def files(self):
        return {file.name: file for file in self.engine._store.library.files(limit=1000)}

    def states(self):
        return {name: file.state for name, file in self.files().items()}


@pytest.fixture
def rounds(tmp_path, monkeypatch):
    """An engine that was not started: its jobs stay queued."""
    engine = Engine(Store.open(tmp_path / "data"), tmp_path / "models")
    yield Rounds(engine, monkeypatch)
    engine.close()


def put(clip, folder, *names):
    for name in names:
        shutil.copy(clip, folder / name)
        with (folder / name).open("ab") as file:
            file.write(name.encode())  # each is a video of its own


@pytest.mark.parametrize("bad", ["a.mp4", "b.mp4", "c.mp4"])
def test_one_that_cannot_be_read_is_passed_by_and_is_in_nobodys_way_later(rounds, clip, films, bad):
    put(clip, films, "a.mp4", "b.mp4", "c.mp4")
    rounds.bad[bad] = errno.EIO
    view = rounds.engine.library.watch(films, **ASKED)
    assert rounds.look() == ["a.mp4", "b.mp4", "c.mp4"]
    wanted = dict.fromkeys(("a.mp4", "b.mp4", "c.mp4"), "queued") | {bad: "new"}
    assert rounds.states() == wanted
    assert rounds.round() == rounds.look() == [], "it waits, whether or not the folder is looked through"
    put(clip, films, "d.mp4")
    assert rounds.look() == ["d.mp4"]
    assert rounds.states() == wanted | {"d.mp4": "queued"}
    assert rounds.engine.library.folder(view.folder_id).trouble == "", (
        "it is a file's trouble, not the disk's"
    )


@pytest.mark.parametrize("order", [("a.mp4", "b.mp4"), ("b.mp4", "a.mp4")])
def test_whichever_was_there_first_the_good_one_is_analysed(rounds, clip, films, order):
    rounds.bad["a.mp4"] = errno.EIO
    rounds.engine.library.watch(films, **ASKED)
    for name in order:
        put(clip, films, name)
        rounds.look()
        rounds.round()
        rounds.round()
    assert rounds.states() == {"a.mp4": "new", "b.mp4": "queued"}


def test_it_is_tried_again_after_pauses_that_grow_to_a_bound(rounds, clip, films, monkeypatch):
    put(clip, films, "a.mp4")
    rounds.bad["a.mp4"] = errno.EIO
    rounds.engine.library.watch(films, **ASKED)
    now, pauses = watch.time.time(), []
    monkeypatch.setattr(watch.time, "time", lambda: now)
    for _ in range(10):
        assert rounds.look() == ["a.mp4"]
        pauses.append(rounds.files()["a.mp4"].seen_at - now)
        now += pauses[-1] - 0.5
        assert rounds.round() == [], "not yet"
        now += 0.5
    assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0, 600.0]
    rounds.bad.clear()
    assert rounds.round() == ["a.mp4"] and rounds.states() == {"a.mp4": "queued"}
    assert rounds.files()["a.mp4"].reason == ""


def test_a_person_who_says_look_now_does_not_wait_for_it(rounds, clip, films):
    put(clip, films, "a.mp4")
    rounds.bad["a.mp4"] = errno.EIO
    view = rounds.engine.library.watch(films, **ASKED)
    rounds.look()
    rounds.bad.clear()
    assert rounds.look() == []
    rounds.engine.library.scan(view.folder_id)
    rounds.engine.library._watched._woken = False
    assert rounds.round() == ["a.mp4"] and rounds.states() == {"a.mp4": "queued"}


def test_a_disk_that_stumbles_over_every_file_is_left_for_a_while_and_comes_to_all(rounds, clip, films):
    names = [f"{number}.mp4" for number in range(8)]
    put(clip, films, *names)
    rounds.bad |= dict.fromkeys(names, errno.EIO)
    view = rounds.engine.library.watch(films, **ASKED)
    assert rounds.look() == names[:3]
    assert "cannot be read" in rounds.engine.library.folder(view.folder_id).trouble
    assert rounds.round() == [], "not before the next look at the folder"
    assert rounds.look() == names[3:6]
    del rounds.bad["7.mp4"]
    assert rounds.look() == names[6:]
    assert rounds.states() == dict.fromkeys(names, "new") | {"7.mp4": "queued"}
    assert rounds.engine.library.folder(view.folder_id).trouble == ""


def test_a_defect_that_one_file_meets_holds_up_no_other(rounds, clip, films):
    put(clip, films, "a.mp4", "b.mp4")
    files = rounds.engine.library._queueing
    submit = files.analysis.submit

    def choke(request):
        if request.video.name == "a.mp4":
            raise MemoryError("a picture of 65535 x 65535")
        return submit(request)

    files.analysis = replace(files.analysis, submit=choke)
    rounds.engine.library.watch(films, **ASKED)
    rounds.look()
    assert rounds.states() == {"a.mp4": "bad", "b.mp4": "queued"}
    assert "65535" in rounds.files()["a.mp4"].reason


@pytest.mark.timeout(240)
def test_one_that_vanishes_while_it_is_queued_holds_up_no_other(rounds, clip, films, monkeypatch):
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        shutil.copy(clip, films / name)
        (films / name).write_bytes((films / name).read_bytes() + name.encode())
    look = rounds.engine.open_video

    def look_and_lose(path):
        info = look(path)
        if Path(path).name == "b.mp4":
            Path(path).unlink()
        return info

    monkeypatch.setattr(rounds.engine, "open_video", look_and_lose)
    rounds.engine.library.watch(films, **ASKED)
    rounds.look()
    rounds.round()
    assert rounds.states() == {"a.mp4": "queued", "b.mp4": "gone", "c.mp4": "queued"}


def test_what_was_held_goes_on_at_once_and_not_after_another_look(rounds, clip, films):
    put(clip, films, "a.mp4")
    rounds.engine.library.pause_all()
    rounds.engine.library.watch(films, **ASKED)
    assert rounds.look() == []
    put(clip, films, "b.mp4")  # which only a look would find
    rounds.engine.library.resume_all()
    rounds.engine.library._watched._woken = False
    assert rounds.round() == ["a.mp4"] and rounds.states() == {"a.mp4": "queued"}


def test_ten_thousand_files_are_taken_in_and_looked_through_again(rounds, clip, films):
    """Real ones, of which none is read yet."""
    count = 10_000
    for number in range(count):
        os.close(os.open(films / f"{number}.mp4", os.O_CREAT))
    files = rounds.engine.library._queueing
    files.analysis = replace(files.analysis, ready=lambda: False)  # they are found, and not read yet
    view = rounds.engine.library.watch(films, **ASKED)
    assert rounds.look() == []
    assert rounds.engine.library.folder(view.folder_id).files["new"] == count
    assert len(rounds.engine.library.files(offset=9_990).files) == 10
    (films / "1234.mp4").unlink()
    (films / "new one.mp4").touch()
    rounds.look()
    assert rounds.engine.library.folder(view.folder_id).files | {"queued": 0} == {
        "new": count,
        "queued": 0,
        "done": 0,
        "bad": 0,
        "gone": 1,
    }
