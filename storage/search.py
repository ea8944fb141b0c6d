"""Finding captions and tags among all answers, by index: nothing here reads a table from end to end.

Captions are in a full-text index that triggers keep; of each tag and job the highest probability is kept.
Newest first, since ranking would have to look at every match. Knows nothing of spans.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from itertools import groupby, islice
from operator import itemgetter

import peewee

from storage.connections import Connections
from storage.records import CaptionHit, TagHit
from storage.words import ways_to_write

_CAPTIONS = (
    "SELECT f.job_id, f.time_us, f.caption, f.has_picture "
    "FROM caption_search s JOIN frame_answer f ON f.id = s.rowid "
    "WHERE caption_search MATCH ? AND s.rowid {} ORDER BY s.rowid {}"
)
_NEWEST_CAPTIONS = _CAPTIONS.format("< ?", "DESC")
_CAPTIONS_OF_JOB = _CAPTIONS.format("BETWEEN ? AND ?", "ASC LIMIT ?")
_ROWS_OF_JOB = "SELECT min(id), max(id), count(*) FROM frame_answer WHERE job_id = ?"
# From the newest job on, so that it ends as soon as enough is found: a common tag is in nearly every job.
_TAGS = (
    "SELECT p.job_id, p.tag, p.peak FROM job j CROSS JOIN tag_peak p "
    "LEFT JOIN span_settings t ON t.job_id = j.id "
    "WHERE p.job_id = j.id AND p.tag IN (SELECT tag FROM tag_search WHERE tag_search MATCH ?) "
    "AND p.peak >= coalesce(t.lowest, ?) ORDER BY j.created_at DESC LIMIT ?"
)
_NAMED = "SELECT 1 FROM tag_search WHERE tag_search MATCH ? LIMIT 1"
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
        return self._connections.read(lambda: self._tags(_any_of(words), threshold, limit))

    def note_tag(self, job_id: str, tag: str, peak: float) -> bool:
        """Let a tag be found in a job whatever the model said; False where the job is gone."""
        try:
            self._connections.write(lambda: note_tags(self._connections.database, job_id, {tag: peak}))
        except peewee.IntegrityError:
            return False
        return True

    def _tags(self, match: str, threshold: float, limit: int) -> list[TagHit]:
        if not self._rows(_NAMED, match):  # or all jobs would be gone through for nothing
            return []
        return [TagHit(*row) for row in self._rows(_TAGS, match, threshold, limit)]

    def _captions(self, match: str, limit: int, each: int) -> list[CaptionHit]:
        read: dict[str, list[tuple]] = {}
        found: dict[str, list[CaptionHit]] = {}
        with closing(self._stretches(match)) as stretches:
            for job_id, rows in stretches:
                read.setdefault(job_id, []).extend(rows)
                found[job_id] = _first_that_differ(job_id, read[job_id], each)
                if sum(map(len, found.values())) >= limit:
                    break
        return [hit for hits in found.values() for hit in hits][:limit]

    def _stretches(self, match: str) -> Generator[tuple[str, list[tuple]], None, None]:
        """What job after job says, the newest first; one that was paused may come again behind others."""
        said_too_much: set[str] = set()
        below: int | None = _BEHIND_ALL
        while below is not None:
            below = yield from self._stretches_below(match, below, said_too_much)

    def _stretches_below(
        self, match: str, below: int, said_too_much: set[str]
    ) -> Generator[tuple[str, list[tuple]], None, int | None]:
        """Gives where to go on behind a job that says too much, where no other job is among its rows."""
        with closing(self._connections.database.execute_sql(_NEWEST_CAPTIONS, (match, below))) as rows:
            for job_id, said in groupby(rows, key=itemgetter(0)):
                if job_id in said_too_much:
                    continue
                read = list(islice(said, MOST_READ))
                if len(read) < MOST_READ:
                    yield job_id, read
                    continue
                said_too_much.add(job_id)
                ((first, last, count),) = self._rows(_ROWS_OF_JOB, job_id)
                beginning = self._rows(_CAPTIONS_OF_JOB, match, first, last, MOST_READ)
                alone = last - first + 1 == count
                yield job_id, beginning if alone else [*beginning, *read]
                if alone:
                    return first
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
    return " AND ".join(map(_in_any_way, words))


def _any_of(words: Sequence[str]) -> str:
    return " OR ".join(map(_in_any_way, words))


def _in_any_way(word: str) -> str:
    ways = dict.fromkeys(ways_to_write(word))
    return f"({' OR '.join(map(_quoted, ways))})"


def _quoted(word: str) -> str:
    """As a text of SQLite's search language, in which nothing has another meaning."""
    return '"' + word.replace('"', '""') + '"'
