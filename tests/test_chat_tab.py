"""What the Chat tab's handler answers, and what an open tab is told to redraw."""

import asyncio
import json
import os

import pytest
from fakes import FakeBackend, Gate

from engine.backends.base import LoadPlan
from engine.cancel import CancelToken
from engine.engine import Engine
from engine.loading import Candidate
from storage.store import Store
from ui import chat
from ui.chat_follow import DrawnChat, changes
from ui.house import House

WAIT = 30


@pytest.fixture
def gates():
    return {}


@pytest.fixture
def house(tmp_path, gates, monkeypatch):
    monkeypatch.setitem(os.environ, "GRADIO_TEMP_DIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    engine = Engine(Store.open(tmp_path / "data"), tmp_path)

    def load(progress, cancel) -> FakeBackend:
        return FakeBackend(on_stream=lambda word: word in gates and gates.pop(word)())

    wanted = Candidate("fake", "fake-1", {}, lambda cancel: LoadPlan("fake-digest", 1, 100), load)
    assert engine._slot.switch(wanted, "refuse", lambda p: None, CancelToken(), lambda i: None).success
    yield House(engine, tmp_path / "samples")
    engine.close()


def act(house, name, session="", **more):
    ask = {"act": name, "session": session, "serial": "7", **more}
    return json.loads(asyncio.run(chat.on_chat_act(house, ask)))


def said(house, text="hello", session="", **more):
    session = act(house, "send", session, text=text, **more)["session"]
    answer = house.engine.chats.answering(session)
    assert answer is None or answer.wait(WAIT)
    return session


def test_a_reply_names_the_chat_and_the_question_that_it_answers(house):
    reply = act(house, "send", text="hello")
    assert reply["serial"] == "7" and reply["session"] and not reply["failed"] and not reply["said"]
    assert house.engine.chats.conversation(reply["session"]).session.title == "hello"


@pytest.mark.parametrize(
    ("name", "more", "why"),
    [
        ("send", {"text": " "}, "Write something first."),
        ("send", {"text": "look", "images": ["/etc/passwd"]}, "not uploaded here"),
        ("regenerate", {}, "There is no chat"),
        ("settings", {"values": {"temperature": 9}}, "temperature must be from 0 to 2"),
        ("settings", {"values": {"top_k": ""}}, "top_k must be a number"),
        ("settings", {"values": {"speed": 1}}, "no setting 'speed'"),
        ("import", {"text": "/etc/passwd"}, "not uploaded here"),
        ("delete", {"which": "nowhere"}, "There is no chat"),
        ("no such act", {}, "Something went wrong"),
    ],
)
def test_what_goes_wrong_is_said_and_changes_nothing(house, name, more, why):
    reply = act(house, name, **more)
    assert reply["failed"] and why in reply["said"] and reply["session"] == ""
    assert house.engine.chats.sessions() == []


def test_an_import_reads_only_a_chat_of_a_fair_size(house, tmp_path, monkeypatch):
    file = tmp_path / "tmp" / "chat.json"
    file.write_text("[" * 100_000)
    assert "is no JSON" in act(house, "import", text=str(file))["said"]
    monkeypatch.setattr(chat, "MOST_BYTES", 1000)
    assert "more than" in act(house, "import", text=str(file))["said"]
    monkeypatch.undo()


def test_a_deleted_chat_can_be_had_back(house):
    session = said(house)
    reply = act(house, "delete", session, which=session)
    assert (reply["session"], reply["undo"], reply["said"]) == ("", session, "Deleted “hello”.")
    assert act(house, "restore", which=session)["session"] == session


def test_a_changed_question_takes_the_place_of_the_old_one(house):
    session = said(house)
    question = house.engine.chats.conversation(session).messages[0]
    act(house, "edit", session, message=question.message_id, text="other words")
    assert [m.text for m in house.engine.chats.conversation(session).messages if m.role == "user"] == [
        "other words"
    ]


def test_a_page_is_told_only_what_differs(house):
    session = said(house)
    first = changes(house.engine, DrawnChat(session))
    assert set(first["parts"]) == {"chat-sessions", "chat-earlier", "chat-newest", "chat-hint"}
    assert "one two three" in first["parts"]["chat-newest"][1]
    marks = {name: mark for name, (mark, _) in first["parts"].items()}
    assert changes(house.engine, DrawnChat(session, parts=marks))["parts"] == {}
    said(house, "more", session)
    again = changes(house.engine, DrawnChat(session, parts=marks))["parts"]
    assert "hello" in again["chat-earlier"][1] and "more" in again["chat-newest"][1]


def test_the_answer_under_way_is_followed_more_often(house, gates):
    gate = gates[2] = Gate()
    session = act(house, "send", text="hello")["session"]
    assert gate.reached.wait(WAIT)
    told = changes(house.engine, DrawnChat(session))
    assert told["answering"] and told["every_ms"] == 100
    assert "one two" in told["parts"]["chat-newest"][1] and "fake-1" in told["parts"]["chat-newest"][1]
    gate.open()
    assert said(house, "more") and not changes(house.engine, DrawnChat(session))["answering"]


def test_a_chat_that_is_gone_is_shown_as_a_new_one(house):
    told = changes(house.engine, DrawnChat("nowhere"))
    assert told["session"] == "" and "Ask anything." in told["parts"]["chat-newest"][1]
