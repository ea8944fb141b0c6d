"""What an analysis would cost, before it starts: frames, time, what a server is asked. Asks no model."""

from engine.backends.base import BackendInfo, FrameTask, Message
from engine.backends.remote.questions import Cost, cost_of
from engine.backends.remote.tokens import TokenEstimate
from engine.events.jobs import AnalysisPlan
from engine.video.edge_cost import edge_cost
from engine.video.frames import VideoInfo, effective_interval, planned_count
from engine.video.request import AnalysisRequest
from engine.video.summary import PART
from engine.video.summary_cost import SummaryCost, summary_cost
from engine.video.tags import descriptions_of


def plan(
    request: AnalysisRequest, video: VideoInfo, model: BackendInfo, earlier: tuple[float, int] | None
) -> AnalysisPlan:
    """What it would cost. `earlier`: frames a second of runs of the same shape, and how many these were.

    Raises: MediaError.
    """
    sampling = request.sampling
    frames = planned_count(video, sampling)
    edge = edge_cost(video, sampling) if sampling.refine else None
    speed, runs = earlier or (None, 0)
    each, summary = cost_of_frame(request, model), cost_of_summary(request, model, frames)
    return AnalysisPlan(
        frames,
        float(effective_interval(video, sampling)),
        frames / speed if speed and frames else None,
        runs,
        at_least=sampling.mode == "shots" and frames != sampling.max_frames,
        reuse=sampling.reuse,
        extra_per_span=2 * edge.questions if edge else 0,
        extra_is_about=edge is not None and not edge.counted,
        requests=each.requests * max(1, frames),
        tokens=each.tokens * max(1, frames),
        summary=request.summary,
        summary_requests=summary.questions,
        summary_tokens=summary.tokens,
    )


def cost_of_frame(request: AnalysisRequest, model: BackendInfo) -> Cost:
    """What one frame takes of a server; nothing of a model on this machine."""
    if model.asking is None:
        return Cost(0, 0)
    votes = request.sampling.votes
    task = FrameTask(request.tags, request.prompt, described=descriptions_of(request.asked), votes=votes)
    return cost_of(task, model.asking)


def cost_of_summary(request: AnalysisRequest, model: BackendInfo, frames: int) -> SummaryCost:
    """What it takes of a server, about; nothing where none is asked, or nobody knows how many frames."""
    if model.asking is None or not request.summary:
        return SummaryCost(0, 0)
    instruction = TokenEstimate().of([Message("user", PART)])
    return summary_cost(frames, FrameTask().max_new_tokens, instruction, model.context_length)
