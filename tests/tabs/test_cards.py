"""Frames, jobs and a run as HTML: what holds, in words, and nothing from outside as markup."""

from dataclasses import replace

import pytest

from engine.events.switching import Status, SwitchProgress
from ui import cards, panels
from ui.asking import Asked
from ui.media import Opened

EVIL = '<img src=x onerror="alert(1)">'
READY = Status("ready", "transformers", "tiny", True, 1_600_000_000, 3, (), "")


def test_nothing_that_came_from_outside_becomes_markup(engine, clip):
    request = Asked(tags=f'"{EVIL}"', prompt=EVIL).request(Opened(clip, EVIL))
    job = engine.submit_video(request)
    engine.work(
        job.job_id,
        2,
        caption=EVIL,
        error=EVIL,
        thumbnail=EVIL,
        facts={"codes": [{"kind": EVIL, "text": EVIL}]},
    )
    job = engine.change(job.job_id, video=EVIL, model=EVIL, error=EVIL)
    drawn = [
        cards.frame_card(job.latest, job),
        cards.job_list([job], 0.0),
        cards.totals(engine.job_result(job.job_id)),
        panels.run(job),
        panels.chip(replace(READY, model=EVIL, busy=(EVIL,), last_error=EVIL), None),
        panels.chip(READY, SwitchProgress("loading", 0.1, EVIL)),
    ]
    assert all("<img src=x" not in text and 'onerror="' not in text for text in drawn)


def test_an_empty_history_says_what_to_do():
    assert "press Analyse" in cards.job_list([], 0.0)


def test_a_job_that_failed_says_why_and_can_be_tried_again(job):
    row = cards.job_row(replace(job, status="failed", error="lake.mp4 is <gone>."), 0.0)
    assert ">lake.mp4 is &lt;gone&gt;.</span>" in row
    assert ">Try again</button>" in row and "Resume" not in row


def test_a_card_shows_the_tags_that_hold_and_the_state_in_words(engine, job):
    frame = engine.work(job.job_id).latest
    assert '<span class="chip tag-0" title="boat: 90.0\xa0% sure">boat</span>' in cards.frame_card(frame, job)
    assert "sun" not in cards.frame_card(frame, job)
    unknown = cards.frame_card(replace(frame, tags={"boat": None}), job)
    assert "no clear answer" in unknown
    puzzling = replace(frame, state="unparsed", tags={"boat": None}, raw='I would\n"rather" not')
    assert "The model wrote: I would &quot;rather&quot; not" in cards.frame_card(puzzling, job)
    failed = cards.frame_card(replace(frame, state="failed", error="It did not answer."), job)
    assert ">failed<" in failed
    assert "It did not answer." in failed
    assert 'class="chip' not in failed


def test_a_card_shows_the_codes_in_the_picture_with_their_kind(engine, job):
    facts = {
        "codes": [
            {"kind": "qr", "text": "lake & boat"},
            {"kind": "bar", "text": "4006381333931"},
            {"kind": "qr", "text": ""},
        ]
    }
    drawn = cards.frame_card(engine.work(job.job_id, facts=facts).latest, job)
    assert ">QR code: lake &amp; boat<" in drawn
    assert ">Bar code: 4006381333931<" in drawn
    assert ">QR code, not readable<" in drawn


@pytest.mark.parametrize(
    ("status", "buttons"),
    [
        ("running", ["pause", "cancel"]),
        ("queued", ["pause", "cancel"]),
        ("paused", ["resume", "cancel"]),
        ("cancelled", ["resume"]),
        ("failed", ["resume"]),
        ("interrupted", ["resume"]),
        ("completed", []),
        ("cancelling", []),
    ],
)
def test_a_run_offers_what_can_be_done_with_it(job, status, buttons):
    drawn = panels.run(replace(job, status=status))
    assert [act for act in ("pause", "resume", "cancel") if f'data-act="{act}"' in drawn] == sorted(
        buttons, key=["pause", "resume", "cancel"].index
    )


def test_what_was_kept_is_said(job):
    assert "Cancelled; 5 frames kept" in panels.run(replace(job, status="cancelled", frames_done=5))
    assert "time left unknown" in panels.run(job)
    assert "4.2 frames/s · about 5 s left" in panels.run(replace(job, frames_per_second=4.2, eta_seconds=5.2))
