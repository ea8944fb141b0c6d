"""The ways into one SQLite file: one thread that writes, and any number that read.

SQLite takes one writer at a time; with a single thread for it nobody ever waits for a lock, and the bug
that older versions have with two connections writing to one log cannot be met. Knows no table.
"""

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import peewee
from playhouse.pool import PooledSqliteDatabase

from storage.errors import DatabaseLocked, DiskFull, StorageError

_T = TypeVar("_T")

LOCK_SECONDS = 30.0  # that another program may hold the database until a change of ours is given up
_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": "full",  # what was acknowledged survives a power cut
    "foreign_keys": 1,
}
_NO_ROOM = 1 << 20  # bytes free, below which a failed write is taken for a full disk


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
        pragmas = {"busy_timeout": round(LOCK_SECONDS * 1000), **_PRAGMAS}
        self.database = _Database(
            str(file), pragmas=pragmas, lock_type="IMMEDIATE", max_connections=0, check_same_thread=False
        )
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="haven-store")
        self._closing = threading.Lock()
        self._closed = False

    def write(self, change: Callable[[], _T]) -> _T:
        """What `change` returns, once its transaction is on the disk. It runs on the writing thread.

        Raises:
            DiskFull, DatabaseLocked: nothing of `change` was kept; the store can still be used.
            StorageError: the store is closed, or SQLite refused.
        """
        return self._on_writer(self._transaction, change)

    def write_alone(self, change: Callable[[], _T]) -> _T:
        """As `write`, without a transaction around it: for what makes its own. Raises: the same."""
        return self._on_writer(self._translated, change)

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
        try:
            with closing(sqlite3.connect(self._file, 0, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            return error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        return True

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

    def _on_writer(self, how: Callable[[Callable[[], _T]], _T], change: Callable[[], _T]) -> _T:
        with self._closing:  # or the writer could be shut down between the look and the leap
            self._refuse_closed()
            written = self._writer.submit(how, change)
        return written.result()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StorageError("The data folder was closed.")

    def _transaction(self, change: Callable[[], _T]) -> _T:
        with self._errors(), self.database.atomic():
            return change()

    def _translated(self, change: Callable[[], _T]) -> _T:
        with self._errors():
            return change()

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
                raise DatabaseLocked(f"Another program holds {self._file}. Close it.") from error
            raise StorageError(f"{self._file} cannot be used: {error}") from error

    def _is_full(self, error: peewee.DatabaseError) -> bool:
        code = _code(error)
        if code == sqlite3.SQLITE_IOERR:  # so a failed sync or an exceeded quota is reported
            return shutil.disk_usage(self._file.parent).free < _NO_ROOM
        return code == sqlite3.SQLITE_FULL


def _code(error: peewee.DatabaseError) -> int:
    """What kind of error SQLite says it is; 0 where it does not say."""
    return (
        int(getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)) & 0xFF
    )  # the low byte is the kind
