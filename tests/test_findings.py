"""Spans of real jobs: settings and corrections that are kept, on the built-in provider and a real store."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fixtures.videos import colour_video

from engine.errors import InvalidInput
from storage.records import FrameRecord
from tests.running import analysed, opened


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "signal.mp4"
    colour_video(path, ["red", "blue", "green"])
    return path


def times(view) -> list[tuple]:
    return [(span.tag, span.start, span.end, "*" * span.corrected) for span in view.spans]


RED, BLUE = ("mostly red", 0, 1, ""), ("mostly blue", 1, 2, "")


def test_settings_are_kept_with_the_job_and_hold_for_results_and_exports(engine, video, tmp_path):
    job_id = analysed(engine, video, "colourful, mostly red")
    whole = engine.findings.spans(job_id)
    assert times(whole)[0] == ("colourful", 0, 2, "")
    assert whole.settings == {"threshold": 0.5, "max_gap": 0.0, "min_duration": 0.0, "tags": {}}
    before = engine.findings.revision
    shorter = engine.findings.set_settings(job_id, {"tags": {"colourful": {"threshold": 0.8}}})
    assert times(shorter) == [("colourful", 0, 1, ""), RED]
    assert engine.findings.revision > before
    result = engine.job_result(job_id)
    assert result.spans == shorter.spans
    assert result.summary["tags"] == shorter.totals
    assert '"start": 0.0' in engine.export_job(job_id, "json").read_text()
    engine.close()
    again = opened(tmp_path)
    assert again.findings.spans(job_id) == shorter
    again.close()


def test_a_share_of_the_video_joins_and_drops(engine, video):
    job_id = analysed(engine, video)
    assert times(engine.findings.set_settings(job_id, {"min_duration": "34 %"})) == []
    assert times(engine.findings.set_settings(job_id, {"min_duration": "33 %"})) == [RED, BLUE]


def test_a_correction_survives_a_new_run_a_copy_of_the_file_and_a_restart(engine, video, tmp_path):
    job_id = analysed(engine, video)
    moved = engine.findings.correct(job_id, "mostly red", [0, 1], [0.25, 1.25])
    shaped = ("mostly red", 0.25, 1.25, "*")
    assert times(moved) == [shaped, BLUE]
    assert (moved.corrections, moved.spans[0].hits) == (1, 1)
    copy = tmp_path / "copy.mp4"
    shutil.copy(video, copy)
    newer = analysed(engine, copy, "mostly blue, mostly red", 0.25)
    engine.findings.correct(newer, "mostly blue", None, [2.5, 3])  # reads what is in the copy
    assert times(engine.findings.spans(newer)) == [BLUE, ("mostly blue", 2.5, 3, "*"), shaped]
    assert times(engine.findings.spans(job_id))[0] == shaped
    assert engine.job_result(job_id).spans == engine.findings.spans(job_id).spans
    engine.delete_job(job_id)
    engine.close()
    again = opened(tmp_path)
    assert shaped in times(again.findings.spans(newer))
    again.close()


def test_a_correction_is_about_a_tag_whatever_its_capital_letters(engine, video):
    job_id = analysed(engine, video, tags="mostly red")
    engine.findings.correct(job_id, "mostly red", [0, 1], [0.25, 1.25])
    again = analysed(engine, video, tags="Mostly Red", interval=0.25)
    found = times(engine.findings.spans(again))
    assert found[0] == ("Mostly Red", 0.25, 1.25, "*")
    once = engine.findings.correct(again, "Mostly Red", [0, 1], [0.25, 1.25])
    assert once.corrections == 1, "it was said already"


def test_the_last_correction_is_undone_first(engine, video):
    job_id = analysed(engine, video)
    engine.findings.correct(job_id, "mostly red", [0, 1], None)
    engine.findings.correct(job_id, "mostly blue", None, [2, 2.5])
    assert times(engine.findings.undo(job_id)) == [BLUE]
    assert times(engine.findings.undo(job_id)) == [RED, BLUE]
    with pytest.raises(InvalidInput, match="there is nothing to undo"):
        engine.findings.undo(job_id)


@pytest.mark.parametrize("given", [(None, [2, 2.5]), ([0, 1], None), ([0, 1], [0.25, 1.25])])
def test_a_correction_that_is_sent_again_counts_once(engine, video, given):
    job_id = analysed(engine, video)
    once = engine.findings.correct(job_id, "mostly red", *given)
    revision = engine.findings.revision
    with ThreadPoolExecutor(5) as clicks:
        again = list(clicks.map(lambda _: engine.findings.correct(job_id, "mostly red", *given), range(5)))
    assert again == [once] * 5
    assert (once.corrections, engine.findings.revision) == (1, revision)
    engine.findings.correct(job_id, "mostly blue", [1, 2], None)
    assert (
        engine.findings.correct(job_id, "mostly red", *given).corrections == 2
    )  # of this tag it is the newest
    engine.findings.undo(job_id)
    assert times(engine.findings.undo(job_id)) == [RED, BLUE]
    assert engine.findings.correct(job_id, "mostly red", *given) == once  # undone, it may be said again


def test_the_same_correction_after_another_one_is_one_more(engine, video):
    job_id = analysed(engine, video)
    engine.findings.correct(job_id, "mostly red", None, [2, 2.5])
    engine.findings.correct(job_id, "mostly red", [2, 2.5], None)
    assert engine.findings.correct(job_id, "mostly red", None, [2, 2.5]).corrections == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("boat", None, [0, 1]), "'boat' was not asked for. The tags are: mostly red, mostly blue"),
        (("mostly red", None, None), "Say which span"),
        (("mostly red", None, [1, 1]), "must come after the start"),
        (("mostly red", None, [0, 3.5]), "new end must be from 0 to 3, not 3.5"),
        (("mostly red", None, [0, "1"]), "new end must be a number"),
        (("mostly red", None, [0]), "new must be a start and an end in seconds"),
        (("mostly red", "0-1", None), "old must be a start and an end in seconds"),
        (("mostly red", [0, 1.5], None), "There is no span of 'mostly red' from 0 s to 1.5 s"),
    ],
)
def test_a_correction_that_is_off_is_refused_and_changes_nothing(engine, video, given, message):
    job_id = analysed(engine, video)
    with pytest.raises(InvalidInput, match=message):
        engine.findings.correct(job_id, *given)
    assert times(engine.findings.spans(job_id)) == [RED, BLUE]


def test_a_correction_needs_the_file_once(engine, video, tmp_path):
    here = tmp_path / "here.mp4"
    shutil.copy(video, here)
    job_id = analysed(engine, here)
    engine.findings.correct(job_id, "mostly red", [0, 1], None)
    here.unlink()
    assert times(engine.findings.correct(job_id, "mostly blue", [1, 2], None)) == []


def test_answers_that_come_later_or_in_between_are_seen(tmp_path, engine, video):
    job_id = analysed(engine, video, interval=1)
    store = engine._store
    engine.findings.spans(job_id)
    blank = {"mostly red": 0.0, "mostly blue": 0.0}
    store.add_frame(FrameRecord(job_id, 9, 250_000, "answered", blank), 0.1)
    assert times(engine.findings.spans(job_id))[0] == ("mostly red", 0, 0.25, "")
    store.add_frame(FrameRecord(job_id, 10, 2_950_000, "failed"), 0.1)
    assert engine.findings.spans(job_id).looked[-1].answered is False
    assert store.drop_failed_tail(job_id) == 1
    store.add_frame(FrameRecord(job_id, 10, 2_950_000, "answered", {"mostly red": 1.0}), 0.1)
    view = engine.findings.spans(job_id)
    assert [one.answered for one in view.looked] == [True]
    assert times(view)[1] == ("mostly red", 2.95, 3, "")


def test_of_listed_times_an_answer_lasts_no_longer_than_an_interval_narrowed_or_not(engine, video):
    listed = analysed(engine, video, interval=0.25, times=[0.5, 1.5])
    found = engine.findings.spans(listed)
    assert times(found) == [("mostly red", 0.5, 0.75, ""), ("mostly blue", 1.5, 1.75, "")]
    assert [(one.start, one.end) for one in found.looked] == [(0.5, 0.75), (1.5, 1.75)]
    narrowed = analysed(engine, video, interval=0.25, times=[0.5, 1.5], refine=True)
    found = times(engine.findings.spans(narrowed))
    assert found[0] == ("mostly red", 0.5, 0.75, "") and found[-1] == ("mostly blue", 1.5, 1.75, "")
    red = max(end for tag, _, end, _ in found if tag == "mostly red")
    blue = min(start for tag, start, _, _ in found if tag == "mostly blue")
    assert (red, blue) == (1, 1), "to one frame"
    joined = engine.findings.set_settings(narrowed, {"max_gap": 0.5})
    assert times(joined) == [("mostly red", 0.5, 1, ""), ("mostly blue", 1, 1.75, "")]


def test_the_end_of_a_video_may_be_written_as_it_is_read(engine, video):
    job_id = analysed(engine, video)
    engine._store.update_job(job_id, duration_us=2_996_667)  # 0:03.00, as the page shows it
    found = engine.findings.correct(job_id, "mostly red", None, [2.5, 3.0])
    assert ("mostly red", 2.5, 2.996667, "*") in times(found)
    with pytest.raises(InvalidInput, match="new end must be from 0 to"):
        engine.findings.correct(job_id, "mostly red", None, [2.5, 3.01])


def test_what_is_unknown_of_one_tag_is_no_absence_of_it(engine, video):
    job_id = analysed(engine, video, interval=1)
    for at, blue in ((250_000, None), (500_000, None), (750_000, 0.0)):
        answers = {"mostly red": 1.0, "mostly blue": blue}
        engine._store.add_frame(FrameRecord(job_id, 10, at, "answered", answers), 0.1)
    found = engine.findings.spans(job_id)
    assert [(one.start, one.end, one.answered) for one in found.looked] == [(0, 3, True)]
    assert {tag: [vars(one) for one in looked] for tag, looked in found.looked_for.items()} == {
        "mostly blue": [
            {"start": 0, "end": 0.25, "answered": True},
            {"start": 0.25, "end": 0.75, "answered": False},
            {"start": 0.75, "end": 3, "answered": True},
        ]
    }


def test_spans_are_made_once_until_something_moves(engine, video):
    job_id, other = analysed(engine, video), analysed(engine, video)
    made = engine.findings.found(job_id)
    assert engine.findings.found(job_id) is made
    engine.findings.set_settings(other, {"threshold": 0.9})
    assert engine.findings.found(job_id) is made
    engine.findings.correct(other, "mostly red", [0, 1], None)
    assert [span.tag for span in engine.findings.found(job_id).spans] == ["mostly blue"]
    engine.findings.set_settings(job_id, {"min_duration": 1.5})
    assert engine.findings.found(job_id).spans == []


@pytest.mark.parametrize("verb", ["spans", "set_settings", "correct", "undo"])
def test_an_unknown_job_is_named(engine, verb):
    more = {"set_settings": ({},), "correct": ("dog", None, [0, 1])}.get(verb, ())
    with pytest.raises(InvalidInput, match="There is no analysis 'nothing'"):
        getattr(engine.findings, verb)("nothing", *more)


@pytest.mark.parametrize(
    ("reads", "verb", "given"),
    [
        ("settings", "set_settings", ({"threshold": 0.7},)),
        ("corrections", "correct", ("mostly red", None, [0.25, 0.5])),
    ],
)
def test_a_job_that_another_window_deletes_meanwhile_is_said_to_be_gone(
    engine, video, monkeypatch, reads, verb, given
):
    job_id, read = analysed(engine, video), getattr(engine.findings, reads)

    def deleted(asked):
        engine.delete_job(job_id)
        return read(asked)

    monkeypatch.setattr(engine.findings, reads, deleted)
    with pytest.raises(InvalidInput, match="it may have been deleted"):
        getattr(engine.findings, verb)(job_id, *given)
