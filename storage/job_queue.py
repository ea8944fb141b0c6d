"""The order of the jobs that wait, and changes of many jobs at once. Knows nothing of what a job is about."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import peewee

from storage.connections import Connections
from storage.records import JobRecord
from storage.rows import job_record
from storage.tables import Tables

AT_ONCE = 500  # jobs that one statement names


class QueueStore:
    """Every verb may be called from any thread; raises as `Store` does."""

    def __init__(self, connections: Connections, tables: Tables) -> None:
        self._connections = connections
        self._job = tables.job

    def waiting(self, limit: int = 50, offset: int = 0) -> list[JobRecord]:
        """The queued jobs in the order in which they will run."""
        query = self._in_order(self._job.select()).limit(limit).offset(offset)
        return self._connections.read(lambda: [job_record(row) for row in query.dicts()])

    def count(self, status: str, reason: str | None = None) -> int:
        """How many jobs have that status, and that reason where one is given."""
        job = self._job
        query = job.select().where(job.status == status)
        query = query if reason is None else query.where(job.reason == reason)
        return self._connections.read(query.count)

    def paused(self, reason: str) -> list[str]:
        """The ids of the jobs that are paused for that reason."""
        job = self._job
        query = job.select(job.id).where(job.status == "paused", job.reason == reason).tuples()
        return self._connections.read(lambda: [found for (found,) in query])

    def paused_for_model(self, digest: str) -> dict[str, Mapping[str, Any]]:
        """The load options of the jobs that wait for the model with these weights, by id."""
        job = self._job
        query = job.select(job.id, job.load_options).where(job.status == "paused", job.reason == "model")
        query = query.where(job.digest == digest).tuples()
        return self._connections.read(lambda: dict(query))

    def queue_again(self, ids: Sequence[str]) -> None:
        """Let those of these jobs go on that are paused still."""
        job = self._job

        def change() -> None:
            for start in range(0, len(ids), AT_ONCE):
                some = job.id.in_(ids[start : start + AT_ONCE])
                again = job.update(status="queued", reason="", error="")
                again.where(job.status == "paused", some).execute()

        if ids:
            self._connections.write(change)

    def needs(self, job_id: str, video_paths: Sequence[str], statuses: Sequence[str]) -> bool:
        """Whether a job with one of these statuses is that one, or is about one of these files."""
        job = self._job
        query = job.select().where(job.status.in_(list(statuses)))
        query = query.where((job.id == job_id) | job.video_path.in_(list(video_paths)))
        return self._connections.read(query.exists)

    def jobs(self, ids: Sequence[str]) -> dict[str, JobRecord]:
        """The jobs that there are of these, by id."""
        job = self._job
        query = job.select().where(job.id.in_(list(ids)))
        found = self._connections.read(lambda: [job_record(row) for row in query.dicts()]) if ids else []
        return {one.id: one for one in found}

    def noted(self, statuses: Sequence[str], note: str) -> list[JobRecord]:
        """Jobs with one of these statuses whose sampling has that note; the others are not read."""
        job = self._job
        has_note = peewee.fn.json_extract(job.sampling, f'$."{note}"').is_null(False)
        query = job.select().where(job.status.in_(list(statuses)), has_note)
        return self._connections.read(lambda: [job_record(row) for row in query.dicts()])

    def alike(self, video_sha256: str, digest: str, prompt_sha256: str) -> list[JobRecord]:
        """Jobs about a file with this content, asked the same of the same model; the newest first."""
        job = self._job
        query = (
            job.select()
            .where(job.video_sha256 == video_sha256)
            .where(job.digest == digest, job.prompt_sha256 == prompt_sha256)
            .order_by(job.created_at.desc(), job.id)
        )
        return self._connections.read(lambda: [job_record(row) for row in query.dicts()])

    def move_all(
        self, expected: Sequence[str], status: str, of_reason: str | None = None, **changes: Any
    ) -> int:
        """Give all jobs with one of the `expected` statuses another one; gives how many these were.

        With `of_reason` only those that have this reason.
        """
        job = self._job
        change = job.update(status=status, **changes).where(job.status.in_(list(expected)))
        change = change if of_reason is None else change.where(job.reason == of_reason)
        return self._connections.write(change.execute)

    def place(self, job_id: str, steps: int | None) -> bool:
        """Move a queued job by that many places, forwards where they are less than 0; None: to the front.

        False, with nothing changed, where it does not wait in the queue.
        """
        return self._connections.write(lambda: self._place(job_id, steps))

    def _place(self, job_id: str, steps: int | None) -> bool:
        job = self._job
        order = list(self._in_order(job.select(job.id, job.queue_place)).tuples())
        at = next((place for place, (found, _) in enumerate(order) if found == job_id), None)
        if at is None:
            return False
        moved = order.pop(at)
        to = 0 if steps is None else min(max(at + steps, 0), len(order))
        before = order[to - 1][1] if to > 0 else None
        behind = order[to][1] if to < len(order) else None
        new = _between(before, behind)
        if new is not None:
            job.update(queue_place=new).where(job.id == job_id).execute()
            return True
        order.insert(to, moved)
        for place, (found, _) in enumerate(order, 1):  # two had the same place, or no number lies between
            job.update(queue_place=float(place)).where(job.id == found).execute()
        return True

    def _in_order(self, query: Any) -> Any:
        job = self._job
        return query.where(job.status == "queued").order_by(job.queue_place, job.created_at)


def _between(before: float | None, behind: float | None) -> float | None:
    """A place between two others, or None where there is none."""
    if before is None:
        return time.time() if behind is None else behind - 1.0
    if behind is None:
        return max(time.time(), before + 1.0)
    new = (before + behind) / 2
    return new if before < new < behind else None
