"""The tables as peewee models, and how their rows become plain records.

The models are made anew for each database, so that two stores in one process do not share a binding.
A change here needs a migration beside it. Knows nothing of threads or transactions.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import peewee
from playhouse.sqlite_ext import AutoIncrementField

from storage.records import (
    FrameRecord,
    JobRecord,
    LibraryFileRecord,
    LibraryFolderRecord,
    MessageRecord,
    PromptRecord,
    SessionRecord,
)

dumps = partial(json.dumps, allow_nan=False, ensure_ascii=True)  # NaN is no JSON: refused here, by name


class FileNameField(peewee.TextField):
    """A file name as Python has it. One that is no valid UTF-8 is kept as its bytes."""

    def db_value(self, value: str | None) -> str | bytes | None:
        if value is None or not any("\ud800" <= letter <= "\udfff" for letter in value):
            return value
        return value.encode("utf-8", "surrogateescape")

    def python_value(self, value: str | bytes | None) -> str | None:
        return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


@dataclass(frozen=True)
class Tables:
    """The models of one database. They are made at run time, so their fields have no static types."""

    setting: Any
    job: Any
    frame_answer: Any
    video_hash: Any
    chat_session: Any
    chat_message: Any
    saved_prompt: Any
    library_folder: Any
    library_file: Any
    span_settings: Any
    span_correction: Any
    tag_peak: Any

    def all(self) -> list[Any]:
        return [getattr(self, field.name) for field in fields(self)]


def make_tables(database: peewee.Database) -> Tables:
    """The current shape of every table, bound to `database`."""

    class Setting(peewee.Model):
        key = peewee.TextField(primary_key=True)
        value = peewee.JSONField(dumps=dumps, null=True)

        class Meta:
            table_name = "setting"

    class Job(peewee.Model):
        id = peewee.TextField(primary_key=True)
        status = peewee.TextField(index=True)
        video_path = FileNameField(index=True)
        video_name = FileNameField()
        video_size = peewee.BigIntegerField()
        video_mtime_ns = peewee.BigIntegerField()
        provider = peewee.TextField()
        model = peewee.TextField()
        digest = peewee.TextField()
        load_options = peewee.JSONField(dumps=dumps)
        tags = peewee.JSONField(dumps=dumps)
        prompt = peewee.TextField()
        prompt_sha256 = peewee.TextField()
        sampling = peewee.JSONField(dumps=dumps)
        frames_total = peewee.IntegerField()
        created_at = peewee.DoubleField(index=True)
        codes = peewee.BooleanField()
        uploaded = peewee.BooleanField()
        video_sha256 = peewee.TextField()
        duration_us = peewee.BigIntegerField()
        frames_done = peewee.IntegerField()
        frames_failed = peewee.IntegerField()
        cursor_us = peewee.BigIntegerField(null=True)
        compute_seconds = peewee.DoubleField()
        started_at = peewee.DoubleField(null=True)
        ended_at = peewee.DoubleField(null=True)
        reason = peewee.TextField()
        error = peewee.TextField()
        tag_details = peewee.JSONField(dumps=dumps)  # category and description, by tag
        summarise = peewee.BooleanField()
        summary = peewee.TextField()
        queue_place = peewee.DoubleField()  # waiting jobs run in this order
        from_library = peewee.BooleanField()

        class Meta:
            table_name = "job"
            indexes = (
                (("digest", "prompt_sha256"), False),
                (("status", "queue_place"), False),
                (("video_sha256",), False),
            )

    class FrameAnswer(peewee.Model):
        job = peewee.ForeignKeyField(Job, backref="frames", on_delete="CASCADE", index=False)
        place = peewee.IntegerField()  # the record's `index`, which is a method of every model
        time_us = peewee.BigIntegerField()
        state = peewee.TextField()
        tags = peewee.JSONField(dumps=dumps)
        caption = peewee.TextField()
        facts = peewee.JSONField(dumps=dumps)
        error = peewee.TextField()
        raw_text = peewee.TextField()  # the record's `raw`, for the same reason
        has_picture = peewee.BooleanField()

        class Meta:
            table_name = "frame_answer"
            indexes = ((("job", "time_us"), True),)

    class VideoHash(peewee.Model):
        path = FileNameField(primary_key=True)
        size = peewee.BigIntegerField()
        mtime_ns = peewee.BigIntegerField()
        sha256 = peewee.TextField()

        class Meta:
            table_name = "video_hash"

    class ChatSession(peewee.Model):
        id = peewee.TextField(primary_key=True)
        title = peewee.TextField()
        created_at = peewee.DoubleField()
        updated_at = peewee.DoubleField(index=True)
        deleted_at = peewee.DoubleField(null=True)

        class Meta:
            table_name = "chat_session"

    class ChatMessage(peewee.Model):
        id = AutoIncrementField()  # never given twice, so that a page cannot mean another message by it
        session = peewee.ForeignKeyField(ChatSession, backref="messages", on_delete="CASCADE")
        role = peewee.TextField()
        text = peewee.TextField()
        created_at = peewee.DoubleField()
        images = peewee.JSONField(dumps=dumps)
        state = peewee.TextField()
        error = peewee.TextField()
        notice = peewee.TextField()
        provider = peewee.TextField()
        model = peewee.TextField()
        settings = peewee.JSONField(dumps=dumps)
        finish_reason = peewee.TextField()
        usage = peewee.JSONField(dumps=dumps)

        class Meta:
            table_name = "chat_message"

    class LibraryFolder(peewee.Model):
        path = FileNameField(unique=True)
        recursive = peewee.BooleanField()
        pattern = peewee.TextField()
        asked = peewee.JSONField(dumps=dumps)
        created_at = peewee.DoubleField()

        class Meta:
            table_name = "library_folder"

    class LibraryFile(peewee.Model):
        folder = peewee.ForeignKeyField(LibraryFolder, on_delete="CASCADE", index=False)
        path = FileNameField()
        name = FileNameField()
        size = peewee.BigIntegerField()
        mtime_ns = peewee.BigIntegerField()
        seen_at = peewee.DoubleField()
        sha256 = peewee.TextField()
        state = peewee.TextField()
        reason = peewee.TextField()
        job_id = peewee.TextField(index=True)
        duration_us = peewee.BigIntegerField()
        found = peewee.JSONField(dumps=dumps)
        changed_ns = peewee.BigIntegerField(default=0)

        class Meta:
            table_name = "library_file"
            indexes = ((("folder", "path"), True), (("folder", "state", "path"), False))

    class SavedPrompt(peewee.Model):
        name = peewee.TextField(primary_key=True)
        tags = peewee.JSONField(dumps=dumps)
        prompt = peewee.TextField()
        saved_at = peewee.DoubleField()

        class Meta:
            table_name = "saved_prompt"

    class SpanSettings(peewee.Model):
        job = peewee.ForeignKeyField(Job, primary_key=True, on_delete="CASCADE")
        settings = peewee.JSONField(dumps=dumps)
        lowest = peewee.DoubleField()  # threshold of any tag

        class Meta:
            table_name = "span_settings"

    class SpanCorrection(peewee.Model):
        id = peewee.AutoField()
        video_sha256 = peewee.TextField(index=True)
        tag = peewee.TextField()
        old_start_us = peewee.BigIntegerField(null=True)
        old_end_us = peewee.BigIntegerField(null=True)
        new_start_us = peewee.BigIntegerField(null=True)
        new_end_us = peewee.BigIntegerField(null=True)
        made_at = peewee.DoubleField()

        class Meta:
            table_name = "span_correction"

    class TagPeak(peewee.Model):
        tag = peewee.TextField()
        job = peewee.ForeignKeyField(Job, on_delete="CASCADE")
        peak = peewee.DoubleField()  # the highest probability of yes in any frame of the job

        class Meta:
            table_name = "tag_peak"
            primary_key = peewee.CompositeKey("tag", "job")
            without_rowid = True

    tables = Tables(
        Setting,
        Job,
        FrameAnswer,
        VideoHash,
        ChatSession,
        ChatMessage,
        SavedPrompt,
        LibraryFolder,
        LibraryFile,
        SpanSettings,
        SpanCorrection,
        TagPeak,
    )
    database.bind(tables.all())
    return tables


def job_record(row: Mapping[str, Any]) -> JobRecord:
    """A row of `job`, as `.dicts()` gives it."""
    return JobRecord(**{**row, "tags": tuple(row["tags"])})


_OTHER_NAMES = {"job": "job_id", "place": "index", "raw_text": "raw"}  # of columns, in the records
_COLUMNS = {name: column for column, name in _OTHER_NAMES.items()}


def frame_record(row: Mapping[str, Any]) -> FrameRecord:
    """A row of `frame_answer`, as `.dicts()` gives it."""
    return FrameRecord(**{_OTHER_NAMES.get(column, column): row[column] for column in row if column != "id"})


def frame_row(frame: FrameRecord) -> dict[str, Any]:
    """The inverse of `frame_record`, in the order of the columns."""
    return {_COLUMNS.get(field.name, field.name): getattr(frame, field.name) for field in fields(frame)}


def session_record(row: Mapping[str, Any]) -> SessionRecord:
    """A row of `chat_session`, as `.dicts()` gives it."""
    return SessionRecord(**row)


def prompt_record(row: Mapping[str, Any]) -> PromptRecord:
    """A row of `saved_prompt`, as `.dicts()` gives it."""
    return PromptRecord(**{**row, "tags": tuple(row["tags"])})


def message_record(row: Mapping[str, Any]) -> MessageRecord:
    """A row of `chat_message`, as `.dicts()` gives it."""
    named = {"session_id" if column == "session" else column: value for column, value in row.items()}
    return MessageRecord(**{**named, "images": tuple(row["images"])})


def message_row(message: MessageRecord) -> dict[str, Any]:
    """The inverse of `message_record`, without the id, which the database gives."""
    row = {field.name: getattr(message, field.name) for field in fields(message) if field.name != "id"}
    return {"session": row.pop("session_id"), **row, "images": list(message.images)}


def library_folder_record(row: Mapping[str, Any]) -> LibraryFolderRecord:
    """A row of `library_folder`, as `.dicts()` gives it."""
    return LibraryFolderRecord(**row)


def library_file_record(row: Mapping[str, Any]) -> LibraryFileRecord:
    """A row of `library_file`, as `.dicts()` gives it."""
    named = {"folder_id" if column == "folder" else column: value for column, value in row.items()}
    return LibraryFileRecord(**{**named, "found": tuple(row["found"])})
