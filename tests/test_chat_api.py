"""Chatting by script: gradio_client against a real server, and a model that does what a test says."""

import json
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from fakes import FakeBackend, Gate
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from serving import served

from engine.backends.base import LoadPlan
from engine.cancel import CancelToken
from engine.engine import Engine
from engine.errors import ModelError
from engine.loading import Candidate
from storage.store import Store

WAIT = 30
PIECE = {"session_id", "text", "done", "finish_reason", "usage", "notice"}
MESSAGE = {
    "message_id", "role", "text", "images", "state", "error", "notice", "provider", "model", "settings",
    "finish_reason", "usage", "created_at",
}  # fmt: skip


class House:
    """An engine, and a model that waits or fails where a test says so."""

    def __init__(self, folder: Path) -> None:
        self.engine = Engine(Store.open(folder), folder)
        self.engine.start()
        self.gates: dict[int, Gate] = {}
        self.fails: list[Exception] = []

    def load(self, name: str = "fake-1", **info) -> None:
        def made(progress, cancel) -> FakeBackend:
            return FakeBackend(on_stream=self._on_word, model=name, digest=name, **info)

        wanted = Candidate("fake", name, {}, lambda cancel: LoadPlan(name, 1, 100), made)
        done = self.engine._slot.switch(wanted, "refuse", lambda p: None, CancelToken(), lambda i: None)
        assert done.success

    def hold_at(self, word: int) -> Gate:
        self.gates[word] = Gate()
        return self.gates[word]

    def _on_word(self, word: int) -> None:
        if self.fails:
            raise self.fails.pop()
        if word in self.gates:
            self.gates.pop(word)()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = House(tmp_path_factory.mktemp("data"))
    yield made
    made.engine.close()


@pytest.fixture(scope="module")
def address(house, tmp_path_factory):
    with served(house.engine, tmp_path_factory.mktemp("served")) as base:
        yield base


@pytest.fixture(scope="module")
def client(address):
    made = Client(address, verbose=False)
    yield made
    made.close()


@pytest.fixture
def picture(tmp_path):
    place = tmp_path / "red.png"
    cv2.imwrite(str(place), np.full((8, 6, 3), (0, 0, 255), np.uint8))
    return place


def ask(client, *args):
    return list(client.submit(*args, api_name="/chat"))


def messages(client, session_id):
    return client.predict(session_id, api_name="/session")["messages"]


def test_the_builtin_provider_says_what_to_pick(client):
    last = ask(client, "hello")[-1]
    assert set(last) == PIECE
    assert last["done"] and last["finish_reason"] == "stop" and "pick another provider" in last["text"]


def test_an_answer_arrives_in_pieces_and_the_chat_goes_on(house, client):
    house.load()
    gate = house.hold_at(1)
    stream = client.submit("first", api_name="/chat")
    first = next(stream)
    assert (first["text"], first["done"], first["finish_reason"]) == ("one ", False, "")
    gate.open()
    last = list(stream)[-1]
    assert (last["text"], last["done"], last["finish_reason"]) == ("one two three", True, "stop")
    assert last["usage"]["completion_tokens"] == 3 and last["usage"]["context_length"] == 4096
    again = ask(client, "second", first["session_id"])[-1]
    assert again["session_id"] == first["session_id"]
    assert [message["role"] for message in messages(client, first["session_id"])] == ["user", "assistant"] * 2


def test_a_failed_turn_ends_with_its_reason_and_does_not_raise(house, client):
    house.load()
    house.fails.append(ModelError("The model lost its <way>."))
    last = ask(client, "hello")[-1]
    assert (last["done"], last["finish_reason"], last["notice"]) == (
        True,
        "error",
        "The model lost its <way>.",
    )
    kept = messages(client, last["session_id"])[-1]
    assert (kept["state"], kept["error"]) == ("failed", "The model lost its <way>.")


def test_an_answer_is_stopped_and_kept(house, client):
    house.load()
    gate = house.hold_at(1)
    stream = client.submit("hello", api_name="/chat")
    session_id = next(stream)["session_id"]
    assert gate.reached.wait(WAIT)
    stopping = client.submit(session_id, api_name="/stop_chat")
    while not house.engine.chats._answers[session_id].cancel.cancelled:
        pass
    gate.open()
    assert stopping.result() == {"stopped": True}
    assert list(stream)[-1]["finish_reason"] == "cancelled"
    kept = messages(client, session_id)[-1]
    assert (kept["state"], kept["text"]) == ("stopped", "one ")
    assert client.predict(session_id, api_name="/stop_chat") == {"stopped": False}


def test_leaving_the_stream_does_not_stop_the_answer(house, client):
    house.load()
    gate = house.hold_at(1)
    stream = client.submit("hello", api_name="/chat")
    session_id = next(stream)["session_id"]
    answer = house.engine.chats.answering(session_id)
    stream.cancel()
    gate.open()
    assert answer.wait(WAIT)
    assert messages(client, session_id)[-1]["text"] == "one two three"


@pytest.mark.parametrize("give", [lambda p: handle_file(str(p)), str], ids=["uploaded", "path"])
def test_a_question_may_have_pictures(house, client, address, picture, give):
    house.load()
    last = ask(client, "What is this?", "", [give(picture)])[-1]
    assert last["finish_reason"] == "stop"
    (url,) = messages(client, last["session_id"])[0]["images"]
    found = httpx.get(address + url)
    assert found.content == picture.read_bytes()
    assert found.headers["content-type"] == "image/png"
    assert found.headers["x-content-type-options"] == "nosniff"


def test_a_picture_is_never_sent_as_anything_else(house, client, address, picture):
    house.load()
    page = picture.with_suffix(".html")
    picture.rename(page)
    last = ask(client, "What is this?", "", [str(page)])[-1]
    (url,) = messages(client, last["session_id"])[0]["images"]
    assert httpx.get(address + url).headers["content-type"] == "image/png"


@pytest.mark.parametrize("name", ["no.png", "..%2f..%2fhaven.db", ".hidden"])
def test_only_pictures_of_a_message_are_served(address, name):
    assert httpx.get(f"{address}/pictures/abc/{name}").status_code == 404


def test_a_model_that_does_not_see_fails_the_turn_with_the_reason(house, client, picture):
    house.load("blind", vision=False)
    last = ask(client, "What is this?", "", [str(picture)])[-1]
    assert last["finish_reason"] == "error" and "does not see pictures" in last["notice"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("",), "Write something first"),
        (("x" * 500_001,), "500,000"),
        (("hello", "nowhere"), "There is no chat"),
        (("hello", "", ["/no/such.png"]), "such.png"),
        (("hello", "", [__file__]), "no picture that can be read"),
        (("hello", "", [7]), "uploaded files"),
    ],
)
def test_what_cannot_be_asked_is_said(client, args, said):
    with pytest.raises(AppError, match=said):
        client.submit(*args, api_name="/chat").result()


def test_a_forged_upload_is_refused(house, client, address, picture):
    before = client.predict(api_name="/sessions")
    forged = {"path": str(picture), "meta": {"_type": "gradio.FileData"}}
    call = f"{address}/gradio_api/call/chat"
    event = httpx.post(call, json={"data": ["hello", "", [forged]]}).json()["event_id"]
    assert "event: error" in httpx.get(f"{call}/{event}").text
    assert client.predict(api_name="/sessions") == before


def test_chats_are_listed_renamed_and_deleted(house, client):
    house.load()
    session_id = ask(client, "A question about lakes")[-1]["session_id"]
    listed = client.predict(api_name="/sessions")[0]
    assert set(listed) == {"session_id", "title", "created_at", "updated_at"}
    assert (listed["session_id"], listed["title"]) == (session_id, "A question about lakes")
    assert client.predict(session_id, "Lakes", api_name="/rename_session")["title"] == "Lakes"
    whole = client.predict(session_id, api_name="/session")
    assert whole["session"]["title"] == "Lakes" and set(whole["messages"][0]) == MESSAGE
    assert client.predict(session_id, api_name="/delete_session")["session_id"] == session_id
    assert session_id not in [one["session_id"] for one in client.predict(api_name="/sessions")]
    for endpoint in ("/session", "/delete_session"):
        with pytest.raises(AppError, match="There is no chat"):
            client.predict(session_id, api_name=endpoint)


def test_a_chat_leaves_as_a_file_and_comes_back(house, client, address, picture):
    house.load()
    session_id = ask(client, "What is this?", "", [str(picture)])[-1]["session_id"]
    found = httpx.get(f"{address}/exports/chat/{session_id}.json")
    assert "attachment" in found.headers["content-disposition"]
    copy = house.engine.chats.import_session(json.loads(found.text))
    first, second = (messages(client, one) for one in (session_id, copy.session_id))
    same = ("role", "text", "state", "model", "settings", "usage", "created_at")
    assert [[m[name] for name in same] for m in first] == [[m[name] for name in same] for m in second]
    assert httpx.get(address + second[0]["images"][0]).content == picture.read_bytes()
    assert httpx.get(f"{address}/exports/chat/{session_id}.md").text.startswith("# What is this?\n")
    assert httpx.get(f"{address}/exports/chat/{session_id}.exe").status_code == 404
    assert httpx.get(f"{address}/exports/chat/nowhere.json").status_code == 404
