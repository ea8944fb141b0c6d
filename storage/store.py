"""What lasts, behind a few verbs: settings, jobs, the answers of their frames, hashes of videos.

Plain frozen records go in and come out. Every change is one transaction, on the disk when the verb
returns. Knows nothing of models, videos or pages, nor what a job's status means beyond its name.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import peewee

from storage.chats import ChatStore
from storage.connections import Connections
from storage.corrections import CorrectionStore
from storage.errors import StorageError
from storage.frame_writer import FrameWriter
from storage.job_queue import QueueStore
from storage.library import LibraryStore
from storage.lock import FolderLock
from storage.prepared import Prepared
from storage.prompts import PromptStore
from storage.records import FrameRecord, JobRecord
from storage.rows import frame_record, job_record
from storage.runs import RunStore
from storage.schema import bring_up_to_date
from storage.search import SearchStore
from storage.tables import Tables, make_tables


class Store:
    """The data folder of one process. Every verb may be called from any thread.

    Every verb raises StorageError when the folder cannot be used, and those that change something
    raise DiskFull when it is full; what was kept before stands, and the store can still be used.
    """

    def __init__(self, folder: Path, lock: FolderLock, connections: Connections, tables: Tables) -> None:
        self.folder = folder
        self._lock = lock
        self._connections = connections
        self._tables = tables
        self.chats = ChatStore(connections, tables)
        self.prompts = PromptStore(connections, tables)
        self.library = LibraryStore(connections, tables)
        self.queue = QueueStore(connections, tables)
        self.corrections = CorrectionStore(connections, tables)
        self.search = SearchStore(connections)
        self.runs = RunStore(connections, tables)
        self._frames = FrameWriter(connections.database, tables)
        job = tables.job
        self._one_job = Prepared(connections.database, job.select().where(job.id == ""))
        self._frame_queries: dict[tuple[bool, bool, bool], Prepared] = {}

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Take the data folder, make it where it is missing, and bring its tables up to date.

        Raises: FolderInUse, FolderTooNew; StorageError when it cannot be read or written.
        """
        folder = Path(folder).absolute()
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FolderLock.acquire(folder)
        except OSError as error:
            raise StorageError(f"The data folder {folder} cannot be used: {error.strerror}.") from error
        connections = Connections(folder / "haven.db")
        try:
            connections.write_alone(lambda: bring_up_to_date(connections.database, folder))
        except BaseException:
            connections.close()
            lock.release()
            raise
        return cls(folder, lock, connections, make_tables(connections.database))

    def close(self) -> None:
        """Finish what is being written, and let the folder go. A second call does nothing."""
        if self._connections.close():
            self._lock.release()

    def is_free(self) -> bool:
        """Whether nobody else, another program say, holds the database just now. Does not wait."""
        return self._connections.is_free()

    def held_up(self) -> str:
        """Who makes a change wait just now, for the person; empty where none waits, or only a moment."""
        return self._connections.held_up()

    # settings

    def setting(self, key: str, default: Any = None) -> Any:
        """Plain JSON as it was set; `default` where it never was."""
        table = self._tables.setting
        found = self._read(lambda: list(table.select(table.value).where(table.key == key).tuples()))
        return found[0][0] if found else default

    def set_setting(self, key: str, value: Any) -> None:
        """Keep plain JSON under `key`. Raises: TypeError or ValueError for what is none."""
        table = self._tables.setting
        self._write(
            lambda: (
                table.insert(key=key, value=value)
                .on_conflict(conflict_target=[table.key], update={table.value: value})
                .execute()
            )
        )

    # jobs

    def add_job(self, job: JobRecord) -> None:
        """Raises: peewee.IntegrityError for an id that is already there."""
        fields = asdict(job) | {"tags": list(job.tags)}
        self._write(lambda: self._tables.job.insert(**fields).execute())

    def job(self, job_id: str) -> JobRecord | None:
        return self._read(lambda: self._job(job_id))

    def jobs(self, status: str = "", limit: int = 50) -> list[JobRecord]:
        """Newest first; only those of one status, if one is named."""
        job = self._tables.job
        query = job.select().order_by(job.created_at.desc(), job.id.desc()).limit(limit)
        return self._jobs(query.where(job.status == status) if status else query)

    def next_queued(self) -> JobRecord | None:
        """The first job of the queue: the one that has waited longest, unless others were put before it."""
        job = self._tables.job
        waiting = job.select().where(job.status == "queued").order_by(job.queue_place, job.created_at)
        return next(iter(self._jobs(waiting.limit(1))), None)

    def move_job(
        self, job_id: str, expected: tuple[str, ...], status: str, **changes: Any
    ) -> JobRecord | None:
        """Give a job another status, if it has one of `expected`: looking and moving are one step.

        Returns the job as it is now, or None where it had another status or is gone.
        """
        job = self._tables.job
        return self._change_job(job_id, [job.status.in_(expected)], {"status": status, **changes})

    def update_job(self, job_id: str, **changes: Any) -> JobRecord | None:
        """Change other fields than the status. Returns the job as it is now, or None where it is gone."""
        if "status" in changes:
            raise ValueError("A status changes by move_job alone, which says what it was before.")
        return self._change_job(job_id, [], changes)

    def drop_failed_tail(self, job_id: str) -> int:
        """Forget the frames without an answer behind a job's last good one, so that they can be asked again.

        Gives how many these were.
        """
        return self._write(lambda: self._drop_failed_tail(job_id))

    def newest_answer(self, job_id: str) -> int:
        """The number of the answer that was kept last, which grows from one to the next; 0 without any."""
        frame = self._tables.frame_answer
        newest = frame.select(peewee.fn.MAX(frame.id)).where(frame.job == job_id)
        return self._read(lambda: newest.scalar() or 0)

    def answered_behind(self, job_id: str, newest: int) -> set[int]:
        """At which times, in microseconds, it was answered since `newest_answer` said that number."""
        frame = self._tables.frame_answer
        behind = frame.select(frame.time_us).where(frame.job == job_id, frame.id > newest).tuples()
        return self._read(lambda: {time_us for (time_us,) in behind})

    def delete_job(self, job_id: str) -> bool:
        """Remove a job with its answers; False where there was none."""
        job = self._tables.job
        return self._write(lambda: job.delete().where(job.id == job_id).execute()) > 0

    def jobs_using(self, video_path: str) -> int:
        """How many jobs are about the file at `video_path`."""
        job = self._tables.job
        return self._read(lambda: job.select().where(job.video_path == video_path).count())

    def uploads(self) -> list[str]:
        """Where the uploads were that jobs are about, as these were made."""
        job = self._tables.job
        kept = job.select(job.video_path).where(job.uploaded).distinct().tuples()
        return self._read(lambda: [path for (path,) in kept])

    def move_uploads(self, moved: Mapping[str, str]) -> None:
        """Say where uploads are now, by where they were, to all jobs about them."""
        self._write(lambda: self._move_uploads(moved))

    def interrupt_running(self) -> list[JobRecord]:
        """Settle what a dead process left: `running` is now `interrupted`, `cancelling` is `cancelled`."""
        return self._write(self._interrupt)

    def earlier_speed(self, digest: str, prompt_sha256: str) -> tuple[float, int] | None:
        """Frames a second over all completed jobs of this shape, and how many jobs; None without any."""
        job = self._tables.job
        frames, seconds, jobs = self._read(
            lambda: (
                job.select(
                    peewee.fn.SUM(job.frames_done),
                    peewee.fn.SUM(job.compute_seconds),
                    peewee.fn.COUNT(job.id),
                )
                .where(job.digest == digest, job.prompt_sha256 == prompt_sha256)
                .where(job.status.in_(("completed", "completed_with_errors")))
                .where(job.frames_done > 0, job.compute_seconds > 0)
                .tuples()
                .get()
            )
        )
        return (frames / seconds, jobs) if jobs else None

    # frames

    def add_frame(self, frame: FrameRecord, seconds: float) -> bool:
        """Keep an answer and move its job's cursor and counts, together. `seconds` is what it took.

        False, with nothing changed, where that frame was already kept or its job is gone.
        """
        try:
            return self._write(lambda: self._frames.add(frame, seconds))
        except peewee.IntegrityError:
            return False

    def frames(
        self, job_id: str, after_us: int | None = None, limit: int | None = None, newest_first: bool = False
    ) -> list[FrameRecord]:
        """The kept answers of a job by time; only those after `after_us`, microseconds, if that is given."""
        query = self._frame_query(after_us is not None, limit is not None, newest_first)
        values = [value for value in (job_id, after_us, limit) if value is not None]
        return self._read(lambda: [frame_record(row) for row in query.rows(*values)])

    def frames_as_kept(self, job_id: str, limit: int) -> list[FrameRecord]:
        """The answers kept last, the newest first: not by time, where a run went back to ask again."""
        frame = self._tables.frame_answer
        newest = frame.select().where(frame.job == job_id).order_by(frame.place.desc()).limit(limit)
        return self._read(lambda: [frame_record(row) for row in newest.dicts()])

    def last_frame(self, job_id: str) -> FrameRecord | None:
        """The kept answer that is furthest in the video."""
        return next(iter(self.frames(job_id, limit=1, newest_first=True)), None)

    # hashes of videos

    def video_hash(self, path: str, size: int, mtime_ns: int, changed_ns: int | None = None) -> str | None:
        """SHA-256 of that file, if it was made while the file had this size and modification time.

        With `changed_ns` only where it had that, too: when anything about it changed, by the system's clock.
        """
        table = self._tables.video_hash
        known = table.select(table.sha256).where(
            table.path == path, table.size == size, table.mtime_ns == mtime_ns
        )
        known = known if changed_ns is None else known.where(table.changed_ns == changed_ns)
        return self._read(lambda: known.scalar())

    def set_video_hash(self, path: str, size: int, mtime_ns: int, sha256: str, changed_ns: int = 0) -> None:
        """Keep a file's hash; an older one of the same path goes. `changed_ns` 0: unknown."""
        table = self._tables.video_hash
        changed = {"size": size, "mtime_ns": mtime_ns, "sha256": sha256, "changed_ns": changed_ns}
        self._write(
            lambda: (
                table.insert(path=path, **changed)
                .on_conflict(conflict_target=[table.path], update=changed)
                .execute()
            )
        )

    # what the verbs are made of

    def _read(self, question: Callable[[], Any]) -> Any:
        return self._connections.read(question)

    def _write(self, change: Callable[[], Any]) -> Any:
        return self._connections.write(change)

    def _jobs(self, query: Any) -> list[JobRecord]:
        return self._read(lambda: [job_record(row) for row in query.dicts()])

    def _job(self, job_id: str) -> JobRecord | None:
        rows = self._one_job.rows(job_id)
        return job_record(rows[0]) if rows else None

    def _frame_query(self, after: bool, limited: bool, newest_first: bool) -> Prepared:
        shape = after, limited, newest_first
        if shape not in self._frame_queries:
            frame = self._tables.frame_answer
            query = frame.select().where(frame.job == "")
            query = query.where(frame.time_us > 0) if after else query
            query = query.order_by(frame.time_us.desc() if newest_first else frame.time_us)
            query = query.limit(1) if limited else query
            self._frame_queries[shape] = Prepared(self._connections.database, query)
        return self._frame_queries[shape]

    def _change_job(self, job_id: str, conditions: list[Any], changes: dict[str, Any]) -> JobRecord | None:
        job = self._tables.job

        def change() -> JobRecord | None:
            if changes and not job.update(**changes).where(job.id == job_id, *conditions).execute():
                return None
            return self._job(job_id)

        return self._write(change)

    def _drop_failed_tail(self, job_id: str) -> int:
        job, frame = self._tables.job, self._tables.frame_answer
        mine = frame.job == job_id
        good = frame.state.not_in(("failed", "unparsed"))
        last_good = frame.select(peewee.fn.MAX(frame.time_us)).where(mine, good).scalar()
        tail = mine if last_good is None else mine & (frame.time_us > last_good)
        failed = frame.select().where(tail, frame.state == "failed").count()
        dropped = frame.delete().where(tail).execute()
        job.update(
            cursor_us=last_good,
            frames_done=job.frames_done - dropped,
            frames_failed=job.frames_failed - failed,
        ).where(job.id == job_id).execute()
        return dropped

    def _move_uploads(self, moved: Mapping[str, str]) -> None:
        job = self._tables.job
        for before, now in moved.items():
            job.update(video_path=now).where(job.video_path == before, job.uploaded).execute()

    def _interrupt(self) -> list[JobRecord]:
        job = self._tables.job
        left = [row.id for row in job.select(job.id).where(job.status.in_(("running", "cancelling")))]
        job.update(status="interrupted").where(job.status == "running").execute()
        job.update(status="cancelled").where(job.status == "cancelling").execute()
        settled = job.select().where(job.id.in_(left)).order_by(job.created_at)
        return [job_record(row) for row in settled.dicts()]
