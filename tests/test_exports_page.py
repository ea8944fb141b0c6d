"""The menu of exports and its endpoints, through a real server, over a fake engine."""

import json
import re
import threading
from html import unescape

import httpx
import pytest
from fake_engine import FakeEngine
from gradio_client import handle_file
from gradio_client.exceptions import AppError

from engine.errors import FileInTheWay, InvalidInput, OutOfSpace
from engine.video.exports import FORMATS
from engine.video.request import AnalysisRequest
from ui import exports, media
from ui.endpoints import plain

IN_THE_WAY = FileInTheWay("There is a file already.")


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return FakeEngine(tmp_path_factory.mktemp("engine"))


@pytest.fixture
def job(engine, tmp_path):
    video = tmp_path / "lake.mp4"
    video.write_bytes(b"film")
    engine.fails.clear()
    return engine.submit_video(AnalysisRequest.of(video, tags="dark"))


def asked(address, **body):
    return httpx.post(f"{address}/exports/beside", json=body)


def test_the_menu_offers_every_format_by_its_label():
    items = re.findall(r'<button [^>]*data-format="([^"]+)">([^<]+)</button>', exports.menu())
    assert [(id, unescape(label)) for id, label in items] == [(f.id, f.label) for f in FORMATS.values()]


def test_a_file_is_put_beside_the_video_and_its_place_said(address, engine, job):
    answer = asked(address, job=job.job_id).json()
    place = f"{engine.video_path(job.job_id)}.AI.json"
    assert answer == {"said": f"Saved as {place}.", "failed": False, "in_the_way": False}
    assert engine.asked[-1] == ("save_beside", job.job_id, False)


@pytest.mark.parametrize(
    ("error", "in_the_way"),
    [(IN_THE_WAY, True), (InvalidInput("It came through the browser."), False), (OutOfSpace("Full."), False)],
)
def test_why_no_file_was_put_there_is_said(address, engine, job, error, in_the_way):
    engine.fails["save_beside"] = error
    answer = asked(address, job=job.job_id).json()
    assert answer == {"said": str(error), "failed": True, "in_the_way": in_the_way}


def test_a_file_in_the_way_is_replaced_when_the_person_says_so(address, engine, job):
    assert not asked(address, job=job.job_id, overwrite=True).json()["failed"]
    assert engine.asked[-1] == ("save_beside", job.job_id, True)


def test_another_site_may_put_nothing_beside_a_video(address, engine, job):
    before = len(engine.asked)
    answer = httpx.post(
        f"{address}/exports/beside", json={"job": job.job_id}, headers={"origin": "http://elsewhere.example"}
    )
    assert answer.status_code == 403
    assert len(engine.asked) == before


def test_a_page_gets_the_file_or_why_there_is_none(address, engine, job):
    file = httpx.get(f"{address}/exports/page/{job.job_id}.json")
    assert 'filename="job' in file.headers["content-disposition"]
    assert "x-haven-said" not in file.headers
    told = httpx.get(f"{address}/exports/page/{job.job_id}.exe")
    assert (told.status_code, told.headers["x-haven-said"]) == (200, "yes")
    assert "'exe'" in told.json()["said"]


def test_a_file_says_what_it_is(address, job):
    assert httpx.get(f"{address}/exports/{job.job_id}.json").headers["content-type"] == "application/json"


def test_scripts_are_told_the_formats(client):
    told = client.predict(api_name="/export_formats")
    assert [one["id"] for one in told] == list(FORMATS)
    assert told[0] == {
        "id": "ai_json",
        "label": "Tags for media libraries (.AI.json)",
        "extension": ".AI.json",
        "media_type": "application/json",
    }


def test_scripts_put_a_file_beside_a_video(client, engine, job):
    assert client.predict(job.job_id, api_name="/save_beside").endswith("lake.mp4.AI.json")
    engine.fails["save_beside"] = IN_THE_WAY
    with pytest.raises(AppError, match="There is a file already"):
        client.predict(job.job_id, True, api_name="/save_beside")
    assert engine.asked[-1] == ("save_beside", job.job_id, True)


@pytest.mark.parametrize("uploaded", [True, False])
def test_scripts_read_time_spans(client, tmp_path, uploaded):
    place = tmp_path / "lake.mp4.AI.json"
    span = {"start": 1.5, "end": 2, "confidence": 0.25}
    tags = {"dog & <b>": {"ai_model_name": "river", "time_frames": [span]}}
    place.write_text(json.dumps({"tags": tags}))
    read = client.predict(handle_file(place) if uploaded else str(place), api_name="/read_spans")
    assert (read["form"], read["duration"], read["models"]) == ("tags", None, ["river"])
    assert read["spans"] == [{"category": "tags", "tag": "dog & <b>", **span}]


def test_spans_are_made_plain_beside_the_loop_of_the_page(client, tmp_path, monkeypatch):
    """There are up to a million of them: the page would stand still."""
    place = tmp_path / "lake.mp4.AI.json"
    place.write_text('{"tags": {}}')
    made_in = []

    def watched(value):
        made_in.append(threading.current_thread().name)
        return plain(value)

    monkeypatch.setattr(exports, "plain", watched)
    assert client.predict(handle_file(place), api_name="/read_spans")["spans"] == []
    (thread,) = made_in
    assert thread.startswith("page-slow")


def test_scripts_are_told_what_is_wrong_with_a_file(client, tmp_path):
    place = tmp_path / "strange.AI.json"
    place.write_text('{"tags": 5}')
    with pytest.raises(AppError, match="tags must be an object"):
        client.predict(handle_file(place), api_name="/read_spans")
    with pytest.raises(AppError, match=r"gone\.AI\.json"):
        client.predict(str(tmp_path / "gone.AI.json"), api_name="/read_spans")


def test_a_forged_upload_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    secret = tmp_path / "secret.AI.json"
    secret.write_text("{}")
    for file in ({"path": str(secret)}, {"path": ""}, {}, 5, " "):
        with pytest.raises(InvalidInput):
            media.given_file(file)


def test_every_format_can_stand_in_an_address():
    assert all(re.fullmatch(r"[a-z_]+", format) for format in FORMATS)
