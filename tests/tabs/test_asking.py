"""What is asked of a video: what the fields hand over, what is missing, and what it would cost."""

from asyncio import run
from fractions import Fraction
from pathlib import Path

import pytest

from engine.errors import BadSetting, InvalidInput, MediaError, Name
from engine.events.jobs import AnalysisPlan
from engine.refusals import refuse_an_empty_range
from engine.video.frames import VideoInfo
from engine.video.request import AnalysisRequest
from ui import labels, panels, video
from ui.asking import Asked
from ui.media import Opened
from ui.stage import Staged


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


def test_the_page_has_its_labels_for_names_however_a_message_is_worded():
    error = BadSetting("Of ", Name("fps"), ", end and ", Name("mode", "shots"), " one is too much.")
    assert str(error) == "Of fps, end and mode='shots' one is too much."
    assert labels.explained(error) == (
        "Of “Frames a second”, end and “Each shot, and between” one is too much."
    )
    assert labels.explained(BadSetting(Name("seed"), " is no label.")) == "seed is no label."


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
            "60 frames, those that change by 2\xa0% or less without a question, and at most 12 more for each "
            "span, about 15 s for the frames with this model (from 1 earlier run)",
        ),
        (
            AnalysisPlan(60, 2.0, None, 0, extra_per_span=12, extra_is_about=True),
            "60 frames, and about 12 more for each span; time unknown until it runs",
        ),
        (
            AnalysisPlan(60, 2.0, None, 0, at_least=True, reuse=2.0, requests=120, tokens=126_400),
            "at least 60 frames (120 requests to the server with about 130,000 tokens), those that change by "
            "2\xa0% or less without a question; time unknown until it runs",
        ),
        (
            AnalysisPlan(0, 2.0, None, 0, requests=1, tokens=1_149),
            "as many frames as there are key frames (1 request to the server with about 1,100 tokens for "
            "each); time unknown until it runs",
        ),
        (
            AnalysisPlan(
                60,
                2.0,
                15.2,
                2,
                requests=120,
                tokens=126_400,
                summary=True,
                summary_requests=2,
                summary_tokens=8_920,
            ),
            "60 frames (120 requests to the server with about 130,000 tokens, and about 2 requests with "
            "8,900 tokens for the summary), about 15 s for the frames with this model (from 2 earlier runs)",
        ),
        (
            AnalysisPlan(0, 2.0, None, 0, requests=1, tokens=1_149, summary=True),
            "as many frames as there are key frames (1 request to the server with about 1,100 tokens for "
            "each, and those of the summary); time unknown until it runs",
        ),
        (
            AnalysisPlan(0, 2.0, None, 0),
            "as many frames as there are key frames; time unknown until it runs",
        ),
    ],
)
def test_the_plan_says_what_it_costs(plan, said):
    assert panels.plan(plan) == said


def test_half_a_character_in_what_is_asked_can_be_kept():
    asked = AnalysisRequest.of("lake.mp4", ["boat\ud83d"], "What\udcff?")
    assert (asked.tags, asked.prompt) == (("boat?",), "What??")
    assert len(asked.prompt_sha256) == 64
