"""A server whose answers are not understood: what becomes of the job, a watched folder, its words."""

import json

import pytest

from engine.library import queueing, watch
from tests.fixtures import faulty_server as ways
from tests.fixtures.faulty_server import SEES, FaultyServer, works
from tests.fixtures.videos import constant, numbered_video
from tests.running import analysed, engine_without_servers, served_by, until
from tests.watching import put, settled, watched

FRAMES = 5
REFUSAL = "I would rather not say"


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    numbered_video(folder / "lake.mp4", constant(FRAMES, 10))
    return folder


@pytest.fixture
def engine(tmp_path):
    with engine_without_servers(tmp_path) as engine:
        yield engine


@pytest.fixture
def server(engine):
    """One that answers as it should while it is warmed up, each tag by a question of its own."""
    with FaultyServer(works(), listing=SEES) as server:
        served_by(engine, server.base_url, parallel=1)  # so that the order of the answers is known
        yield server


def ended(engine, job_id):
    job = engine.job(job_id)
    return job.status, job.error


def test_where_nothing_was_understood_the_analysis_failed_and_says_what_was_said(engine, server, clips):
    server.behaviours = [ways.says(REFUSAL)]
    job_id = analysed(engine, clips / "lake.mp4", "red", 0.1)
    status, error = ended(engine, job_id)
    assert status == "failed"
    assert "No frame of lake.mp4 could be analysed" in error
    assert f"{FRAMES} of {FRAMES} frames were not understood" in error and REFUSAL in error
    assert engine.job_result(job_id).summary["unparsed"] == FRAMES
    server.behaviours = [works()]
    engine.resume_job(job_id)
    until(lambda: ended(engine, job_id), lambda end: end == ("completed", ""))
    assert {frame.state for frame in engine.frames(job_id)} == {"answered"}


@pytest.mark.parametrize(("lost", "said"), [(1, "about 1 of 5 frames was"), (3, "about 3 of 5 frames were")])
def test_where_some_were_not_understood_their_number_is_said(engine, server, clips, lost, said):
    server.behaviours = [*[ways.says(REFUSAL)] * (2 * lost), works()]  # each is asked once more
    job_id = analysed(engine, clips / "lake.mp4", "red", 0.1)
    status, error = ended(engine, job_id)
    assert status == "completed_with_errors"
    assert said in error and REFUSAL in error
    assert [frame.state for frame in engine.frames(job_id)].count("unparsed") == lost


def test_captions_are_kept_though_the_tags_were_not_understood(engine, server, clips):
    server.behaviours = [ways.says(REFUSAL)]
    job_id = analysed(engine, clips / "lake.mp4", "red", 0.1, prompt="What is here?")
    assert ended(engine, job_id)[0] == "completed_with_errors"
    assert {frame.caption for frame in engine.frames(job_id)} == {REFUSAL}


def test_a_watched_video_of_which_nothing_was_understood_is_set_aside_and_asked_again_by_the_next_run(
    engine, server, clips, tmp_path, monkeypatch
):
    monkeypatch.setattr(queueing, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(watch, "SCAN_SECONDS", 0.1)
    server.behaviours = [ways.says(REFUSAL)]
    put(clips, "lake.mp4", tmp_path / "films")
    view = watched(engine, tmp_path / "films", tags="red", interval=0.1)
    assert REFUSAL in settled(engine, lake_mp4="bad")["lake.mp4"].reason
    engine.library.forget(view.folder_id)
    server.behaviours = [works()]
    watched(engine, tmp_path / "films", tags="red", interval=0.1)
    assert settled(engine, lake_mp4="done")["lake.mp4"].job.status == "completed"


def test_what_was_not_understood_can_be_read(engine, server, clips):
    server.behaviours = [ways.says(REFUSAL)]
    job_id = analysed(engine, clips / "lake.mp4", "red", 0.1)
    assert all(REFUSAL in frame.raw for frame in engine.job_result(job_id).frames)
    assert REFUSAL in json.loads(engine.export_job(job_id, "json").read_text())["frames"][0]["raw"]
