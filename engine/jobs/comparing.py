"""Two analyses of the same video, side by side: each with its own rules for spans, and what was corrected.

Made anew from the stored answers whenever it is asked for, so that it follows whatever moves. Knows nothing
of pages.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Literal

from engine.errors import InvalidInput
from engine.events.comparing import CaptionPair, ComparedRun, ComparedTag, ComparisonView, DifferenceView
from engine.events.findings import SpanView
from engine.events.jobs import JobView
from engine.jobs.findings import Findings, Found
from engine.jobs.lookup import known_job
from engine.jobs.views import seconds, tag_looked
from engine.video import comparing
from engine.video.comparing import Agreement, Caption, compare, share
from engine.video.spans import HIT_STATES, Looked
from storage.records import JobRecord
from storage.store import Store

MOST_OTHERS = 50  # analyses of one video to choose from
Side = Literal["both", "first", "second"]
SIDES: Mapping[tuple[bool, bool], Side] = {
    (True, True): "both",
    (True, False): "first",
    (False, True): "second",
}


class Comparisons:
    """Any thread may ask."""

    def __init__(self, store: Store, findings: Findings, view: Callable[[JobRecord], JobView]) -> None:
        self._store = store
        self._findings = findings
        self._view = view
        self._captions: tuple[tuple, tuple[CaptionPair, ...]] = ((), ())  # of the last two, and what they are

    def others(self, job_id: str) -> list[JobView]:
        """Other analyses of the same video that have answers, the newest first.

        Raises: InvalidInput for an unknown job.
        """
        job = known_job(self._store, job_id)
        same = self._store.runs.of_same_video(job, self._findings.known_content(job), MOST_OTHERS)
        return [self._view(other) for other in same]

    def compare(self, job_id: str, other_id: str) -> ComparisonView:
        """Raises: InvalidInput for an unknown job, for the same one twice, and for two different videos."""
        first, second = self._findings.found(job_id), self._findings.found(other_id)
        if first.job.id == second.job.id:
            raise InvalidInput("This is the same analysis twice. Pick another one of the same video.")
        self._refuse_another_video(first.job, second.job)
        duration = max(first.view.duration, second.view.duration)
        agreements = _agreements(first, second, round(duration * 1e6))
        return ComparisonView(
            first=self._run(first),
            second=self._run(second),
            duration=duration,
            agreement=share(agreements.values()),
            tags=tuple(_tags(first, second, agreements)),
            differences=_differences(agreements),
            captions=self._caption_pairs(first.job, second.job),
        )

    # what the verbs are made of

    def _run(self, found: Found) -> ComparedRun:
        view = found.view
        return ComparedRun(self._view(found.job), view.settings, view.looked, view.looked_for)

    def _refuse_another_video(self, first: JobRecord, second: JobRecord) -> None:
        if _file(first) == _file(second):
            return
        contents = [self._findings.content(job) for job in (first, second)]
        for job, content in zip((first, second), contents, strict=True):
            if not content:
                raise InvalidInput(
                    f"{job.video_name} is not there any more, or was changed, so nobody can tell whether "
                    "both are the same video. Put it back, then compare."
                )
        if contents[0] != contents[1]:
            raise InvalidInput(
                f"These are analyses of two different videos, {first.video_name} and {second.video_name}. "
                "Pick two of the same video."
            )

    def _caption_pairs(self, first: JobRecord, second: JobRecord) -> tuple[CaptionPair, ...]:
        """Kept, since they are read from the disk, and stay the same while spans are made otherwise."""
        which = tuple((job.id, job.status, job.frames_done) for job in (first, second))
        known, pairs = self._captions  # at once, for another thread may put its own there meanwhile
        if known != which:
            within = max(job.sampling["step_us"] for job in (first, second))
            said = [self._store.runs.captions(job.id) for job in (first, second)]
            pairs = tuple(_pair(*pair) for pair in comparing.nearest(said[0], said[1], within))
            self._captions = which, pairs
        return pairs


def _file(job: JobRecord) -> tuple[str, int, int]:
    return job.video_path, job.video_size, job.video_mtime_ns


def _agreements(first: Found, second: Found, duration_us: int) -> dict[str, Agreement]:
    """Of the tags of the first, then of those of the second alone."""
    runs = _by_tag(first), _by_tag(second)
    tags = dict.fromkeys((*first.job.tags, *second.job.tags))
    nothing = comparing.TagFound((), ())
    return {tag: compare(runs[0].get(tag, nothing), runs[1].get(tag, nothing), duration_us) for tag in tags}


def _by_tag(run: Found) -> dict[str, comparing.TagFound]:
    """What a run says of each of its tags."""
    spans = {tag: list(found) for tag, found in groupby(run.spans, attrgetter("tag"))}
    return {tag: comparing.TagFound(spans.get(tag, ()), looked) for tag, looked in _looked(run)}


def _looked(run: Found) -> Iterator[tuple[str, list[Looked]]]:
    """Where each tag was looked for; the same stretches for all that are known wherever a frame is."""
    answered = (sample.tags for sample in run.samples if sample.state in HIT_STATES)
    asked = len(run.job.tags)
    partly = [tags for tags in answered if len(tags) < asked or None in tags.values()]
    everywhere = tag_looked(run.job, None, run.samples)
    for tag in run.job.tags:
        known = all(tags.get(tag) is not None for tags in partly)
        yield tag, everywhere if known else tag_looked(run.job, tag, run.samples)


def _tags(first: Found, second: Found, agreements: Mapping[str, Agreement]) -> Iterator[ComparedTag]:
    spans = [
        {tag: tuple(found) for tag, found in groupby(run.view.spans, attrgetter("tag"))}
        for run in (first, second)
    ]
    for tag, agreement in agreements.items():
        asked = SIDES[tag in first.job.tags, tag in second.job.tags]
        yield _tag(tag, asked, agreement, spans[0].get(tag, ()), spans[1].get(tag, ()))


def _tag(
    tag: str, asked: Side, agreement: Agreement, first: tuple[SpanView, ...], second: tuple[SpanView, ...]
) -> ComparedTag:
    return ComparedTag(
        tag=tag,
        asked=asked,
        first=first,
        second=second,
        both=seconds(agreement.both_us),
        only_first=seconds(agreement.only_first_us),
        only_second=seconds(agreement.only_second_us),
        neither=seconds(agreement.neither_us),
        left_out=seconds(agreement.left_out_us),
        agreement=share([agreement]),
    )


def _differences(agreements: Mapping[str, Agreement]) -> tuple[DifferenceView, ...]:
    """Of all tags, the longest first; of those that are as long, the earlier."""
    all_of_them = [(tag, one) for tag, agreement in agreements.items() for one in agreement.differences]
    all_of_them.sort(key=lambda pair: (pair[1].start_us - pair[1].end_us, pair[1].start_us))
    return tuple(
        DifferenceView(tag, seconds(one.start_us), seconds(one.end_us), one.only_in)
        for tag, one in all_of_them
    )


def _pair(first: Caption, second: Caption) -> CaptionPair:
    return CaptionPair(seconds(first[0]), first[1], seconds(second[0]), second[1])
