"""Watched folders and the files in them, behind a few verbs. Knows no file system, nor what a state means.

Made for hundreds of thousands of files: what is asked often has an index, and nothing reads all rows at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import peewee

from storage.connections import Connections
from storage.records import LibraryFileRecord, LibraryFolderRecord
from storage.rows import library_file_record, library_folder_record
from storage.tables import Tables, dumps
from storage.words import folded


@dataclass(frozen=True)
class Seen:
    """A file as a look at its folder found it."""

    path: str
    size: int  # bytes
    mtime_ns: int
    changed_ns: int = 0  # when anything about it changed, by the system's own clock; 0: unknown


_NOTHING_YET: dict[str, Any] = {
    "sha256": "",
    "state": "new",
    "reason": "",
    "job_id": "",
    "duration_us": 0,
    "found": [],
}
_BY_INDEX = "id IN (SELECT rowid FROM library_search WHERE library_search MATCH ?)"
_ONE_BY_ONE = "id IN (SELECT file_id FROM library_word WHERE instr(words, ?))"
INDEXED = 3  # letters in a row, at the least, that the index knows


class LibraryStore:
    """Every verb may be called from any thread; raises as `Store` does."""

    def __init__(self, connections: Connections, tables: Tables) -> None:
        self._connections = connections
        self._folder = tables.library_folder
        self._file = tables.library_file
        self._job = tables.job
        self._hash = tables.video_hash
        self._database = connections.database
        # Written once, then filled in: to build it anew for each of a hundred thousand files takes a minute.
        self._insert, _ = self._file.insert(**_row(0, Seen("", 0, 0), 0.0)).sql()
        self._fields = [field for field in self._file._meta.sorted_fields if field.name != "id"]

    # folders

    def add_folder(
        self, path: str, recursive: bool, pattern: str, asked: Mapping[str, Any], now: float
    ) -> int:
        """Watch a folder, or change how one is watched that is already; gives its id."""
        folder = self._folder
        how = {"recursive": recursive, "pattern": pattern, "asked": asked}

        def add() -> int:
            known = folder.select(folder.id).where(folder.path == path).scalar()
            if known is None:
                return folder.insert(path=path, created_at=now, **how).execute()
            folder.update(**how).where(folder.id == known).execute()
            return known

        return self._connections.write(add)

    def folder(self, folder_id: int) -> LibraryFolderRecord | None:
        """None for one that is not watched."""
        return next(iter(self._folders(self._folder.select().where(self._folder.id == folder_id))), None)

    def folders(self) -> list[LibraryFolderRecord]:
        """In the order in which they were added."""
        return self._folders(self._folder.select().order_by(self._folder.id))

    def change_folder(self, folder_id: int, **changes: Any) -> bool:
        """False where it is gone."""
        change = self._folder.update(**changes).where(self._folder.id == folder_id)
        return self._connections.write(change.execute) > 0

    def delete_folder(self, folder_id: int) -> bool:
        """Forget a folder with its files; False where there was none."""
        query = self._folder.delete().where(self._folder.id == folder_id)
        return self._connections.write(query.execute) > 0

    # files

    def take(self, folder_id: int, seen: Sequence[Seen], now: float) -> list[str]:
        """Keep what was seen of a folder: new files, and those that are back or have changed.

        Gives the jobs of those that have changed. One that may only have been touched, as its size is what it
        was, keeps its job until its content is known. So does one whose size and time are what they were, but
        of which the system says that it has changed, as when another one was put in its place with the same
        date. The hash of what has changed is forgotten. A file that is as it was costs no write.
        """
        known = self._known(folder_id, [one.path for one in seen])
        new = [one for one in seen if one.path not in known]
        pairs = [(known[one.path], one) for one in seen if one.path in known]
        changed = [(old.id, one) for old, one in pairs if _differs(old, one)]
        moved = {file_id for file_id, _ in changed}
        unknown = [(old.id, one) for old, one in pairs if not old.changed_ns and old.id not in moved]
        unknown = [(file_id, one) for file_id, one in unknown if one.changed_ns]
        back = [old.id for old, _ in pairs if old.state == "gone" and old.id not in moved]
        if new or changed or back or unknown:
            self._connections.write(lambda: self._take(folder_id, new, changed, back, now, unknown))
        return [old.job_id for old, one in pairs if old.id in moved and old.size != one.size and old.job_id]

    def _known(self, folder_id: int, paths: list[str]) -> dict[str, Any]:
        """By path, and only what `take` looks at: it goes through every file of a folder at every look."""
        file = self._file
        columns = (file.id, file.path, file.size, file.mtime_ns, file.changed_ns, file.state, file.job_id)
        query = file.select(*columns).where(file.folder == folder_id, file.path.in_(paths)).namedtuples()
        return {row.path: row for row in self._connections.read(lambda: list(query))}

    def _take(
        self,
        folder_id: int,
        new: Iterable[Seen],
        changed: Iterable[tuple[int, Seen]],
        back: list[int],
        now: float,
        unknown: Iterable[tuple[int, Seen]],
    ) -> None:
        file = self._file
        if self._folder.select().where(self._folder.id == folder_id).exists():  # it may be forgotten by now
            for one in new:
                row = _row(folder_id, one, now)
                row["found"] = dumps(row["found"])
                row["path"], row["name"] = (self._file.path.db_value(row[key]) for key in ("path", "name"))
                # The order is that of the table's columns, as peewee writes them.
                self._database.execute_sql(self._insert, tuple(row[field.name] for field in self._fields))
        for file_id, one in changed:
            again = {**_NOTHING_YET, "size": one.size, "mtime_ns": one.mtime_ns, "seen_at": now}
            again["changed_ns"] = one.changed_ns
            del again["job_id"]
            self._hash.delete().where(self._hash.path == one.path).execute()
            touched = peewee.Case(None, [(file.size == one.size, file.job_id)], "")
            file.update(**again, job_id=touched).where(file.id == file_id).execute()
        for file_id, one in unknown:
            file.update(changed_ns=one.changed_ns).where(file.id == file_id).execute()
        for at in range(0, len(back), 500):
            again = {"state": "new", "reason": "", "seen_at": now}
            file.update(**again).where(file.id.in_(back[at : at + 500])).execute()

    def was_folder(self, folder_id: int, path: str) -> bool | None:
        """Whether files were seen below the path that is watched, or a file there; None where none was."""
        file = self._file
        of_it = file.select().where(file.folder == folder_id)
        if self._connections.read(of_it.where(file.path != path).exists):
            return True
        return False if self._connections.read(of_it.where(file.path == path).exists) else None

    def paths_after(self, folder_id: int, after: str, limit: int) -> list[tuple[int, str]]:
        """Ids and paths of the next files by path, but for those that are gone: to go through all of them."""
        file = self._file
        query = (
            file.select(file.id, file.path)
            .where(file.folder == folder_id, file.path > after, file.state != "gone")
            .order_by(file.path)
            .limit(limit)
            .tuples()
        )
        return self._connections.read(lambda: list(query))

    def file(self, file_id: int) -> LibraryFileRecord | None:
        """None for one that is not there."""
        return next(iter(self._files(self._file.select().where(self._file.id == file_id))), None)

    def change_files(self, ids: Sequence[int], **changes: Any) -> int:
        """Give files other fields; gives how many there were."""
        file = self._file

        def change() -> int:
            parts = (list(ids[at : at + 500]) for at in range(0, len(ids), 500))
            return sum(file.update(**changes).where(file.id.in_(part)).execute() for part in parts)

        return self._connections.write(change)

    def change_file(self, file: LibraryFileRecord, **changes: Any) -> bool:
        """Give a file other fields; False, with nothing changed, where it is not as this record has it.

        That is: where it was forgotten, has another state, or was seen or asked about anew.
        """
        table = self._file
        as_it_was = (table.id == file.id, table.state == file.state, table.seen_at == file.seen_at)
        return self._connections.write(table.update(**changes).where(*as_it_was).execute) > 0

    def delete_files(self, ids: Sequence[int]) -> int:
        """Forget files; gives how many there were."""
        file = self._file

        def delete() -> int:
            parts = (list(ids[at : at + 500]) for at in range(0, len(ids), 500))
            return sum(file.delete().where(file.id.in_(part)).execute() for part in parts)

        return self._connections.write(delete)

    def renew_folder(self, folder_id: int, now: float) -> int:
        """All files of a folder are looked at as if they were new, but those that are gone."""
        file = self._file
        again = {"state": "new", "reason": "", "job_id": "", "found": [], "seen_at": now}
        change = file.update(**again).where(file.folder == folder_id, file.state != "gone")
        return self._connections.write(change.execute)

    def hurry(self, folder_id: int, now: float) -> int:
        """Let files that were put off be looked into now, in all folders where it is 0; gives how many."""
        file = self._file
        change = file.update(seen_at=now).where(file.state == "new", file.seen_at > now)
        change = change.where(file.folder == folder_id) if folder_id else change
        return self._connections.write(change.execute)

    def next_new(self, folder_id: int, seen_before: float, after: str = "") -> LibraryFileRecord | None:
        """The first file by path that waits to be looked into, behind the path `after`.

        Only one that has been as it is since `seen_before`.
        """
        file = self._file
        query = file.select().where(file.folder == folder_id, file.state == "new", file.path > after)
        query = query.where(file.seen_at <= seen_before).order_by(file.path).limit(1)
        return next(iter(self._files(query)), None)

    def with_job(
        self, folder_id: int, states: Sequence[str], statuses: Sequence[str], limit: int
    ) -> list[LibraryFileRecord]:
        """Files of a folder that are in one of these states, and whose job has one of these statuses."""
        file, job = self._file, self._job
        query = (
            file.select(file)
            .join(job, on=(job.id == file.job_id))
            .where(file.folder == folder_id, file.state.in_(list(states)), job.status.in_(list(statuses)))
            .limit(limit)
        )
        return self._files(query)

    def uses(self, job_id: str) -> bool:
        """Whether any file that is there has that job."""
        query = self._file.select().where(self._file.job_id == job_id, self._file.state != "gone")
        return self._connections.read(query.exists)

    def files(
        self, search: str = "", state: str = "", folder_id: int = 0, limit: int = 50, offset: int = 0
    ) -> list[LibraryFileRecord]:
        """By folder and path; with `search`, those that have it in their name or among their tags."""
        file = self._file
        query = self._chosen(search, state, folder_id).order_by(file.folder, file.path)
        return self._files(query.limit(limit).offset(offset))

    def count(self, search: str = "", state: str = "", folder_id: int = 0) -> int:
        """How many `files` finds on all its pages."""
        return self._connections.read(self._chosen(search, state, folder_id).count)

    def counts(self) -> dict[int, dict[str, int]]:
        """How many files each folder has in each state."""
        file = self._file
        query = file.select(file.folder, file.state, peewee.fn.COUNT(file.id)).group_by(
            file.folder, file.state
        )
        found: dict[int, dict[str, int]] = {}
        for folder_id, state, count in self._connections.read(lambda: list(query.tuples())):
            found.setdefault(folder_id, {})[state] = count
        return found

    def _chosen(self, search: str, state: str, folder_id: int) -> Any:
        file = self._file
        query = file.select()
        if search:
            query = query.where(_that_has(search))
        if state:
            query = query.where(file.state == state)
        return query.where(file.folder == folder_id) if folder_id else query

    def _folders(self, query: Any) -> list[LibraryFolderRecord]:
        return self._connections.read(lambda: [library_folder_record(row) for row in query.dicts()])

    def _files(self, query: Any) -> list[LibraryFileRecord]:
        return self._connections.read(lambda: [library_file_record(row) for row in query.dicts()])


def _differs(old: Any, seen: Seen) -> bool:
    if (old.size, old.mtime_ns) != (seen.size, seen.mtime_ns):
        return True
    return bool(old.changed_ns and seen.changed_ns) and old.changed_ns != seen.changed_ns


def _that_has(search: str) -> peewee.SQL:
    """Files that have it in their name or in one of their tags; nothing in it stands for something else.

    Neither case counts nor how a letter is written: both sides are folded alike.
    """
    search = folded(search)
    if len(search) >= INDEXED:
        return peewee.SQL(_BY_INDEX, ('"' + search.replace('"', '""') + '"',))
    return peewee.SQL(_ONE_BY_ONE, (search,))


def _row(folder_id: int, seen: Seen, now: float) -> dict[str, Any]:
    """A file that nothing is known of but that it is there."""
    name = PurePath(seen.path).name
    return {**_NOTHING_YET, **vars(seen), "folder": folder_id, "name": name, "seen_at": now}
