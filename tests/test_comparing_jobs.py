"""Two real jobs side by side, as the engine, a script and the page get them: a real store, real videos."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from serving import served

from engine.engine import Engine
from engine.errors import InvalidInput
from engine.events.comparing import CaptionPair, DifferenceView
from storage.records import FrameRecord
from storage.store import Store
from tests.fixtures.videos import colour_video
from tests.running import WAIT, analysed
from ui import comparing

COLOURS = ["red", "blue", "green", "yellow"]


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    """A second of each colour."""
    return colour_video(tmp_path_factory.mktemp("videos") / "signal.mp4", COLOURS).path


def lengths(tag) -> list[float]:
    return [tag.both, tag.only_first, tag.only_second, tag.neither, tag.left_out]


def where(view) -> list[tuple]:
    return [(one.tag, one.start, one.end, one.only_in) for one in view.differences]


def test_each_run_has_its_own_rules_and_tags_that_only_one_was_asked_are_told_apart(engine, video):
    first = analysed(engine, video, "mostly blue, colourful")
    second = analysed(engine, video, "dark, colourful, mostly blue", 1)
    same = engine.comparisons.compare(first, second)
    assert [(tag.tag, tag.asked, tag.agreement) for tag in same.tags] == [
        ("mostly blue", "both", 1.0),
        ("colourful", "both", 1.0),
        ("dark", "second", None),
    ]
    assert (same.agreement, same.differences, same.duration) == (1.0, (), 4.0)
    assert lengths(same.tags[2]) == [0, 0, 0, 0, 4]
    engine.findings.set_settings(first, {"tags": {"colourful": {"threshold": 0.8}}})
    moved = engine.comparisons.compare(first, second)
    colourful = moved.tags[1]
    assert lengths(colourful) == [2, 0, 1, 1, 0]
    assert colourful.agreement == 0.75
    assert [(span.start, span.end) for span in colourful.first] == [(0, 1), (3, 4)]
    assert [(span.start, span.end) for span in colourful.second] == [(0, 2), (3, 4)]
    assert where(moved) == [("colourful", 1, 2, "second")]
    assert moved.agreement == 7 / 8
    assert moved.first.settings["tags"] == {"colourful": {"threshold": 0.8}}
    assert moved.second.settings["tags"] == {}
    assert (moved.first.job.job_id, moved.second.job.job_id) == (first, second)


def test_the_longest_difference_comes_first_and_a_part_that_was_not_looked_at_is_none(engine, video):
    whole = analysed(engine, video, "mostly blue, colourful")
    part = analysed(engine, video, "mostly blue, colourful", start=1, end=3)
    engine.findings.set_settings(
        whole, {"tags": {"colourful": {"threshold": 1}, "mostly blue": {"max_gap": 5}}}
    )
    engine.findings.set_settings(part, {"tags": {"mostly blue": {"threshold": 1}}})
    view = engine.comparisons.compare(whole, part)
    assert [lengths(tag)[4] for tag in view.tags] == [2, 2]
    assert [(stretch.start, stretch.end) for stretch in view.second.looked] == [(1, 3)]
    stretches = [one.end - one.start for one in view.differences]
    assert stretches == sorted(stretches, reverse=True)
    assert stretches
    assert all(1 <= one.start < one.end <= 3 for one in view.differences)


def test_a_correction_holds_in_both_and_a_failed_frame_in_one_is_left_out(engine, video):
    first = analysed(engine, video, "mostly blue", 1)
    second = analysed(engine, video, "mostly blue", 1)
    engine.findings.correct(first, "mostly blue", [1, 2], [1.25, 2.5])
    view = engine.comparisons.compare(first, second)
    assert [(span.start, span.end, span.corrected) for span in view.tags[0].second] == [(1.25, 2.5, True)]
    assert (view.agreement, view.differences) == (1.0, ())
    engine._store.add_frame(FrameRecord(second, 90, 3_500_000, "failed"), 0.1)
    again = engine.comparisons.compare(first, second)
    assert again.tags[0].left_out > 0
    assert again.tags[0].left_out == pytest.approx(view.duration - sum(lengths(again.tags[0])[:4]))
    assert again.differences == ()


def test_where_a_tag_is_unknown_in_one_its_row_shows_that_and_no_absence(engine, video):
    first, second = analysed(engine, video, "mostly blue, dark", 1), analysed(engine, video, "mostly blue", 1)
    known = {"mostly blue": None, "dark": 0.0}
    for time_us in (2_250_000, 2_500_000):
        engine._store.add_frame(FrameRecord(first, 90, time_us, "answered", known), 0.1)
    view = engine.comparisons.compare(first, second)
    blue, dark = comparing.drawn(view, 0.0)["rows"]
    assert blue["looked"] == [[[0, 2.25, True], [2.25, 3, False], [3, 4, True]], None]
    assert dark["looked"] == [None, None]
    assert view.tags[0].left_out == 0.75


def test_captions_of_both_are_paired_where_both_have_one(engine, video):
    jobs = [analysed(engine, video, "dark", 1, end=0.5) for _ in range(2)]
    for place, job_id in enumerate(jobs):
        for second in (1, 2, 3):
            if (second, place) != (2, 1):
                said = {"caption": f"{'AB'[place]} at {second}", "tags": {"dark": 0.0}}
                engine._store.add_frame(
                    FrameRecord(job_id, 10 + second, second * 1_000_000 + 1000 * place, "answered", **said),
                    0.1,
                )
    view = engine.comparisons.compare(*jobs)
    assert [(pair.first_time, pair.first, pair.second_time, pair.second) for pair in view.captions] == [
        (1, "A at 1", 1.001, "B at 1"),
        (3, "A at 3", 3.001, "B at 3"),
    ]
    assert engine.comparisons.compare(*jobs).captions == view.captions
    assert [pair.first for pair in engine.comparisons.compare(*reversed(jobs)).captions] == [
        "B at 1",
        "B at 3",
    ]


def test_captions_that_another_thread_keeps_meanwhile_are_not_taken_for_these(engine, video):
    class Looked(tuple):
        """What the captions that are kept belong to; another thread keeps its own once it was looked at."""

        def __ne__(self, other):
            comparisons._captions = (("another",), ("of another",))
            return tuple(self) != other

    comparisons = engine.comparisons
    jobs = [analysed(engine, video, "dark", step, prompt="What is there?") for step in (1, 2)]
    captions = comparisons.compare(*jobs).captions
    assert len(captions) == 3
    comparisons._captions = (Looked(comparisons._captions[0]), captions)
    assert comparisons.compare(*jobs).captions == captions


def test_other_analyses_of_the_same_content_are_offered_the_newest_first(engine, video, tmp_path):
    first = analysed(engine, video, "dark")
    copy = shutil.copy(video, tmp_path / "copy.mp4")
    second = analysed(engine, Path(copy), "bright")
    third = analysed(engine, video, "dark")
    sea = colour_video(tmp_path / "sea.mp4", ["blue"]).path
    analysed(engine, sea, "dark")
    for job_id in (first, second):
        engine.comparisons.compare(third, job_id)  # reads what was not read yet
    assert [job.job_id for job in engine.comparisons.others(first)] == [third, second]
    assert [job.job_id for job in engine.comparisons.others(third)] == [second, first]
    engine.delete_job(second)
    assert [job.job_id for job in engine.comparisons.others(first)] == [third]


def test_two_different_videos_are_refused_and_so_is_one_job_twice(engine, video, tmp_path):
    first = analysed(engine, video, "dark")
    sea = colour_video(tmp_path / "sea.mp4", ["blue"]).path
    other = analysed(engine, sea, "dark")
    with pytest.raises(
        InvalidInput, match=r"two different videos, signal\.mp4 and sea\.mp4\. Pick two of the"
    ):
        engine.comparisons.compare(first, other)
    with pytest.raises(InvalidInput, match="the same analysis twice"):
        engine.comparisons.compare(first, first)
    for pair in (("nothing", first), (first, "nothing")):
        with pytest.raises(InvalidInput, match="There is no analysis 'nothing'"):
            engine.comparisons.compare(*pair)
    with pytest.raises(InvalidInput, match="There is no analysis 'nothing'"):
        engine.comparisons.others("nothing")


def test_a_file_that_is_gone_before_it_was_read_is_named(engine, video, tmp_path):
    gone = colour_video(tmp_path / "gone.mp4", ["blue"]).path
    first, other = analysed(engine, video, "dark"), analysed(engine, gone, "dark")
    again = analysed(engine, gone, "bright")
    gone.unlink()
    for job_id in (other, again):
        engine._store.update_job(job_id, video_sha256="")
    info = engine._store.job(other)
    engine._store.set_video_hash(info.video_path, 1, 1, "another")
    with pytest.raises(InvalidInput, match=r"gone\.mp4 is not there any more, or was changed.*Put it back"):
        engine.comparisons.compare(first, other)
    assert (
        engine.comparisons.compare(other, again).agreement is None
    )  # it was the same file, whatever was in it


@pytest.fixture(scope="module")
def haven(tmp_path_factory, video) -> Iterator[tuple[Engine, str, list[str]]]:
    """An engine, its address, and two analyses of one video."""
    data = tmp_path_factory.mktemp("data")
    engine = Engine(Store.open(data), data / "models")
    engine.start()
    try:
        jobs = [analysed(engine, video, "mostly blue, colourful", step) for step in (0.5, 1)]
        engine.findings.set_settings(jobs[0], {"tags": {"colourful": {"threshold": 0.8}}})
        with served(engine, data) as address:
            yield engine, address, jobs
    finally:
        engine.close()


def test_a_run_for_codes_alone_is_named_by_that(engine, video):
    first, other = analysed(engine, video, "dark"), analysed(engine, video, "", 2, codes=True)
    (view,) = engine.comparisons.others(first)
    assert view.job_id == other
    assert comparing.named(view, view.created_at).endswith(" · 3 frames · codes")


def test_a_script_gets_plain_json(haven):
    _, address, jobs = haven
    client = Client(address, verbose=False)
    found = client.predict(*jobs, api_name="/compare_jobs")
    assert set(found) == {"first", "second", "duration", "agreement", "tags", "differences", "captions"}
    assert [found[side]["job"]["job_id"] for side in ("first", "second")] == jobs
    assert set(found["first"]) == {"job", "settings", "looked", "looked_for"}
    assert found["tags"][1] == {
        "tag": "colourful",
        "asked": "both",
        "first": found["tags"][1]["first"],
        "second": found["tags"][1]["second"],
        "both": 2.0,
        "only_first": 0.0,
        "only_second": 1.0,
        "neither": 1.0,
        "left_out": 0.0,
        "agreement": 0.75,
    }
    assert found["tags"][1]["second"][0]["end"] == 2.0
    assert found["differences"] == [{"tag": "colourful", "start": 1.0, "end": 2.0, "only_in": "second"}]
    with pytest.raises(Exception, match="the same analysis twice"):
        client.predict(jobs[0], jobs[0], api_name="/compare_jobs")
    client.close()


def test_the_page_gets_what_it_draws(haven):
    _, address, jobs = haven
    with httpx.Client(base_url=address, trust_env=False, timeout=WAIT) as client:
        others = client.get("/follow/others", params={"job": jobs[0]}).json()["others"]
        assert [job_id for job_id, _ in others] == [jobs[1]]
        assert others[0][1].startswith("scene-facts · ")
        assert others[0][1].endswith(" · 5 frames · mostly blue, colourful")
        assert client.get("/follow/others", params={"job": "nothing"}).json() == {"others": []}
        drawn = client.get("/follow/comparison", params={"job": jobs[0], "other": jobs[1]}).json()
        assert [row["tag"] for row in drawn["rows"]] == ["mostly blue", "colourful"]
        assert [row["agreement"] for row in drawn["rows"]] == ["100\xa0%", "75\xa0%"]
        assert [row["marks"] for row in drawn["rows"]] == [[], [[1.0, 2.0]]]
        assert [[bar[:2] for bar in side] for side in drawn["rows"][1]["bars"]] == [
            [[0.0, 1.0], [3.0, 4.0]],
            [[0.0, 2.0], [3.0, 4.0]],
        ]
        assert drawn["looked"] == [[[0.0, 4.0, True]]] * 2
        assert "<b>88\xa0%</b>" in drawn["head"]
        assert 'data-seek="1.000000"' in drawn["body"]
        refused = client.get("/follow/comparison", params={"job": jobs[0], "other": "nothing"})
        assert (refused.status_code, "no analysis 'nothing'" in refused.json()["trouble"]) == (200, True)


def test_what_comes_from_people_and_models_is_shown_as_text(haven):
    engine, _, jobs = haven
    view = engine.comparisons.compare(*jobs)
    evil = '<img src=x onerror="alert(1)">'
    tags = tuple(replace(tag, tag=f"{evil}{place}") for place, tag in enumerate(view.tags))
    differences = tuple(replace(one, tag=f"{evil}1") for one in view.differences)
    runs = [replace(run, job=replace(run.job, tags=(evil,), model=evil)) for run in (view.first, view.second)]
    captions = (CaptionPair(1, evil, 1, evil),)
    drawn = comparing.drawn(
        replace(view, first=runs[0], tags=tags, differences=differences, captions=captions), 0
    )
    assert evil not in drawn["head"] + drawn["body"]
    assert drawn["body"].count("&lt;img") == 5
    assert drawn["rows"][0]["tag"] == f"{evil}0"  # set as text by the page


def test_a_long_list_says_what_it_leaves_out(haven):
    engine, _, jobs = haven
    view = engine.comparisons.compare(*jobs)
    many = tuple(
        DifferenceView("colourful", at / 1000, (at + 1) / 1000, "first")
        for at in range(0, 2 * (comparing.MOST_DIFFERENCES + 7), 2)
    )
    listed = comparing.differences(replace(view, differences=many))
    assert listed.count("<li") == comparing.MOST_DIFFERENCES
    assert "7 shorter ones are not listed" in listed
    pairs = [CaptionPair(at, "a", at, "b") for at in range(comparing.MOST_CAPTIONS + 3)]
    assert "3 later ones are not listed" in comparing.captions(pairs)
    assert comparing.captions([]) == ""


@pytest.mark.parametrize(
    ("agreement", "said"),
    [
        (None, "—"),
        (0.0, "0\xa0%"),
        (0.001, "under 1\xa0%"),
        (0.005, "under 1\xa0%"),
        (0.01, "1\xa0%"),
        (0.876, "88\xa0%"),
        (0.99, "99\xa0%"),
        (0.995, "over 99\xa0%"),
        (0.9999, "over 99\xa0%"),
        (1.0, "100\xa0%"),
    ],
)
def test_a_share_is_never_whole_where_it_is_not(agreement, said):
    assert comparing.per_cent(agreement) == said
