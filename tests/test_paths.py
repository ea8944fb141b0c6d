"""Paths that lead nowhere: whoever is given one names it and says what to do, in words and not in numbers."""

import errno
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.chat.pictures import read_picture
from engine.errors import DataFolderError, HavenError, InvalidInput
from engine.paths import place_of, why_not
from engine.trouble import storage_said
from engine.video.exports import read_spans
from engine.video.request import AnalysisRequest


def looping(folder: Path) -> Path:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    return folder / "a"


def in_a_file(folder: Path) -> Path:
    (folder / "lake.mp4").write_text("film")
    return folder / "lake.mp4" / "more" / "boat.mp4"


def closed(folder: Path) -> Path:
    (folder / "closed").mkdir()
    (folder / "closed" / "lake.mp4").write_text("film")
    (folder / "closed").chmod(0)
    return folder / "closed" / "lake.mp4"


LEADS_NOWHERE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a link in a circle": (looping, r"a link that leads in a circle\. Name the (file|folder) itself"),
    "a file used as a folder": (in_a_file, r"lake\.mp4 is a file, not a folder\. Check the name"),
    "a NUL in its name": (lambda d: d / "la\0ke.mp4", r"la\\x00ke.mp4': it holds a character that names"),
    "a name that is too long": (lambda d: d / ("x" * 5000), r"is longer than this system allows\. Check it"),
    "nothing there": (lambda d: d / "lake.mp4", r"There is no (file|folder) .*lake\.mp4\. Check the name"),
    "no home folder": (lambda d: Path("~nobody-of-that-name/lake.mp4"), "There is no home folder ~nobody-of"),
}


@pytest.mark.skipif(os.name != "posix", reason="links and names of POSIX")
@pytest.mark.parametrize("case", LEADS_NOWHERE)
def test_a_path_that_leads_nowhere_is_named_wherever_it_is_given(engine, tmp_path, case):
    make, reason = LEADS_NOWHERE[case]
    path = make(tmp_path)
    verbs: dict[str, Callable[[Path], object]] = {
        "submit_video": lambda p: engine.submit_video(AnalysisRequest.of(p, "dark")),
        "open_video": engine.open_video,
        "read_spans": lambda p: read_spans(place_of(p)),
        "watch": lambda p: engine.library.watch(p, "dark"),
    }
    for name, verb in verbs.items():
        with pytest.raises(HavenError, match=reason) as refused:
            verb(path)
        assert "Errno" not in str(refused.value), name
        assert len(str(refused.value)) < 1000
    assert engine.jobs() == []
    assert engine.library.folders() == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions, which root stands above")
def test_what_is_closed_to_the_person_says_so(engine, tmp_path):
    path = closed(tmp_path)
    try:
        with pytest.raises(HavenError, match=r"lake\.mp4 is closed to you\. Change its permissions"):
            engine.open_video(path)
    finally:
        (tmp_path / "closed").chmod(0o700)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EACCES, "is closed to you. Change its permissions"),
        (errno.EIO, "the disk reports a fault. Check the disk"),
        (errno.EISDIR, "is a folder. Name a file in it"),
        (errno.ETIMEDOUT, "is not connected. Connect it"),
        (errno.EBUSY, f"cannot be used: {os.strerror(errno.EBUSY)}. Check the name and the permissions"),
    ],
)
def test_what_a_disk_says_is_put_in_words(number, said):
    message = why_not("/films/lake.mp4", OSError(number, os.strerror(number)))
    assert message.startswith("/films/lake.mp4 ") and said in message
    assert not re.search(r"\[Errno|\d", message.removeprefix("/films/lake.mp4"))


def test_a_circle_of_links_is_said_as_older_pythons_find_it():
    assert "leads in a circle" in why_not("/films/a", RuntimeError("Symlink loop from '/films/a'"), "folder")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_picture_that_cannot_be_opened_is_not_called_a_wrong_format(tmp_path):
    with pytest.raises(InvalidInput, match="leads in a circle"):
        read_picture(looping(tmp_path))
    with pytest.raises(InvalidInput, match="is a folder"):
        read_picture(tmp_path)


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "exports").write_text("in the way")
    said = pytest.raises(DataFolderError, match=r"Nothing could be kept\. .*exports is a file, not a folder")
    with said, storage_said():
        (tmp_path / "exports" / "lake.json").open("x")
