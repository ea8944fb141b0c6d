"""Records as the page and scripts see them: seconds, shares, time left, links. Reads no storage itself."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from engine.events.findings import LookedView, SpansView, SpanView
from engine.events.jobs import FrameView, JobResult, JobView
from engine.jobs.narrowing import came_to_its_end, narrowed_at
from engine.settings import Sampling
from engine.video import spans
from engine.video.corrections import Correction, about_tag, corrected
from engine.video.open_edges import Narrowed
from engine.video.span_settings import SpanSettings
from engine.video.sureness import unmeasured
from storage.records import FrameRecord, JobRecord

WINDOW_SECONDS = 10.0  # the pace of a run is that of its last seconds


class Pace:
    """How fast the frames of this run come. Kept in memory: a run after a pause has a pace of its own."""

    def __init__(self) -> None:
        self._times = deque([time.monotonic()])

    def tick(self) -> float:
        """One more frame is done; gives the seconds since the one before."""
        now = time.monotonic()
        took = now - self._times[-1]
        self._times.append(now)
        while len(self._times) > 2 and now - self._times[0] > WINDOW_SECONDS:
            self._times.popleft()
        return took

    @property
    def frames_per_second(self) -> float | None:
        """None until a frame is done."""
        frames = len(self._times) - 1
        span = self._times[-1] - self._times[0]
        return frames / span if frames and span > 0 else None


def frame_view(frame: FrameRecord) -> FrameView:
    return FrameView(
        index=frame.index,
        time=frame.time_us / 1e6,
        state=frame.state,
        tags=dict(frame.tags),
        caption=frame.caption,
        facts=dict(frame.facts),
        error=frame.error,
        thumbnail=thumbnail(frame.job_id, frame.time_us) if frame.has_picture else "",
        raw=frame.raw,
    )


def thumbnail(job_id: str, time_us: int) -> str:
    """Where the page finds the small picture of a frame."""
    return f"/thumbnails/{job_id}/{time_us}.jpg"


def job_view(
    job: JobRecord, latest: FrameRecord | None, pace: Pace | None, earlier: tuple[float, int] | None
) -> JobView:
    """`pace` of the run under way, if any; `earlier`: frames a second of jobs of this shape, and how many."""
    rate = (pace and pace.frames_per_second) or _own_rate(job) or (earlier[0] if earlier else None)
    left = max(job.frames_total - job.frames_done, 0)
    over = job.status in ("completed", "completed_with_errors")
    return JobView(
        job_id=job.id,
        video=job.video_name,
        status=job.status,  # type: ignore[arg-type]
        reason=job.reason,
        provider=job.provider,
        model=job.model,
        frames_done=job.frames_done,
        frames_total=job.frames_total,
        progress=1.0 if over else min(job.frames_done / job.frames_total, 1.0) if job.frames_total else 0.0,
        eta_seconds=0.0 if over else left / rate if rate else None,
        frames_per_second=rate,
        latest=frame_view(latest) if latest else None,
        error=job.error,
        tags=tuple(job.tags),
        prompt=job.prompt,
        created_at=job.created_at,
        duration=job.duration_us / 1e6,
        lacks_summary=lacks_summary(job),
    )


def lacks_summary(job: JobRecord) -> bool:
    """Whether the model failed at the summary, and at most at some frames."""
    return job.status == "completed_with_errors" and job.summarise and not job.summary


def job_result(
    view: JobView,
    job: JobRecord,
    frames: Sequence[FrameRecord],
    found: Sequence[spans.Span],
    settings: SpanSettings,
) -> JobResult:
    """Everything of a job, with the spans that were made of its answers by these settings."""
    summary = {
        "video": job.video_name,
        "duration_seconds": seconds(job.duration_us),
        "frames": len(frames),
        "failed": job.frames_failed,
        "unparsed": sum(frame.state == "unparsed" for frame in frames),
        "compute_seconds": round(job.compute_seconds, 3),
        "tags": _totals(job, found),
        "prompt": job.prompt,
        "text": job.summary,
        "exact_for": narrowed_at(job),
        "not_narrowed": _not_narrowed(job, samples_of(frames), settings, found),
    }
    return JobResult(view, tuple(map(frame_view, frames)), tuple(map(_span_view, found)), summary)


def samples_of(frames: Sequence[FrameRecord]) -> list[spans.Sample]:
    """What spans are made of."""
    return [answered(frame.time_us, frame.state, frame.tags, frame.facts) for frame in frames]


def answered(
    time_us: int, state: str, tags: Mapping[str, float | None], facts: Mapping[str, Any]
) -> spans.Sample:
    """One answer, with what its facts say of how sure it is."""
    return spans.Sample(time_us, state, tags, unmeasured(facts, tuple(tags)))


def job_spans(
    job: JobRecord,
    samples: Sequence[spans.Sample],
    settings: SpanSettings,
    corrections: Sequence[Correction],
) -> list[spans.Span]:
    """The spans of every tag, within the range that was analysed, with what a person corrected."""
    return [span for tag in job.tags for span in tag_spans(job, tag, samples, settings, corrections)]


def tag_spans(
    job: JobRecord,
    tag: str,
    samples: Sequence[spans.Sample],
    settings: SpanSettings,
    corrections: Sequence[Correction],
) -> list[spans.Span]:
    """Those of one tag."""
    end_us, step_us, cut_short, longest_us = _range(job)
    rule = settings.rule(tag)
    lengths = rule.max_gap.in_us(job.duration_us), rule.min_duration.in_us(job.duration_us)
    own = spans.spans(samples, end_us, step_us, tag, rule.threshold, *lengths, cut_short, longest_us)
    return corrected(own, about_tag(corrections, tag), samples, rule.threshold)


def tag_looked(job: JobRecord, tag: str | None, samples: Sequence[spans.Sample]) -> list[spans.Looked]:
    """Where it is known whether a tag holds, and where it was looked for in vain; without, of any answer."""
    end_us, step_us, cut_short, longest_us = _range(job)
    return spans.looked(samples, end_us, step_us, cut_short, tag, longest_us)


def spans_view(
    job: JobRecord,
    samples: Sequence[spans.Sample],
    settings: SpanSettings,
    found: Sequence[spans.Span],
    corrections: int,
) -> SpansView:
    """The spans of a job with what they were made of, in seconds."""
    looked = tag_looked(job, None, samples)
    duration_us = max([job.duration_us, *(stretch.end_us for stretch in looked[-1:])])
    return SpansView(
        job_id=job.id,
        duration=seconds(duration_us),
        tags=tuple(job.tags),
        settings=settings.as_dict(),
        spans=tuple(map(_span_view, found)),
        totals=_totals(job, found),
        looked=_looked_view(looked),
        corrections=corrections,
        looked_for={
            tag: _looked_view(tag_looked(job, tag, samples))
            for tag in spans.partly_unknown(samples, job.tags)
        },
        exact_for=narrowed_at(job),
        not_narrowed=_not_narrowed(job, samples, settings, found),
    )


def _not_narrowed(
    job: JobRecord, samples: Sequence[spans.Sample], settings: SpanSettings, found: Sequence[spans.Span]
) -> dict[str, int]:
    """By tag: starts and ends that were to be known to one frame by now, and are not."""
    end_us, _, cut_short, longest_us = _range(job)
    counted = {}
    for tag, threshold in narrowed_at(job).items():
        if threshold == settings.rule(tag).threshold:
            narrowed = Narrowed(samples, tag, threshold, longest_us, end_us > 0 and not cut_short)
            counted[tag] = narrowed.open_edges([span for span in found if span.tag == tag])
    return {tag: number for tag, number in counted.items() if number}


def seconds(time_us: int) -> float:
    return time_us / 1e6


def _range(job: JobRecord) -> tuple[int, int, bool, int | None]:
    """End of what was to be analysed (0: unknown) and step, in microseconds; whether it ended before that;
    how long an answer holds at most.

    Of listed times an answer holds for one step: nobody looked at what lies between two of them, nor at what
    lies behind the last, and narrowing looks only between two that disagree.
    """
    sampling, step_us = Sampling.from_dict(job.sampling), job.sampling["step_us"]
    ends = [end for end in (job.duration_us or None, sampling.end_us) if end is not None]
    listed = sampling.mode == "times"
    longest_us = step_us if listed else None
    return min(ends, default=0), step_us, listed or not came_to_its_end(job), longest_us


def _looked_view(looked: Sequence[spans.Looked]) -> tuple[LookedView, ...]:
    return tuple(LookedView(seconds(one.start_us), seconds(one.end_us), one.answered) for one in looked)


def _span_view(span: spans.Span) -> SpanView:
    start, end = seconds(span.start_us), seconds(span.end_us)
    return SpanView(span.tag, start, end, span.confidence, span.hits, span.corrected)


def _totals(job: JobRecord, found: Sequence[spans.Span]) -> dict[str, dict[str, float]]:
    totals = spans.totals(found)
    return {tag: _total(totals.get(tag, spans.Total(0, 0, 0))) for tag in job.tags}


def _total(total: spans.Total) -> dict[str, float]:
    return {"seconds": seconds(total.duration_us), "spans": total.spans, "hits": total.hits}


def _own_rate(job: JobRecord) -> float | None:
    return job.frames_done / job.compute_seconds if job.frames_done and job.compute_seconds > 0 else None
