"""What people ask of the library: watching a folder, asking something else of it, forgetting it."""

import threading
from dataclasses import replace

import pytest

from engine.errors import InvalidInput
from engine.library import content, queueing, scan
from engine.library.folders import Folders
from engine.video.request import AnalysisRequest
from tests.running import WAIT, until
from tests.watching import opened, put, settled, states, watched


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


def test_a_folder_that_is_forgotten_while_another_is_looked_through_holds_nothing_up(
    engine, clips, films, tmp_path, monkeypatch
):
    real, forgotten = scan.walk, threading.Event()

    def walk(root, *how):
        if len(engine.library.folders()) == 2 and not forgotten.is_set():
            engine.library.forget(engine.library.folders()[1].folder_id)
            forgotten.set()
        return real(root, *how)

    monkeypatch.setattr(scan, "walk", walk)
    (tmp_path / "other").mkdir()
    watched(engine, films)
    watched(engine, tmp_path / "other")
    engine.library.scan()
    assert forgotten.wait(WAIT)
    put(clips, "red.mp4", films)
    settled(engine, red_mp4="done")


def test_the_end_of_a_look_is_waited_for():
    folders = Folders()
    assert not folders.wait_for_look(1, 0), "nobody knows it"
    folders.hurry(1)
    assert not folders.wait_for_look(1, 0)
    known = folders.begin(1)
    assert not folders.wait_for_look(1, 0)
    ended = threading.Timer(0, folders.end, (known, 10.0))
    ended.start()
    assert folders.wait_for_look(1, WAIT)
    ended.join(WAIT)
    folders.hurry(1)
    assert not folders.wait_for_look(1, 0), "another look was asked for"


def forgets(engine):
    engine.library.forget(engine.library.folders()[0].folder_id)


def asks_something_else(engine):
    watched(engine, engine.library.folders()[0].folder, tags="mostly blue")


def pauses_all(engine):
    engine.library.pause_all()


def loads_a_model(engine):
    files = engine.library._queueing
    files.analysis = replace(files.analysis, ready=lambda: False)


@pytest.mark.parametrize("then", [forgets, asks_something_else, pauses_all, loads_a_model])
@pytest.mark.parametrize("when", ["read", "queued"])
def test_what_is_decided_while_a_file_is_read_or_queued_holds_for_it(
    engine, clips, films, monkeypatch, then, when
):
    files, real, decided = engine.library._queueing, content.sha256_of, threading.Event()

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
        monkeypatch.setattr(queueing, "sha256_of", read)
    else:
        submit = files.analysis.submit
        files.analysis = replace(files.analysis, submit=queued)
    look_into, over_it = files._look_into, threading.Event()

    def looked_into(folder, file, cancel):
        look_into(folder, file, cancel)
        over_it.set()

    files._look_into = looked_into
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
