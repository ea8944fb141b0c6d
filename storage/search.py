"""Finding captions and tags among all answers, by index: nothing here reads a table from end to end.

Captions are in a full-text index that triggers keep; of each tag and job the highest probability is kept.
Newest first, since ranking would have to look at every match. Knows nothing of spans.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import groupby, islice
from operator import itemgetter

import peewee

from storage.connections import Connections
from storage.records import CaptionHit, TagHit

_CAPTIONS = (
    "SELECT f.job_id, f.time_us, f.caption, f.has_picture "
    "FROM caption_search s JOIN frame_answer f ON f.id = s.rowid "
    "WHERE caption_search MATCH ? AND s.rowid {} ORDER BY s.rowid {}"
)
_NEWEST_CAPTIONS = _CAPTIONS.format("< ?", "DESC")
_CAPTIONS_OF_JOB = _CAPTIONS.format("BETWEEN ? AND ?", "ASC LIMIT ?")
_ROWS_OF_JOB = "SELECT min(id), max(id) FROM frame_answer WHERE job_id = ?"
# From the newest job on, so that it ends as soon as enough is found: a common tag is in nearly every job.
_TAGS = (
    "SELECT p.job_id, p.tag, p.peak FROM job j CROSS JOIN tag_peak p "
    "LEFT JOIN span_settings t ON t.job_id = j.id "
    "WHERE p.job_id = j.id AND p.tag IN (SELECT tag FROM tag_search WHERE tag_search MATCH ?) "
    "AND p.peak >= coalesce(t.lowest, ?) ORDER BY j.created_at DESC LIMIT ?"
)
_RAISE_PEAK = (
    "INSERT INTO tag_peak(tag, job_id, peak) VALUES (?, ?, ?) ON CONFLICT(tag, job_id) "
    "DO UPDATE SET peak = excluded.peak WHERE excluded.peak > peak"
)
_BEHIND_ALL = 1 << 62  # a row id
MOST_READ = 500  # captions of one job, since neighbours often say the same


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
        below: int | None = _BEHIND_ALL
        while below is not None and len(found) < limit:
            below = self._captions_below(match, below, limit, each, found)
        return found[:limit]

    def _captions_below(
        self, match: str, below: int, limit: int, each: int, found: list[CaptionHit]
    ) -> int | None:
        """Add job after job, the newest first; gives where to go on behind a job that says too much."""
        with closing(self._connections.database.execute_sql(_NEWEST_CAPTIONS, (match, below))) as rows:
            for job_id, said in groupby(rows, key=itemgetter(0)):
                read = list(islice(said, MOST_READ))
                if len(read) == MOST_READ:
                    ((first, last),) = self._rows(_ROWS_OF_JOB, job_id)
                    read = self._rows(_CAPTIONS_OF_JOB, match, first, last, MOST_READ)
                    found += _first_that_differ(job_id, read, each)
                    return first
                found += _first_that_differ(job_id, read, each)
                if len(found) >= limit:
                    break
        return None

    def _rows(self, query: str, *values: object) -> list[tuple]:
        return self._connections.database.execute_sql(query, values).fetchall()


def _first_that_differ(job_id: str, rows: Sequence[tuple], each: int) -> list[CaptionHit]:
    """Of the captions of one job the first ones, each text once."""
    in_time = sorted(row[1:] for row in rows if row[0] == job_id)
    first: dict[str, CaptionHit] = {}
    for time_us, text, picture in in_time:
        first.setdefault(text, CaptionHit(job_id, time_us, text, bool(picture)))
    return list(first.values())[:each]


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
