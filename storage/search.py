"""Finding captions and tags among all answers, by index: nothing here reads a table from end to end.

Captions are in a full-text index that triggers keep; of each tag and job the highest probability is kept.
Newest first, since ranking would have to look at every match. Knows nothing of spans.
"""

from collections.abc import Mapping, Sequence

import peewee

from storage.connections import Connections
from storage.records import CaptionHit, TagHit

_NEWEST_CAPTION = (
    "SELECT f.job_id FROM caption_search s JOIN frame_answer f ON f.id = s.rowid "
    "WHERE caption_search MATCH ? AND s.rowid < ? ORDER BY s.rowid DESC LIMIT 1"
)
_ROWS_OF_JOB = "SELECT min(id), max(id) FROM frame_answer WHERE job_id = ?"
_CAPTIONS_OF_JOB = (
    "SELECT f.time_us, f.caption, f.has_picture FROM caption_search s JOIN frame_answer f ON f.id = s.rowid "
    "WHERE caption_search MATCH ? AND s.rowid BETWEEN ? AND ? AND f.job_id = ? ORDER BY s.rowid LIMIT ?"
)
_TAGS = (
    "SELECT p.job_id, p.tag, p.peak FROM tag_search s JOIN tag_peak p ON p.tag = s.tag "
    "JOIN job j ON j.id = p.job_id LEFT JOIN span_settings t ON t.job_id = p.job_id "
    "WHERE tag_search MATCH ? AND p.peak >= coalesce(t.lowest, ?) ORDER BY j.created_at DESC LIMIT ?"
)
_RAISE_PEAK = (
    "INSERT INTO tag_peak(tag, job_id, peak) VALUES (?, ?, ?) ON CONFLICT(tag, job_id) "
    "DO UPDATE SET peak = excluded.peak WHERE excluded.peak > peak"
)
_BEHIND_ALL = 1 << 62  # a row id
SAME_TEXTS = 100  # captions read for each that is wanted, since neighbours often say the same


class SearchStore:
    """Every verb may be called from any thread; raises as `Store` does."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def captions(self, words: Sequence[str], limit: int, each: int) -> list[CaptionHit]:
        """Captions that have all `words`, of the newest jobs; of a job the first `each` that differ."""
        return self._connections.read(lambda: self._captions(_all_of(words), limit, each))

    def tags(self, words: Sequence[str], threshold: float, limit: int) -> list[TagHit]:
        """Jobs in which a tag that has one of `words` reached the job's threshold, the newest first.

        `threshold` holds for jobs that have none of their own.
        """
        asked = _any_of(words), threshold, limit
        return self._connections.read(lambda: [TagHit(*row) for row in self._rows(_TAGS, *asked)])

    def note_tag(self, job_id: str, tag: str, peak: float) -> None:
        """Let a tag be found in a job whatever the model said."""
        self._connections.write(lambda: note_tags(self._connections.database, job_id, {tag: peak}))

    def _captions(self, match: str, limit: int, each: int) -> list[CaptionHit]:
        found: list[CaptionHit] = []
        below = _BEHIND_ALL
        while len(found) < limit:
            newest = self._rows(_NEWEST_CAPTION, match, below)
            if not newest:
                break
            ((job_id,),) = newest
            ((below, last),) = self._rows(_ROWS_OF_JOB, job_id)
            rows = self._rows(_CAPTIONS_OF_JOB, match, below, last, job_id, each * SAME_TEXTS)
            first = {text: (time_us, picture) for time_us, text, picture in reversed(rows)}
            hits = [CaptionHit(job_id, at, text, bool(picture)) for text, (at, picture) in first.items()]
            found += sorted(hits, key=lambda hit: hit.time_us)[:each]
        return found[:limit]

    def _rows(self, query: str, *values: object) -> list[tuple]:
        return self._connections.database.execute_sql(query, values).fetchall()


def note_tags(database: peewee.Database, job_id: str, tags: Mapping[str, float | None]) -> None:
    """Keep the highest probability of each tag, in the transaction of whoever calls."""
    for tag, sure in tags.items():
        if sure:
            database.execute_sql(_RAISE_PEAK, (tag, job_id, sure))


def _all_of(words: Sequence[str]) -> str:
    return " ".join(map(_quoted, words))


def _any_of(words: Sequence[str]) -> str:
    return " OR ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """As a text of SQLite's search language, in which nothing has another meaning."""
    return '"' + word.replace('"', '""') + '"'
