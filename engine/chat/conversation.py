"""Conversations: sessions, their turns, and at most one answer at a time in each.

The database says what was said; a question and the place of its answer are written together before a model
is asked, so that nothing is lost to a kill. Knows neither pages nor how a model answers.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from engine.backends.base import Message
from engine.chat.answer import Answer, Draft
from engine.chat.context import Turn
from engine.chat.exchange import ImportedMessage, as_json, as_markdown, from_json
from engine.chat.pictures import Pictures
from engine.chat.texts import checked_text, title_of
from engine.errors import Busy, InvalidInput
from engine.events.chat import ChatUpdate, Conversation, MessageView, SessionView
from engine.settings import GenerationSettings
from engine.slot import Slot
from engine.trouble import in_words, storage_said
from storage.records import MessageRecord, SessionRecord
from storage.store import Store

UNDO_SECONDS = 3600.0  # that a deleted session can be had back
STOP_SECONDS = 2.0


class Chats:
    """Every method may be called from any thread; those that keep something raise as `storage_said` does."""

    def __init__(self, store: Store, slot: Slot, settings: Callable[[], GenerationSettings]) -> None:
        self._store = store.chats
        self._pictures = Pictures(store.folder / "chats")
        self._slot = slot
        self._settings = settings
        self._answers: dict[str, Answer] = {}
        self._lock = threading.Lock()  # one decision at a time about who answers where

    def start(self) -> None:
        """Settle what a dead process left half answered, and forget what was deleted long ago."""
        self._store.settle_answers("stopped", "Haven ended while this was written.")
        for session_id in self._store.purge_deleted(time.time() - UNDO_SECONDS):
            self._pictures.forget(session_id)

    def close(self) -> None:
        """Stop every answer, keeping what is written."""
        for answer in list(self._answers.values()):
            answer.cancel.cancel("Haven is closing")
            answer.wait()

    # sessions

    def sessions(self, search: str = "") -> list[SessionView]:
        """The ones used last first; with `search`, those where it is in the title or was said."""
        return [_session_view(session) for session in self._store.sessions(search)]

    def conversation(self, session_id: str) -> Conversation:
        """Raises: InvalidInput for an unknown session."""
        session = self._session(session_id)
        messages = tuple(self._message_view(message) for message in self._store.messages(session_id))
        return Conversation(_session_view(session), messages)

    @storage_said()
    def new_session(self, title: str = "") -> SessionView:
        now = time.time()
        session = SessionRecord(uuid.uuid4().hex, title_of(title) if title else "New chat", now, now)
        self._store.add_session(session)
        return _session_view(session)

    @storage_said()
    def rename(self, session_id: str, title: str) -> SessionView:
        """Raises: InvalidInput for an unknown session, or a title of nothing."""
        self._session(session_id)
        if not title.strip():
            raise InvalidInput("A chat needs a name.")
        self._store.change_session(session_id, title=title_of(title))
        return _session_view(self._session(session_id))

    @storage_said()
    def delete(self, session_id: str) -> SessionView:
        """It can be had back by `restore` for a while; an answer under way is stopped."""
        session = self._session(session_id)
        self.stop(session_id)
        self._store.change_session(session_id, deleted_at=time.time())
        return _session_view(session)

    @storage_said()
    def restore(self, session_id: str) -> SessionView:
        """Undo a deletion. Raises: InvalidInput when it is too late."""
        if not self._store.change_session(session_id, deleted_at=None):
            raise InvalidInput("This chat was deleted for good.")
        return _session_view(self._session(session_id))

    def export(self, session_id: str, format: str) -> str:
        """The text of a file: `json` with all that is known, pictures too; `md` to be read.

        Raises: InvalidInput.
        """
        conversation = self.conversation(session_id)
        if format == "md":
            return as_markdown(conversation)
        if format != "json":
            raise InvalidInput(f"There is no export of a chat as {format!r}. Use json or md.")
        urls = [url for message in conversation.messages for url in message.images]
        files = {url: self._pictures.path(session_id, url.rpartition("/")[2]) for url in urls}
        pictures = {url: file.read_bytes() for url, file in files.items() if file.is_file()}
        return json.dumps(as_json(conversation, pictures), ensure_ascii=False, indent=1)

    @storage_said()
    def import_session(self, data: object) -> SessionView:
        """A session from what `export` wrote as JSON. Raises: InvalidInput; then nothing is kept."""
        found = from_json(data)
        session_id = uuid.uuid4().hex
        try:
            messages = [self._imported(session_id, message) for message in found.messages]
        except InvalidInput:
            self._pictures.forget(session_id)
            raise
        now = time.time()
        self._store.add_session(SessionRecord(session_id, title_of(found.title), found.created_at, now))
        if messages:
            self._store.add_messages(messages)
        return _session_view(self._session(session_id))

    # turns

    @storage_said()
    def send(self, session_id: str, text: str, images: Sequence[Path] = ()) -> Answer:
        """Ask; an empty `session_id` begins a new session, named after the question.

        Raises: Busy while an answer is written there; InvalidInput.
        """
        text = checked_text(text, images)
        with self._lock:
            if not session_id:
                session_id = self.new_session(text or "Pictures").session_id
            session = self._session(session_id)
            self._settle_answer(session_id)
            if session.title == "New chat" and text and not self._store.messages(session_id):
                self._store.change_session(session_id, title=title_of(text))
            names = self._pictures.keep(session_id, images)
            question = MessageRecord(session_id, "user", text, time.time(), images=names)
            return self._answer(session_id, (question,))

    @storage_said()
    def regenerate(self, session_id: str) -> Answer:
        """Answer the last question again. Raises: Busy; InvalidInput where nothing was asked."""
        with self._lock:
            self._settle_answer(session_id)
            messages = self._messages(session_id)
            asked = [message for message in messages if message.role == "user"]
            if not asked:
                raise InvalidInput("Nothing was asked in this chat yet.")
            behind = [message for message in messages if message.id > asked[-1].id]
            if behind:
                self._store.delete_messages_from(session_id, behind[0].id)
            return self._answer(session_id, ())

    @storage_said()
    def edit(self, session_id: str, message_id: int, text: str) -> Answer:
        """Ask a question in other words; what was said since is dropped. Raises: Busy; InvalidInput."""
        with self._lock:
            self._settle_answer(session_id)
            found = [m for m in self._messages(session_id) if m.id == message_id and m.role == "user"]
            if not found:
                raise InvalidInput("That question is not in this chat any more.")
            text = checked_text(text, found[0].images)
            self._store.delete_messages_from(session_id, message_id)
            question = MessageRecord(session_id, "user", text, time.time(), images=found[0].images)
            return self._answer(session_id, (question,))

    def stop(self, session_id: str) -> bool:
        """Stop the answer that is written there; False when there is none."""
        answer = self._answers.get(session_id)
        if answer is None or answer.wait(0):
            return False
        answer.cancel.cancel("stopped")
        answer.wait(STOP_SECONDS)
        return True

    def answering(self, session_id: str) -> Answer | None:
        """The answer under way there."""
        answer = self._answers.get(session_id)
        return None if answer is None or answer.wait(0) else answer

    def picture_path(self, session_id: str, name: str) -> Path:
        """Where a picture of a message is. Raises: InvalidInput."""
        return self._pictures.path(session_id, name)

    # what these are made of

    def _answer(self, session_id: str, question: tuple[MessageRecord, ...]) -> Answer:
        settings = self._settings()
        empty = MessageRecord(
            session_id, "assistant", "", time.time(), state="answering", settings=asdict(settings)
        )
        message_id = self._store.add_messages([*question, empty])[-1]
        turns = self._turns([m for m in self._store.messages(session_id) if m.id != message_id])

        @in_words()
        def keep(draft: Draft) -> None:
            self._store.change_message(message_id, **asdict(draft))

        self._answers[session_id] = Answer(session_id, message_id, self._slot, settings, turns, keep)
        return self._answers[session_id]

    def _imported(self, session_id: str, message: ImportedMessage) -> MessageRecord:
        names = self._pictures.keep_data(session_id, [(p.suffix, p.data) for p in message.pictures])
        return MessageRecord(
            session_id, message.role, message.text, message.created_at, images=names, **message.answer
        )

    def _turns(self, messages: Sequence[MessageRecord]) -> list[Turn]:
        """Questions with their answers; a question that was never answered goes alone."""
        turns: list[list[Message]] = []
        for message in messages:
            if message.role == "user":
                images = self._pictures.read(message.session_id, message.images)
                turns.append([Message("user", message.text, images)])
            elif message.text and turns:
                turns[-1].append(Message("assistant", message.text))
        answered = [turn for turn in turns[:-1] if len(turn) > 1]
        return [tuple(turn) for turn in (*answered, turns[-1])]

    def _settle_answer(self, session_id: str) -> None:
        """Keep the last answer, where that could not be done. Raises: Busy while it is written."""
        if self.answering(session_id) is not None:
            raise Busy("An answer is being written in this chat. Wait for it, or stop it.")
        if session_id in self._answers:
            self._answers[session_id].keep_again()

    def _session(self, session_id: str) -> SessionRecord:
        session = self._store.session(session_id)
        if session is None:
            raise InvalidInput(f"There is no chat {session_id!r}; it may have been deleted.")
        return session

    def _messages(self, session_id: str) -> list[MessageRecord]:
        return self._store.messages(self._session(session_id).id)

    def _message_view(self, message: MessageRecord) -> MessageView:
        answer = self._answers.get(message.session_id) if message.state == "answering" else None
        if answer is not None and answer.message_id == message.id:
            message = replace(message, **vars(answer.draft))
        return MessageView(
            message_id=message.id,
            role=message.role,
            text=message.text,
            images=tuple(f"/pictures/{message.session_id}/{name}" for name in message.images),
            state=message.state,
            error=message.error,
            notice=message.notice,
            provider=message.provider,
            model=message.model,
            settings=dict(message.settings),
            finish_reason=message.finish_reason,
            usage=dict(message.usage),
            created_at=message.created_at,
        )


def update_of(answer: Answer) -> ChatUpdate:
    """How far an answer is, as the page and scripts see it."""
    done = answer.wait(0)  # asked first: what is over does not change any more
    draft = answer.draft
    return ChatUpdate(
        answer.session_id, draft.text, done, draft.finish_reason, draft.usage, draft.error or draft.notice
    )


def _session_view(session: SessionRecord) -> SessionView:
    return SessionView(session.id, session.title, session.created_at, session.updated_at)
