"""The JSON with everything: what was asked, of which model, how, and what people corrected, by its names."""

import hashlib
import json

import pytest
from fixtures.videos import colour_video

from tests.running import analysed

TAGS = 'colours: mostly red = "most of it, at least half", mostly blue'


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return colour_video(tmp_path_factory.mktemp("videos") / "signal.mp4", ["red", "blue", "red"]).path


def exported(engine, video, tags=TAGS, **options):
    job_id = analysed(engine, video, tags, **options)
    return job_id, lambda: json.loads(engine.export_job(job_id, "json").read_text(encoding="utf-8"))


def test_everything_names_the_question_the_model_the_sampling_and_the_rules(engine, video):
    job_id, read = exported(engine, video, start=0.5, reuse=3, refine=True, votes=3)
    engine.findings.set_settings(job_id, {"max_gap": "1 %", "tags": {"mostly blue": {"threshold": 0.25}}})
    found = read()
    assert set(found) == {
        "job", "frames", "spans", "summary", "asked", "prompt_sha256", "model", "sampling", "span_settings",
        "corrections", "content",
    }  # fmt: skip
    assert found["asked"] == {
        "tags": [
            {"name": "mostly red", "category": "colours", "description": "most of it, at least half"},
            {"name": "mostly blue", "category": "", "description": ""},
        ],
        "prompt": "",
        "codes": False,
        "summary": False,
    }
    assert found["sampling"] == {
        "mode": "interval", "interval": 0.5, "step": 0.5, "start": 0.5, "end": None, "max_frames": None,
        "times": [], "reuse": 3.0, "refine": True, "votes": 3,
    }  # fmt: skip
    assert found["span_settings"]["max_gap"] == "1 %"
    assert found["span_settings"]["tags"] == {"mostly blue": {"threshold": 0.25}}
    job = engine._store.job(job_id)
    assert found["model"] == {"digest": job.digest, "load_options": {}}
    assert found["prompt_sha256"] == job.prompt_sha256


def test_everything_has_what_the_result_has(engine, video):
    job_id, read = exported(engine, video)
    result, found = engine.job_result(job_id), read()
    assert found["job"]["model"] == "scene-facts"
    assert found["summary"]["tags"] == result.summary["tags"]
    assert [frame["time"] for frame in found["frames"]] == [frame.time for frame in result.frames]
    assert found["frames"][0]["tags"] == result.frames[0].tags
    assert {"index", "time", "state", "tags", "caption", "facts", "error", "thumbnail", "raw"} == set(
        found["frames"][0]
    )
    assert [(span["tag"], span["start"], span["end"]) for span in found["spans"]] == [
        ("mostly red", 0, 1), ("mostly red", 2, 3), ("mostly blue", 1, 2),
    ]  # fmt: skip


def test_everything_says_what_people_corrected_and_in_which_file(engine, video):
    job_id, read = exported(engine, video)
    engine.findings.correct(job_id, "mostly red", [0, 1], [0.25, 1.5])
    engine.findings.correct(job_id, "mostly blue", [1, 2], None)
    found = read()
    assert found["corrections"] == [
        {"tag": "mostly red", "old": [0, 1], "new": [0.25, 1.5]},
        {"tag": "mostly blue", "old": [1, 2], "new": None},
    ]
    content = video.read_bytes()
    assert found["content"] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_everything_lists_the_times_that_were_asked_about(engine, video):
    _, read = exported(engine, video, tags="mostly red", times=[0.5, 2.25])
    assert (read()["sampling"]["mode"], read()["sampling"]["times"]) == ("times", [0.5, 2.25])
