"""Brings the tables of a data folder to the version that this Haven knows.

Every change of the tables is a numbered script in `migrations/`, the first tables included. An older
folder is copied before it is changed; a newer one is refused, since nobody can know what it means.
"""

import os
import time
from pathlib import Path

import peewee
from playhouse.migrations import Runner

from storage.errors import FolderTooNew

MIGRATIONS = Path(__file__).parent / "migrations"


def bring_up_to_date(database: peewee.SqliteDatabase, folder: Path) -> None:
    """Apply what is missing, each script in a transaction of its own, after a backup.

    Raises:
        FolderTooNew: a script was applied that is not in `MIGRATIONS`. Nothing was changed.
    """
    runner = Runner(database, str(MIGRATIONS))
    status = runner.status()
    unknown = [migration.name for migration in status if migration.path is None]
    if unknown:
        raise FolderTooNew(
            f"The data folder {folder} was written by a newer Haven (it has {', '.join(unknown)}). "
            "Update Haven, or start it with another --data-dir."
        )
    applied = [migration.name for migration in status if migration.applied]
    if applied and len(applied) < len(status):
        _back_up(database, folder / "backups", applied[-1])
    # SQLite makes a table anew for many a change, and to drop the old one would delete what refers to it.
    database.execute_sql("PRAGMA foreign_keys = 0")
    try:
        runner.up()
    finally:
        database.execute_sql("PRAGMA foreign_keys = 1")


def _back_up(database: peewee.SqliteDatabase, backups: Path, version: str) -> Path:
    """A whole copy of the database, written beside, synced, then renamed."""
    backups.mkdir(mode=0o700, exist_ok=True)
    copy = backups / f"haven-{version}-{time.strftime('%Y%m%d-%H%M%S')}.db"
    for left in backups.glob("*.part*"):  # by a process that was killed: as large as the database, each
        left.unlink()
    part = copy.with_suffix(".part")
    database.execute_sql("VACUUM INTO ?", (str(part),))
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    return part.replace(copy)
