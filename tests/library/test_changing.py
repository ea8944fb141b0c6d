"""Files of a watched folder that are written, changed, moved, away, or cannot be read."""

import errno
import os
from dataclasses import replace

import pytest

from engine.library import content, queueing, scan
from engine.video.request import AnalysisRequest
from tests.running import WAIT, until
from tests.watching import put, settled, states, watched


def test_a_file_that_is_still_being_written_is_waited_for(engine, clips, films, monkeypatch):
    monkeypatch.setattr(queueing, "SETTLE_SECONDS", 3600.0)
    half = (clips / "red.mp4").read_bytes()
    (films / "a.mp4").write_bytes(half[:500])
    watched(engine, films)
    settled(engine, a_mp4="new")
    (films / "a.mp4").write_bytes(half)
    size = until(lambda: engine.library.files().files[0].size, lambda size: size == len(half))
    assert size == len(half) and states(engine) == {"a.mp4": "new"} and engine.jobs() == []
    monkeypatch.setattr(queueing, "SETTLE_SECONDS", 0.0)
    settled(engine, a_mp4="done")


def test_a_file_that_grows_while_it_is_read_is_waited_for(engine, films, clips, monkeypatch):
    """It has settled by its times, and is not as it was when its content has been read."""
    grown, sha256_of = [], content.sha256_of

    def growing(seen, store, cancel):
        if not grown:
            grown.append(seen.size)
            raise content.Changing
        return sha256_of(seen, store, cancel)

    monkeypatch.setattr(queueing, "sha256_of", growing)
    put(clips, "red.mp4", films)
    watched(engine, films)
    settled(engine, red_mp4="done")
    assert grown


def test_a_changed_file_is_analysed_again(engine, clips, films):
    put(clips, "red.mp4", films, "a.mp4")
    watched(engine, films)
    first = settled(engine, a_mp4="done")["a.mp4"]
    put(clips, "blue.mp4", films, "a.mp4")
    until(lambda: engine.library.files().files[0].found, lambda found: found == ("mostly blue",))
    assert engine.library.files().files[0].job.job_id != first.job.job_id


@pytest.mark.parametrize("written_over", [True, False])
def test_a_changed_file_of_the_same_size_and_date_is_analysed_again(engine, clips, films, written_over):
    """As a copy that keeps dates leaves it: written over the old one, or beside it and put in its place."""
    red, blue = ((clips / f"{name}.mp4").read_bytes() for name in ("red", "blue"))
    longest = max(len(red), len(blue))
    video = films / "a.mp4"
    video.write_bytes(red.ljust(longest, b"\0"))
    watched(engine, films)
    first = settled(engine, a_mp4="done")["a.mp4"]
    was = video.stat()
    other = video if written_over else films / "a.part"
    other.write_bytes(blue.ljust(longest, b"\0"))
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
    other.replace(video)
    assert (video.stat().st_size, video.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    until(lambda: engine.library.files().files[0].found, lambda found: found == ("mostly blue",))
    assert engine.library.files().files[0].job.job_id != first.job.job_id


def test_a_file_of_which_only_the_rights_changed_keeps_its_analysis(engine, clips, films):
    video = put(clips, "red.mp4", films)
    watched(engine, films)
    settled(engine, red_mp4="done")
    video.chmod(0o600)
    changed_ns = video.stat().st_ctime_ns
    until(
        lambda: engine._store.library.files()[0],
        lambda file: file.changed_ns == changed_ns and file.state == "done",
    )
    assert len(engine.jobs()) == 1


def test_a_touched_file_is_not(engine, clips, films):
    video = put(clips, "red.mp4", films)
    watched(engine, films)
    settled(engine, red_mp4="done")
    os.utime(video, ns=(1, 1))
    until(lambda: engine._store.library.files()[0], lambda file: file.mtime_ns == 1 and file.state == "done")
    assert len(engine.jobs()) == 1


def test_a_file_that_is_gone_is_said_to_be_and_one_that_is_back_is_known(engine, clips, films, tmp_path):
    video = put(clips, "red.mp4", films)
    watched(engine, films)
    settled(engine, red_mp4="done")
    video.rename(tmp_path / "away.mp4")
    settled(engine, red_mp4="gone")
    (tmp_path / "away.mp4").rename(video)
    settled(engine, red_mp4="done")
    assert len(engine.jobs()) == 1


def test_a_video_that_was_moved_keeps_its_analysis_which_is_about_the_new_place(engine, clips, films):
    video = put(clips, "red.mp4", films)
    watched(engine, films)
    settled(engine, red_mp4="done")
    (films / "more").mkdir()
    moved = video.rename(films / "more" / "moved.mp4")
    files = settled(engine, red_mp4="gone", moved_mp4="done")
    assert len(engine.jobs()) == 1
    assert engine.video_path(files["moved.mp4"].job.job_id) == moved


def test_a_folder_that_goes_away_loses_nothing(engine, clips, films, tmp_path):
    put(clips, "red.mp4", films)
    view = watched(engine, films)
    settled(engine, red_mp4="done")
    films.rename(tmp_path / "unplugged")
    until(lambda: engine.library.folder(view.folder_id).trouble, lambda said: "cannot be read" in said)
    assert states(engine) == {"red.mp4": "done"}
    (tmp_path / "unplugged").rename(films)
    until(lambda: engine.library.folder(view.folder_id).trouble, lambda said: said == "")


def test_a_folder_in_whose_place_a_link_has_come_is_said_to_be_one_and_nothing_in_it_is_gone(
    engine, clips, films, tmp_path
):
    put(clips, "red.mp4", films, "a.mp4")
    view = watched(engine, films)
    settled(engine, a_mp4="done")
    films.rename(tmp_path / "elsewhere")
    films.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    engine.library.scan()
    until(
        lambda: engine.library.folder(view.folder_id).trouble, lambda said: "a link is in its place" in said
    )
    films.unlink()
    films.symlink_to(tmp_path, target_is_directory=True)
    engine.library.scan()
    assert engine.library.wait_for_look(view.folder_id, WAIT)
    assert states(engine) == {"a.mp4": "done"}


def test_a_folder_in_whose_place_a_file_has_come_is_said_to_be_none_and_nothing_in_it_is_gone(
    engine, clips, films, tmp_path
):
    put(clips, "red.mp4", films, "a.mp4")
    view = watched(engine, films)
    settled(engine, a_mp4="done")
    films.rename(tmp_path / "elsewhere")
    put(clips, "blue.mp4", tmp_path).rename(films)
    said = until(lambda: engine.library.folder(view.folder_id).trouble, bool)
    assert "it is no folder any more" in said and "Put back what was there" in said
    engine.library.scan()
    assert engine.library.wait_for_look(view.folder_id, WAIT)
    assert states(engine) == {"a.mp4": "done"}
    films.unlink()
    (tmp_path / "elsewhere").rename(films)
    until(lambda: engine.library.folder(view.folder_id).trouble, lambda said: said == "")
    assert states(engine) == {"a.mp4": "done"} and len(engine.jobs()) == 1


def test_a_video_in_whose_place_a_folder_has_come_is_not_gone_and_nothing_in_that_is_analysed(
    engine, clips, tmp_path
):
    video = put(clips, "red.mp4", tmp_path / "other", "a.mp4")
    view = watched(engine, video)
    settled(engine, a_mp4="done")
    video.unlink()
    put(clips, "blue.mp4", video)
    until(
        lambda: engine.library.folder(view.folder_id).trouble, lambda said: "a folder is in its place" in said
    )
    assert states(engine) == {"a.mp4": "done"}


def test_a_folder_that_may_not_be_read_any_more_says_so_and_nothing_in_it_is_gone(
    engine, clips, films, monkeypatch
):
    """As the superuser, who runs tests, may read everything, the system's refusal is made up."""
    locked, scandir = [], os.scandir

    def or_refused(path):
        if locked and str(path) == str(films):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    put(clips, "red.mp4", films)
    view = watched(engine, films)
    settled(engine, red_mp4="done")
    monkeypatch.setattr(os, "scandir", or_refused)
    locked.append(True)
    said = until(lambda: engine.library.folder(view.folder_id).trouble, bool)
    assert said == f"{films} cannot be read (Permission denied). Allow this user to read it."
    assert states(engine) == {"red.mp4": "done"}


def test_a_disk_that_fails_in_the_middle_of_a_look_loses_nothing(engine, clips, films, monkeypatch):
    """It lists one video, and stumbles where the next ones would come."""
    failing, scandir = [], os.scandir

    class Half:
        def __init__(self, path):
            self._entries = scandir(path)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self._entries.close()

        def __iter__(self):
            yield next(self._entries)
            raise OSError(errno.EIO, "Input/output error")

    for name in ("red.mp4", "blue.mp4"):
        put(clips, name, films)
    view = watched(engine, films)
    settled(engine, red_mp4="done", blue_mp4="done")
    monkeypatch.setattr(os, "scandir", lambda path: Half(path) if failing else scandir(path))
    failing.append(True)
    said = until(lambda: engine.library.folder(view.folder_id).trouble, bool)
    assert "Input/output error" in said and "Is its disk connected?" in said
    engine.library.scan()
    assert engine.library.wait_for_look(view.folder_id, WAIT)
    assert states(engine) == {"red.mp4": "done", "blue.mp4": "done"}
    failing.clear()
    until(lambda: engine.library.folder(view.folder_id).trouble, lambda said: said == "")
    assert len(engine.jobs()) == 2


def test_of_a_disk_that_is_unmounted_answers_and_corrections_are_kept_and_nothing_is_asked_again(
    engine, clips, films, tmp_path
):
    """What is left is the empty folder that it was mounted on."""
    for name in ("red.mp4", "blue.mp4"):
        put(clips, name, films)
    watched(engine, films)
    before = settled(engine, red_mp4="done", blue_mp4="done")["red.mp4"].job
    engine.findings.correct(before.job_id, "mostly blue", None, [0.25, 0.75])
    found = engine.findings.spans(before.job_id)
    films.rename(tmp_path / "unplugged")
    films.mkdir()
    settled(engine, red_mp4="gone", blue_mp4="gone")
    assert engine.findings.spans(before.job_id) == found
    films.rmdir()
    (tmp_path / "unplugged").rename(films)
    after = settled(engine, red_mp4="done", blue_mp4="done")["red.mp4"].job
    assert (after.job_id, after.frames_done) == (before.job_id, before.frames_done)
    assert engine.findings.spans(before.job_id) == found and found.corrections == 1
    assert len(engine.jobs()) == 2


def test_a_folder_that_goes_away_in_the_middle_of_a_look_loses_nothing(
    engine, clips, films, tmp_path, monkeypatch
):
    put(clips, "red.mp4", films)
    view = watched(engine, films)
    settled(engine, red_mp4="done")
    is_there = scan.is_there

    def goes_first(path: str) -> bool:
        if films.exists():
            films.rename(tmp_path / "unplugged")
        return is_there(path)

    monkeypatch.setattr(scan, "is_there", goes_first)
    until(lambda: engine.library.folder(view.folder_id).trouble, lambda said: "cannot be read" in said)
    assert states(engine) == {"red.mp4": "done"}


@pytest.mark.parametrize("mount_point_stays", [False, True])
def test_videos_that_wait_when_their_disk_goes_are_analysed_when_it_is_back(
    engine, clips, films, tmp_path, mount_point_stays
):
    away = tmp_path / "unplugged"
    put(clips, "long.mp4", tmp_path)
    engine.submit_video(AnalysisRequest.of(tmp_path / "long.mp4", "mostly red", interval=0.04))
    for name in ("red.mp4", "blue.mp4"):
        put(clips, name, films)
    watched(engine, films)
    until(lambda: engine.library.queue(), lambda view: (view.running, view.waiting) == (1, 2))
    films.rename(away)
    if mount_point_stays:
        films.mkdir()
    engine.cancel_job(engine.library.queue().jobs[0].job_id)
    until(lambda: [job.status for job in engine.jobs()], lambda found: found.count("failed") == 2)
    state = "gone" if mount_point_stays else "new"
    settled(engine, red_mp4=state, blue_mp4=state)
    if mount_point_stays:
        films.rmdir()
    away.rename(films)
    settled(engine, red_mp4="done", blue_mp4="done")


def test_a_network_folder_that_gives_errors_sets_nothing_aside(engine, clips, films, monkeypatch):
    """As a share does whose server is away: the system knows the folder, and everything in it is an error."""
    lost, lstat, scandir = [], os.lstat, os.scandir

    def or_lost(call):
        def answer(path, *more, **how):
            if lost and str(path).startswith(str(films)):
                raise OSError(errno.ENOTCONN, "Transport endpoint is not connected", str(path))
            return call(path, *more, **how)

        return answer

    for name in ("red.mp4", "blue.mp4"):
        put(clips, name, films)
    files, loading = engine.library._queueing, [True]
    files.analysis = replace(files.analysis, ready=lambda: not loading)
    view = watched(engine, films)
    settled(engine, red_mp4="new", blue_mp4="new")
    monkeypatch.setattr(os, "lstat", or_lost(lstat))
    monkeypatch.setattr(os, "scandir", or_lost(scandir))
    lost.append(True)
    loading.clear()
    until(lambda: engine.library.folder(view.folder_id).trouble, lambda said: "not connected" in said)
    assert states(engine) == {"red.mp4": "new", "blue.mp4": "new"}
    lost.clear()
    settled(engine, red_mp4="done", blue_mp4="done")


@pytest.mark.parametrize("bad", ["blue.mp4", "red.mp4"])  # the first and the last by path
def test_a_file_that_the_disk_stumbles_over_stops_no_other_and_is_tried_again(
    engine, clips, films, monkeypatch, bad
):
    stumbles, sha256_of = [True], content.sha256_of

    def or_stumble(seen, store, cancel):
        if stumbles and seen.path.endswith(bad):
            raise OSError(errno.EIO, "Input/output error")
        return sha256_of(seen, store, cancel)

    monkeypatch.setattr(queueing, "sha256_of", or_stumble)
    names = ("blue.mp4", "red.mp4")
    for name in names:
        put(clips, name, films)
    watched(engine, films)
    until(lambda: states(engine), lambda found: found == {n: "new" if n == bad else "done" for n in names})
    waits = until(lambda: engine.library.files(search=bad).files[0], lambda file: file.reason)
    assert "Input/output error" in waits.reason and "again by itself" in waits.reason
    stumbles.clear()
    files = settled(engine, blue_mp4="done", red_mp4="done")
    assert files[bad].reason == ""


def test_a_file_that_is_locked_is_set_aside(engine, clips, films, monkeypatch):
    def locked(seen, store, cancel):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(queueing, "sha256_of", locked)
    put(clips, "red.mp4", films)
    watched(engine, films)
    assert "Permission denied" in settled(engine, red_mp4="bad")["red.mp4"].reason
