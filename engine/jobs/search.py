"""Where was the dog? Captions and tags of all videos, found by index, with the times.

Newest analyses first. Knows nothing of pages.
"""

import unicodedata

from engine.bounds import whole
from engine.errors import InvalidInput
from engine.events.findings import SearchHit
from engine.jobs.findings import Findings
from engine.jobs.views import seconds, thumbnail
from engine.video.spans import Span
from storage.records import CaptionHit, JobRecord
from storage.store import Store

MOST = 200  # places at once
LONGEST = 200  # characters of a question
EACH = 5  # places of one tag, or captions, in one video
# Answers that are read for one search, about a tenth of a second; beyond that a few of each video.
ANSWERS = 20_000
FEW = 500
THRESHOLD = 0.5  # of a job whose spans were never made otherwise
# What people put around what they look for; asked for alone, these are looked for as well.
_ENGLISH = """
    a an and any are at be been being can did do does find for from had has have here how i in is it its
    me my of on or see seen show some that the their there these they this those to was we were what
    when where which who whose with you your
"""
_AROUND = frozenset(_ENGLISH.split())


class Search:
    """Any thread may ask."""

    def __init__(self, store: Store, findings: Findings) -> None:
        self._store = store
        self._findings = findings

    def find(self, query: str, limit: int = 20) -> list[SearchHit]:
        """At most `limit` places: tags that have one of the words, captions that have all of them.

        Raises: InvalidInput.
        """
        limit = whole("limit", limit, 1, MOST)
        words = words_of(query)
        captions = self._captions(words, limit)
        tags = self._tags(words, max(limit // 2, limit - len(captions)))
        return (tags + captions)[:limit]

    def _captions(self, words: list[str], limit: int) -> list[SearchHit]:
        found = self._store.search.captions(words, limit, EACH)
        jobs = {job_id: self._store.job(job_id) for job_id in {one.job_id for one in found}}
        return [_caption(job, one) for one in found if (job := jobs[one.job_id]) is not None]

    def _tags(self, words: list[str], limit: int) -> list[SearchHit]:
        hits: list[SearchHit] = []
        left, seen = ANSWERS, set[tuple[str, str]]()
        for found in self._store.search.tags(words, THRESHOLD, MOST):
            job = self._store.job(found.job_id)
            if job is None or (job.video_path, found.tag) in seen:  # an older run over the same video
                continue
            most = max(left, FEW)
            left -= min(job.frames_done, most)
            spans = self._findings.of_tag(job, found.tag, most)[:EACH]
            if spans:
                seen.add((job.video_path, found.tag))
            hits += [_tag(job, span) for span in spans]
            if len(hits) >= limit:
                break
        return hits[:limit]


def words_of(query: object) -> list[str]:
    """What is looked for, each word once, without what people put around it.

    Raises: InvalidInput for nothing.
    """
    if not isinstance(query, str) or len(query) > LONGEST:
        raise InvalidInput(f"Say what to look for in at most {LONGEST} characters.")
    parts = unicodedata.normalize("NFC", query).lower()
    said = "".join(letter if _is_of_a_word(letter) else " " for letter in parts).split()
    words = list(dict.fromkeys(word for word in said if any(map(str.isalnum, word))))
    if not words:
        raise InvalidInput("Say what to look for, for example: where was the dog?")
    return [word for word in words if word not in _AROUND] or words


def _is_of_a_word(letter: str) -> bool:
    """Letters, digits, and the marks that many scripts write vowels and accents with."""
    return letter.isalnum() or unicodedata.category(letter).startswith("M")


def _caption(job: JobRecord, found: CaptionHit) -> SearchHit:
    picture = thumbnail(job.id, found.time_us) if found.has_picture else ""
    at = seconds(found.time_us)
    return SearchHit(job.id, job.video_name, "caption", found.caption, at, None, None, picture)


def _tag(job: JobRecord, span: Span) -> SearchHit:
    picture = "" if span.corrected else thumbnail(job.id, span.start_us)
    start, end = seconds(span.start_us), seconds(span.end_us)
    return SearchHit(job.id, job.video_name, "tag", span.tag, start, end, span.confidence, picture)
