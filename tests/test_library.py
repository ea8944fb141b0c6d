"""The library on real folders with real videos: what is found in them, and what becomes of it."""

import errno
import os
import shutil
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from fixtures.videos import colour_video, constant, numbered_video

from engine.cancel import CancelToken
from engine.engine import Engine
from engine.errors import Cancelled, InvalidInput
from engine.jobs import worker
from engine.library import content, scan, watch
from engine.video.request import AnalysisRequest
from storage.library import Seen
from storage.store import Store
from tests.running import until

WAIT = 60  # seconds after which a test gives up
ALL = scan.matcher("")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """What a person waits seconds for happens as soon as it can."""
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(watch, "SCAN_SECONDS", 0.1)
    monkeypatch.setattr(watch, "AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(watch, "LONGEST_AGAIN_SECONDS", 0.05)


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


def opened(tmp_path) -> Engine:
    return Engine(Store.open(tmp_path / "data"), tmp_path / "models")


@pytest.fixture
def engine(tmp_path):
    engine = opened(tmp_path)
    engine.start()
    yield engine
    engine.close()


def put(clips, name, folder, new_name=""):
    folder.mkdir(exist_ok=True, parents=True)
    return Path(shutil.copy(clips / name, folder / (new_name or name)))


def watched(engine, folder, **how):
    return engine.library.watch(folder, **({"tags": "mostly red, mostly blue", "interval": 0.5} | how))


def states(engine):
    return {file.video: file.state for file in engine.library.files(limit=1000).files}


def settled(engine, **wanted):
    """The files by name, once they have these states and no others are there."""
    names = {name.replace("_mp4", ".mp4"): state for name, state in wanted.items()}
    until(lambda: states(engine), lambda found: found == names)
    return {file.video: file for file in engine.library.files(limit=1000).files}


def walked(root, recursive=True, fits=ALL, without=Path("/nowhere")):
    return sorted(Path(s.path).name for s in scan.walk(root, recursive, fits, without, CancelToken()))


# Looking through a folder


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


# What becomes of what is found


def test_the_videos_of_a_folder_are_analysed_and_their_tags_are_known(engine, clips, films):
    put(clips, "red.mp4", films)
    put(clips, "both.mp4", films / "more")
    view = watched(engine, films)
    files = settled(engine, red_mp4="done", both_mp4="done")
    assert files["red.mp4"].found == ("mostly red",)
    assert files["both.mp4"].found == ("mostly red", "mostly blue")
    assert files["both.mp4"].length == 2.0
    assert files["both.mp4"].job.status == "completed"
    assert engine.library.folder(view.folder_id).files == {
        "new": 0,
        "queued": 0,
        "done": 2,
        "bad": 0,
        "gone": 0,
    }
    assert [f.video for f in engine.library.files(search="mostly blue").files] == ["both.mp4"]


def test_a_video_that_comes_later_is_found(engine, clips, films):
    put(clips, "red.mp4", films)
    watched(engine, films)
    settled(engine, red_mp4="done")
    put(clips, "blue.mp4", films)
    settled(engine, red_mp4="done", blue_mp4="done")


def test_the_same_content_is_analysed_once_wherever_it_lies(engine, clips, films):
    put(clips, "red.mp4", films, "a.mp4")
    put(clips, "red.mp4", films / "copy", "b.mp4")
    watched(engine, films)
    files = settled(engine, a_mp4="done", b_mp4="done")
    assert files["a.mp4"].job.job_id == files["b.mp4"].job.job_id
    assert "The same video as a.mp4" in files["b.mp4"].reason
    assert len(engine.jobs()) == 1


def test_what_was_analysed_before_by_hand_is_not_done_again(engine, clips, films):
    video = put(clips, "red.mp4", films)
    job = engine.submit_video(AnalysisRequest.of(video, "mostly red, mostly blue", interval=0.5))
    until(lambda: engine.job(job.job_id).status, lambda status: status == "completed")
    until(lambda: engine._store.job(job.job_id).video_sha256, bool)
    watched(engine, films)
    assert settled(engine, red_mp4="done")["red.mp4"].job.job_id == job.job_id
    assert len(engine.jobs()) == 1


def test_asking_something_else_of_a_folder_analyses_it_anew(engine, clips, films):
    put(clips, "red.mp4", films)
    before = watched(engine, films)
    settled(engine, red_mp4="done")
    again = watched(engine, films, tags="mostly red")
    assert again.folder_id == before.folder_id
    until(lambda: len(engine.jobs()), lambda jobs: jobs == 2)
    settled(engine, red_mp4="done")
    watched(engine, films)
    files = settled(engine, red_mp4="done")
    assert len(engine.jobs()) == 2, "what was asked before has its answers already"
    assert files["red.mp4"].job.tags == ("mostly red", "mostly blue")


def test_a_file_that_is_no_video_is_set_aside_with_the_reason_until_it_changes(engine, clips, films):
    (films / "a.mp4").write_bytes(b"nothing of a video")
    watched(engine, films)
    files = settled(engine, a_mp4="bad")
    assert "a.mp4 cannot be read as a video" in files["a.mp4"].reason
    opened_before = engine.open_video
    tried = []
    engine.open_video = lambda path: tried.append(path) or opened_before(path)
    put(clips, "red.mp4", films)  # another look has been made once this one is analysed
    settled(engine, a_mp4="bad", red_mp4="done")
    assert [Path(path).name for path in tried] == ["red.mp4"]
    put(clips, "blue.mp4", films, "a.mp4")
    settled(engine, a_mp4="done", red_mp4="done")


def test_a_video_that_is_empty_or_a_playlist_is_set_aside(engine, films):
    (films / "empty.mp4").write_bytes(b"")
    (films / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    watched(engine, films)
    files = settled(engine, empty_mp4="bad", list_mp4="bad")
    assert "empty" in files["empty.mp4"].reason


def test_a_video_that_was_set_aside_can_be_tried_again(engine, films, clips):
    (films / "a.mp4").write_bytes(b"nothing")
    watched(engine, films)
    file = settled(engine, a_mp4="bad")["a.mp4"]
    engine.library.retry(file.file_id)
    settled(engine, a_mp4="bad")
    with pytest.raises(InvalidInput, match="no video 99"):
        engine.library.retry(99)


def test_a_file_that_is_still_being_written_is_waited_for(engine, clips, films, monkeypatch):
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 3600.0)
    half = (clips / "red.mp4").read_bytes()
    (films / "a.mp4").write_bytes(half[:500])
    watched(engine, films)
    settled(engine, a_mp4="new")
    (films / "a.mp4").write_bytes(half)
    size = until(lambda: engine.library.files().files[0].size, lambda size: size == len(half))
    assert size == len(half) and states(engine) == {"a.mp4": "new"} and engine.jobs() == []
    monkeypatch.setattr(watch, "SETTLE_SECONDS", 0.0)
    settled(engine, a_mp4="done")


def test_a_file_that_grows_while_it_is_read_is_waited_for(engine, films, clips, monkeypatch):
    """It has settled by its times, and is not as it was when its content has been read."""
    grown, sha256_of = [], content.sha256_of

    def growing(seen, store, cancel):
        if not grown:
            grown.append(seen.size)
            raise content.Changing
        return sha256_of(seen, store, cancel)

    monkeypatch.setattr(watch, "sha256_of", growing)
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
    watcher, loading = engine.library._watcher, [True]
    watcher.analysis = replace(watcher.analysis, ready=lambda: not loading)
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

    monkeypatch.setattr(watch, "sha256_of", or_stumble)
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

    monkeypatch.setattr(watch, "sha256_of", locked)
    put(clips, "red.mp4", films)
    watched(engine, films)
    assert "Permission denied" in settled(engine, red_mp4="bad")["red.mp4"].reason


def test_files_that_a_new_pattern_leaves_out_are_forgotten(engine, clips, films):
    put(clips, "red.mp4", films)
    put(clips, "blue.mp4", films / "more")
    watched(engine, films)
    settled(engine, red_mp4="done", blue_mp4="done")
    watched(engine, films, recursive=False)
    settled(engine, red_mp4="done")
    watched(engine, films, pattern="b*.mp4")
    settled(engine, blue_mp4="done")
    assert len(engine.jobs()) == 2


def test_a_model_that_cannot_do_what_is_asked_is_said_and_nothing_is_set_aside(
    engine, clips, films, monkeypatch
):
    with pytest.raises(InvalidInput, match="cannot look for 'sea monster'"):
        watched(engine, films, tags="sea monster")
    assert engine.library.folders() == []
    put(clips, "red.mp4", films)
    blind = []

    def refuse(request):
        if blind:
            raise InvalidInput("It does not see pictures.")

    watcher = engine.library._watcher
    watcher.analysis = replace(watcher.analysis, refuse=refuse)
    blind.append(True)
    view = watched(engine, films)
    until(
        lambda: engine.library.folder(view.folder_id).trouble, lambda said: said.startswith("It does not see")
    )
    assert states(engine) == {"red.mp4": "new"}
    blind.clear()
    settled(engine, red_mp4="done")
    assert engine.library.folder(view.folder_id).trouble == ""


def test_nothing_is_queued_for_a_model_that_is_about_to_go(engine, clips, films):
    """After a start the built-in model serves until the last one is loaded; the videos wait for that one."""
    loading = [True]
    watcher = engine.library._watcher
    watcher.analysis = replace(watcher.analysis, ready=lambda: not loading)
    put(clips, "red.mp4", films)
    view = watched(engine, films)
    until(lambda: engine.library.folder(view.folder_id).looked, bool)
    engine.library.scan()
    until(lambda: engine.library.folder(view.folder_id).looking, lambda looking: not looking)
    assert states(engine) == {"red.mp4": "new"} and engine.jobs() == []
    loading.clear()
    settled(engine, red_mp4="done")


@pytest.mark.parametrize("reason", ["server", "disk"])
def test_nothing_is_queued_while_analyses_wait_for_a_server_or_room(
    engine, clips, films, monkeypatch, reason
):
    monkeypatch.setattr(worker.Worker, "_retry", lambda worker: None)  # it stays away
    asked = []
    watcher = engine.library._watcher
    watcher.analysis = replace(watcher.analysis, ready=lambda: asked.append(True) or True)
    put(clips, "long.mp4", films.parent)
    job = engine.submit_video(AnalysisRequest.of(films.parent / "long.mp4", "mostly red", interval=0.04))
    engine.pause_job(job.job_id)
    until(lambda: engine.job(job.job_id).status, lambda status: status == "paused")
    engine._store.move_job(job.job_id, ("paused",), "paused", reason=reason)
    put(clips, "red.mp4", films)
    watched(engine, films)
    settled(engine, red_mp4="new")
    before = len(asked)
    until(lambda: len(asked), lambda times: times > before + 2)
    assert states(engine) == {"red.mp4": "new"}
    engine.cancel_job(job.job_id)
    settled(engine, red_mp4="done")


def forgets(engine):
    engine.library.forget(engine.library.folders()[0].folder_id)


def asks_something_else(engine):
    watched(engine, engine.library.folders()[0].folder, tags="mostly blue")


def pauses_all(engine):
    engine.library.pause_all()


def loads_a_model(engine):
    watcher = engine.library._watcher
    watcher.analysis = replace(watcher.analysis, ready=lambda: False)


@pytest.mark.parametrize("then", [forgets, asks_something_else, pauses_all, loads_a_model])
@pytest.mark.parametrize("when", ["read", "queued"])
def test_what_is_decided_while_a_file_is_read_or_queued_holds_for_it(
    engine, clips, films, monkeypatch, then, when
):
    watcher, real, decided = engine.library._watcher, content.sha256_of, threading.Event()

    def decide():
        if not decided.is_set():
            then(engine)
            decided.set()

    def read(seen, store, cancel):
        sha256 = real(seen, store, cancel)
        decide()
        return sha256

    def queued(request):
        job_id = submit(request)
        decide()
        return job_id

    if when == "read":
        monkeypatch.setattr(watch, "sha256_of", read)
    else:
        submit = watcher.analysis.submit
        watcher.analysis = replace(watcher.analysis, submit=queued)
    look_into, over_it = watcher._look_into, threading.Event()

    def looked_into(folder, file):
        look_into(folder, file)
        over_it.set()

    watcher._look_into = looked_into
    put(clips, "long.mp4", films)
    watched(engine, films, interval=0.04)
    assert over_it.wait(WAIT) and decided.is_set()

    def over(jobs):
        return all(job.tags == ("mostly blue",) or job.status == "cancelled" for job in jobs)

    until(engine.jobs, over)
    if then is asks_something_else:
        until(lambda: states(engine), lambda found: found == {"long.mp4": "queued"})
    elif then is not forgets:
        assert states(engine) == {"long.mp4": "new"}
    assert over(engine.jobs())


def test_a_deleted_analysis_is_not_made_again_by_itself(engine, clips, films):
    put(clips, "red.mp4", films)
    watched(engine, films)
    file = settled(engine, red_mp4="done")["red.mp4"]
    engine.delete_job(file.job.job_id)
    put(clips, "blue.mp4", films)
    files = settled(engine, red_mp4="done", blue_mp4="done")
    assert files["red.mp4"].job is None
    engine.library.retry(file.file_id)
    until(lambda: engine.library.files(search="red.mp4").files[0].job, lambda job: job is not None)


def test_a_forgotten_folder_stops_its_jobs_and_keeps_what_was_found(engine, clips, films):
    put(clips, "red.mp4", films, "a.mp4")
    view = watched(engine, films)
    done = settled(engine, a_mp4="done")["a.mp4"]
    put(clips, "long.mp4", films)
    watched(engine, films, interval=0.04)
    waiting = until(
        lambda: engine.library.files(search="long").files,
        lambda files: files and files[0].job is not None and files[0].job.status == "running",
    )[0]
    engine.library.forget(view.folder_id)
    assert engine.library.folders() == [] and engine.library.files().total == 0
    until(lambda: engine.job(waiting.job.job_id).status, lambda status: status == "cancelled")
    assert engine.job(done.job.job_id).status == "completed"
    with pytest.raises(InvalidInput, match="no watched folder"):
        engine.library.forget(view.folder_id)


def asked_by_hand(engine, video):
    """An analysis that a person began, and that the library has found."""
    job = engine.submit_video(AnalysisRequest.of(video, "mostly red, mostly blue", interval=0.04))
    until(lambda: engine._store.job(job.job_id).video_sha256, bool)
    view = watched(engine, video.parent, interval=0.04)
    until(lambda: engine.library.files().files, lambda files: [f.state for f in files] == ["queued"])
    assert engine.library.files().files[0].job.job_id == job.job_id
    return job.job_id, view.folder_id


def test_forgetting_a_folder_leaves_what_a_person_asked(engine, clips, films):
    job_id, folder_id = asked_by_hand(engine, put(clips, "long.mp4", films))
    engine.library.forget(folder_id)
    assert engine.job(job_id).status != "cancelled"


def test_a_changed_file_leaves_what_a_person_asked(engine, clips, films):
    job_id, _ = asked_by_hand(engine, put(clips, "long.mp4", films))
    put(clips, "red.mp4", films, "long.mp4")
    until(lambda: engine.library.files().files[0].job, lambda job: job and job.job_id != job_id)
    assert engine.job(job_id).status != "cancelled"


@pytest.mark.parametrize("path", ["", "  ", "/no/such/folder", "/dev/null", "\0"])
def test_what_is_no_folder_is_refused_in_words(engine, path):
    with pytest.raises(InvalidInput):
        watched(engine, path)


def test_havens_own_folder_is_not_watched(engine):
    with pytest.raises(InvalidInput, match="belongs to Haven"):
        watched(engine, engine._store.folder)


def test_havens_own_folder_is_left_out_also_where_a_link_leads_to_it(tmp_path, clips, films):
    (films / "data").mkdir()
    (tmp_path / "data").symlink_to(films / "data", target_is_directory=True)
    engine = opened(tmp_path)
    engine.start()
    put(clips, "blue.mp4", films / "data" / "videos")
    put(clips, "red.mp4", films)
    watched(engine, films)
    settled(engine, red_mp4="done")
    engine.close()


def test_nothing_is_asked_is_refused(engine, films):
    with pytest.raises(InvalidInput, match="what to look for"):
        engine.library.watch(films)


def test_watching_goes_on_after_a_restart(tmp_path, clips, films):
    first = opened(tmp_path)
    first.start()
    put(clips, "red.mp4", films)
    watched(first, films)
    settled(first, red_mp4="done")
    first.close()
    put(clips, "blue.mp4", films)
    second = opened(tmp_path)
    second.start()
    settled(second, red_mp4="done", blue_mp4="done")
    assert len(second.jobs()) == 2
    second.close()


def test_a_file_that_was_queued_when_the_process_died_keeps_its_job(tmp_path, clips, films):
    """Killed between the making of the job and the note of it: the job is found by the content."""
    first = opened(tmp_path)
    first.start()
    put(clips, "red.mp4", films)
    watched(first, films)
    file = settled(first, red_mp4="done")["red.mp4"]
    first._store.library.change_files([file.file_id], state="new", job_id="", found=[])
    first.close()
    second = opened(tmp_path)
    second.start()
    assert settled(second, red_mp4="done")["red.mp4"].job.job_id == file.job.job_id
    assert len(second.jobs()) == 1
    second.close()


# The queue


def names_of(view):
    return [job.video for job in view.jobs]


@pytest.fixture
def queue(engine, clips, films):
    """One that runs, and three that wait."""
    for name in ("a.mp4", "b.mp4", "c.mp4", "d.mp4"):
        video = put(clips, "long.mp4", films, name)
        with video.open("ab") as file:
            file.write(name.encode())  # another content, which no player minds
    watched(engine, films, interval=0.04)
    until(lambda: engine.library.queue(), lambda view: (view.running, view.waiting) == (1, 3))
    return engine.library


def test_the_queue_is_in_the_order_of_the_paths_and_can_be_changed(queue):
    view = queue.queue()
    assert names_of(view) == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    running, second, third, last = (job.job_id for job in view.jobs)
    assert names_of(queue.move_job(last, "first")) == ["a.mp4", "d.mp4", "b.mp4", "c.mp4"]
    assert names_of(queue.move_job(third, "up")) == ["a.mp4", "d.mp4", "c.mp4", "b.mp4"]
    assert names_of(queue.move_job(last, "down")) == ["a.mp4", "c.mp4", "d.mp4", "b.mp4"]
    with pytest.raises(InvalidInput, match="only one that waits"):
        queue.move_job(running, "first")
    with pytest.raises(InvalidInput, match="up, down, first"):
        queue.move_job(second, "sideways")


def test_all_are_paused_and_resumed_and_nothing_new_begins_meanwhile(queue, engine, clips, films):
    paused = queue.pause_all()
    assert paused.held
    view = until(lambda: queue.queue(), lambda view: view.running == 0)
    assert (view.waiting, view.paused, names_of(view)) == (0, 4, [])
    video = put(clips, "red.mp4", films)
    os.utime(video)
    until(lambda: states(engine).get("red.mp4"), lambda state: state == "new")
    queue.scan()
    until(lambda: queue.folders()[0].looking, lambda looking: not looking)
    assert states(engine)["red.mp4"] == "new"
    view = queue.resume_all()
    assert not view.held and view.paused == 0
    until(lambda: states(engine)["red.mp4"], lambda state: state == "queued")


def test_all_are_cancelled_and_what_was_finished_is_kept(queue, engine):
    running = queue.queue().jobs[0].job_id
    until(lambda: engine.job(running).frames_done, lambda frames: frames > 3)
    queue.cancel_all()
    until(lambda: [job.status for job in engine.jobs()], lambda found: set(found) == {"cancelled"})
    assert engine.job(running).frames_done > 3
    assert queue.held, "files that wait in the library do not begin by themselves after that"
    engine.resume_job(running)
    until(lambda: engine.job(running).status, lambda status: status == "running")


def test_a_changed_file_takes_its_waiting_job_away(queue, engine, clips, films):
    last = queue.queue().jobs[-1]
    put(clips, "red.mp4", films, "d.mp4")
    until(lambda: engine.job(last.job_id).status, lambda status: status == "cancelled")
    until(lambda: engine.library.files(search="d.mp4").files[0], lambda file: file.state == "queued")


def test_a_file_that_is_only_touched_keeps_its_place_in_the_queue(queue, engine, films):
    before = [job.job_id for job in queue.queue().jobs]
    os.utime(films / "d.mp4", ns=(1, 1))
    until(
        lambda: engine._store.library.files("d.mp4")[0],
        lambda file: (file.mtime_ns, file.state) == (1, "queued"),
    )
    assert [engine.job(job_id).status for job_id in before[1:]] == ["queued"] * 3
    assert len(engine.jobs()) == 4


def test_a_file_that_was_changed_to_another_of_its_size_takes_its_waiting_job_away(queue, engine, films):
    last = queue.queue().jobs[-1]
    with (films / "d.mp4").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"z")
    until(lambda: engine.job(last.job_id).status, lambda status: status == "cancelled")
    file = until(lambda: engine.library.files(search="d.mp4").files[0], lambda file: file.state == "queued")
    assert file.job.job_id != last.job_id


def test_asking_something_else_cancels_what_waits_but_for_what_another_folder_asks(
    queue, engine, clips, films, tmp_path
):
    jobs = [job.job_id for job in queue.queue().jobs]
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(films / "d.mp4", other / "copy.mp4")
    watched(engine, other, interval=0.04)
    until(lambda: states(engine).get("copy.mp4"), lambda state: state == "queued")
    watched(engine, films, tags="mostly red", interval=0.04)
    until(lambda: [engine.job(job).status for job in jobs[:3]], lambda found: set(found) == {"cancelled"})
    assert engine.job(jobs[3]).status != "cancelled"


def test_only_so_many_wait_at_a_time(engine, clips, films, monkeypatch):
    monkeypatch.setattr(watch, "AHEAD", 2)
    for number in range(6):
        video = put(clips, "long.mp4", films, f"{number}.mp4")
        with video.open("ab") as file:
            file.write(bytes([number]))
    watched(engine, films, interval=0.04)
    view = until(lambda: engine.library.queue(), lambda view: view.waiting == 2)
    assert view.running + view.waiting <= 3
    counts = engine.library.folders()[0].files
    assert counts["new"] >= 3


# Disk


def test_pictures_and_uploads_are_counted_and_cleared(engine, clips, films, tmp_path):
    put(clips, "red.mp4", films)
    watched(engine, films)
    file = settled(engine, red_mp4="done")["red.mp4"]
    engine._thumbnails.flush()
    upload = engine._store.folder / "videos" / "left.mp4"
    upload.parent.mkdir(exist_ok=True)
    upload.write_bytes(b"x" * 1000)
    before = engine.library.disk_now()
    assert before.thumbnails > 0 and before.uploads == 1000 and before.free > 0
    assert engine.library.clear_disk("thumbnails").thumbnails == 0
    assert engine.library.clear_disk("uploads").uploads == 0
    assert engine.library.disk() == engine.library.disk(), "it is not counted at every question"
    assert len(engine.frames(file.job.job_id)) == 3
    with pytest.raises(InvalidInput, match="thumbnails or uploads or previews"):
        engine.library.clear_disk("answers")


def test_what_an_analysis_still_needs_is_not_cleared(queue, engine):
    running = queue.queue().jobs[0].job_id
    until(lambda: engine.job(running).frames_done, lambda frames: frames > 3)
    queue.pause_all()
    until(lambda: engine.job(running).status, lambda status: status == "paused")
    engine._thumbnails.flush()
    assert engine.library.clear_disk("thumbnails").thumbnails > 0
    queue.cancel_all()
    assert engine.library.clear_disk("thumbnails").thumbnails == 0


def test_an_upload_that_an_analysis_is_just_made_of_is_not_cleared(engine, clips):
    """The analysis is made while it is being cleared: whichever comes first, the other sees it."""
    put(clips, "long.mp4", engine._store.folder / "videos", "kept.mp4")
    kept = (engine._store.folder / "videos" / "kept.mp4").resolve()
    job = engine.submit_video(AnalysisRequest.of(kept, "mostly red", interval=0.04))
    engine.pause_job(job.job_id)
    until(lambda: engine.job(job.job_id).status, lambda status: status == "paused")
    engine.cancel_job(job.job_id)
    clearing = threading.Thread(target=engine.library.clear_disk, args=("uploads",))
    with engine._jobs.files:
        clearing.start()
        clearing.join(0.2)
        engine._store.move_job(job.job_id, ("cancelled",), "paused")
    clearing.join(WAIT)
    assert kept.exists()
    engine.cancel_job(job.job_id)
    engine.library.clear_disk("uploads")
    assert not kept.exists()


def test_what_a_killed_process_left_half_written_is_cleared(engine):
    folder = engine._store.folder
    left = (folder / "videos" / "a.partial", folder / "previews" / "a.7.part")
    for place in (*left, folder / "previews" / "b.7.part"):
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"x")
    os.utime(left[1], ns=(1, 1))
    engine.library.clear_disk("uploads")
    engine.library.clear_disk("previews")
    assert not any(place.exists() for place in left)
    assert (folder / "previews" / "b.7.part").exists(), "it is being written"
