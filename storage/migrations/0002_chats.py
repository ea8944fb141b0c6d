"""Conversations and their messages. A frozen copy: it stays as it is when the tables change."""

import peewee
from playhouse.sqlite_ext import AutoIncrementField


def up(migrator, db):  # noqa: ANN001, ANN201
    class ChatSession(peewee.Model):
        id = peewee.TextField(primary_key=True)
        title = peewee.TextField()
        created_at = peewee.DoubleField()
        updated_at = peewee.DoubleField(index=True)
        deleted_at = peewee.DoubleField(null=True)

        class Meta:
            database = db
            table_name = "chat_session"

    class ChatMessage(peewee.Model):
        id = AutoIncrementField()
        session = peewee.ForeignKeyField(ChatSession, on_delete="CASCADE")
        role = peewee.TextField()
        text = peewee.TextField()
        created_at = peewee.DoubleField()
        images = peewee.JSONField()
        state = peewee.TextField()
        error = peewee.TextField()
        notice = peewee.TextField()
        provider = peewee.TextField()
        model = peewee.TextField()
        settings = peewee.JSONField()
        finish_reason = peewee.TextField()
        usage = peewee.JSONField()

        class Meta:
            database = db
            table_name = "chat_message"

    db.create_tables([ChatSession, ChatMessage], safe=False)
