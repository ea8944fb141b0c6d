"""A server that is unwell, in every way there is: a plain message in bounded time; left at once on cancel.

Spoken in OpenAI's protocol; what is tested is shared by every provider of servers.
"""

import threading
import time

import pytest

from engine.backends.openai.provider import OpenAIProvider
from engine.backends.openai.servers import Server
from engine.backends.remote.calls import Patience
from engine.cancel import CancelToken
from engine.errors import Cancelled, ModelError, ServerAway
from engine.settings import GenerationSettings, LoadOptions
from tests.fixtures import faulty_server as ways
from tests.fixtures.faulty_server import FaultyServer, backend_on, provider_of, refuses, works
from tests.fixtures.seeing import HELLO
from tests.fixtures.talking import BOUND, HI, SOON, after, chat, left_at_once, look, text


@pytest.fixture(autouse=True, scope="module")
def imported():
    """The library, before any clock runs."""
    import openai

    return openai


# faults

FAULTS = [
    # name, what the server does, what is said, requests, what came before
    ("hangs before", ways.hangs, "has sent nothing for 0.3 s", 1, ""),
    ("hangs in the middle", ways.hangs_inside, "has sent nothing for 0.3 s", 1, "Hello"),
    ("drips bytes", ways.drips, "has sent nothing for 0.3 s", 1, ""),
    ("never ends", ways.never_ends, "not ended its answer within 0.8 s", 1, "and and"),
    ("a web page", ways.answers_a_page, "answers with a web page", 1, ""),
    ("something else", ways.answers_something_else, "not its protocol", 1, ""),
    ("400", refuses(400), r"does not take the request \(400\). It says: so it is", 1, ""),
    ("401", refuses(401), "does not accept the key. Set its key on the Models tab", 1, ""),
    ("404", refuses(404), "does not have that model", 1, ""),
    ("429", refuses(429, Retry_After="3600"), "asks to wait 3600 s", 2, ""),
    ("500", refuses(500), r"failed \(500\). Look at its log", 2, ""),
    ("500 with a page", refuses(500, "<html>"), r"failed \(500\)", 2, ""),
    ("a redirect", refuses(302, Location="http://elsewhere/"), "redirects to http://elsewhere/", 1, ""),
    ("a chunk that is cut", ways.cuts_a_chunk, "broke the answer off", 1, "Hello"),
    ("an end that is missing", ways.ends_too_early, "broke the answer off", 1, "Hello"),
    ("an error in the middle", ways.fails_inside, "It says: out of memory", 1, "Hello"),
    ("nothing at all", ways.closes_at_once, "broke the answer off", 2, ""),
]


def collect(stream, items):
    """One by one, so that what came before an error is kept."""
    for item in stream:
        items.append(item)


@pytest.mark.parametrize(
    ("name", "behaviour", "message", "requests", "before"), FAULTS, ids=[fault[0] for fault in FAULTS]
)
def test_a_fault_is_a_plain_message_in_bounded_time_and_the_backend_goes_on(
    name, behaviour, message, requests, before
):
    with backend_on(behaviour, limits=SOON) as (backend, server):
        items, began = [], time.monotonic()
        with pytest.raises(ModelError, match=message):
            collect(backend.stream(HI, GenerationSettings(), CancelToken()), items)
        assert time.monotonic() - began < BOUND
        assert text(items).startswith(before)
        assert len(server.chats()) == requests
        server.behaviours = [works()]
        assert text(chat(backend)) == HELLO


@pytest.mark.parametrize(
    ("name", "behaviour", "message", "requests", "before"), FAULTS, ids=[fault[0] for fault in FAULTS]
)
def test_a_fault_while_looking_is_a_failed_frame_and_no_absent_tag(
    name, behaviour, message, requests, before
):
    with backend_on(behaviour, limits=SOON) as (backend, _):
        if name == "429":  # no fault of the frame
            with pytest.raises(ServerAway, match=message):
                look(backend, prompt="What?", tags=("red",))
            return
        answer = look(backend, prompt="What?", tags=("red",))
    assert (answer.state, answer.tags) == ("failed", {"red": None})
    assert answer.error


def test_a_server_that_went_away_is_a_message_that_says_what_to_do():
    with backend_on(works()) as (backend, server):
        server.shutdown()
        server.server_close()
        with pytest.raises(
            ModelError, match=r"No server answers at .* Start one there, or set OPENAI_BASE_URL"
        ):
            chat(backend)


def test_a_frames_answer_that_broke_off_is_asked_for_once_more():
    with backend_on(ways.cuts_a_chunk, works()) as (backend, server):
        assert look(backend, prompt="What?").caption == "It is red."
        assert len(server.chats()) == 2


@pytest.mark.parametrize("first", [refuses(503), refuses(429, Retry_After="0"), ways.closes_at_once])
def test_what_may_pass_is_tried_once_more(first):
    with backend_on(first, works()) as (backend, server):
        assert text(chat(backend)) == HELLO
        assert len(server.chats()) == 2


def test_an_answer_that_has_begun_is_not_begun_again():
    with backend_on(ways.cuts_a_chunk, works()) as (backend, server):
        with pytest.raises(ModelError):
            chat(backend)
        assert len(server.chats()) == 1


def test_a_dead_server_is_a_reason_and_no_error(monkeypatch):
    provider = OpenAIProvider(lambda: (Server("x", "http://127.0.0.1:9/v1"),))
    assert "No server answers at http://127.0.0.1:9/v1" in provider.unavailable()
    assert provider.models(None) == []


def test_a_server_that_hangs_does_not_keep_the_page_waiting():
    with FaultyServer(ways.hangs) as server:
        server.listing = None
        began = time.monotonic()
        assert "has not answered yet" in provider_of(server).unavailable()
        assert time.monotonic() - began < BOUND
        assert server.waiting.wait(20)


# cancelling


@pytest.mark.parametrize("behaviour", [ways.hangs, ways.hangs_inside, ways.drips, ways.never_ends])
def test_an_answer_is_left_at_once_and_the_server_is_told(behaviour):
    with backend_on(behaviour) as (backend, server):
        left_at_once(server, lambda cancel: chat(backend, cancel=cancel))
        server.behaviours = [works()]
        assert text(chat(backend)) == HELLO


def test_a_look_is_left_at_once():
    with backend_on(ways.hangs) as (backend, server):
        cancel = CancelToken()
        thread = after(server.waiting, lambda: cancel.cancel("enough"))
        with pytest.raises(Cancelled, match="enough"):
            look(backend, tags=("red",), cancel=cancel)
        thread.join()
        assert server.left.wait(20)


def test_waiting_to_try_again_is_left_at_once():
    told = threading.Event()

    def busy(exchange, asked):
        refuses(429, Retry_After="50")(exchange, asked)
        told.set()

    with backend_on(busy, patience=Patience(longest=50)) as (backend, server):
        cancel, began = CancelToken(), time.monotonic()
        thread = after(told, cancel.cancel)
        *_, end = backend.stream(HI, GenerationSettings(), cancel)
        thread.join()
        assert end.reason == "cancelled"
        assert time.monotonic() - began < BOUND
        assert len(server.chats()) == 1


def test_finding_out_whether_it_sees_can_be_left():
    with FaultyServer(ways.hangs) as server:
        provider, cancel = provider_of(server), CancelToken()
        (entry,) = provider.models(None)
        thread = after(server.waiting, cancel.cancel)
        with pytest.raises(Cancelled):
            provider.load(entry, LoadOptions(), lambda *_: None, cancel)
        thread.join()


def test_a_dropped_answer_hangs_up():
    with backend_on(ways.hangs_inside) as (backend, server):
        items = backend.stream(HI, GenerationSettings(), CancelToken())
        next(items)
        items.close()
        assert server.left.wait(20)


# connections


def test_a_connection_is_used_again():
    with backend_on(works()) as (backend, server):
        made = server.connections
        for _ in range(4):
            chat(backend)
        assert len(server.chats()) == 4
        assert server.connections == made + 1


def test_as_many_connections_as_are_used_at_once():
    meeting = threading.Barrier(3)

    def together(exchange, asked):
        meeting.wait(20)
        works()(exchange, asked)

    with backend_on(together) as (backend, server):
        made = server.connections
        for _ in range(2):
            threads = [threading.Thread(target=chat, args=(backend,)) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(server.chats()) == 6
        assert server.connections == made + 3


def test_an_answer_that_the_server_keeps_open_behind_its_end_is_taken_and_left():
    with backend_on(ways.stays_open, works()) as (backend, server):
        assert text(chat(backend)) == HELLO
        assert server.left.wait(20)
        assert text(chat(backend)) == HELLO
