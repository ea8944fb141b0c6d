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

from storage.records import FrameRecord, JobRecord

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

    def all(self) -> list[Any]:
        return [self.setting, self.job, self.frame_answer, self.video_hash]


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

        class Meta:
            table_name = "job"
            indexes = ((("digest", "prompt_sha256"), False),)

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

    tables = Tables(Setting, Job, FrameAnswer, VideoHash)
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
