"""Conversations and their messages, behind a few verbs. Knows nothing of models, nor what a state means.

A deleted conversation stays, unseen, until it is purged: a deletion can be undone.
"""

import time
from collections.abc import Sequence
from typing import Any

from storage.connections import Connections
from storage.records import MessageRecord, SessionRecord
from storage.rows import message_record, message_row, session_record
from storage.tables import Tables


class ChatStore:
    """Every verb may be called from any thread; raises as `Store` does."""

    def __init__(self, connections: Connections, tables: Tables) -> None:
        self._connections = connections
        self._session = tables.chat_session
        self._message = tables.chat_message

    # sessions

    def add_session(self, session: SessionRecord) -> None:
        """Raises: peewee.IntegrityError for an id that is already there."""
        self._connections.write(lambda: self._session.insert(**vars(session)).execute())

    def session(self, session_id: str) -> SessionRecord | None:
        """None for one that is unknown or deleted."""
        query = self._session.select().where(
            self._session.id == session_id, self._session.deleted_at.is_null()
        )
        return next(iter(self._sessions(query)), None)

    def sessions(self, search: str = "", limit: int = 200) -> list[SessionRecord]:
        """The ones used last first; with `search`, those that have it in their title or a message."""
        session, message = self._session, self._message
        query = session.select().where(session.deleted_at.is_null())
        if search:
            said = message.select(message.session).where(message.text.contains(search))
            query = query.where(session.title.contains(search) | session.id.in_(said))
        return self._sessions(query.order_by(session.updated_at.desc(), session.id).limit(limit))

    def change_session(self, session_id: str, **changes: Any) -> bool:
        """False where there is no such session. `deleted_at=None` undoes a deletion."""
        change = self._session.update(**changes).where(self._session.id == session_id)
        return self._connections.write(change.execute) > 0

    def purge_deleted(self, before: float) -> list[str]:
        """Remove for good what was deleted before that time; gives the ids, for their files to follow."""
        session = self._session
        gone = session.deleted_at < before

        def purge() -> list[str]:
            ids = [row.id for row in session.select(session.id).where(gone)]
            session.delete().where(gone).execute()
            return ids

        return self._connections.write(purge)

    # messages

    def add_messages(self, messages: Sequence[MessageRecord]) -> list[int]:
        """Together or not at all, behind what is there; gives their ids. All of one session."""

        def add() -> list[int]:
            ids = [self._message.insert(**message_row(message)).execute() for message in messages]
            session = self._session
            session.update(updated_at=time.time()).where(session.id == messages[-1].session_id).execute()
            return ids

        return self._connections.write(add)

    def messages(self, session_id: str) -> list[MessageRecord]:
        """In the order of the conversation."""
        query = self._message.select().where(self._message.session == session_id).order_by(self._message.id)
        return self._connections.read(lambda: [message_record(row) for row in query.dicts()])

    def change_message(self, message_id: int, **changes: Any) -> bool:
        """False where it is gone."""
        change = self._message.update(**changes).where(self._message.id == message_id)
        return self._connections.write(change.execute) > 0

    def delete_messages_from(self, session_id: str, message_id: int) -> int:
        """Remove a message and all behind it; gives how many these were."""
        message = self._message
        query = message.delete().where(message.session == session_id, message.id >= message_id)
        return self._connections.write(query.execute)

    def settle_answers(self, state: str, error: str) -> int:
        """Give what a dead process left half answered its state; gives how many these were."""
        message = self._message
        change = message.update(state=state, error=error).where(message.state == "answering")
        return self._connections.write(change.execute)

    def _sessions(self, query: Any) -> list[SessionRecord]:
        return self._connections.read(lambda: [session_record(row) for row in query.dicts()])
