"""The Ollama provider against a small server that speaks its documented protocol, line by line."""

import threading
import time
from contextlib import contextmanager

import pytest

from engine.backends.ollama.provider import OllamaProvider
from engine.backends.ollama.server import address_of
from engine.cancel import CancelToken
from engine.errors import Cancelled, InvalidInput, ModelError
from engine.settings import LoadOptions
from tests.fixtures.loopback import Loopback
from tests.fixtures.ollama_server import SEEING, THINKING, WRITING, OllamaStandIn
from tests.fixtures.seeing import HELLO, SURE
from tests.fixtures.talking import BOUND, EAGER, PATIENT, SOON, after, chat, left_at_once, look, text


@pytest.fixture(autouse=True, scope="module")
def imported():
    """The library, before any clock runs."""
    import ollama

    return ollama


@pytest.fixture
def server(monkeypatch):
    with OllamaStandIn() as running:
        monkeypatch.setenv("OLLAMA_HOST", running.url)
        monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
        yield running


def entry(name=SEEING):
    return next(each for each in OllamaProvider().models(None) if each.name == name)


@contextmanager
def loaded(name=SEEING, options=None, limits=PATIENT):
    provider = OllamaProvider(limits, EAGER)
    backend = provider.load(entry(name), options or LoadOptions(), lambda *_: None, CancelToken())
    try:
        yield backend
    finally:
        backend.close()


# the server and its models


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        ("1.2.3.4:5", "http://1.2.3.4:5"),
        (":5", "http://127.0.0.1:5"),
        ("http://box", "http://box:80"),
        ("https://box/ollama/", "https://box:443/ollama"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:5", "http://127.0.0.1:5"),
        ("[::1]:5", "http://[::1]:5"),
        ("[::]", "http://[::1]:11434"),
    ],
)
def test_the_host_is_read_as_ollama_reads_it(host, url):
    assert address_of(host).url == url


@pytest.mark.parametrize("host", ["box:port", "ftp://box", "http://[::1", "http://me:secret@box"])
def test_a_host_that_is_none_is_a_reason_and_no_crash(monkeypatch, host):
    monkeypatch.setenv("OLLAMA_HOST", host)
    told = OllamaProvider().unavailable()
    assert "OLLAMA_HOST" in told
    assert "secret" not in told
    assert OllamaProvider().models(None) == []


def test_the_key_goes_along_only_where_a_host_was_named(monkeypatch):
    monkeypatch.setenv("OLLAMA_API_KEY", "k")
    assert address_of("").key == ""
    assert address_of("https://box").key == "k"


def test_a_server_that_answers_is_available(server):
    assert OllamaProvider().unavailable() == ""


def test_a_server_that_is_not_there_is_a_reason_that_says_what_to_do(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    provider = OllamaProvider()
    assert provider.unavailable() == (
        "No Ollama server answers at http://127.0.0.1:9. Start it with `ollama serve`, or set OLLAMA_HOST."
    )
    assert provider.models(None) == []


def test_another_server_at_the_address_is_a_reason(monkeypatch):
    page = "<html>It works!</html>"
    with Loopback(lambda exchange, asked: exchange.whole(200, page, "text/html")) as other:
        monkeypatch.setenv("OLLAMA_HOST", other.url)
        assert "web page" in OllamaProvider().unavailable()


@pytest.mark.parametrize("capabilities", [True, False])
def test_models_are_listed_with_size_and_sight(server, capabilities, monkeypatch):
    monkeypatch.setattr(OllamaProvider, "_known", {})
    server.capabilities = capabilities  # older servers do not tell them
    listed = {each.name: each for each in OllamaProvider().models(None)}
    assert (listed[SEEING].vision, listed[WRITING].vision) == (True, False)
    assert listed[SEEING].size_bytes == 123_456_789
    assert "0.5M, F16" in listed[SEEING].detail
    assert ("embed:latest" in listed) is not capabilities


def test_a_model_is_asked_about_once_for_its_digest(server, monkeypatch):
    monkeypatch.setattr(OllamaProvider, "_known", {})
    for _ in range(3):
        OllamaProvider().models(None)
    assert len([asked for asked in server.asked if asked.path == "/api/show"]) == len(server.models)


def test_a_model_that_was_removed_is_a_plain_message(server):
    gone = entry()
    server.models.remove(SEEING)
    provider = OllamaProvider()
    with pytest.raises(ModelError, match=f"no model '{SEEING}' any more"):
        provider.validate(gone, LoadOptions())
    with pytest.raises(ModelError, match="Pull it"):
        provider.load(gone, LoadOptions(), lambda *_: None, CancelToken())


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"dtype": "float32"}, "dtype"),
        ({"flash_attention": True}, "flash_attention"),
        ({"n_ctx": 40_000}, "32,768"),
    ],
)
def test_options_that_ollama_does_not_have_are_refused_by_name(server, option, words):
    with pytest.raises(InvalidInput, match=words):
        OllamaProvider().validate(entry(), LoadOptions.of(option))


# memory


def test_loading_puts_it_into_the_servers_memory_and_closing_takes_it_out(server):
    with loaded() as backend:
        assert server.memory == {SEEING: 8192}
        backend.warm_up(CancelToken())
    assert server.memory == {}


@pytest.mark.parametrize(
    ("name", "options", "num_ctx"),
    [(SEEING, {}, 8192), (WRITING, {}, 2048), (SEEING, {"n_ctx": 512, "n_gpu_layers": 5}, 512)],
)
def test_num_ctx_stays_the_same_so_that_nothing_is_loaded_twice(server, name, options, num_ctx):
    with loaded(name, LoadOptions.of(options)) as backend:
        backend.warm_up(CancelToken())
        chat(backend)
        if backend.info.vision:
            look(backend, tags=("red", "blue"), prompt="What?")
        assert backend.info.context_length == num_ctx
        assert server.loads == [(name, num_ctx)]
        assert all(sent["options"].get("num_gpu") == options.get("n_gpu_layers") for sent in server.chats())


def test_a_model_that_is_loaded_anew_stays_in_memory_when_the_earlier_one_is_closed(server):
    with loaded(options=LoadOptions(n_ctx=1024)), loaded(options=LoadOptions(n_ctx=512)):
        pass
    with loaded(options=LoadOptions(n_ctx=512)) as second:
        with loaded(options=LoadOptions(n_ctx=1024)):
            pass
        assert SEEING in server.memory
        assert text(chat(second)) == HELLO
    assert server.memory == {}


def test_a_server_that_has_gone_is_no_error_when_closing(server):
    with loaded():
        server.shutdown()
        server.server_close()


def test_a_load_can_be_left(server):
    server.broken.add("hang-load")
    cancel, told = CancelToken(), []
    thread = after(server.waiting, cancel.cancel)
    with pytest.raises(Cancelled):
        OllamaProvider().load(entry(), LoadOptions(), lambda share, what: told.append(what), cancel)
    thread.join()
    assert server.left.wait(20)
    assert "waiting until" in told[-1]


# answering and looking


def test_an_answer_is_streamed_with_the_servers_own_counts(server):
    with loaded() as backend:
        *words, end = chat(backend)
        assert text(words) == HELLO
        assert len(words) == len(HELLO.split())
        assert (end.reason, end.usage.prompt_tokens, end.usage.completion_tokens) == ("stop", 11, len(words))
        assert chat(backend, max_new_tokens=2)[-1].reason == "length"


def test_settings_reach_the_server(server):
    with loaded() as backend:
        chat(backend, max_new_tokens=9, temperature=0.25, top_p=0.5, top_k=7, seed=3)
        options = server.chats()[-1]["options"]
    expected = {"num_predict": 9, "temperature": 0.25, "top_p": 0.5, "top_k": 7, "seed": 3, "num_ctx": 8192}
    assert options == expected


@pytest.mark.parametrize(
    ("logprobs", "tags", "facts"),
    [(True, (SURE, 1 - SURE), {}), (False, (1, 0), {"confidence": "stated"})],
)
def test_tags_are_probabilities_where_the_server_has_them_and_stated_where_not(server, logprobs, tags, facts):
    server.logprobs = logprobs
    with loaded() as backend:
        answer = look(backend, tags=("red", "something blue"), prompt="What?")
    assert (answer.state, answer.caption, answer.facts) == ("answered", "It is red.", facts)
    assert tuple(answer.tags.values()) == pytest.approx(tags)


def test_a_text_only_model_refuses_pictures_before_the_server_is_asked(server):
    with loaded(WRITING) as backend:
        before = len(server.chats())
        assert "text only" in look(backend, tags=("red",)).error
        assert len(server.chats()) == before
        backend.warm_up(CancelToken())


def test_a_model_that_thinks_does_not_think_about_a_frame_but_may_in_a_chat(server):
    with loaded(THINKING) as backend:
        backend.warm_up(CancelToken())
        assert server.chats()[-1]["think"] is False
        chat(backend)
        assert "think" not in server.chats()[-1]


# faults


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("cut", "broke the answer off"),
        ("error", "llama runner process has terminated"),
        ("html", "web page"),
    ],
)
def test_a_fault_is_a_plain_message_and_the_backend_goes_on(server, broken, message):
    with loaded() as backend:
        server.broken.add(broken)
        with pytest.raises(ModelError, match=message):
            chat(backend)
        assert look(backend, tags=("red",)).tags == {"red": None}
        server.broken.clear()
        assert text(chat(backend)) == HELLO


@pytest.mark.parametrize("hang_after", [0, 2])
def test_a_server_that_hangs_is_given_up_in_bounded_time(server, hang_after):
    with loaded(limits=SOON) as backend:
        server.hang_after, began = hang_after, time.monotonic()
        with pytest.raises(ModelError, match=r"has sent nothing for 0.3 s"):
            chat(backend)
        assert time.monotonic() - began < BOUND


def test_a_model_deleted_while_it_serves_is_a_plain_message(server):
    with loaded() as backend:
        server.models.remove(SEEING)
        with pytest.raises(ModelError, match="does not have that model"):
            chat(backend)


# cancelling


@pytest.mark.parametrize("hang_after", [0, 2])
def test_an_answer_is_left_at_once_and_the_server_is_told(server, hang_after):
    with loaded() as backend:
        server.hang_after = hang_after
        *words, _ = left_at_once(server, lambda cancel: chat(backend, cancel=cancel))
        assert len(words) <= hang_after
        server.hang_after = None
        assert text(chat(backend)) == HELLO


def test_a_look_is_left_at_once(server):
    with loaded() as backend:
        server.hang_after = 0
        cancel = CancelToken()
        thread = after(server.waiting, cancel.cancel)
        with pytest.raises(Cancelled):
            look(backend, tags=("red",), cancel=cancel)
        thread.join()
        assert server.left.wait(20)


def test_a_connection_is_used_again(server):
    with loaded() as backend:
        chat(backend)
        made = server.connections
        for _ in range(3):
            chat(backend)
        assert server.connections == made


# pulling


def test_a_pull_tells_the_bytes_of_all_layers_and_ends_at_one(server):
    told = []
    OllamaProvider().pull("new:1b", lambda share, what: told.append((share, what)), CancelToken())
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert 0.5 in shares  # half of the first layer, before the second is named
    assert shares.count(1) == 1
    assert "new:1b" in {each.name for each in OllamaProvider().models(None)}


def test_a_model_that_nobody_has_is_a_plain_message(server):
    with pytest.raises(ModelError, match="file does not exist"):
        OllamaProvider().pull("no-such:model", lambda *_: None, CancelToken())


def test_a_pull_can_be_left(server):
    server.broken.add("hang-pull")
    cancel, some = CancelToken(), threading.Event()
    thread = after(some, cancel.cancel)
    with pytest.raises(Cancelled):
        OllamaProvider().pull("new:1b", lambda share, what: some.set() if share else None, cancel)
    thread.join()
    assert server.left.wait(20)
