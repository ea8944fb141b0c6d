"""The Video tab: choosing a video, the buttons of a run, and a page that opens again."""

import asyncio
import threading
from asyncio import run

import pytest

from engine.errors import MediaError
from ui import bar, off_loop, stage, video
from ui.asking import Asked
from ui.media import Opened
from ui.stage import Staged

EVIL = '<img src=x onerror="alert(1)">'


def test_a_path_is_staged_under_a_token_and_not_under_its_name(house, clip):
    shown, remembered, said = run(video.on_open_click(house, f'  "{clip}" '))
    found = Staged.from_json(shown)
    assert (found.name, found.detail, said) == ("lake.mp4", "0:24 · 640 × 360 · H264", "")
    assert found.src == f"/media/opened/{found.token}"
    assert str(clip.parent) not in shown
    assert remembered == shown
    assert house.opened.get(found.token).path == clip


@pytest.mark.parametrize("typed", ["", "   ", None])
def test_an_empty_path_says_what_to_type(house, typed):
    assert "Type the path" in run(video.on_open_click(house, typed))[2]


def test_a_video_that_cannot_be_read_leaves_the_stage_as_it_was(house, engine, clip):
    engine.fails["open_video"] = MediaError(f"{EVIL} is no video.")
    shown, remembered, said = run(video.on_open_click(house, str(clip)))
    assert shown == remembered == {"__type__": "update"}
    assert EVIL not in said
    assert "is no video" in said


def test_an_upload_outside_the_upload_folder_is_refused(house, clip, monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    assert "was not uploaded here" in run(video.on_upload(house, str(clip), "lake.mp4"))[2]
    assert "not here any more" in run(video.on_upload(house, str(clip) + "x", "lake.mp4"))[2]


def test_an_upload_keeps_the_name_that_the_person_knows(house, monkeypatch, tmp_path):
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    (uploads / "7f3a.mp4").write_bytes(b"film")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads))
    found = Staged.from_json(run(video.on_upload(house, str(uploads / "7f3a.mp4"), "../My lake.mp4"))[0])
    assert found.name == "My lake.mp4"
    assert house.opened.get(found.token).uploaded


@pytest.mark.parametrize(
    "forged", ["", None, "{", "[]", '{"token": "guess"}', '{"token": 7, "path": "/etc/passwd"}']
)
def test_analyse_takes_no_video_that_was_not_chosen(house, engine, forged):
    assert "Choose a video first" in run(video.on_analyse_click(house, forged, Asked("boat")))[2]
    assert engine.known_jobs == {}


@pytest.mark.parametrize(("act", "status"), [("pause", "paused"), ("cancel", "cancelled")])
def test_the_buttons_of_a_run_reach_the_engine(house, engine, job, act, status):
    assert run(video.on_run_act(house, act, job.job_id)) == ""
    assert engine.job(job.job_id).status == status


def test_a_stop_waits_behind_nothing_that_is_slow(house, engine, job):
    release = threading.Event()

    async def stop_while_everything_slow_is_taken():
        waiting = [asyncio.ensure_future(off_loop.slow(release.wait)) for _ in range(64)]
        try:
            async with asyncio.timeout(30):
                for act in ("pause", "cancel"):
                    assert await video.on_run_act(house, act, job.job_id) == ""
                assert await bar.on_cancel_click(house) == ""
        finally:
            release.set()
            await asyncio.gather(*waiting)

    run(stop_while_everything_slow_is_taken())
    assert engine.job(job.job_id).status == "cancelled"


def test_a_button_that_the_page_does_not_have_does_nothing(house, engine, job):
    before = list(engine.asked)
    assert run(video.on_run_act(house, "close", job.job_id)) == ""
    assert engine.asked == before


def test_a_page_that_opens_finds_the_running_job(house, job):
    shown, chips, *fields = run(video.on_page_load(house, "", None))
    assert Staged.from_json(shown).job == job.job_id
    assert 'data-tag="moving"' in chips
    assert len(fields) == 14


def test_a_page_that_opens_goes_back_to_what_it_looked_at(house, engine, job, clip):
    engine.change(job.job_id, status="completed")
    kept = ["boat", "What?", 0.5, "", "", "", False, "shots", "", "2", True, False, "3", "5"]
    shown, _, *fields = run(video.on_page_load(house, Staged(job=job.job_id).as_json(), kept))
    assert (Staged.from_json(shown).job, fields) == (job.job_id, kept)
    engine.delete_job(job.job_id)
    shown, _, *_ = run(video.on_page_load(house, Staged(job=job.job_id).as_json(), kept))
    assert Staged.from_json(shown) == Staged()


def test_an_analysis_is_asked_for_under_the_name_that_the_person_knows(house, engine, clip):
    shown = stage.stage_of(house, Opened(clip, "My lake.mp4", uploaded=True)).as_json()
    run(video.on_analyse_click(house, shown, Asked("boat")))
    assert engine.asked[-2][1].name == "My lake.mp4"
    engine.change("job0", video="My lake.mp4")
    again = stage.stage_of_job(house, "job0").as_json()
    run(video.on_analyse_click(house, again, Asked("sun")))
    assert engine.asked[-2][1].name == "My lake.mp4"


def test_a_job_whose_video_is_gone_can_still_be_looked_at(house, job, clip):
    clip.unlink()
    found = stage.stage_of_job(house, job.job_id)
    assert (found.src, found.job) == ("", job.job_id)
    assert "not here any more" in found.detail
