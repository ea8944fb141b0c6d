"""Chats: what is said is kept, an answer can be stopped, and a failed turn is a turn."""

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import FakeBackend, Gate

from engine.backends.base import LoadPlan
from engine.cancel import CancelToken
from engine.chat import conversation, pictures
from engine.chat.conversation import Chats, update_of
from engine.errors import Busy, DataFolderError, InvalidInput, ModelError, OutOfSpace
from engine.loading import Candidate
from engine.settings import GenerationSettings
from engine.slot import Slot
from storage.errors import DatabaseLocked, DiskFull
from storage.store import Store

WAIT = 30


class House:
    def __init__(self, folder: Path) -> None:
        self.gates: dict[int, Gate] = {}
        self.fails: list[Exception] = []
        self.given: list[list] = []
        self.store = Store.open(folder)
        self.slot = Slot(self.model("seeing"))
        self.settings = GenerationSettings(system_prompt="be brief")
        self.chats = Chats(self.store, self.slot, lambda: self.settings)
        self.chats.start()

    def model(self, name: str, **info) -> Candidate:
        house = self

        class Remembering(FakeBackend):
            def stream(self, messages, params, cancel):
                house.given.append(list(messages))
                return super().stream(messages, params, cancel)

        def load(progress, cancel) -> FakeBackend:
            return Remembering(model=name, digest=name, on_stream=self._on_word, **info)

        return Candidate("fake", name, {}, lambda cancel: LoadPlan(name, 1, 100), load)

    def _on_word(self, word: int) -> None:
        if self.fails:
            raise self.fails.pop()
        if word in self.gates:
            self.gates.pop(word)()

    def hold_at(self, word: int) -> Gate:
        self.gates[word] = Gate()
        return self.gates[word]

    def say(self, text: str, session_id: str = "", images=()) -> str:
        answer = self.chats.send(session_id, text, images)
        assert answer.wait(WAIT)
        return answer.session_id

    def messages(self, session_id: str):
        return self.chats.conversation(session_id).messages

    def switch(self, name: str, **info) -> None:
        token = CancelToken()
        assert self.slot.switch(
            self.model(name, **info), "refuse", lambda p: None, token, lambda i: None
        ).success

    def close(self) -> None:
        self.chats.close()
        self.slot.close()
        self.store.close()


@pytest.fixture
def house(tmp_path: Path):
    house = House(tmp_path / "data")
    yield house
    house.close()


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), np.full((8, 6, 3), (0, 0, 255), np.uint8))
    return path


def test_a_question_begins_a_session_named_after_it_and_the_answer_is_kept(house):
    session_id = house.say("What is   a lake?\nTell me.")
    assert house.chats.sessions()[0].title == "What is a lake? Tell me."
    question, answer = house.messages(session_id)
    assert (question.role, answer.role) == ("user", "assistant")
    assert (answer.text, answer.state, answer.finish_reason) == ("one two three", "done", "stop")
    assert (answer.provider, answer.model) == ("fake", "seeing")
    assert answer.settings["max_new_tokens"] == 256 and answer.usage["completion_tokens"] == 3


def test_the_model_is_given_the_system_prompt_and_the_whole_history(house):
    session_id = house.say("first")
    house.say("second", session_id)
    said = [(message.role, message.text) for message in house.given[-1]]
    assert said == [
        ("system", "be brief"),
        ("user", "first"),
        ("assistant", "one two three"),
        ("user", "second"),
    ]


def test_the_text_so_far_can_be_seen_while_it_is_written(house):
    gate = house.hold_at(2)
    answer = house.chats.send("", "hello")
    assert gate.reached.wait(WAIT)
    update = update_of(answer)
    assert (update.text, update.done, update.finish_reason) == ("one two ", False, "")
    assert house.messages(answer.session_id)[-1].text == "one two "
    gate.open()
    assert answer.wait(WAIT) and update_of(answer).done


def test_stop_keeps_what_was_written(house):
    gate = house.hold_at(1)
    answer = house.chats.send("", "hello")
    assert gate.reached.wait(WAIT)
    answer.cancel.cancel("stopped")
    gate.open()
    assert answer.wait(WAIT)
    kept = house.messages(answer.session_id)[-1]
    assert (kept.text, kept.state, kept.finish_reason) == ("one ", "stopped", "cancelled")
    assert not house.chats.stop(answer.session_id)


def test_one_answer_at_a_time_in_a_session(house):
    gate = house.hold_at(1)
    answer = house.chats.send("", "hello")
    assert gate.reached.wait(WAIT)
    with pytest.raises(Busy):
        house.chats.send(answer.session_id, "and?")
    gate.open()
    assert answer.wait(WAIT)
    assert len(house.messages(answer.session_id)) == 2


def test_a_failed_turn_is_kept_as_failed_and_can_be_tried_again(house):
    house.fails.append(ModelError("it choked"))
    session_id = house.say("hello")
    failed = house.messages(session_id)[-1]
    assert (failed.state, failed.error, failed.finish_reason) == ("failed", "it choked", "error")
    assert house.chats.regenerate(session_id).wait(WAIT)
    question, answer = house.messages(session_id)
    assert (question.text, answer.state, answer.text) == ("hello", "done", "one two three")


def test_a_failed_turn_is_not_given_to_the_model_later(house):
    house.fails.append(ModelError("it choked"))
    session_id = house.say("hello")
    house.say("again", session_id)
    assert [message.text for message in house.given[-1]] == ["be brief", "again"]


def test_an_edited_question_drops_what_came_after_it(house):
    session_id = house.say("first")
    house.say("second", session_id)
    first = house.messages(session_id)[0]
    assert house.chats.edit(session_id, first.message_id, "other").wait(WAIT)
    assert [m.text for m in house.messages(session_id)] == ["other", "one two three"]
    with pytest.raises(InvalidInput):
        house.chats.edit(session_id, first.message_id, "gone")


def test_pictures_go_to_a_model_that_sees_and_come_back_with_the_history(house, picture):
    session_id = house.say("what colour?", images=[picture])
    picture.unlink()
    house.say("sure?", session_id)
    seen = house.given[-1][1].images[0]
    assert seen.shape == (8, 6, 3) and tuple(seen[0, 0]) == (255, 0, 0)
    name = house.messages(session_id)[0].images[0].rpartition("/")[2]
    assert house.chats.picture_path(session_id, name).is_file()


def test_a_picture_for_a_model_that_does_not_see_is_a_failed_turn_that_says_why(house, picture):
    house.switch("blind", vision=False)
    session_id = house.say("what colour?", images=[picture])
    failed = house.messages(session_id)[-1]
    assert failed.state == "failed" and "blind does not see" in failed.error


def test_a_switch_to_a_text_model_keeps_the_conversation_and_says_what_is_not_seen(house, picture):
    session_id = house.say("what colour?", images=[picture])
    house.switch("blind", vision=False)
    house.say("and now?", session_id)
    answer = house.messages(session_id)[-1]
    assert (answer.state, answer.model) == ("done", "blind") and "not seen" in answer.notice


def test_what_does_not_fit_is_left_out_and_said(house):
    house.switch("short", context_length=12)
    session_id = house.say("one two three four")
    answer = house.chats.send(session_id, "more")
    assert answer.wait(WAIT)
    assert "left out" in update_of(answer).notice
    assert [message.text for message in house.given[-1]] == ["be brief", "more"]


@pytest.mark.parametrize("text", ["", "  \n ", "\x00\x07"])
def test_nothing_is_asked_for_nothing(house, text):
    with pytest.raises(InvalidInput):
        house.chats.send("", text)
    assert house.chats.sessions() == []


def test_too_long_a_message_is_refused_and_control_characters_are_dropped(house):
    with pytest.raises(InvalidInput, match="500,000"):
        house.chats.send("", "x" * 500_001)
    session_id = house.say("a\x00b\x1b[31mc\td")
    assert house.messages(session_id)[0].text == "ab[31mc\td"


@pytest.mark.parametrize(
    ("of", "verb"),
    [
        ("store", "add_session"),
        ("store", "add_messages"),
        ("store", "change_session"),
        ("store", "delete_messages_from"),
        ("pictures", "keep"),
    ],
)
def test_a_full_disk_is_said_and_what_was_said_before_is_kept(house, picture, monkeypatch, of, verb):
    def full(*_, **__):
        raise DiskFull("no room") if of == "store" else OSError(errno.ENOSPC, "No space left on device")

    session_id = house.say("hello")
    verbs = {
        "add_session": lambda: house.chats.send("", "again"),
        "add_messages": lambda: house.chats.send(session_id, "again"),
        "change_session": lambda: house.chats.rename(session_id, "other"),
        "delete_messages_from": lambda: house.chats.regenerate(session_id),
        "keep": lambda: house.chats.send(session_id, "again", [picture]),
    }
    with monkeypatch.context() as patched:
        patched.setattr(house.chats._store if of == "store" else house.chats._pictures, verb, full)
        with pytest.raises(OutOfSpace, match=r"The disk is full\. Free some space"):
            verbs[verb]()
    assert house.messages(session_id)[0].text == "hello"
    assert [message.state for message in house.messages(session_id)] == ["done", "done"]
    assert len(house.messages(house.say("again", session_id))) == 4


@pytest.mark.parametrize(
    ("trouble", "raised", "said"),
    [
        (DiskFull("no room"), OutOfSpace, "The disk is full"),
        (DatabaseLocked("Another program holds it."), DataFolderError, "Another program holds it"),
    ],
    ids=["full", "locked"],
)
def test_an_answer_whose_end_cannot_be_kept_says_so_and_is_kept_with_the_next(
    house, monkeypatch, trouble, raised, said
):
    def refuse(*_, **__):
        raise trouble

    with monkeypatch.context() as patched:
        patched.setattr(house.chats._store, "change_message", refuse)
        answer = house.chats.send("", "first")
        assert answer.wait(WAIT)
        session_id = answer.session_id
        shown = house.messages(session_id)[-1]
        assert (shown.text, shown.state) == ("one two three", "done")
        assert "not kept: " in shown.notice and said in shown.notice
        assert update_of(answer).notice == shown.notice
        for again in (house.chats.send, house.chats.edit, house.chats.regenerate):
            given = {"send": ("second",), "edit": (shown.message_id - 1, "other"), "regenerate": ()}
            with pytest.raises(raised, match=said):
                again(session_id, *given[again.__name__])
        assert [m.text for m in house.messages(session_id)] == ["first", "one two three"]
    gate = house.hold_at(1)
    answer = house.chats.send(session_id, "second")
    assert gate.reached.wait(WAIT)
    before, now = [m for m in house.messages(session_id) if m.role == "assistant"]
    assert (before.text, before.state, before.notice) == ("one two three", "done", "")
    assert (now.text, now.state) == ("one ", "answering")
    kept = house.store.chats.messages(session_id)[1]
    assert (kept.text, kept.state) == ("one two three", "done")
    assert [m.text for m in house.given[-1]] == ["be brief", "first", "one two three", "second"]
    gate.open()
    assert answer.wait(WAIT)


def test_the_draft_of_an_answer_stands_in_its_own_place_only(house):
    session_id = house.say("first")
    lost = house.messages(session_id)[-1].message_id
    house.store.chats.change_message(lost, state="answering", text="")
    house.say("second", session_id)
    gate = house.hold_at(1)
    answer = house.chats.send(session_id, "third")
    assert gate.reached.wait(WAIT)
    assert [m.text for m in house.messages(session_id)][1::2] == ["", "one two three", "one "]
    gate.open()
    assert answer.wait(WAIT)


def test_a_picture_that_is_gone_when_it_is_taken_in_is_named(house, picture, monkeypatch):
    monkeypatch.setattr(pictures, "read_picture", lambda file: file.unlink())
    with pytest.raises(InvalidInput, match=r"There is no file .*red\.png"):
        house.chats.send("", "look", [picture])
    assert picture.parent.is_dir()


def test_a_file_that_is_no_picture_is_refused_and_nothing_is_asked(house, tmp_path):
    text = tmp_path / "notes.png"
    text.write_text("not a picture")
    with pytest.raises(InvalidInput, match=r"notes\.png"):
        house.chats.send("", "look", [text])


def test_sessions_are_renamed_found_deleted_and_had_back(house):
    lake, sea = house.say("about lakes"), house.say("about seas")
    assert [s.session_id for s in house.chats.sessions()] == [sea, lake]
    assert [s.session_id for s in house.chats.sessions("LAKE")] == [lake]
    assert [s.session_id for s in house.chats.sessions("one two")] == [sea, lake]
    assert house.chats.rename(lake, " Water ").title == "Water"
    house.chats.delete(lake)
    assert [s.session_id for s in house.chats.sessions()] == [sea]
    with pytest.raises(InvalidInput):
        house.chats.conversation(lake)
    house.chats.restore(lake)
    assert len(house.messages(lake)) == 2


def test_what_was_deleted_long_ago_is_gone_for_good_at_the_next_start(house, picture, monkeypatch):
    session_id = house.say("look", images=[picture])
    folder = house.store.folder / "chats" / session_id
    assert folder.is_dir()
    house.chats.delete(session_id)
    house.chats.start()
    assert folder.is_dir()
    monkeypatch.setattr(conversation, "UNDO_SECONDS", -1.0)
    house.chats.start()
    assert not folder.exists()
    with pytest.raises(InvalidInput):
        house.chats.restore(session_id)


def test_an_answer_that_a_dead_process_left_is_settled_at_the_next_start(tmp_path):
    house = House(tmp_path / "data")
    session_id = house.say("hello")
    answer = house.messages(session_id)[-1]
    house.store.chats.change_message(answer.message_id, state="answering", text="one ")
    house.close()
    again = House(tmp_path / "data")
    kept = again.messages(session_id)[-1]
    assert (kept.state, kept.text) == ("stopped", "one ") and "Haven ended" in kept.error
    again.close()


def test_a_chat_gets_the_backend_at_the_next_frame_boundary(house):
    with house.slot.lease(CancelToken()):
        answer = house.chats.send("", "hello")
        assert not answer.wait(0.05)
    assert answer.wait(WAIT) and update_of(answer).text == "one two three"


@pytest.mark.parametrize("name", ["../haven.db", "..", "a/b.png", ".hidden", ""])
def test_no_other_file_is_had_as_a_picture(house, name):
    with pytest.raises(InvalidInput):
        house.chats.picture_path("abc", name)
