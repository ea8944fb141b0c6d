"""Exports of real jobs: what the engine knows of them is what the files say."""

import json
import os
from pathlib import Path

import opentimelineio
import pytest
from fixtures.videos import colour_video

from engine.errors import FileInTheWay, InvalidInput, MediaError
from engine.video.request import AnalysisRequest
from tests.running import analysed, ended, opened

THEIRS = '{"tags": {}}'


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return colour_video(tmp_path_factory.mktemp("videos") / "signal.mp4", ["red", "blue", "red"]).path


@pytest.fixture
def video(made, tmp_path) -> Path:
    """One that may be changed and moved, with a place beside it."""
    place = tmp_path / "films" / "signal, 1.mp4"
    place.parent.mkdir()
    place.write_bytes(made.read_bytes())
    return place


@pytest.fixture
def job(engine, video) -> str:
    return analysed(engine, video, "colours: mostly red, mostly blue")


def spans(file):
    return [(span.category, span.tag, span.start, span.end) for span in file.spans]


def read(engine, path):
    return spans(engine.exports.read_spans(path))


def test_what_is_exported_is_read_back_to_the_same_spans(engine, job):
    found = engine.job_result(job).spans
    assert sorted(read(engine, engine.export_job(job, "ai_json"))) == sorted(
        ("colours" if span.tag == "mostly red" else "tags", span.tag, span.start, span.end) for span in found
    )
    assert [(span.tag, span.start, span.end) for span in found] == [
        ("mostly red", 0, 1), ("mostly red", 2, 3), ("mostly blue", 1, 2),
    ]  # fmt: skip


def test_every_format_is_made_of_a_real_job(engine, job):
    for format in engine.exports.formats():
        if format.id != "youtube":
            assert engine.export_job(job, format.id).stat().st_size > 0
    with pytest.raises(InvalidInput, match=r"signal, 1\.mp4 give 1"):  # three seconds are too short
        engine.export_job(job, "youtube")


def test_frames_are_counted_by_the_rate_of_the_video(engine, job, video):
    edl = engine.export_job(job, "edl").read_text()
    assert edl.startswith("TITLE: signal, 1.mp4\nFCM: NON-DROP FRAME\n")
    assert "00:00:01:00 00:00:02:00 00:00:01:00 00:00:02:00" in edl
    timeline = opentimelineio.adapters.read_from_file(str(engine.export_job(job, "otio")))
    (clip,) = timeline.find_clips()
    assert clip.source_range.duration == opentimelineio.opentime.RationalTime(30, 10)
    assert clip.media_reference.target_url == video.as_uri()


def test_exports_follow_settings_and_corrections(engine, job):
    engine.findings.set_settings(job, {"max_gap": 1, "threshold": 0.4})
    engine.findings.correct(job, "mostly blue", old=[1, 2], new=[1.25, 1.75])
    result = json.loads(engine.export_job(job, "ai_json").read_text())["json_result"]
    assert result["metadata"]["models"]["colours"]["threshold"] == 0.4
    assert result["metadata"]["models"]["colours"]["frame_interval"] == 0.5
    (red,) = result["timespans"]["colours"]["mostly red"]
    (blue,) = result["timespans"]["tags"]["mostly blue"]
    assert (red["start"], red["end"], blue["start"], blue["end"]) == (0, 3, 1.25, 1.75)


def test_the_file_beside_a_video_follows_what_is_found_even_after_a_restart(engine, job, video, tmp_path):
    place = engine.exports.save_beside(job)
    assert place == video.with_name("signal, 1.mp4.AI.json")
    before = read(engine, place)
    engine.close()
    again = opened(tmp_path)
    try:
        again.findings.set_settings(job, {"max_gap": 1})
        assert again.exports.save_beside(job) == place
        assert read(again, place) != before
    finally:
        again.close()


def test_somebody_elses_file_stays_until_the_person_says_so(engine, job, video):
    place = video.with_name("signal, 1.mp4.AI.json")
    place.write_text(THEIRS)
    with pytest.raises(FileInTheWay):
        engine.exports.save_beside(job)
    assert place.read_text() == THEIRS
    engine.exports.save_beside(job, overwrite=True)
    assert read(engine, place)
    engine.exports.save_beside(job)


def test_overwrite_is_yes_or_no(engine, job):
    with pytest.raises(InvalidInput, match="overwrite must be true or false"):
        engine.exports.save_beside(job, overwrite="no")


def test_nothing_is_put_beside_another_video_of_that_name(engine, job, video):
    video.write_bytes(video.read_bytes()[:-1] + b"\x00\x00")
    with pytest.raises(MediaError, match="has changed since"):
        engine.exports.save_beside(job, overwrite=True)
    assert os.listdir(video.parent) == [video.name]


def test_a_video_that_is_gone_leaves_the_formats_that_need_none_of_it(engine, job, video):
    video.unlink()
    assert engine.export_job(job, "csv").stat().st_size > 0
    with pytest.raises(MediaError, match=r"counts frames.*signal, 1\.mp4"):
        engine.export_job(job, "edl")
    with pytest.raises(InvalidInput, match="not there any more"):
        engine.exports.save_beside(job)


def test_an_upload_is_exported_under_its_own_name_and_has_no_place_beside_it(engine, video):
    asked = AnalysisRequest.of(video, "dark", uploaded=True, name="my film.mp4")
    job = ended(engine, engine.submit_video(asked).job_id)
    cuts = json.loads(engine.export_job(job, "llc").read_text(encoding="utf-8"))
    assert cuts["mediaFileName"] == "my film.mp4"
    with pytest.raises(InvalidInput, match=r"my film\.mp4 came through the browser"):
        engine.exports.save_beside(job)


@pytest.mark.parametrize("job_id", ["0123", "", None, ["x"]])
def test_an_unknown_job_is_said_to_be_unknown(engine, job_id):
    for call in (lambda: engine.export_job(job_id, "csv"), lambda: engine.exports.save_beside(job_id)):
        with pytest.raises(InvalidInput, match="There is no analysis"):
            call()
