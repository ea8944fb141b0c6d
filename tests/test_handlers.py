"""What the page's handlers do and say, without a page: a fake engine in, widget updates out."""

import asyncio
import json
import re
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from fake_engine import FRAMES, FakeEngine

from engine.errors import InvalidInput, MediaError, ModelError
from engine.events.jobs import AnalysisPlan
from engine.events.switching import Status, SwitchProgress
from engine.refusals import refuse_an_empty_range
from engine.video.frames import VideoInfo
from engine.video.request import AnalysisRequest
from ui import bar, cards, endpoints, follow, jobs, labels, media, off_loop, panels, stage, video, wording
from ui.asking import Asked
from ui.house import House
from ui.media import Opened, OpenedVideos
from ui.stage import Staged

EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture
def engine(tmp_path):
    return FakeEngine(tmp_path)


@pytest.fixture
def house(engine, tmp_path):
    return House(engine, tmp_path / "samples")


@pytest.fixture
def clip(tmp_path):
    place = tmp_path / "lake.mp4"
    place.write_bytes(b"film")
    return place


@pytest.fixture
def staged(house, clip):
    return stage.stage_of_path(house, str(clip))


@pytest.fixture
def job(engine, clip):
    return engine.submit_video(Asked(tags="boat, sun", prompt="What?").request(Opened(clip, "lake.mp4")))


def run(handler):
    return asyncio.run(handler)


# The bar


def test_load_begins_a_switch_when_nothing_runs(house, engine):
    question, asks, said = run(bar.on_load_click(house, "transformers", "tiny"))
    assert engine.asked[-1] == ("begin_switch", "transformers", "tiny", "refuse", {})
    assert (question["visible"], asks, said) == (False, "", "")


def test_load_asks_before_it_interrupts_what_runs(house, engine):
    engine.status_now = replace(engine.status_now, busy=("Analysing <lake>.mp4",))
    question, asks, _ = run(bar.on_load_click(house, "transformers", "tiny"))
    assert question["visible"]
    assert "Analysing &lt;lake&gt;.mp4" in asks
    assert not any(verb == "begin_switch" for verb, *_ in engine.asked)


@pytest.mark.parametrize("when_busy", ["cancel", "wait"])
def test_the_answer_to_the_question_is_the_policy(house, engine, when_busy):
    run(bar.begin(house, "transformers", "tiny", when_busy))
    assert engine.asked[-1][3] == when_busy


def test_load_without_a_model_says_what_to_do(house, engine):
    assert "Pick a provider and a model" in run(bar.on_load_click(house, "transformers", None))[2]
    assert engine.asked == []


def test_picking_a_provider_lists_its_models(house):
    models, said = run(bar.on_provider_input(house, "transformers"))
    assert (models["choices"], models["value"], said) == (["tiny", "other"], "tiny", "")


def test_a_provider_that_fails_leaves_the_bar_usable(house, engine):
    engine.fails["models"] = ModelError(f"The folder {EVIL} cannot be read.")
    models, said = run(bar.on_provider_input(house, "transformers"))
    assert models["choices"] == []
    assert EVIL not in said
    assert "cannot be read" in said
    engine.fails["models"] = RuntimeError("a defect")
    assert "Something went wrong" in run(bar.on_provider_input(house, "transformers"))[1]


def test_every_window_shows_the_model_that_serves(house, engine):
    engine.begin_switch("transformers", "tiny")
    engine.finish_switch(True, "tiny", "Ready")
    provider, model = run(bar.on_engine_flip(house))
    assert (provider["value"], model["value"]) == ("transformers", "tiny")
    assert ("Built-in (no download)", "builtin") in provider["choices"]


def test_cancel_stops_the_switch_under_way(house, engine):
    engine.begin_switch("transformers", "tiny")
    assert run(bar.on_cancel_click(house)) == ""
    assert engine.switch_progress() is None


READY = Status("ready", "transformers", "tiny", True, 1_600_000_000, 3, (), "")


@pytest.mark.parametrize(
    ("status", "switch", "shown"),
    [
        (READY, None, "Ready · sees pictures · 1.6 GB"),
        (replace(READY, vision=False, memory_bytes=0), None, "Ready · text only"),
        (replace(READY, busy=("Analysing lake.mp4",)), None, "Busy: analysing lake.mp4"),
        (READY, SwitchProgress("loading", 0.43, "Loading tiny"), "Loading 43 %"),
        (replace(READY, last_error="No memory left for it."), None, "Failed: No memory left for it."),
    ],
)
def test_the_chip_says_what_is_true(status, switch, shown):
    assert shown in panels.chip(status, switch)


# The Video tab


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


def test_analyse_hands_over_what_stands_in_the_fields(house, engine, staged, clip):
    asked = Asked("boat", "What?", 0.5, "1", " 9,0 ", "7", True)
    shown, _, said = run(video.on_analyse_click(house, staged.as_json(), asked))
    request = next(given[1] for given in engine.asked if given[0] == "submit_video")
    assert (request.video, request.tags, request.prompt, request.codes) == (clip, ("boat",), "What?", True)
    assert (request.sampling.start_us, request.sampling.end_us, request.sampling.max_frames) == (
        10**6,
        9 * 10**6,
        7,
    )
    assert (Staged.from_json(shown).job, Staged.from_json(shown).token, said) == ("job0", staged.token, "")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(), "Say what to look for"),
        (Asked("boat", interval=None), "how many seconds"),
        (Asked("boat", interval=0), "“A frame every” must be from 0.001"),
        (Asked("boat", start="5", end="2"), "“To” (2 s) must come after “From” (5 s)"),
        (Asked("boat", end="soon"), "“To” must be a number"),
        (Asked("boat", times="1, then"), "“At times” must be a number"),
        (
            Asked("boat", times="1", mode="shots"),
            "“At times” says which frames are looked at: leave out “Each shot, and between”",
        ),
        (Asked("boat", reuse="99"), "“Reuse up to” (per cent of change"),
        (Asked("boat", fps="many"), "“Frames a second” must be a number"),
        (Asked("boat", fps="0"), "“Frames a second” must be from"),
        (Asked("boat", fps="3", times="1"), "leave out “Frames a second”"),
        (Asked("boat", most="0"), "“At most” must be from 1"),
        (Asked("boat", start="-1"), "“From” must be from 0"),
        (Asked("boat", votes="a few"), "“Votes a frame” must be a number"),
        (Asked("boat", votes="26"), "“Votes a frame” must be from 1 to 25"),
        (Asked(prompt="What?", votes="3"), "name at least one tag"),
        (Asked(prompt="What?", refine=True), "name at least one tag"),
        (Asked("boat", summary=True), "ask a question too"),
    ],
)
def test_analyse_says_what_is_missing(house, engine, staged, asked, said):
    assert said in run(video.on_analyse_click(house, staged.as_json(), asked))[2]
    assert engine.known_jobs == {}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked("boat", start="50"), "“From” (50 s) is behind the end of end (1).mp4 (40 s)."),
        (Asked("boat", times="50"), "“At times” has 50 s, but end (1).mp4 ends at 40 s."),
    ],
)
def test_a_video_that_is_called_like_a_setting_keeps_its_name(asked, said):
    video = Path("end (1).mp4")
    request = asked.request(Opened(video, video.name))
    with pytest.raises(InvalidInput) as refused:
        refuse_an_empty_range(request, VideoInfo(video, 40_000_000, 64, 48, "h264", None, 0))
    assert labels.explained(refused.value) == said


@pytest.mark.parametrize("error", [MediaError("end must be looked at"), InvalidInput("end.mp4 has no end.")])
def test_what_is_no_setting_is_left_as_it_is(error):
    assert labels.explained(error) == str(error)


def test_analyse_hands_over_how_frames_are_picked(house, engine, staged):
    run(
        video.on_analyse_click(house, staged.as_json(), Asked("boat", mode="shots", reuse="2,5", refine=True))
    )
    run(video.on_analyse_click(house, staged.as_json(), Asked("boat", mode=None, times="3; 1.5 2,")))
    run(video.on_analyse_click(house, staged.as_json(), Asked("boat", interval=None, fps="29,97")))
    shots, listed, often = (given[1].sampling for given in engine.asked if given[0] == "submit_video")
    assert (shots.mode, shots.reuse, shots.refine) == ("shots", 2.5, True)
    assert (listed.mode, listed.times_us, listed.reuse) == ("times", (1_500_000, 2_000_000, 3_000_000), None)
    assert often.interval == Fraction(100, 2997)


@pytest.mark.parametrize(
    "forged", ["", None, "{", "[]", '{"token": "guess"}', '{"token": 7, "path": "/etc/passwd"}']
)
def test_analyse_takes_no_video_that_was_not_chosen(house, engine, forged):
    assert "Choose a video first" in run(video.on_analyse_click(house, forged, Asked("boat")))[2]
    assert engine.known_jobs == {}


def test_the_plan_is_told_once_the_fields_are_complete(house, staged):
    assert "12 frames; time unknown" in run(video.on_fields_change(house, staged.as_json(), Asked("boat")))
    assert run(video.on_fields_change(house, staged.as_json(), Asked())) == ""
    assert run(video.on_fields_change(house, "", Asked("boat"))) == ""


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (AnalysisPlan(60, 2.0, 15.2, 3), "60 frames, about 15 s with this model (from 3 earlier runs)"),
        (AnalysisPlan(60, 2.0, None, 0, at_least=True), "at least 60 frames; time unknown until it runs"),
        (
            AnalysisPlan(60, 2.0, 15.2, 1, reuse=2.0, extra_per_span=12),
            "60 frames, those that change by 2 % or less without a question, and at most 12 more for each "
            "span, about 15 s for the frames with this model (from 1 earlier run)",
        ),
        (
            AnalysisPlan(60, 2.0, None, 0, extra_per_span=12, extra_is_about=True),
            "60 frames, and about 12 more for each span; time unknown until it runs",
        ),
        (
            AnalysisPlan(60, 2.0, None, 0, at_least=True, reuse=2.0, requests=120, tokens=126_400),
            "at least 60 frames (120 requests to the server with about 130,000 tokens), those that change by "
            "2 % or less without a question; time unknown until it runs",
        ),
        (
            AnalysisPlan(0, 2.0, None, 0, requests=1, tokens=1_149),
            "as many frames as there are key frames (1 request to the server with about 1,100 tokens for "
            "each); time unknown until it runs",
        ),
        (
            AnalysisPlan(0, 2.0, None, 0),
            "as many frames as there are key frames; time unknown until it runs",
        ),
    ],
)
def test_the_plan_says_what_it_costs(plan, said):
    assert panels.plan(plan) == said


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


# The Jobs tab


def test_the_history_opens_resumes_and_deletes(house, engine, job):
    engine.change(job.job_id, status="interrupted")
    shown, _, _ = run(jobs.on_history_act(house, "resume", job.job_id))
    assert (Staged.from_json(shown).job, engine.job(job.job_id).status) == (job.job_id, "running")
    assert Staged.from_json(run(jobs.on_history_act(house, "open", job.job_id))[0]).name == "lake.mp4"
    run(jobs.on_history_act(house, "delete", job.job_id))
    assert job.job_id not in engine.known_jobs
    assert "There is no analysis" in run(jobs.on_history_act(house, "open", job.job_id))[2]


def test_an_empty_history_says_what_to_do():
    assert "press Analyse" in cards.job_list([], 0.0)


# What is drawn


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


def test_a_card_shows_the_tags_that_hold_and_the_state_in_words(engine, job):
    frame = engine.work(job.job_id).latest
    assert '<span class="chip tag-0" title="boat: 90.0% sure">boat</span>' in cards.frame_card(frame, job)
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


def test_half_a_character_in_what_is_asked_can_be_kept():
    asked = AnalysisRequest.of("lake.mp4", ["boat\ud83d"], "What\udcff?")
    assert (asked.tags, asked.prompt) == (("boat?",), "What??")
    assert len(asked.prompt_sha256) == 64


def indices(texts):
    """Of the frames whose cards these are."""
    return [int(re.match(r'<li id="frame-(\d+)"', text)[1]) for text in texts]


def test_an_idle_page_asks_seldom_and_a_busy_one_often(engine, job):
    assert follow.changes(engine, follow.Drawn())["every_ms"] == follow.BUSY_MS
    engine.work(job.job_id, FRAMES)
    assert follow.changes(engine, follow.Drawn())["every_ms"] == follow.IDLE_MS


def test_thousands_of_frames_send_a_screenful(engine, job, monkeypatch):
    engine.change(job.job_id, frames_total=5_000)
    engine.work(job.job_id, 300)
    assert len(follow.changes(engine, follow.Drawn(job.job_id))["cards"]) == follow.MOST_CARDS


# Words and files


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.clock(15.2), "0:15.2"),
        (wording.clock(3723.04), "1:02:03.0"),
        (wording.clock(59.97), "1:00.0"),
        (wording.clock(59.97, 2), "0:59.97"),
        (wording.length(23.6), "0:24"),
        (wording.duration(0.44), "0.4 s"),
        (wording.duration(125), "2 min 5 s"),
        (wording.duration(4200), "1 h 10 min"),
        (wording.size(1_600_000_000), "1.6 GB"),
        (wording.size(850_000), "850 kB"),
        (wording.rate(4.21), "4.2 frames/s"),
        (wording.rate(0.1), "10.0 s a frame"),
        (wording.frames(1), "1 frame"),
        (wording.frames(12_000), "12,000 frames"),
        (wording.state("paused", "model"), "Waits for its model"),
    ],
)
def test_figures_are_said_as_people_read_them(said, expected):
    assert said == expected


def test_old_tokens_are_forgotten_and_used_ones_kept(clip):
    opened = OpenedVideos(most=2)
    first = opened.add(Opened(clip, "one"))
    second = opened.add(Opened(clip, "two"))
    assert opened.get(first).name == "one"
    opened.add(Opened(clip, "three"))
    assert opened.get(second) is None
    assert opened.get(first).name == "one"
    assert opened.get("") is None


def test_a_link_in_the_upload_folder_leads_nowhere_else(monkeypatch, tmp_path, clip):
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads))
    (uploads / "link.mp4").symlink_to(clip)
    with pytest.raises(Exception, match="was not uploaded here"):
        media.given_video({"path": str(uploads / "link.mp4")})
    with pytest.raises(Exception, match="was not uploaded here"):
        media.given_video(str(uploads / "link.mp4"))
