"""What the page shows of spans and of a search: HTML and plain JSON, and the routes that ask for it."""

from dataclasses import replace

import httpx
import pytest
from fake_engine import FRAMES, FakeEngine
from serving import served

from engine.errors import InvalidInput
from engine.events.findings import LookedView, SearchHit, SpansView, SpanView
from ui import found, spans
from ui.asking import Asked
from ui.media import Opened

EVIL = '<img src=x onerror="alert(1)">'
VIEW = SpansView("a1", 60.0, ("dog", EVIL), {}, (), {}, (), 0)


def view(*made: SpanView) -> SpansView:
    return replace(VIEW, spans=made)


def test_rows_of_the_table_are_in_the_order_of_time_with_exact_times_on_hovering():
    late, early = SpanView("dog", 61.25, 62, 0.875, 3), SpanView(EVIL, 1.0, 2.005, None, 0, True)
    drawn = spans.table(view(late, early))
    assert drawn.index("0:01.00") < drawn.index("1:01.25")
    assert 'title="2.005000 s"' in drawn
    assert ">88\xa0%<" in drawn
    assert ">—<" in drawn
    assert drawn.count("span-mark") == 1
    assert "<img" not in drawn
    assert 'onerror="' not in drawn


def test_a_long_table_says_what_it_leaves_out():
    many = [SpanView("dog", float(at), at + 0.5, 0.9, 1) for at in range(spans.MOST_ROWS + 7)]
    drawn = spans.table(view(*many))
    assert drawn.count("<tr class") == spans.MOST_ROWS
    assert "7 more are in an export" in drawn


@pytest.mark.parametrize(
    ("counted", "said"),
    [
        ({}, ""),
        ({"dog": 1}, "1 start or end could not be narrowed to one frame"),
        ({"dog": 1200, EVIL: 1}, "1,201 starts and ends could not be narrowed to one frame"),
    ],
)
def test_how_many_starts_and_ends_could_not_be_narrowed_is_said(counted, said):
    drawn = spans.table(replace(view(SpanView("dog", 1, 2, 0.9, 1)), not_narrowed=counted))
    assert said in drawn and ("data-not-narrowed" in drawn) == bool(said)


def test_without_spans_it_says_why():
    assert "No span yet" in spans.table(VIEW)
    assert "No tag was asked for" in spans.table(replace(VIEW, tags=()))


def test_bars_are_the_spans_and_only_what_no_picture_tells_apart_is_drawn_as_one():
    few = [SpanView("dog", 1.0, 2.0, 0.9, 1, True)]
    assert spans.bars(few, 60) == [[1.0, 2.0, 0.9, True]]
    many = [SpanView("dog", at / 1000, at / 1000 + 0.0005, 0.9, 1) for at in range(60_000)]
    drawn = spans.bars(many, 60)
    assert len(drawn) <= spans.FINEST
    assert (drawn[0][0], drawn[-1][1]) == (0.0, many[-1].end)


def test_a_tag_of_which_nothing_is_known_is_not_drawn_as_one_that_is_absent():
    looked = (LookedView(0.0, 60.0, True),)
    unknown = {
        "dog": (LookedView(0.0, 60.0, False),),
        EVIL: (LookedView(0, 9, True), LookedView(9, 60, False)),
    }
    dog, evil = spans.drawn(replace(VIEW, looked=looked, looked_for=unknown), 1)["rows"]
    assert (dog["total"], dog["looked"]) == ("unknown", [[0.0, 60.0, False]])
    assert (evil["total"], evil["looked"]) == ("0.0 s", [[0, 9, True], [9, 60, False]])
    dog, _ = spans.drawn(replace(VIEW, looked=looked), 1)["rows"]
    assert (dog["total"], dog["looked"]) == ("0.0 s", None), "a sure no"


def test_stretches_that_no_picture_tells_apart_are_one_and_what_is_unknown_in_it_is_not_hidden():
    many = [LookedView(at / 1000, (at + 1) / 1000, at != 7) for at in range(60_000)]
    drawn = spans.looked(many, 60)
    assert len(drawn) <= spans.FINEST
    assert (drawn[0], drawn[-1][1]) == ([0.0, 0.03, False], 60.0)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(62.5, 62.5), ("62.5", 62.5), (" 1:02,5 ", 62.5), ("1:02:03", 3723), ("0:00.25", 0.25), (4, 4)],
)
def test_a_time_is_read_as_people_write_it(written, seconds):
    assert spans.moment(written) == seconds


NO_TIMES = ["", "soon", "1:2:3:4", "-1", "1:", "1e", None, True, "nan", "1:1.5:2", f"{'9' * 400}:1", 10**400]


@pytest.mark.parametrize("written", NO_TIMES, ids=lambda written: repr(written)[:12])
def test_what_is_no_time_is_refused_with_an_example(written):
    with pytest.raises(InvalidInput, match="Write a time as"):
        spans.moment(written)


def test_hits_of_a_search_are_buttons_that_open_their_video():
    tag = SearchHit("a1", EVIL, "tag", EVIL, 61.0, 62.0, 0.9, EVIL)
    caption = SearchHit("a2", "lake.mp4", "caption", "a dog", 3.0, None, None, "")
    drawn = found.hits([tag, caption])
    assert 'data-open="a1" data-at="61.000000"' in drawn
    assert "1:01.0 – 1:02.0" in drawn
    assert "tag · 90\xa0%" in drawn
    assert ">0:03.0<" in drawn
    assert "<img src=x" not in drawn
    assert "Nothing found" in found.hits([])


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return FakeEngine(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="module")
def client(engine, tmp_path_factory):
    with (
        served(engine, tmp_path_factory.mktemp("data")) as address,
        httpx.Client(base_url=address, trust_env=False, timeout=20) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def job(engine, tmp_path_factory):
    clip = tmp_path_factory.mktemp("films") / "lake.mp4"
    clip.write_bytes(b"film")
    job = engine.submit_video(Asked(tags="boat, sun").request(Opened(clip, "lake.mp4")))
    return engine.work(job.job_id, FRAMES)


def test_the_timeline_has_the_spans_of_the_engine(client, engine, job):
    drawn = client.get("/follow/timeline", params={"job": job.job_id}).json()
    assert drawn["job"] == job.job_id
    assert drawn["revision"] == engine.findings.revision
    assert [(row["tag"], row["total"], len(row["bars"])) for row in drawn["rows"]] == [
        ("boat", "24.0 s", 1),
        ("sun", "0.0 s", 0),
    ]
    assert drawn["looked"] == [[0.0, 24.0, True]]


def test_a_change_of_the_rules_answers_with_the_new_picture(client, job):
    drawn = client.post(f"/spans/{job.job_id}/settings", json={"threshold": 0.1}).json()
    assert [len(row["bars"]) for row in drawn["rows"]] == [1, 1]
    assert drawn["settings"]["threshold"] == 0.1


def test_a_correction_is_handed_over_in_seconds_and_undone(client, engine, job):
    given = {"tag": "boat", "old": [0, 24], "new": ["0:01.5", "20"]}
    drawn = client.post(f"/spans/{job.job_id}/correct", json=given).json()
    assert engine.findings.corrected[-1] == ("boat", [0.0, 24.0], [1.5, 20.0])
    assert drawn["corrections"] == 1
    assert client.post(f"/spans/{job.job_id}/undo").json()["corrections"] == 0


@pytest.mark.parametrize(
    ("path", "given", "trouble"),
    [
        ("/spans/{job}/settings", {"threshold": 2}, "“Sure from” must be from 0 to 1"),
        ("/spans/{job}/correct", {"tag": "boat", "new": ["soon", 2]}, "Write a time as 62.5"),
        ("/spans/{job}/correct", {"tag": "boat", "new": [1]}, "Give a start and an end"),
        ("/spans/nothing/settings", {}, "There is no analysis 'nothing'"),
    ],
)
def test_what_is_off_is_an_answer_that_says_so(client, job, path, given, trouble):
    answer = client.post(path.format(job=job.job_id), json=given)
    assert answer.status_code == 200
    assert trouble in answer.json()["trouble"]


@pytest.mark.parametrize("body", [b"", b"[]", b"no json", b"\xff"])
def test_a_body_that_the_page_never_sends_is_refused(client, job, body):
    assert client.post(f"/spans/{job.job_id}/settings", content=body).status_code == 400


def test_another_sites_page_changes_nothing(client, engine, job):
    before = engine.findings.revision
    headers = {"origin": "http://films.example"}
    for verb in ("settings", "correct", "undo"):
        answer = client.post(f"/spans/{job.job_id}/{verb}", json={}, headers=headers)
        assert answer.status_code == 403
    assert engine.findings.revision == before


def test_the_search_of_the_page_gives_html(client, engine):
    engine.search.hits = [SearchHit("a1", "lake.mp4", "tag", "dog", 1.0, 2.0, 0.9, "")]
    assert "lake.mp4" in client.get("/find", params={"query": "dog"}).json()["found"]
    assert "Nothing found" in client.get("/find", params={"query": "cat"}).json()["found"]
