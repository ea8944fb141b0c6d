"""Chats as files: what leaves comes back the same, and nothing strange comes in."""

import base64
import copy
import json

import pytest

from engine.chat.exchange import as_json, as_markdown, from_json
from engine.chat.texts import MAX_TEXT
from engine.errors import InvalidInput
from engine.events.chat import Conversation, MessageView, SessionView

ANSWER = {
    "error": "",
    "notice": "The oldest turn was left out.",
    "provider": "transformers",
    "model": "tiny",
    "settings": {"max_new_tokens": 64, "temperature": 0.5, "system_prompt": "be brief"},
    "finish_reason": "stop",
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "seconds": 0.5, "context_length": 4096},
}


def view(role="user", text="What is this?", images=(), state="done", **more):
    nothing = {name: {} if name in ("settings", "usage") else "" for name in ANSWER}
    return MessageView(1, role, text, images, state, created_at=1000.0, **{**nothing, **more})


@pytest.fixture
def conversation():
    asked = view(images=("/pictures/s1/ab12.png",))
    answered = view("assistant", "A **lake**.", **ANSWER)
    failed = view("assistant", "", state="failed", error="The server is gone.", finish_reason="error")
    return Conversation(SessionView("s1", "A lake", 900.0, 1001.0), (asked, answered, view(), failed))


@pytest.fixture
def exported(conversation):
    return json.loads(json.dumps(as_json(conversation, {"/pictures/s1/ab12.png": b"a picture"})))


def test_what_leaves_as_json_comes_back_the_same(exported):
    found = from_json(exported)
    question, answer, _, failed = found.messages
    assert (found.title, found.created_at) == ("A lake", 900.0)
    assert [(p.suffix, p.data) for p in question.pictures] == [(".png", b"a picture")]
    assert (question.role, question.text, question.created_at) == ("user", "What is this?", 1000.0)
    assert answer.answer == ANSWER | {"state": "done"}
    assert (failed.answer["state"], failed.answer["error"]) == ("failed", "The server is gone.")


def test_a_picture_that_is_gone_is_left_out(conversation):
    assert as_json(conversation, {})["messages"][0]["images"] == []


def test_an_answer_under_way_leaves_as_one_that_was_stopped(conversation):
    under_way = Conversation(conversation.session, (view(), view("assistant", "A la", state="answering")))
    assert as_json(under_way, {})["messages"][1]["state"] == "stopped"


def test_markdown_says_who_said_what_and_what_went_wrong(conversation):
    text = as_markdown(conversation)
    assert text.startswith("# A lake\n\n## Question · ")
    for part in (
        "*Picture: ab12.png*",
        "## Answer · tiny · ",
        "A **lake**.",
        "> The oldest turn was left out.",
    ):
        assert part in text
    assert "> Failed: The server is gone." in text


def broken(**changes):
    def change(data):
        data.update(changes)

    return change


def broken_message(place, **changes):
    def change(data):
        data["messages"][place].update(changes)

    return change


PICTURE = {"name": "a.png", "base64": base64.b64encode(b"x").decode()}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (broken(format="other"), "no chat that Haven exported"),
        (broken(version=2), "version 2"),
        (broken(title=7), "title must be a text"),
        (broken(created_at=-1), "created_at"),
        (broken(created_at=1e11), "no moment"),
        (broken(created_at=float("nan")), "created_at"),
        (broken(messages={}), "messages must be a list"),
        (broken(messages=[1]), "message 1 must be an object"),
        (broken(messages=[{"role": "assistant"}]), "begins with a question"),
        (broken_message(0, role="system"), "begins with a question"),
        (broken_message(1, role="system"), "message 2: role"),
        (broken_message(1, text=None), "message 2: text"),
        (broken_message(1, text="x" * (MAX_TEXT + 1)), "message 2: text"),
        (broken_message(1, state="answering"), "message 2: state"),
        (broken_message(1, state=["done"]), "message 2: state"),
        (broken_message(1, model={"a": 1}), "message 2: model"),
        (broken_message(1, finish_reason="bored"), "message 2: finish_reason"),
        (broken_message(1, usage=[]), "message 2: usage"),
        (broken_message(1, usage={"seconds": "1"}), "message 2: seconds"),
        (broken_message(1, usage={"seconds": True}), "message 2: seconds"),
        (broken_message(1, settings={"seed": [1]}), "message 2: seed"),
        (broken_message(0, images=[PICTURE | {"name": "a.svg"}]), "no picture"),
        (broken_message(0, images=[PICTURE | {"base64": "%%"}]), "damaged"),
        (broken_message(0, images=[PICTURE | {"base64": None}]), "damaged"),
        (broken_message(0, images=[PICTURE] * 33), "at most 32"),
    ],
)
def test_what_is_off_is_refused_by_name(exported, change, said):
    data = copy.deepcopy(exported)
    change(data)
    with pytest.raises(InvalidInput, match=said):
        from_json(data)


@pytest.mark.parametrize("data", [None, [], "text", 3, {}])
def test_what_is_no_chat_at_all_is_refused(data):
    with pytest.raises(InvalidInput):
        from_json(data)


def test_names_that_nobody_knows_and_control_characters_are_left_out(exported):
    exported["messages"][1] |= {"text": "a\x00b\ud800c\n", "secret": 1, "usage": {"more": {}}}
    found = from_json(exported).messages[1]
    assert found.text == "abc\n"
    assert found.answer["usage"] == {} and "secret" not in found.answer
