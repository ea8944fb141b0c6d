"""The ways into one SQLite file: one thread that writes, and any number that read.

SQLite takes one writer at a time; with a single thread for it nobody ever waits for a lock of our own, and
the bug that older versions have with two connections writing to one log cannot be met. Another program may
hold the file all the same: then a change waits as long as `patience` says, in the queue or at the file, and
is refused without a trace. Knows no table.
"""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import peewee
from playhouse.pool import PooledSqliteDatabase

from storage import patience
from storage.errors import DatabaseLocked, DiskFull, StorageError
from storage.words import words_of_file

_T = TypeVar("_T")

_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",  # what was acknowledged survives a power cut
    "foreign_keys": 1,
    "trusted_schema": 1,  # triggers call a function of ours; nobody else writes into the data folder
}
_NO_ROOM = 1 << 20  # bytes free, below which a failed write is taken for a full disk
_HELD_UP_SECONDS = 1.0  # that a change has to wait until it is said what for
_AT_LEAST = 0.1  # of its patience is left to a change that has waited for others before it


class _Database(PooledSqliteDatabase):
    def rollback(self) -> None:
        # After "disk full" SQLite has rolled back by itself, and a second time would hide the reason.
        if self.connection().in_transaction:
            super().rollback()


class Connections:
    """Every method may be called from any thread; the file is made where it is missing."""

    def __init__(self, file: Path) -> None:
        self._file = file
        # The pool takes `timeout` for its own, so it is said to SQLite directly.
        pragmas = {"busy_timeout": _milliseconds(patience.LONG_SECONDS), **_PRAGMAS}
        self.database = _Database(
            str(file), pragmas=pragmas, lock_type="IMMEDIATE", max_connections=0, check_same_thread=False
        )
        self.database.register_function(words_of_file, "library_words", 2)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="haven-store")
        self._closing = threading.Lock()
        self._closed = False
        self._at_the_file: float | None = None  # monotonic: since when a change waits to begin
        self._refused = float("-inf")  # monotonic: when one had waited in vain; none has begun since

    def write(self, change: Callable[[], _T]) -> _T:
        """What `change` returns, once its transaction is on the disk. It runs on the writing thread.

        Raises:
            DiskFull, DatabaseLocked: nothing of `change` was kept; the store can still be used.
            StorageError: the store is closed, or SQLite refused.
        """
        return self._on_writer(lambda: self._transaction(change))

    def write_alone(self, change: Callable[[], _T]) -> _T:
        """As `write`, without a transaction around it: for what makes its own. Raises: the same."""
        return self._on_writer(change)

    def read(self, question: Callable[[], _T]) -> _T:
        """What `question` returns, on this thread and its own connection. Raises: StorageError."""
        self._refuse_closed()
        with self._errors(), self.database.connection_context():
            return question()

    def is_free(self) -> bool:
        """Whether a change would find nobody else changing the file just now. Does not wait.

        What else is wrong with the file, the change itself says.
        """
        self._refuse_closed()
        return self._is_free()

    def held_up(self) -> str:
        """Who makes a change wait just now, for the person; empty where none waits, or only a moment."""
        since = self._at_the_file
        waits = since is not None and time.monotonic() - since >= _HELD_UP_SECONDS
        return self._held() if waits else ""

    def close(self) -> bool:
        """Finish the writes that were asked for, and close the file; False where that was done before."""
        with self._closing:
            if self._closed:
                return False
            self._closed = True
        self._writer.submit(self.database.close)
        self._writer.shutdown()
        self.database.close_idle()
        return True

    def _on_writer(self, work: Callable[[], _T]) -> _T:
        seconds = self._patience()
        with self._closing:  # or the writer could be shut down between the look and the leap
            self._refuse_closed()
            written = self._writer.submit(self._patiently, work, time.monotonic() + seconds, seconds)
        while wait([written], seconds).not_done:
            # It stands behind one that may wait longer: out of the queue with it, so that it never happens.
            if self._at_the_file is not None and not self._is_free() and written.cancel():
                self._refused = time.monotonic()
                raise DatabaseLocked(self._held())
        return written.result()

    def _patience(self) -> float:
        """What a change may wait: a moment only, where another has just waited in vain."""
        seconds = patience.seconds()
        just_now = time.monotonic() - self._refused < patience.SHORT_SECONDS
        return seconds * _AT_LEAST if just_now and seconds <= patience.SHORT_SECONDS else seconds

    def _patiently(self, work: Callable[[], _T], until: float, seconds: float) -> _T:
        """Do it, waiting for another program `until` then; for a share of all `seconds` in any case."""
        left = max(until - time.monotonic(), seconds * _AT_LEAST)
        with self._errors():
            self.database.execute_sql(f"PRAGMA busy_timeout = {_milliseconds(left)}")
            return work()

    def _is_free(self) -> bool:
        try:
            with closing(sqlite3.connect(self._file, 0, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            return error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        return True

    def _held(self) -> str:
        return f"Another program holds {self._file}. Close it."

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StorageError("The data folder was closed.")

    def _transaction(self, change: Callable[[], _T]) -> _T:
        self._at_the_file = time.monotonic()
        try:
            with self.database.atomic():
                self._at_the_file, self._refused = None, float("-inf")
                return change()
        finally:
            self._at_the_file = None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except peewee.IntegrityError:
            raise  # a defect of the caller, not of the folder
        except peewee.DatabaseError as error:
            if self._is_full(error):
                raise DiskFull(f"The disk that holds {self._file.parent} is full.") from error
            if _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                self._refused = time.monotonic()
                raise DatabaseLocked(self._held()) from error
            raise StorageError(f"{self._file} cannot be used: {error}") from error

    def _is_full(self, error: peewee.DatabaseError) -> bool:
        code = _code(error)
        if code == sqlite3.SQLITE_IOERR:  # so a failed sync or an exceeded quota is reported
            return shutil.disk_usage(self._file.parent).free < _NO_ROOM
        return code == sqlite3.SQLITE_FULL


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _code(error: peewee.DatabaseError) -> int:
    """What kind of error SQLite says it is; 0 where it does not say."""
    return (
        int(getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)) & 0xFF
    )  # the low byte is the kind
