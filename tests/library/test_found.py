"""What becomes of the videos that are found in a folder."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import InvalidInput
from engine.jobs import worker
from engine.video.request import AnalysisRequest
from tests.running import until
from tests.watching import put, settled, states, watched


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

    files = engine.library._queueing
    files.analysis = replace(files.analysis, refuse=refuse)
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
    files = engine.library._queueing
    files.analysis = replace(files.analysis, ready=lambda: not loading)
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
    files = engine.library._queueing
    files.analysis = replace(files.analysis, ready=lambda: asked.append(True) or True)
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
