"""Rows of the tables as plain records, and the way back. Knows no database."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from storage.records import (
    FrameRecord,
    JobRecord,
    LibraryFileRecord,
    LibraryFolderRecord,
    MessageRecord,
    PromptRecord,
    SessionRecord,
)

_OTHER_NAMES = {"job": "job_id", "place": "index", "raw_text": "raw"}  # of columns, in the records
_COLUMNS = {name: column for column, name in _OTHER_NAMES.items()}


def job_record(row: Mapping[str, Any]) -> JobRecord:
    """A row of `job`, as `.dicts()` gives it."""
    return JobRecord(**{**row, "tags": tuple(row["tags"])})


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
