"""What a model only said is shown as said, and never as certain: on cards, in spans, in exports."""

import csv
import io
import json
import math
from dataclasses import replace

import pytest

from engine.video.corrections import Correction, corrected
from engine.video.exports import read_spans
from engine.video.request import AnalysisRequest
from engine.video.spans import Sample, spans
from tests.fixtures import faulty_server as ways
from tests.fixtures.faulty_server import SEES, FaultyServer, works
from tests.fixtures.videos import constant, numbered_video
from tests.running import analysed, engine_without_servers, served_by
from ui import cards, library_cards, panels
from ui import spans as spans_page

FRAMES = 3
SECOND = 1_000_000


def samples(*answers):
    """A second apart; each a value, and whether it was only said."""
    said = frozenset({"dog"})
    return [
        Sample(at * SECOND, "answered", {"dog": value}, said if only_said else frozenset())
        for at, (value, only_said) in enumerate(answers)
    ]


@pytest.mark.parametrize(
    ("answers", "confidence"),
    [
        ([(1.0, True), (1.0, True), (0.0, True)], None),
        ([(0.6, False), (1.0, True), (0.0, False)], 0.6),
        ([(0.6, False), (0.8, False), (0.0, True)], 0.7),
    ],
)
def test_a_hit_that_was_only_said_counts_and_says_nothing_of_how_sure(answers, confidence):
    taken = samples(*answers)
    (span,) = spans(taken, 3 * SECOND, SECOND, "dog")
    assert (span.start_us, span.end_us, span.hits) == (0, 2 * SECOND, 2)
    assert span.confidence == (None if confidence is None else pytest.approx(confidence))
    widened = Correction("dog", (0, 2 * SECOND), (0, 3 * SECOND))
    (by_person,) = corrected([span], [widened], taken, 0.5)
    assert (by_person.hits, by_person.confidence) == (2, span.confidence)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "lake.mp4"
    numbered_video(path, constant(FRAMES, 10))
    return path


@pytest.fixture
def engine(tmp_path):
    with engine_without_servers(tmp_path) as engine:
        yield engine


@pytest.fixture
def serving(engine):
    """Loads the model of a server that behaves in some way."""
    with FaultyServer(works(), listing=SEES) as server:

        def begin(behaviour):
            server.behaviours = [behaviour]
            served_by(engine, server.base_url, parallel=1)
            return server

        yield begin


def _about_to_say_something_else(exchange, asked):
    """`The`, with 98.8 %; then yes rather than no."""
    odds = {"The": 0.988, "Yes": 0.011, "No": 0.001}
    told = [{"token": token, "logprob": math.log(p), "bytes": None} for token, p in odds.items()]
    content = {"content": [{**told[0], "top_logprobs": told}], "refusal": None}
    choice = {"index": 0, "delta": {"content": "The"}, "finish_reason": "length", "logprobs": content}
    event = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
    exchange.begin_chunks(ways.EVENTS)
    exchange.chunk(f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n")
    exchange.end_chunks()


def exported(engine, job_id, form):
    return engine.export_job(job_id, form).read_text(encoding="utf-8-sig")


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_what_a_server_only_said_is_nowhere_a_hundred_per_cent(engine, serving, clip):
    server = serving(ways.ignores_logprobs)
    server.behaviours = [ways.says('{"dog": true, "cat": false}')]
    job_id = analysed(engine, clip, "dog, cat", 0.1)
    view = engine.findings.spans(job_id)
    (span,) = view.spans
    assert (span.tag, span.hits, span.confidence) == ("dog", FRAMES, None)
    assert "said yes" in spans_page.table(view) and "100\xa0%" not in spans_page.table(view)
    card = cards.frame_card(engine.frames(job_id)[0], engine.job(job_id))
    assert "dog: said yes, not how sure" in card and "100.0\xa0%" not in card
    assert [(row["dog"], row["cat"]) for row in rows(exported(engine, job_id, "csv_frames"))] == [
        ("yes", "no")
    ] * FRAMES
    assert [row["confidence"] for row in rows(exported(engine, job_id, "csv"))] == [""]
    beside = exported(engine, job_id, "ai_json")
    assert json.loads(beside)["json_result"]["timespans"]["tags"]["dog"][0]["confidence"] is None
    assert [read.confidence for read in read_spans(engine.export_job(job_id, "ai_json")).spans] == [None]


def test_votes_are_asked_through_a_job_and_their_share_is_the_confidence(engine, serving, clip):
    server = serving(ways.ignores_logprobs)
    yes, no = ways.says('{"dog": true}'), ways.says('{"dog": false}')
    server.behaviours = [yes, no, yes]  # then yes, for the other frames
    before = len(server.chats())
    job_id = analysed(engine, clip, "dog", 0.1, votes=3)
    assert len(server.chats()) - before == 3 * FRAMES
    assert [frame.tags["dog"] for frame in engine.frames(job_id)] == [pytest.approx(2 / 3), 1.0, 1.0]
    (span,) = engine.findings.spans(job_id).spans
    assert span.confidence == pytest.approx((2 / 3 + 2) / 3)
    card = cards.frame_card(engine.frames(job_id)[0], engine.job(job_id))
    assert "dog: 66.7\xa0% of 3 votes" in card


def plan_of(engine, clip, tags, prompt="", **options):
    return engine.plan(AnalysisRequest.of(clip, tags, prompt, 0.1, options))


@pytest.mark.parametrize(
    ("way", "votes"), [(works(), 1), (ways.ignores_logprobs, 1), (ways.ignores_logprobs, 3)]
)
def test_the_plan_says_how_often_the_server_will_be_asked(engine, serving, clip, way, votes):
    server = serving(way)
    plan = plan_of(engine, clip, "red, blue", "What is it?", votes=votes)
    before = len(server.chats())
    analysed(engine, clip, "red, blue", 0.1, prompt="What is it?", votes=votes)
    assert plan.requests == len(server.chats()) - before
    assert 1024 * plan.requests < plan.tokens < 1300 * plan.requests
    one = plan_of(engine, clip, "red, blue", "What is it?", votes=votes, mode="keyframes")
    assert (one.frames, one.requests) == (1, plan.requests // FRAMES)


def test_the_plan_says_what_the_summary_asks_of_the_server_too(engine, serving, clip):
    server = serving(works())
    plan = plan_of(engine, clip, "red", "What is it?", summary=True)
    before = len(server.chats())
    analysed(engine, clip, "red", 0.1, prompt="What is it?", summary=True)
    assert plan.requests + plan.summary_requests == len(server.chats()) - before
    assert 256 < plan.summary_tokens < 1000, "an answer, and three captions that may be 128 tokens long"
    shown = panels.plan(plan)
    assert "6 requests to the server" in shown and "and about 1 request with 7" in shown
    assert plan_of(engine, clip, "red", "What is it?").summary_requests == 0
    keys = plan_of(engine, clip, "red", "What is it?", summary=True, mode="keyframes")
    assert (keys.frames, keys.summary_requests) == (1, 1)


def test_a_model_on_this_machine_is_asked_for_nothing(engine, clip):
    plan = plan_of(engine, clip, "dark, bright", votes=3)
    assert (plan.frames, plan.requests, plan.tokens) == (FRAMES, 0, 0)


def test_a_watched_folder_says_what_each_of_its_frames_asks_of_the_server(engine, serving, tmp_path):
    (tmp_path / "films").mkdir()
    here = engine.library.watch(tmp_path / "films", "dark, bright")
    assert (here.requests_per_frame, here.tokens_per_frame) == (0, 0)
    serving(works())
    (there,) = engine.library.folders()
    assert there.requests_per_frame == 2
    assert 2 * 1024 < there.tokens_per_frame < 2 * 1300
    shown = library_cards.folders([replace(there, looked=True)])
    assert "2 requests a frame, about 2,100 tokens" in shown


def test_what_is_in_doubt_says_so_and_is_no_confidence(engine, serving, clip):
    server = serving(works())
    server.behaviours = [_about_to_say_something_else]
    job_id = analysed(engine, clip, "dog", 0.1)
    frame = engine.frames(job_id)[0]
    assert frame.tags["dog"] == pytest.approx(11 / 12)
    assert frame.facts == {"doubtful": ["dog"]}
    assert "of little worth" in cards.frame_card(frame, engine.job(job_id))
    (span,) = engine.findings.spans(job_id).spans
    assert (span.hits, span.confidence) == (FRAMES, None)
