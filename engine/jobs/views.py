"""Records as the page and scripts see them: seconds, shares, time left, links. Reads no storage itself."""

import time
from collections import deque
from collections.abc import Sequence

from engine.events import FrameView, JobResult, JobView, SpanView
from engine.settings import Sampling
from engine.video import spans
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
        thumbnail=f"/thumbnails/{frame.job_id}/{frame.time_us}.jpg" if frame.has_picture else "",
    )


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
    )


def job_result(view: JobView, job: JobRecord, frames: Sequence[FrameRecord]) -> JobResult:
    """Everything of a job, with the spans computed from the stored answers."""
    found = job_spans(job, frames)
    totals = spans.totals(found)
    summary = {
        "video": job.video_name,
        "duration_seconds": job.duration_us / 1e6,
        "frames": len(frames),
        "failed": job.frames_failed,
        "compute_seconds": round(job.compute_seconds, 3),
        "tags": {tag: _total(totals.get(tag)) for tag in job.tags},
        "prompt": job.prompt,
    }
    return JobResult(view, tuple(map(frame_view, frames)), tuple(map(_span_view, found)), summary)


def job_spans(job: JobRecord, frames: Sequence[FrameRecord]) -> list[spans.Span]:
    """The spans of every tag, within the range that was analysed."""
    samples = [spans.Sample(f.time_us, f.state, f.tags) for f in frames]
    sampling = Sampling.from_dict(job.sampling)
    ends = [end for end in (job.duration_us or None, sampling.end_us) if end is not None]
    end_us, step_us = min(ends, default=0), job.sampling["step_us"]
    cut_short = not job.status.startswith("completed")
    return [
        span for tag in job.tags for span in spans.spans(samples, end_us, step_us, tag, cancelled=cut_short)
    ]


def _span_view(span: spans.Span) -> SpanView:
    return SpanView(span.tag, span.start_us / 1e6, span.end_us / 1e6, span.confidence, span.hits)


def _total(total: spans.Total | None) -> dict[str, float]:
    return {"seconds": total.duration_us / 1e6 if total else 0.0, "spans": total.spans if total else 0}


def _own_rate(job: JobRecord) -> float | None:
    return job.frames_done / job.compute_seconds if job.frames_done and job.compute_seconds > 0 else None
