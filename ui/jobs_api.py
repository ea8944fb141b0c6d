"""Analyses by script: asking for one, watching it, changing its course, and what it found.

As in `api`, names, order and defaults are a promise.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import gradio as gr

from engine.events.jobs import ENDED, JobView
from engine.video.request import AnalysisRequest
from ui.endpoints import EVERY_SECONDS, plain, said, spoken
from ui.house import House
from ui.media import given_video, upload_folder
from ui.off_loop import at_once, quick, slow
from ui.wording import printable


def endpoints(house: House) -> list[Callable[..., Any]]:
    """What a script can ask about analyses."""
    return [*_videos(house), *_jobs(house), *_found(house)]


def _videos(house: House) -> list[Callable[..., Any]]:
    async def analyze_video(
        video: gr.FileData,
        tags: str | list[str] = "",
        prompt: str = "",
        interval: float = 2.0,
        options: dict = {},  # noqa: B006 - the default is part of the endpoint; never changed
    ) -> AsyncIterator[dict]:
        """Analyse a video and watch it: job views as they change, the last one with `result`.

        Leaving the stream does not cancel the job.
        """
        try:
            job = await _submitted(house, video, tags, prompt, interval, options)
            async for view in _followed(house, job.job_id):
                yield view
        except Exception as error:
            raise said(error) from error

    @spoken
    async def submit_video(
        video: gr.FileData,
        tags: str | list[str] = "",
        prompt: str = "",
        interval: float = 2.0,
        options: dict = {},  # noqa: B006 - as above
    ) -> dict:
        """Analyse a video without watching: the job view, at once."""
        return plain(await _submitted(house, video, tags, prompt, interval, options))

    return [analyze_video, submit_video]


async def _submitted(
    house: House, video: Any, tags: str | list[str], prompt: str, interval: float, options: dict
) -> JobView:
    opened = await quick(given_video, video)
    request = AnalysisRequest.of(
        opened.path, tags, prompt, interval, options, uploaded=opened.uploaded, name=opened.name
    )
    return await slow(house.engine.submit_video, request)


async def _followed(house: House, job_id: str) -> AsyncIterator[dict[str, Any]]:
    shown = None
    while True:
        view = await quick(house.engine.job, job_id)
        if view.status in ENDED:
            result = await slow(house.engine.job_result, job_id)
            yield {**plain(view), "result": plain(result)}
            return
        if view != shown:
            shown = view
            yield plain(view)
        await asyncio.sleep(EVERY_SECONDS)


def _jobs(house: House) -> list[Callable[..., Any]]:
    engine = house.engine

    @spoken
    async def job(job_id: str) -> dict:
        """How a job is doing."""
        return plain(await quick(engine.job, job_id))

    @spoken
    async def cancel_job(job_id: str) -> dict:
        """Stop a job and keep what it found; gives the job view."""
        return plain(await at_once(engine.cancel_job, job_id))

    @spoken
    async def pause_job(job_id: str) -> dict:
        """Stop a job until it is resumed; gives the job view."""
        return plain(await at_once(engine.pause_job, job_id))

    @spoken
    async def resume_job(job_id: str) -> dict:
        """Go on with a paused, interrupted, cancelled or failed job; gives the job view."""
        return plain(await slow(engine.resume_job, job_id))

    @spoken
    async def delete_job(job_id: str) -> dict:
        """Remove a job with all that it found; gives its last view."""
        return plain(await slow(engine.delete_job, job_id))

    @spoken
    async def jobs(status: str = "", limit: int = 50) -> list[dict]:
        """The jobs, newest first; of one status if it is named."""
        return plain(await quick(engine.jobs, status, limit))

    return [job, cancel_job, pause_job, resume_job, delete_job, jobs]


def _found(house: House) -> list[Callable[..., Any]]:
    engine = house.engine

    @spoken
    async def job_result(job_id: str) -> dict:
        """Everything that is known of a job: `{job, frames, spans, summary}`."""
        return plain(await slow(engine.job_result, job_id))

    @spoken
    async def export_job(job_id: str, format: str) -> gr.FileData:
        """A job as a file that other programs read."""
        return gr.FileData(path=str(await slow(_served_copy, engine.export_job, job_id, format)))

    return [job_result, export_job]


def _served_copy(export: Callable[[str, str], Path], job_id: str, format: str) -> Path:
    """The exported file, copied to where Gradio may hand it out; swept away from there after a day."""
    made = export(job_id, format)
    folder = Path(tempfile.mkdtemp(dir=upload_folder()))
    return Path(shutil.copy2(made, folder / printable(made.name)))
