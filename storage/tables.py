"""The tables as peewee models; `rows` makes plain records of what lies in them.

The models are made anew for each database, so that two stores in one process do not share a binding.
A change here needs a migration beside it. Knows nothing of threads or transactions.
"""

import json
import re
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import peewee
from playhouse.sqlite_ext import AutoIncrementField

dumps = partial(json.dumps, allow_nan=False, ensure_ascii=True)  # NaN is no JSON: refused here, by name
_NO_UTF8 = re.compile("[\ud800-\udfff]")  # looked for in every path of a look: letter by letter takes long


class FileNameField(peewee.TextField):
    """A file name as Python has it. One that is no valid UTF-8 is kept as its bytes."""

    def db_value(self, value: str | None) -> str | bytes | None:
        if value is None or not _NO_UTF8.search(value):
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
    setting, saved_prompt = _by_name()
    job = _jobs()
    frame_answer, video_hash = _answers(job)
    chat_session, chat_message = _chats()
    library_folder, library_file = _library()
    span_settings, span_correction, tag_peak = _findings(job)
    tables = Tables(
        setting=setting,
        job=job,
        frame_answer=frame_answer,
        video_hash=video_hash,
        chat_session=chat_session,
        chat_message=chat_message,
        saved_prompt=saved_prompt,
        library_folder=library_folder,
        library_file=library_file,
        span_settings=span_settings,
        span_correction=span_correction,
        tag_peak=tag_peak,
    )
    database.bind(tables.all())
    return tables


def _by_name() -> tuple[Any, Any]:
    """What is kept under a name: settings, and prompts."""

    class Setting(peewee.Model):
        key = peewee.TextField(primary_key=True)
        value = peewee.JSONField(dumps=dumps, null=True)

        class Meta:
            table_name = "setting"

    class SavedPrompt(peewee.Model):
        name = peewee.TextField(primary_key=True)
        tags = peewee.JSONField(dumps=dumps)
        prompt = peewee.TextField()
        saved_at = peewee.DoubleField()

        class Meta:
            table_name = "saved_prompt"

    return Setting, SavedPrompt


def _jobs() -> Any:
    """Analyses: what was asked of which video and model, and how far each is."""

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
                (("status", "reason"), False),
                (("video_sha256",), False),
            )

    return Job


def _answers(job_model: Any) -> tuple[Any, Any]:
    """What was answered frame by frame, and the hashes of the videos that it is about."""

    class FrameAnswer(peewee.Model):
        job = peewee.ForeignKeyField(job_model, backref="frames", on_delete="CASCADE", index=False)
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
        changed_ns = peewee.BigIntegerField(default=0)

        class Meta:
            table_name = "video_hash"

    return FrameAnswer, VideoHash


def _chats() -> tuple[Any, Any]:
    """Conversations, and what was said in them."""

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

    return ChatSession, ChatMessage


def _library() -> tuple[Any, Any]:
    """Watched folders, and the files in them."""

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

    return LibraryFolder, LibraryFile


def _findings(job_model: Any) -> tuple[Any, Any, Any]:
    """How the spans of a job are made, what a person corrected, and where tags are surest."""

    class SpanSettings(peewee.Model):
        job = peewee.ForeignKeyField(job_model, primary_key=True, on_delete="CASCADE")
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
        job = peewee.ForeignKeyField(job_model, on_delete="CASCADE")
        peak = peewee.DoubleField()  # the highest probability of yes in any frame of the job

        class Meta:
            table_name = "tag_peak"
            primary_key = peewee.CompositeKey("tag", "job")
            without_rowid = True

    return SpanSettings, SpanCorrection, TagPeak
