"""Keeping one answered frame: the statement that runs for every frame of every video.

peewee writes the two statements once, for whatever database it is; for each frame they are only filled
in, which takes a fraction of the time that building them anew does. Opens no transaction of its own.
"""

import peewee

from storage.records import FrameRecord
from storage.rows import frame_row
from storage.search import note_tags
from storage.tables import Tables, dumps

_ANY = FrameRecord("", 0, 0, "")


class FrameWriter:
    """Writes to `database`, on the thread and in the transaction of whoever calls."""

    def __init__(self, database: peewee.Database, tables: Tables) -> None:
        self._database = database
        job, answer = tables.job, tables.frame_answer
        self._insert, _ = answer.insert(**frame_row(_ANY)).on_conflict_ignore().sql()
        self._advance, _ = (
            job.update(
                frames_done=job.frames_done + 1,
                frames_failed=job.frames_failed + 1,
                cursor_us=0,
                compute_seconds=job.compute_seconds + 0.0,
            )
            .where(job.id == "")
            .sql()
        )

    def add(self, frame: FrameRecord, seconds: float) -> bool:
        """Keep an answer and move its job's cursor and counts; False, changing nothing, if it is there.

        Raises: peewee.IntegrityError where there is no such job.
        """
        row = frame_row(frame)
        row["tags"], row["facts"] = dumps(row["tags"]), dumps(row["facts"])
        # The order of both is that of the table's columns, as peewee writes them.
        if not self._database.execute_sql(self._insert, tuple(row.values())).rowcount:
            return False
        note_tags(self._database, frame.job_id, frame.tags)
        failed = frame.state == "failed"
        self._database.execute_sql(self._advance, (1, int(failed), frame.time_us, seconds, frame.job_id))
        return True
