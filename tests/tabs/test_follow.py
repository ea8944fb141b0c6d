"""What an open page is told of a job: each frame once, a screenful at a time, and how often to ask."""

import json
import re
from asyncio import run

from fake_engine import FRAMES

from engine.errors import MediaError
from ui import endpoints, follow, stage, video
from ui.asking import Asked
from ui.media import Opened


def test_a_page_gets_new_frames_once_and_the_rest_when_asked(engine, job):
    engine.work(job.job_id, 3)
    first = follow.changes(engine, follow.Drawn(job.job_id))
    assert [text[: text.index(">")] for text in first["cards"]] == [f'<li id="frame-{n}"' for n in (2, 1, 0)]
    assert follow.changes(engine, follow.Drawn(job.job_id, frames=3))["cards"] == []
    assert indices(follow.older_cards(engine, job.job_id, 2)) == [1, 0]
    assert first["title"] == "3/12 · lake.mp4 · Haven"


def test_older_frames_join_on_to_those_that_are_shown(engine, job):
    engine.change(job.job_id, frames_total=1_000)
    engine.work(job.job_id, 200)
    shown = indices(follow.changes(engine, follow.Drawn(job.job_id))["cards"])
    while shown[-1] > 0:
        engine.work(job.job_id, 7)  # meanwhile
        shown += indices(follow.older_cards(engine, job.job_id, shown[-1]))
    assert shown == list(range(199, -1, -1))
    assert follow.older_cards(engine, job.job_id, 0) == []


def test_a_page_is_told_when_frames_lie_between_those_it_has_and_the_new_ones(engine, job):
    engine.change(job.job_id, frames_total=1_000)
    engine.work(job.job_id, 10)
    first = follow.changes(engine, follow.Drawn(job.job_id))["job"]
    assert (first["from"], first["frames"]) == (0, 10)
    engine.work(job.job_id, follow.MOVING_CARDS)
    joins_on = follow.changes(engine, follow.Drawn(job.job_id, frames=10))["job"]
    assert joins_on["from"] == 10
    engine.work(job.job_id, 60)
    gap = follow.changes(engine, follow.Drawn(job.job_id, frames=10))["job"]
    assert (gap["from"], gap["frames"], gap["moving"]) == (72 - follow.MOVING_CARDS, 72, True)


def test_a_job_that_moves_sends_few_cards_a_look_and_a_screenful_once_it_stops(engine, job):
    engine.change(job.job_id, frames_total=1_000)
    engine.work(job.job_id, 10)
    engine.work(job.job_id, 200)
    assert len(follow.changes(engine, follow.Drawn(job.job_id, frames=10))["cards"]) == follow.MOVING_CARDS
    engine.change(job.job_id, status="cancelled")
    stopped = follow.changes(engine, follow.Drawn(job.job_id, frames=10))
    assert not stopped["job"]["moving"]
    assert indices(stopped["cards"]) == list(range(209, 209 - follow.MOST_CARDS, -1))


def test_a_name_that_is_no_utf8_can_be_shown_sent_and_marked(house, engine, tmp_path):
    strange = tmp_path / "lake\udcff.mp4"
    strange.write_bytes(b"film")
    shown = stage.stage_of_path(house, str(strange))
    assert json.loads(shown.as_json())["name"] == "lake?.mp4"
    made = engine.submit_video(Asked("boat").request(Opened(strange, strange.name)))
    engine.work(made.job_id, error="No \udcff here")
    job = engine.job(made.job_id)
    drawn = follow.Drawn(job.job_id, wants_jobs=True)
    sent = json.dumps(follow.changes(engine, drawn), ensure_ascii=False).encode()
    assert b"lake?.mp4" in sent
    assert b"No ? here" in sent
    assert endpoints.plain(job)["video"] == "lake?.mp4"
    assert "".join(follow.older_cards(engine, job.job_id, 1)).encode()
    engine.fails["open_video"] = MediaError(f"{strange} is no video.")
    assert "lake?.mp4 is no video" in run(video.on_open_click(house, str(strange)))[2]


def test_an_idle_page_asks_seldom_and_a_busy_one_often(engine, job):
    assert follow.changes(engine, follow.Drawn())["every_ms"] == follow.BUSY_MS
    engine.work(job.job_id, FRAMES)
    assert follow.changes(engine, follow.Drawn())["every_ms"] == follow.IDLE_MS


def test_thousands_of_frames_send_a_screenful(engine, job, monkeypatch):
    engine.change(job.job_id, frames_total=5_000)
    engine.work(job.job_id, 300)
    assert len(follow.changes(engine, follow.Drawn(job.job_id))["cards"]) == follow.MOST_CARDS


def indices(texts):
    """Of the frames whose cards these are."""
    return [int(re.match(r'<li id="frame-(\d+)"', text)[1]) for text in texts]
