"""How sure a model is where its probabilities say little: by votes, in doubt, or not known at all."""

import json
import math

import pytest

from engine.backends.base import FrameTask
from engine.backends.remote.questions import cost_of
from engine.backends.yesno import doubts
from engine.cancel import CancelToken
from engine.errors import InvalidInput
from engine.settings import MAX_VOTES, Sampling
from engine.video.request import AnalysisRequest
from engine.video.sureness import doubtful, stated, unmeasured
from tests.fixtures import faulty_server as ways
from tests.fixtures.faulty_server import backend_on, works
from tests.fixtures.talking import frame


def asked(backend, tags, votes=1, prompt=""):
    """The answer about a red frame."""
    (answer,) = backend.look([frame("red")], FrameTask(tags, prompt, votes=votes), CancelToken())
    return answer


def stating(*replies):
    return [ways.says(json.dumps(reply)) for reply in replies]


def _without_odds(text):
    def behave(exchange, asked):
        asked.body.pop("logprobs", None)
        ways.says(text)(exchange, asked)

    return behave


@pytest.mark.parametrize(
    "way", [ways.ignores_logprobs, works(logprobs=False, schema=False)], ids=["JSON", "words"]
)
def test_the_share_of_votes_is_the_confidence(way):
    with backend_on(way) as (backend, server):
        backend.warm_up(CancelToken())
        server.behaviours = stating({"red": True}, {"red": False}, {"red": True})
        answer = asked(backend, ("red",), votes=3)
    assert answer.tags == {"red": pytest.approx(2 / 3)}
    assert answer.facts == {"votes": 3}
    assert unmeasured(answer.facts, ("red",)) == frozenset()


def test_a_server_that_always_says_the_same_is_asked_so_many_times_and_each_time_otherwise():
    with backend_on(ways.ignores_logprobs) as (backend, server):
        backend.warm_up(CancelToken())
        before = len(server.chats())
        answer = asked(backend, ("red", "blue"), votes=5)
        sent = server.chats()[before:]
    assert answer.tags == {"red": 1.0, "blue": 0.0}
    assert len(sent) == 5
    assert len({request["seed"] for request in sent}) == 5
    assert all(request["temperature"] > 0 and request["top_k"] > 100 for request in sent)


def test_a_single_answer_is_not_left_to_chance_and_says_that_it_was_only_stated():
    with backend_on(ways.ignores_logprobs) as (backend, server):
        backend.warm_up(CancelToken())
        before = len(server.chats())
        answer = asked(backend, ("red", "blue"))
        sent = server.chats()[before:]
    assert [request["temperature"] for request in sent] == [0]
    assert stated(answer.facts, ("red", "blue")) == {"red", "blue"}


def test_a_server_with_log_probabilities_is_asked_once_a_tag_whatever_the_votes():
    with backend_on(works()) as (backend, server):
        backend.warm_up(CancelToken())
        before = len(server.chats())
        answer = asked(backend, ("red", "blue"), votes=5)
        assert len(server.chats()) - before == 2
    assert answer.facts == {}


def test_a_vote_that_says_nothing_of_a_tag_is_no_vote_and_one_alone_is_only_stated():
    with backend_on(ways.ignores_logprobs) as (backend, server):
        backend.warm_up(CancelToken())
        server.behaviours = stating({"red": True}, {"red": False, "blue": True}, {"red": True})
        answer = asked(backend, ("red", "blue"), votes=3)
    assert answer.tags == {"red": pytest.approx(2 / 3), "blue": 1.0}
    assert answer.facts == {"votes": 3, "stated": ["blue"]}


def test_a_yes_that_comes_without_log_probabilities_among_others_is_marked():
    with backend_on(works()) as (backend, server):
        backend.warm_up(CancelToken())
        server.behaviours = [works(), _without_odds("I would say yes")]
        answer = asked(backend, ("red", "big, blue"))
    assert answer.tags == {"red": pytest.approx(0.95), "big, blue": 1.0}
    assert stated(answer.facts, ("red", "big, blue")) == {"big, blue"}


@pytest.mark.parametrize(
    ("facts", "only_stated", "in_doubt"),
    [
        ({}, set(), set()),
        ({"votes": 3}, set(), set()),
        ({"confidence": "stated"}, {"dog", "big, red"}, set()),
        ({"stated": ["big, red"]}, {"big, red"}, set()),
        ({"stated": "dog, cat"}, {"dog"}, set()),
        ({"doubtful": ["dog"], "stated": ["big, red"]}, {"big, red"}, {"dog"}),
    ],
)
def test_the_facts_of_an_answer_tell_which_numbers_were_measured(facts, only_stated, in_doubt):
    tags = ("dog", "big, red")
    assert (stated(facts, tags), doubtful(facts, tags)) == (only_stated, in_doubt)
    assert unmeasured(facts, tags) == only_stated | in_doubt


# as it is asked for


def test_one_vote_is_cast_unless_more_are_asked_for():
    assert AnalysisRequest.of("a.mp4", "dog").sampling.votes == 1
    request = AnalysisRequest.of("a.mp4", "dog", options={"votes": 3})
    assert request.sampling.votes == 3
    assert Sampling.from_dict(json.loads(json.dumps(request.sampling.as_dict()))) == request.sampling
    assert request.prompt_sha256 != AnalysisRequest.of("a.mp4", "dog").prompt_sha256


def test_an_analysis_of_an_older_haven_had_one_vote():
    older = {name: value for name, value in Sampling().as_dict().items() if name != "votes"}
    assert Sampling.from_dict(older) == Sampling()


@pytest.mark.parametrize("votes", [0, MAX_VOTES + 1, 1.5, "three", True])
def test_votes_out_of_bounds_are_refused_by_name(votes):
    with pytest.raises(InvalidInput, match="votes must be"):
        AnalysisRequest.of("a.mp4", "dog", options={"votes": votes})


def test_votes_without_tags_are_refused():
    with pytest.raises(InvalidInput, match="name at least one tag"):
        AnalysisRequest.of("a.mp4", "", "What is it?", options={"votes": 3})


# what it costs


@pytest.mark.parametrize(
    ("way", "task"),
    [
        (works(), FrameTask(("red", "blue", "green"), "What is it?", votes=4)),
        (works(), FrameTask(("red",))),
        (ways.ignores_logprobs, FrameTask(("red", "blue", "green"), "What is it?", votes=4)),
        (ways.ignores_logprobs, FrameTask(("red", "blue"))),
        (works(), FrameTask(prompt="What is it?")),
    ],
)
def test_a_frame_takes_as_many_requests_as_it_was_said_to(way, task):
    with backend_on(way) as (backend, server):
        backend.warm_up(CancelToken())
        before = len(server.chats())
        (answer,) = backend.look([frame("red")], task, CancelToken())
        sent = len(server.chats()) - before
    assert answer.state == "answered"
    assert cost_of(task, backend.info.asking).requests == sent


def test_a_picture_is_counted_with_each_request():
    one, three = FrameTask(("red",)), FrameTask(("red", "red", "red"), votes=3)
    by_odds = [cost_of(task, "odds").tokens for task in (one, three)]
    assert 1024 < by_odds[0] < 1100
    assert cost_of(FrameTask(("red",), votes=3), "statements").tokens == 3 * cost_of(one, "statements").tokens
    words = FrameTask(prompt="x" * 400, max_new_tokens=50)
    assert cost_of(words, "odds").tokens == 1024 + 4 + math.ceil(400 / 4) + 50


# models in this process


def test_odds_of_a_model_here_are_measured_against_all_it_could_say():
    import torch

    from engine.backends.transformers.yesno import YesNo

    class Letters:
        """A vocabulary of six words, of which one begins a yes and one a no."""

        def encode(self, text, add_special_tokens):
            return [{"yes": 1, "no": 2}.get(text.strip().casefold(), 0)]

    likely = torch.tensor([[0.1, 0.6, 0.3], [0.88, 0.11, 0.01]]).log()
    sure, unsure = YesNo(Letters()).odds(torch.cat([likely, torch.full((2, 3), -40.0)], dim=1))
    assert (sure.yes, sure.mass, sure.doubtful) == (pytest.approx(2 / 3), pytest.approx(0.9), False)
    assert (unsure.yes, unsure.mass, unsure.doubtful) == (pytest.approx(11 / 12), pytest.approx(0.12), True)
    assert doubts({"dog": sure, "cat": unsure}) == {"doubtful": ["cat"]}
    assert doubts({"dog": sure}) == {}
