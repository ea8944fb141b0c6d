"""What is refused before a job is made of it: what the model cannot do, and what the video does not have."""

from engine.backends.base import BackendInfo
from engine.errors import BadSetting, InvalidInput, Name
from engine.video.frames import VideoInfo
from engine.video.request import AnalysisRequest


def refuse_what_the_model_cannot(request: AnalysisRequest, info: BackendInfo) -> None:
    """Raises: InvalidInput, naming a model or a tag that would do."""
    if not info.vision:
        raise InvalidInput(f"{info.model} does not see pictures. Load a model that does, then analyse.")
    if request.codes and not info.codes:
        raise BadSetting(
            f"{info.model} reads no QR or bar codes. Leave ", Name("codes"), " out, or load scene-facts."
        )
    if request.summary and not info.context_length:
        raise BadSetting(
            f"{info.model} measures pictures and cannot write a summary. Load a vision model, or leave ",
            Name("summary"),
            " out.",
        )
    known = info.tag_vocabulary
    strange = [tag for tag in request.tags if known is not None and tag.casefold() not in known]
    if strange and known:
        raise InvalidInput(
            f"{info.model} cannot look for {', '.join(map(repr, strange[:5]))}. "
            f"It knows: {', '.join(known)}. Load a vision model to look for anything else."
        )


def refuse_an_empty_range(request: AnalysisRequest, info: VideoInfo) -> None:
    """Raises: InvalidInput where no frame of the video is asked for, or one behind its end."""
    start_us = request.sampling.start_us
    if 0 < info.duration_us <= start_us:
        start, end = start_us / 1e6, info.duration_us / 1e6
        raise BadSetting(
            Name("start"), f" ({start:g} s) is behind the end of {request.video.name} ({end:g} s)."
        )
    late = next((time for time in request.sampling.times_us if 0 < info.duration_us <= time), None)
    if late is not None:
        said = f" has {late / 1e6:g} s, but {request.video.name} ends at {info.duration_us / 1e6:g} s."
        raise BadSetting(Name("times"), said)
