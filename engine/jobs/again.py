"""What a job was asked, as a request: to be looked at, or to be asked once more with one change."""

from pathlib import Path

from engine.settings import Sampling
from engine.video.request import AnalysisRequest
from engine.video.tags import with_details
from storage.records import JobRecord


def request_of(job: JobRecord) -> AnalysisRequest:
    """As it was checked when the job was made; the video is named by where it is now."""
    return AnalysisRequest(
        video=Path(job.video_path),
        asked=with_details(job.tags, job.tag_details),
        prompt=job.prompt,
        sampling=Sampling.from_dict(job.sampling),
        codes=job.codes,
        uploaded=job.uploaded,
        name=job.video_name,
        summary=job.summarise,
    )
