"""What an analysis was asked, back in the fields: all of it, said plainly, and with a way back."""

from asyncio import run
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from engine.video.request import AnalysisRequest
from ui import filling, stage, video
from ui.asking import Asked, beyond
from ui.filling import Filling
from ui.media import Opened
from ui.stage import Staged

EVIL = '<img src=x onerror="alert(1)">'
TYPED = Asked("my own words", "A long question", 7.0, reuse="3")
RICH = Asked(
    'animal: dog = "any dog, also partly visible", boat', "What?", 0.5, "1", "9.25", "7", True, "shots",
    "", "2.5", True, True,
)  # fmt: skip


@pytest.fixture
def analysed(engine, tmp_path):
    """Makes a job of what stands in the fields; gives it as it comes onto the stage."""
    clip = tmp_path / "lake.mp4"
    clip.write_bytes(b"film")

    def made(asked: Asked, name: str = "lake.mp4") -> str:
        job = engine.submit_video(asked.request(Opened(clip, name)))
        return Staged(token="t", name=name, job=job.job_id).as_json()

    return made


def opened(house, shown, kept, typed):
    """The note, what the browser keeps, and what stands in the fields then."""
    note, kept, *fields = run(filling.on_opened(house, shown, kept, typed))
    return note, kept, Asked(*fields)


def acted(house, act, kept, typed):
    note, kept, *fields = run(filling.on_note_act(house, act, kept, typed))
    return note, kept, fields


@pytest.mark.parametrize(
    "asked",
    [
        Asked("boat, sun"),
        Asked(prompt="What happens here?", interval=0.04, summary=True),
        Asked(codes=True, mode="keyframes"),
        Asked("boat", times="1.5, 2, 3600.000001"),
        Asked("boat", votes="3"),
        RICH,
    ],
)
def test_the_fields_say_what_a_request_asked(asked):
    request = asked.request(Opened(Path("lake.mp4"), "lake.mp4"))
    assert Asked.of(request) == asked
    assert Asked.of(request).request(Opened(Path("lake.mp4"), "lake.mp4")) == request


@pytest.mark.parametrize(("fps", "fields"), [(29.97, (0.033, "29.97")), (3, (0.333, "3")), (4, (0.25, ""))])
def test_frames_a_second_come_back_exactly(fps, fields):
    request = AnalysisRequest.of("lake.mp4", "boat", options={"fps": fps}, name="lake.mp4")
    asked = Asked.of(request)
    assert (asked.interval, asked.fps) == fields
    assert asked.request(Opened(Path("lake.mp4"), "lake.mp4")) == request


def test_opening_an_analysis_fills_its_settings_in_and_undo_gives_back_what_was_typed(house, analysed):
    note, kept, fields = opened(house, analysed(RICH), None, TYPED)
    assert fields == RICH
    assert "Filled in: what the analysis of <b>lake.mp4</b>" in note
    assert "Undo" in note
    changed = replace(RICH, interval=0.25)
    note, kept, back = acted(house, "swap", kept, changed)
    assert Asked(*back) == TYPED
    assert "What you had typed is back" in note
    _, _, again = acted(house, "swap", kept, TYPED)
    assert Asked(*again) == changed


def test_who_looks_through_several_analyses_is_led_back_to_their_own_words(house, analysed):
    _, kept, fields = opened(house, analysed(RICH), None, TYPED)
    _, kept, fields = opened(house, analysed(Asked("sun")), kept, fields)
    assert fields == Asked("sun")
    assert Asked(*acted(house, "swap", kept, fields)[2]) == TYPED


def test_a_change_of_what_was_filled_in_is_kept_like_what_was_typed(house, analysed):
    _, kept, _ = opened(house, analysed(RICH), None, TYPED)
    changed = replace(RICH, interval=0.25)
    _, kept, fields = opened(house, analysed(Asked("sun")), kept, changed)
    assert Asked(*acted(house, "swap", kept, fields)[2]) == changed


def test_nothing_is_to_be_undone_where_the_fields_said_the_same(house, analysed):
    note, _, fields = opened(house, analysed(RICH), None, RICH)
    assert fields == RICH
    assert "These fields say what the analysis of <b>lake.mp4</b>" in note
    assert "Undo" not in note and "Leave it so" not in note
    assert "Put away" in note


def test_what_lies_under_more_is_said_in_words():
    assert beyond(Asked("boat", "What?", 5)) == []
    assert beyond(RICH) == [
        "from 1\xa0s", "to 9.25\xa0s", "at most 7 frames", "each shot, and between",
        "answers reused up to 2.5\xa0%", "exact starts and ends", "a summary", "QR and bar codes",
    ]  # fmt: skip
    assert beyond(Asked("boat", fps="29.97")) == ["29.97 frames a second"]
    assert beyond(Asked("boat", times="1, 2, 3, 4, 5, 6")) == ["at 1, 2, 3, 4 and 2 more\xa0s"]


def test_the_note_says_so_where_another_model_would_answer(house, engine, analysed):
    shown = analysed(RICH)
    assert "Another model" not in opened(house, shown, None, TYPED)[0]
    engine.status_now = replace(engine.status_now, model="other")
    assert "Another model is loaded now" in opened(house, shown, None, TYPED)[0]


def test_the_note_says_so_where_the_spans_were_made_by_other_rules(house, engine, analysed):
    shown = analysed(RICH)
    assert "made by the rules" not in opened(house, shown, None, TYPED)[0]
    engine.findings.set_settings("job0", {"threshold": 0.8})
    assert (
        "Spans of the next analysis are made by the rules of this one."
        in opened(house, shown, None, TYPED)[0]
    )


def test_the_note_goes_and_nothing_else_changes(house, analysed):
    _, kept, fields = opened(house, analysed(RICH), None, TYPED)
    note, kept, left = acted(house, "leave", kept, fields)
    assert (note, kept) == ("", None)
    assert left == [{"__type__": "update"}] * len(astuple(fields))


@pytest.mark.parametrize("shown", [{"__type__": "update"}, Staged(name="lake.mp4", token="t").as_json(), ""])
def test_without_an_analysis_nothing_is_filled_in(house, shown):
    assert run(filling.on_opened(house, shown, None, TYPED)) == filling.NOTHING


def test_an_analysis_that_is_gone_leaves_the_fields_as_they_are(house, engine, analysed):
    shown = analysed(RICH)
    _, kept, _ = opened(house, shown, None, TYPED)
    engine.delete_job("job0")
    note, *rest = run(filling.on_opened(house, shown, None, TYPED))
    assert "There is no analysis" in note
    assert rest == list(filling.NOTHING[1:])
    assert "deleted since" in filling.note(house, Filling.of(kept))


@pytest.mark.parametrize("kept", [None, "", 7, [], {}, {"job": "a", "pure": [], "other": []}, {"job": 1}])
def test_what_a_browser_hands_back_may_be_anything(house, kept):
    assert Filling.of(kept) is None
    assert acted(house, "swap", kept, TYPED)[:2] == ("", None)


def test_what_is_kept_is_read_back():
    one = Filling("a1", RICH, TYPED, True)
    assert Filling.of(one.kept()) == one


def test_nothing_that_came_from_outside_becomes_markup(house, engine, analysed):
    shown = analysed(Asked(f'"{EVIL}"', EVIL), EVIL)
    engine.change("job0", model=EVIL)
    assert "<img" not in opened(house, shown, None, Asked(times=EVIL))[0]


def test_the_next_analysis_makes_its_spans_as_the_one_on_the_stage(house, engine, analysed):
    shown = analysed(Asked("boat, sun"))
    engine.findings.set_settings("job0", {"threshold": 0.8, "tags": {"sun": {"max_gap": 2}}})
    told = []
    engine.findings.set_settings = lambda job_id, rules: told.append((job_id, rules))
    video._same_rules(house, "job0", "job1", ("boat", "rain"))
    assert told == [
        ("job1", {"threshold": 0.8, "max_gap": 0.0, "min_duration": 0.0, "tags": {}}),
    ]
    video._same_rules(house, "job0", "job1", ("sun",))
    assert len(told) == 1  # they are the same already
    assert stage.Staged.from_json(shown).job == "job0"
