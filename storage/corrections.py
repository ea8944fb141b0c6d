"""What people said about spans, behind a few verbs: how they are made of a job's answers, and what was wrong.

A correction belongs to a video's content and a tag, not to a job, so that it survives a new run. Knows
nothing of how spans are computed.
"""

import json
from collections.abc import Mapping
from typing import Any

import peewee

from storage.connections import Connections
from storage.prepared import Prepared
from storage.records import CorrectionRecord
from storage.tables import Tables

# Facts are read only where they say how sure an answer is: reading all would take longer than all the rest.
_ANSWERS = (
    "SELECT time_us, state, tags, "
    """CASE WHEN instr(facts, '"stated"') OR instr(facts, '"doubtful"') THEN facts ELSE '{}' END """
    "FROM frame_answer WHERE job_id = ? AND time_us > ? ORDER BY time_us LIMIT ?"
)
_FIRST_OF_TAG = (
    "SELECT time_us FROM frame_answer WHERE job_id = ? "
    "AND EXISTS (SELECT 1 FROM json_each(tags) WHERE key = ? AND value >= ?) ORDER BY time_us LIMIT 1"
)
_ALL = -1  # as a limit
_BEFORE_ALL = -(1 << 62)  # microseconds


class CorrectionStore:
    """Every verb may be called from any thread; raises as `Store` does."""

    def __init__(self, connections: Connections, tables: Tables) -> None:
        self._connections = connections
        self._settings = tables.span_settings
        self._correction = tables.span_correction
        database, settings, correction = connections.database, tables.span_settings, tables.span_correction
        mine = settings.select().where(settings.job == "")
        about = correction.select().where(correction.video_sha256 == "").order_by(correction.id)
        self._settings_of, self._corrections_of = Prepared(database, mine), Prepared(database, about)

    def settings(self, job_id: str) -> Mapping[str, Any]:
        """Plain JSON as it was set; empty where it never was."""
        found = self._connections.read(lambda: self._settings_of.rows(job_id))
        return found[0]["settings"] if found else {}

    def set_settings(self, job_id: str, settings: Mapping[str, Any], lowest: float) -> bool:
        """Keep how a job's spans are made; `lowest` is the lowest threshold of any of its tags.

        False, with nothing changed, where the job is gone.
        """
        table = self._settings
        changed = {"settings": settings, "lowest": lowest}
        query = table.insert(job=job_id, **changed).on_conflict(
            conflict_target=[table.job], update={table.settings: settings, table.lowest: lowest}
        )
        try:
            self._connections.write(query.execute)
        except peewee.IntegrityError:
            return False
        return True

    def corrections(self, video_sha256: str) -> list[CorrectionRecord]:
        """In the order in which they were made."""
        found = self._connections.read(lambda: self._corrections_of.rows(video_sha256))
        return [CorrectionRecord(**row) for row in found]

    def add_correction(self, correction: CorrectionRecord) -> int:
        """Keep one more; gives its id."""
        row = {name: value for name, value in vars(correction).items() if name != "id"}
        return self._connections.write(self._correction.insert(**row).execute)

    def remove_last_correction(self, video_sha256: str) -> bool:
        """Forget the newest one about a video; False where there is none."""
        table = self._correction

        def remove() -> int:
            newest = table.select(table.id).where(table.video_sha256 == video_sha256)
            last = newest.order_by(table.id.desc()).limit(1).scalar()
            return table.delete().where(table.id == last).execute()

        return self._connections.write(remove) > 0

    def answers(
        self, job_id: str, after_us: int | None = None, most: int = _ALL
    ) -> list[tuple[int, str, dict[str, float | None], dict[str, Any]]]:
        """What spans are made of, in the order of time: a job's frames by time, state, tags and facts.

        Facts are there only where they say that an answer was stated, or is doubtful.
        """
        database = self._connections.database
        since = _BEFORE_ALL if after_us is None else after_us
        asked = job_id, since, most
        found = self._connections.read(lambda: database.execute_sql(_ANSWERS, asked).fetchall())
        return [
            (time_us, state, json.loads(tags), {} if facts == "{}" else json.loads(facts))
            for time_us, state, tags, facts in found
        ]

    def first_of_tag(self, job_id: str, tag: str, sure: float) -> int | None:
        """When a tag first had at least that probability, in microseconds; None where it never had."""
        database, asked = self._connections.database, (job_id, tag, sure)
        found = self._connections.read(lambda: database.execute_sql(_FIRST_OF_TAG, asked).fetchone())
        return None if found is None else found[0]
