"""The jobs of one video, what they said in words, and how their frames went.

Knows nothing of tags or spans.
"""

from storage.connections import Connections
from storage.records import JobRecord
from storage.rows import job_record
from storage.tables import Tables

_STATES = (
    "SELECT state, caption != '', COUNT(*) FROM frame_answer WHERE job_id = ? "
    "GROUP BY state, caption != '' ORDER BY state"
)
_SAID = (
    "SELECT raw_text FROM frame_answer WHERE job_id = ? AND state = ? AND raw_text != '' "
    "ORDER BY time_us LIMIT 1"
)
_LAST_ERROR = "SELECT error FROM frame_answer WHERE job_id = ? AND error != '' ORDER BY time_us DESC LIMIT 1"
_CAPTIONS = "SELECT time_us, caption FROM frame_answer WHERE job_id = ? AND caption != '' ORDER BY time_us"


class RunStore:
    """Every verb may be called from any thread; raises as `Store` does."""

    def __init__(self, connections: Connections, tables: Tables) -> None:
        self._connections = connections
        self._job = tables.job

    def of_same_video(self, job: JobRecord, sha256: str, limit: int) -> list[JobRecord]:
        """Other jobs with answers, about the same file or one with that hash, the newest first.

        `sha256` is empty where the hash of the job's file is not known.
        """
        table = self._job
        same = (
            (table.video_path == job.video_path)
            & (table.video_size == job.video_size)
            & (table.video_mtime_ns == job.video_mtime_ns)
        )
        if sha256:
            same |= table.video_sha256 == sha256
        others = table.select().where(same, table.id != job.id, table.frames_done > 0)
        newest = others.order_by(table.created_at.desc(), table.id.desc()).limit(limit)
        return self._connections.read(lambda: [job_record(row) for row in newest.dicts()])

    def captions(self, job_id: str) -> list[tuple[int, str]]:
        """When, in microseconds, and what was said, in the order of time."""
        database = self._connections.database
        return self._connections.read(lambda: database.execute_sql(_CAPTIONS, (job_id,)).fetchall())

    def states(self, job_id: str) -> list[tuple[str, bool, int]]:
        """State, whether there is a caption, and the number of frames that are so."""
        database = self._connections.database
        found = self._connections.read(lambda: database.execute_sql(_STATES, (job_id,)).fetchall())
        return [(state, bool(captioned), count) for state, captioned, count in found]

    def first_said(self, job_id: str, state: str) -> str:
        """The raw text of the first frame in this state that has one; empty where none has."""
        database = self._connections.database
        found = self._connections.read(lambda: database.execute_sql(_SAID, (job_id, state)).fetchone())
        return found[0] if found else ""

    def last_error(self, job_id: str) -> str:
        """Why the last frame in the video that has no answer has none; empty where all have one."""
        database = self._connections.database
        found = self._connections.read(lambda: database.execute_sql(_LAST_ERROR, (job_id,)).fetchone())
        return found[0] if found else ""
