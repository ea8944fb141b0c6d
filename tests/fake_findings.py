"""Spans of a fake engine: made by the real rules of the answers that a test gave."""

from collections.abc import Callable, Sequence

from engine.events.findings import LookedView, SearchHit, SpansView, SpanView
from engine.events.jobs import FrameView, JobView
from engine.video import spans
from engine.video.span_settings import SpanSettings

Known = Callable[[str], tuple[JobView, Sequence[FrameView]]]


class FakeFindings:
    """Knows no corrections; what it was asked to correct stands in `corrected`."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._settings = SpanSettings()
        self.revision = 1
        self.corrected: list[tuple[object, ...]] = []

    def spans(self, job_id: str) -> SpansView:
        job, frames = self._known(job_id)
        found = self.found(job, frames)
        looked = tuple(
            LookedView(each.start_us / 1e6, each.end_us / 1e6, each.answered)
            for each in spans.looked(_samples(frames), *_range(job))
        )
        seconds = {tag: sum(one.end - one.start for one in found if one.tag == tag) for tag in job.tags}
        totals = {tag: {"seconds": seconds[tag], "spans": 0, "hits": 0} for tag in job.tags}
        kept = self._settings.as_dict()
        return SpansView(job_id, job.duration, job.tags, kept, found, totals, looked, len(self.corrected))

    def found(self, job: JobView, frames: Sequence[FrameView]) -> tuple[SpanView, ...]:
        made = [
            one
            for tag in job.tags
            for one in spans.spans(_samples(frames), *_range(job), tag, self._settings.rule(tag).threshold)
        ]
        return tuple(
            SpanView(one.tag, one.start_us / 1e6, one.end_us / 1e6, one.confidence, one.hits) for one in made
        )

    def settings(self, job_id: str) -> SpanSettings:
        return self._settings

    def thresholds(self, job_id: str, tags: Sequence[str]) -> dict[str, float]:
        return {tag: self._settings.rule(tag).threshold for tag in tags}

    def set_settings(self, job_id: str, changes: object) -> SpansView:
        self._settings = self._settings.changed(changes, self._known(job_id)[0].tags)
        self.revision += 1
        return self.spans(job_id)

    def correct(self, job_id: str, tag: str, old: object = None, new: object = None) -> SpansView:
        self.corrected.append((tag, old, new))
        self.revision += 1
        return self.spans(job_id)

    def undo(self, job_id: str) -> SpansView:
        self.corrected.pop()
        self.revision += 1
        return self.spans(job_id)


class FakeSearch:
    """Finds what the test put into `hits`."""

    def __init__(self) -> None:
        self.hits: list[SearchHit] = []

    def find(self, query: str, limit: int = 20) -> list[SearchHit]:
        return [hit for hit in self.hits if query in hit.text][:limit]


def _samples(frames: Sequence[FrameView]) -> list[spans.Sample]:
    return [spans.Sample(round(frame.time * 1e6), frame.state, frame.tags) for frame in frames]


def _range(job: JobView) -> tuple[int, int]:
    return round(job.duration * 1e6), 2_000_000
