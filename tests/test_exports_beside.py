"""Putting the file beside the video: whole or not at all, and never in the place of somebody else's."""

import errno
import json
import os

import pytest
from test_exports import material

from engine.errors import FileInTheWay, InvalidInput
from engine.events.findings import SpanView
from engine.video.exports import read_spans, write_beside
from engine.video.exports.beside import key, place_beside

THEIRS = '{"tags": {}}'


@pytest.fixture
def video(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    place = folder / "lake.mp4"
    place.write_bytes(b"film")
    return place


@pytest.fixture
def made(video):
    return material([SpanView("dog", 1.0, 2.0, 0.9, 1)], video=video)


def later(video):
    """What a second analysis of the same video found."""
    return material([SpanView("cat", 3.0, 4.0, 0.9, 1)], video=video)


def tags_in(place):
    return [span.tag for span in read_spans(place).spans]


def test_the_file_lies_beside_the_video_under_its_whole_name(video, made):
    place, written = write_beside(made, "", False)
    assert place == video.parent / "lake.mp4.AI.json"
    assert tags_in(place) == ["dog"]
    assert len(written) == 64
    assert sorted(path.name for path in video.parent.iterdir()) == ["lake.mp4", "lake.mp4.AI.json"]


def test_what_haven_wrote_is_replaced_without_asking(video, made):
    _, written = write_beside(made, "", False)
    place, again = write_beside(later(video), written, False)
    assert tags_in(place) == ["cat"]
    assert again != written


@pytest.mark.parametrize("overwrite", [False, True])
def test_somebody_elses_file_is_replaced_only_when_asked(video, made, overwrite):
    place = place_beside(video)
    place.write_text(THEIRS)
    if overwrite:
        write_beside(made, "", True)
        assert tags_in(place) == ["dog"]
        return
    with pytest.raises(FileInTheWay, match=r"lake\.mp4\.AI\.json .*Haven did not write it"):
        write_beside(made, "", False)
    assert place.read_text() == THEIRS
    assert len(list(video.parent.iterdir())) == 2


def test_a_file_that_somebody_changed_since_is_theirs(video, made):
    place, written = write_beside(made, "", False)
    changed = json.loads(place.read_text()) | {"mine": True}
    place.write_text(json.dumps(changed))
    with pytest.raises(InvalidInput, match="changed it since"):
        write_beside(later(video), written, False)
    assert json.loads(place.read_text()) == changed


def test_a_file_that_appears_at_the_last_moment_is_left(video, made, monkeypatch):
    """Somebody else writes after Haven has looked and before it puts its own there."""
    sync = os.fsync

    def and_then_theirs(number):
        sync(number)
        place_beside(video).write_text(THEIRS)

    monkeypatch.setattr("engine.video.exports.writing.os.fsync", and_then_theirs)
    with pytest.raises(InvalidInput, match="was left as it is"):
        write_beside(made, "", False)
    assert place_beside(video).read_text() == THEIRS


@pytest.mark.parametrize("there", [True, False])
def test_a_disk_without_links_is_as_safe(video, made, monkeypatch, there):
    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("engine.video.exports.writing.os.link", no_links)
    if there:
        place_beside(video).write_text(THEIRS)
        with pytest.raises(InvalidInput, match="was left as it is"):
            write_beside(made, "", False)
        assert place_beside(video).read_text() == THEIRS
    else:
        assert tags_in(write_beside(made, "", False)[0]) == ["dog"]
    assert len(list(video.parent.iterdir())) == 2


def test_a_link_is_replaced_and_never_followed(video, made, tmp_path):
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(THEIRS)
    place_beside(video).symlink_to(elsewhere)
    with pytest.raises(InvalidInput, match="was left as it is"):
        write_beside(made, "", False)
    write_beside(made, "", True)
    assert elsewhere.read_text() == THEIRS
    assert not place_beside(video).is_symlink()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_that_name_is_left(video, made, overwrite):
    place_beside(video).mkdir()
    with pytest.raises(InvalidInput, match="is a folder"):
        write_beside(made, "", overwrite)
    assert place_beside(video).is_dir()


def test_an_upload_has_no_place_beside_it(video):
    with pytest.raises(InvalidInput, match="came through the browser"):
        write_beside(material(video=video, uploaded=True), "", True)


def test_nothing_is_put_where_the_video_was(video, made):
    video.unlink()
    with pytest.raises(InvalidInput, match="not there any more"):
        write_beside(made, "", True)
    assert list(video.parent.iterdir()) == []


def test_a_folder_that_takes_no_files_is_named(video, made, monkeypatch):
    def refused(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("engine.video.exports.writing.os.fsync", refused)
    with pytest.raises(InvalidInput, match=r"films.* cannot be written \(Read-only file system\)"):
        write_beside(made, "", False)
    assert list(video.parent.iterdir()) == [video]


def test_a_name_that_leaves_no_room_for_more_is_said(video):
    longest = video.rename(video.with_name("x" * 250))
    with pytest.raises(InvalidInput, match="File name too long"):
        write_beside(material(video=longest), "", False)
    assert list(video.parent.iterdir()) == [longest]


def test_a_full_disk_leaves_what_was_there(video, made, monkeypatch):
    place, written = write_beside(made, "", False)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.video.exports.writing.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_beside(later(video), written, False)
    assert tags_in(place) == ["dog"]
    assert len(list(video.parent.iterdir())) == 2


def test_a_path_that_is_no_text_has_a_key_too(tmp_path):
    strange = tmp_path / os.fsdecode(b"l\xffke.mp4")
    assert key(place_beside(strange)).startswith("beside/")
    assert key(place_beside(strange)) != key(place_beside(tmp_path / "lake.mp4"))
