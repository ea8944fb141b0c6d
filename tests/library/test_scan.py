"""Looking through a folder: which files in it are videos."""

import os
import socket
from pathlib import Path

import pytest

from engine.cancel import CancelToken
from engine.errors import Cancelled, InvalidInput
from engine.library import content, scan
from storage.library import Seen

ALL = scan.matcher("")


def walked(root, recursive=True, fits=ALL, without=Path("/nowhere")):
    return sorted(Path(s.path).name for s in scan.walk(root, recursive, fits, without, CancelToken()))


def test_videos_are_told_by_their_names_whatever_the_case(films):
    for name in ("a.mp4", "B.MOV", "c.txt", ".hidden.mp4", "d.mp4.part", "e.MkV"):
        (films / name).write_bytes(b"x")
    assert walked(films) == ["B.MOV", "a.mp4", "e.MkV"]
    assert walked(films, fits=scan.matcher("*.txt, b.*")) == ["B.MOV", "c.txt"]


def test_folders_within_are_looked_through_unless_they_are_not_to_be(films):
    for place in ("one/two", ".hidden", "data"):
        (films / place).mkdir(parents=True)
    for place in ("a.mp4", "one/b.mp4", "one/two/c.mp4", ".hidden/d.mp4", "data/e.mp4"):
        (films / place).write_bytes(b"x")
    assert walked(films, without=films / "data") == ["a.mp4", "b.mp4", "c.mp4"]
    assert walked(films, recursive=False) == ["a.mp4"]


def test_links_pipes_sockets_and_devices_are_passed_over(films, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret.mp4").write_bytes(b"x")
    (films / "link.mp4").symlink_to(elsewhere / "secret.mp4")
    (films / "round").symlink_to(films, target_is_directory=True)
    (films / "out").symlink_to(elsewhere, target_is_directory=True)
    (films / "nowhere.mp4").symlink_to(films / "gone.mp4")
    (films / "zero.mp4").symlink_to("/dev/zero")
    os.mkfifo(films / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(films / "s.mp4"))
        (films / "real.mp4").write_bytes(b"x")
        assert walked(films) == ["real.mp4"]


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(films, engine):
    os.mkfifo(films / "a.mp4")
    with pytest.raises(content.Changing):
        content.sha256_of(Seen(str(films / "a.mp4"), 5, 5), engine._store, CancelToken())


def test_a_link_that_takes_the_place_of_a_file_is_not_followed(films, engine):
    (films / "real.mp4").write_bytes(b"12345")
    (films / "a.mp4").symlink_to(films / "real.mp4")
    status = (films / "real.mp4").stat()
    with pytest.raises(OSError):
        content.sha256_of(Seen(str(films / "a.mp4"), 5, status.st_mtime_ns), engine._store, CancelToken())


def test_a_single_file_is_a_folder_of_its_own(films):
    (films / "a.strange").write_bytes(b"x")
    assert walked(films / "a.strange") == ["a.strange"]


def test_a_folder_that_is_gone_is_said_and_one_within_it_is_passed_over(films, tmp_path):
    with pytest.raises(FileNotFoundError):
        walked(tmp_path / "no such folder")
    (films / "a.mp4").write_bytes(b"x")
    (films / "locked").mkdir(mode=0o000)
    assert walked(films) == ["a.mp4"]


def test_looking_stops_when_it_is_told_to(films):
    for number in range(50):
        (films / f"{number}.mp4").write_bytes(b"x")
    cancel = CancelToken()
    looking = scan.walk(films, True, ALL, films / "data", cancel)
    next(looking)
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(looking)


@pytest.mark.parametrize("pattern", ["films/*.mp4", "..\\x", "*" * 2000])
def test_a_pattern_that_is_none_is_refused_in_words(pattern):
    with pytest.raises(InvalidInput, match="pattern"):
        scan.matcher(pattern)


def test_a_hundred_thousand_files_are_found_one_at_a_time(films, monkeypatch):
    """Nothing keeps them all: the folder is read as it is walked through."""
    (films / "real.mp4").write_bytes(b"x")
    read = []

    class Entry:
        def __init__(self, number):
            self.name, self.path = f"{number}.mp4", f"{films}/{number}.mp4"

        def is_dir(self, follow_symlinks):
            return False

        def stat(self, follow_symlinks):
            read.append(self.name)
            return os.stat(films / "real.mp4")

    class Entries:
        def __enter__(self):
            return (Entry(number) for number in range(100_000))

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(scan.os, "scandir", lambda folder: Entries())
    looking = scan.walk(films, True, ALL, films / "data", CancelToken())
    for _ in range(10):
        next(looking)
    assert len(read) == 10
