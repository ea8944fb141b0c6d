"""The OpenAI-compatible provider against servers that are well, or lack what servers may lack."""

import json
import threading

import pytest

from engine.backends.base import FrameTask, Message
from engine.backends.openai.chunks import pieces
from engine.backends.openai.listing import read_listing
from engine.backends.openai.provider import OpenAIProvider
from engine.backends.openai.servers import Server, servers
from engine.backends.remote.faults import ServerFault
from engine.backends.remote.keys import keep_key
from engine.backends.remote.replies import odds_of_yes
from engine.backends.remote.talk import End
from engine.cancel import CancelToken
from engine.errors import InvalidInput, ModelError, ServerAway
from engine.settings import GenerationSettings, LoadOptions
from tests.fixtures import faulty_server as ways
from tests.fixtures.colours import COLOURS
from tests.fixtures.faulty_server import (
    BLIND,
    MODEL,
    SEES,
    FaultyServer,
    backend_on,
    provider_of,
    refuses,
    works,
)
from tests.fixtures.keyring_stand_in import KeyringStandIn
from tests.fixtures.loopback import Loopback
from tests.fixtures.seeing import HELLO, SURE
from tests.fixtures.talking import EAGER, HI, PATIENT, chat, frame, look, text


@pytest.fixture(autouse=True, scope="module")
def imported():
    """The library, before any clock runs."""
    import openai

    return openai


@pytest.fixture(autouse=True)
def no_ambient_servers(monkeypatch):
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "HAVEN_OPENAI_SERVERS"):
        monkeypatch.delenv(name, raising=False)


# answering


def test_an_answer_is_streamed_word_by_word_with_the_servers_own_counts():
    with backend_on(works()) as (backend, _):
        *words, end = chat(backend)
    assert text(words) == HELLO
    assert len(words) == len(HELLO.split())
    assert (end.reason, end.usage.prompt_tokens, end.usage.completion_tokens) == ("stop", 11, len(words))


def test_without_counts_from_the_server_they_are_estimated():
    with backend_on(works(usage=False)) as (backend, _):
        *words, end = chat(backend)
        assert end.usage.prompt_tokens == backend.count_tokens(HI)
        assert end.usage.completion_tokens == len(words)


def test_an_answer_that_reaches_the_limit_says_so():
    with backend_on(works()) as (backend, _):
        *words, end = backend.stream(HI, GenerationSettings(max_new_tokens=3), CancelToken())
    assert (len(words), end.reason) == (3, "length")


def test_settings_and_pictures_reach_the_server():
    settings = GenerationSettings(max_new_tokens=9, temperature=0.25, top_p=0.5, top_k=7, seed=3)
    asked = [Message("system", "Be brief."), Message("user", "What is it?", (frame("cyan").picture,))]
    with backend_on(works()) as (backend, server):
        assert text(backend.stream(asked, settings, CancelToken())) == "It is cyan."
        (sent,) = server.chats()
    expected = {"max_tokens": 9, "temperature": 0.25, "top_p": 0.5, "top_k": 7, "seed": 3, "stream": True}
    assert {name: sent[name] for name in expected} == expected
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}


def test_a_seed_that_was_not_chosen_is_not_sent():
    with backend_on(works()) as (backend, server):
        chat(backend)
        assert "seed" not in server.chats()[0]


def test_several_answers_at_once_do_not_mix():
    with backend_on(works()) as (backend, _):
        answers = {}

        def ask(colour):
            answers[colour] = [look(backend, colour, ("red", "blue"), "What?").caption for _ in range(3)]

        threads = [threading.Thread(target=ask, args=(colour,)) for colour in list(COLOURS)[:4]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == {colour: [f"It is {colour}."] * 3 for colour in answers}
    assert len(answers) == 4


# looking

WAYS = [
    ("log-probabilities", works(), (SURE, 1 - SURE), {}, 2),
    ("no log-probabilities given", ways.ignores_logprobs, (1, 0), {"confidence": "stated"}, 2),
    ("log-probabilities refused", works(logprobs=False), (1, 0), {"confidence": "stated"}, 2),
    ("JSON refused as well", works(logprobs=False, schema=False), (1, 0), {"confidence": "stated"}, 3),
]


@pytest.mark.parametrize(("name", "way", "tags", "facts", "requests"), WAYS, ids=[w[0] for w in WAYS])
def test_tags_are_asked_in_the_best_way_that_the_server_has(name, way, tags, facts, requests):
    with backend_on(way) as (backend, server):
        answer = look(backend, tags=("red", "something blue"))
        assert answer.state == "answered"
        assert tuple(answer.tags.values()) == pytest.approx(tags)
        assert answer.facts == facts
        assert len(server.chats()) == requests


def test_a_way_that_the_server_lacks_is_not_tried_again():
    with backend_on(works(logprobs=False, schema=False)) as (backend, server):
        look(backend, tags=("red",))
        before = len(server.chats())
        assert look(backend, "blue", ("blue",)).tags == {"blue": 1}
        assert len(server.chats()) == before + 1


def test_warming_up_finds_the_way_and_it_is_kept_to():
    """So that the frames of one run are all asked alike, whatever happens in between."""
    with backend_on(works()) as (backend, server):
        backend.warm_up(CancelToken())
        server.behaviours = [works(logprobs=False)]
        assert look(backend, tags=("red",)).state == "failed"
        server.behaviours = [ways.says("")]
        assert look(backend, tags=("red",)).tags == {"red": None}


def test_a_prompt_longer_than_the_context_is_said_to_be_that():
    with backend_on(ways.closes_at_once) as (backend, _):
        with pytest.raises(ModelError, match=r"about 10,\d+ tokens; colours reads at most 8,192"):
            chat(backend, [Message("user", "word " * 8_000)])
        with pytest.raises(ModelError, match="broke the answer off"):
            chat(backend)


def test_a_server_that_fails_once_is_still_asked_in_the_best_way():
    busy = refuses(503)
    with backend_on(busy, busy, busy, busy, works()) as (backend, _):
        for _ in range(2):
            with pytest.raises(ServerAway, match="503"):
                look(backend, tags=("red",))
        assert look(backend, tags=("red",)).tags == {"red": pytest.approx(SURE)}


def test_an_answer_that_states_no_tag_is_unparsed_and_kept():
    with backend_on(ways.says("What a lovely picture!")) as (backend, _):
        answer = look(backend, tags=("red", "blue"))
    assert answer.state == "unparsed"
    assert answer.tags == {"red": None, "blue": None}
    assert "lovely" in answer.raw


@pytest.mark.parametrize(
    ("way", "questions", "again"),
    [
        (ways.ignores_logprobs, 1, '{"red": true, "blue": "no"}'),
        (works(logprobs=False, schema=False), 1, "red: yes\nblue: no"),
        (works(), 2, "- **red**: yes\n- **blue**: no"),
    ],
    ids=["JSON of a given shape", "words", "log-probabilities"],
)
def test_what_was_not_understood_is_asked_once_more_and_no_tag_is_silently_absent(way, questions, again):
    with backend_on(way) as (backend, server):
        backend.warm_up(CancelToken())
        server.behaviours = [*[ways.says("A picture, I think.")] * questions, ways.says(again)]
        asked = len(server.chats())
        answer = look(backend, tags=("red", "blue"))
        assert len(server.chats()) == asked + questions + 1
        assert (answer.state, answer.tags) == ("answered", {"red": 1, "blue": 0})
        assert answer.facts == {"confidence": "stated"}
        assert "I think" in answer.raw and again in answer.raw
        server.behaviours = [ways.says("Who knows.")]
        asked = len(server.chats())
        answer = look(backend, tags=("red", "blue"))
        assert (answer.state, answer.tags) == ("unparsed", {"red": None, "blue": None})
        assert len(server.chats()) == asked + questions + 1, "once more, and not again and again"


def test_only_the_tags_that_an_answer_left_out_are_asked_once_more():
    with backend_on(ways.ignores_logprobs) as (backend, server):
        backend.warm_up(CancelToken())
        server.behaviours = [ways.says('{"red": true}'), ways.says('{"blue": false, "a cat": "perhaps"}')]
        answer = look(backend, tags=("red", "blue", "a cat"))
        schema = server.chats()[-1]["response_format"]["json_schema"]["schema"]
    assert answer.state == "answered"
    assert answer.tags == {"red": 1, "blue": 0, "a cat": None}
    assert list(schema["properties"]) == ["blue", "a cat"]


@pytest.mark.parametrize("way", [works(), ways.ignores_logprobs], ids=["a question a tag", "all at once"])
def test_a_description_reaches_the_server_and_the_name_stays_the_key(way):
    task = FrameTask(("red", "blue"), described={"red": "also dark red, or pink"})
    with backend_on(way) as (backend, server):
        (answer,) = backend.look([frame("red")], task, CancelToken())
        assert "also dark red, or pink" in str(server.chats())
        assert list(answer.tags) == ["red", "blue"]
        assert answer.tags["red"] > 0.9


def test_a_frame_that_fails_leaves_the_others_answered():
    with backend_on(works(), refuses(400), refuses(404), works()) as (backend, _):
        frames = [frame(colour, index) for index, colour in enumerate(("red", "green", "blue"))]
        answers = list(backend.look(frames, FrameTask(prompt="What?"), CancelToken()))
    assert [answer.state for answer in answers] == ["answered", "failed", "failed"]
    assert "so it is" in answers[1].error


def test_a_text_only_model_refuses_pictures_and_says_what_to_do():
    with backend_on(works(), listing=BLIND) as (backend, server):
        assert backend.info.vision is False
        answer = look(backend, tags=("red",))
        assert (answer.state, answer.tags) == ("failed", {"red": None})
        assert "text only" in answer.error
        with pytest.raises(ModelError, match="Load a model that sees"):
            list(
                backend.stream(
                    [Message("user", "?", (frame("red").picture,))], GenerationSettings(), CancelToken()
                )
            )
        assert server.chats() == []
        backend.warm_up(CancelToken())


# loading


@pytest.mark.parametrize("vision", [True, False])
def test_whether_a_model_sees_is_tried_where_the_server_does_not_say(vision):
    with backend_on(works(vision=vision), listing=None) as (backend, server):
        assert backend.info.vision is vision
        assert len(server.chats()) == 1


def test_a_server_that_cannot_be_asked_is_not_taken_for_blind():
    with FaultyServer(refuses(401)) as server:
        provider = provider_of(server)
        with pytest.raises(ModelError, match="does not accept the key"):
            provider.load(provider.models(None)[0], LoadOptions(), lambda *_: None, CancelToken())


def test_a_model_that_cannot_answer_does_not_warm_up():
    with (
        backend_on(refuses(400)) as (backend, _),
        pytest.raises(ModelError, match=r"cannot answer.*so it is"),
    ):
        backend.warm_up(CancelToken())


@pytest.mark.parametrize("option", [{"dtype": "float32"}, {"n_gpu_layers": 3}, {"n_ctx": 9000}])
def test_options_that_a_server_does_not_have_are_refused_by_name(option):
    listing = {"data": [{"id": MODEL, "max_model_len": 4096}]}
    with FaultyServer(works(), listing=listing) as server:
        provider = provider_of(server)
        with pytest.raises(InvalidInput, match=next(iter(option))):
            provider.validate(provider.models(None)[0], LoadOptions.of(option))


def test_a_model_that_has_gone_is_a_plain_message():
    with FaultyServer(works()) as server:
        provider = provider_of(server)
        (entry,) = provider.models(None)
        server.listing = {"data": []}
        with pytest.raises(ModelError, match=f"'{MODEL}'"):
            provider.validate(entry, LoadOptions())


def test_what_servers_add_to_their_list_is_read():
    listed = read_listing(
        "http://here/v1",
        {
            "models": [{"model": "a", "capabilities": ["completion", "multimodal"]}],
            "data": [
                {"id": "a", "meta": {"n_ctx_train": 2048, "size": 5, "n_params": 7_000_000_000}},
                {"id": "b", "max_model_len": 512, "meta": {"size": float("inf")}},
                {"id": "c", "architecture": {"input_modalities": ["text"]}},
                {"no": "id"},
            ],
        },
    )
    assert [(m.id, m.vision, m.context_length, m.size_bytes) for m in listed] == [
        ("a", True, 2048, 5),
        ("b", None, 512, 0),
        ("c", False, 0, 0),
    ]
    assert listed[0].detail == "7.0B"
    assert len({m.digest for m in listed}) == 3


# which servers, and whose key


def test_models_of_several_servers_carry_its_name_and_a_dead_one_hides_no_other():
    with FaultyServer(works()) as one, FaultyServer(works()) as other:
        named = (
            Server("one", one.base_url),
            Server("other", other.base_url),
            Server("no", "http://127.0.0.1:9/v1"),
        )
        provider = OpenAIProvider(lambda: named, PATIENT, EAGER)
        assert provider.unavailable() == ""
        assert [entry.name for entry in provider.models(None)] == [f"one: {MODEL}", f"other: {MODEL}"]
        backend = provider.load(provider.models(None)[1], LoadOptions(), lambda *_: None, CancelToken())
        chat(backend)
        backend.close()
        assert not one.chats()
        assert other.chats()[-1]["model"] == MODEL


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, [("llama-server", "http://127.0.0.1:8080/v1", "")]),
        ({"OPENAI_API_KEY": "k"}, [("llama-server", "http://127.0.0.1:8080/v1", "")]),
        (
            {"OPENAI_BASE_URL": "http://host:1/v1/", "OPENAI_API_KEY": "k"},
            [("host:1", "http://host:1/v1", "k")],
        ),
        (
            {
                "OPENAI_BASE_URL": "http://a/v1",
                "OPENAI_API_KEY": "k",
                "HAVEN_OPENAI_SERVERS": "my lab=http://b/v1, home = http://c/v1",
                "HAVEN_OPENAI_KEY_MY_LAB": "l",
            },
            [("a", "http://a/v1", "k"), ("my lab", "http://b/v1", "l"), ("home", "http://c/v1", "")],
        ),
    ],
)
def test_servers_and_their_keys_come_from_the_environment(monkeypatch, environment, expected):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert [(s.name, s.address.url, s.address.key) for s in servers()] == expected


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("OPENAI_BASE_URL", "localhost:8080", "localhost:8080"),
        ("OPENAI_BASE_URL", "http://host:port/v1", "http://host:port/v1"),
        ("OPENAI_BASE_URL", "http://[::1/v1", "no address"),
        ("OPENAI_BASE_URL", "http://me:secret@host/v1", "holds a password"),
        ("HAVEN_OPENAI_SERVERS", "http://a/v1", "name=address"),
    ],
)
def test_what_is_no_address_is_a_reason_and_no_crash(monkeypatch, variable, value, reason):
    monkeypatch.setenv(variable, value)
    told = OpenAIProvider().unavailable()
    assert reason in told
    assert "secret" not in told
    assert OpenAIProvider().models(None) == []


def test_a_key_in_the_systems_keyring_belongs_to_its_address(tmp_path):
    urls = ("http://a/v1/", "http://b/v1", "http://locked/v1")
    with KeyringStandIn(tmp_path):
        keep_key("http://a/v1", "kept")
        assert [Server("x", url).address.key for url in urls] == ["kept", "", ""]


def test_only_what_a_request_needs_goes_out_and_the_key_to_its_server_alone(monkeypatch):
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: secret")
    with FaultyServer(works()) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        for key, expected in (("k1", "Bearer k1"), ("", None)):
            monkeypatch.setenv("OPENAI_API_KEY", key)
            provider = OpenAIProvider()
            backend = provider.load(provider.models(None)[0], LoadOptions(), lambda *_: None, CancelToken())
            server.asked.clear()
            chat(backend)
            backend.close()
            (asked,) = server.asked
            assert asked.headers.get("authorization") == expected
            assert "secret" not in str(asked.headers)


def test_a_redirect_is_not_followed_and_takes_no_key_along(monkeypatch):
    monkeypatch.setenv("THE_KEY", "k")
    with Loopback(lambda exchange, asked: exchange.json({})) as elsewhere:
        behaviour = refuses(307, Location=f"{elsewhere.url}/v1/chat/completions")
        with FaultyServer(behaviour, listing=SEES) as server:
            provider = provider_of(server, key="THE_KEY")
            backend = provider.load(provider.models(None)[0], LoadOptions(), lambda *_: None, CancelToken())
            with pytest.raises(ModelError, match=f"redirects to {elsewhere.url}"):
                chat(backend)
            backend.close()
        assert elsewhere.asked == []


def test_an_ambient_proxy_does_not_reach_loopback(monkeypatch):
    with Loopback(lambda exchange, asked: exchange.json({})) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        with backend_on(works()) as (backend, _):
            assert text(chat(backend)) == HELLO
        assert proxy.asked == []


# reading a stream


def as_bytes(*chunks):
    return "".join(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks).encode()


def said(text, reason=None):
    return {"choices": [{"delta": {"content": text}, "finish_reason": reason}]}


WHOLE = as_bytes(said("one\u2028line, "), said("zwölf", "stop")) + b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    "stream",
    [
        WHOLE,
        WHOLE.replace(b"\n", b"\r\n"),
        WHOLE.replace(b"data: ", b"data:"),
        b": alive\n\nevent: message\nid: 1\n" + WHOLE,
        WHOLE.replace(b'"delta"', b'\ndata: "delta"'),
        WHOLE.removesuffix(b"\n"),
        WHOLE.replace(b"data: [DONE]\n\n", b""),
    ],
    ids=["plain", "CRLF", "no blank", "other fields", "two lines", "no last line", "no last word"],
)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_stream_is_read_however_it_is_cut_and_written(stream, size):
    parts = iter([stream[at : at + size] for at in range(0, len(stream), size)])
    *heard, end = pieces("http://a", parts)
    assert "".join(piece.text for piece in heard) == "one\u2028line, zwölf"
    assert end == End()
    assert list(parts) == []  # read to its end, or the connection could not be used again


@pytest.mark.parametrize("content", [5, ["one"], {"text": "one"}])
def test_what_is_no_text_is_none_of_the_protocol(content):
    with pytest.raises(ValueError, match="no text"):
        list(pieces("http://a", [as_bytes(said(content, "stop"))]))


def test_half_a_letter_becomes_a_mark_that_a_database_takes():
    half = as_bytes(said("red HALF", "stop"), {"error": "no HALF"}).replace(b"HALF", rb"\ud83d")
    heard = pieces("http://a", [half])
    assert next(heard).text == "red \ufffd"
    with pytest.raises(ServerFault, match="no \ufffd"):
        next(heard)


def test_what_cannot_be_at_all_has_no_logarithm_in_json():
    likeliest = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": None}]
    told = said("Yes", "stop")
    told["choices"][0]["logprobs"] = {"content": [{**likeliest[0], "top_logprobs": likeliest}]}
    heard, _ = pieces("http://a", [as_bytes(told)])
    assert odds_of_yes(heard.odds).yes == 1.0


@pytest.mark.parametrize("count", ["12", 1.5, -1, None, [12]])
def test_a_count_of_tokens_that_is_none_is_unknown(count):
    usage = {"choices": [], "usage": {"prompt_tokens": count, "completion_tokens": 3}}
    *_, end = pieces("http://a", [as_bytes(said("one", "stop"), usage)])
    assert end == End(False, None, 3)


@pytest.mark.parametrize("error", ["no memory", {"message": "no memory"}, {"code": "no memory"}])
def test_an_error_in_a_stream_is_told_in_the_servers_words(error):
    with pytest.raises(ServerFault, match="no memory"):
        list(pieces("http://a", [as_bytes(said("one"), {"error": error})]))


def test_a_stream_without_the_models_end_was_cut_off():
    with pytest.raises(ServerFault, match="broke the answer off"):
        list(pieces("http://a", [as_bytes(said("one"))]))
