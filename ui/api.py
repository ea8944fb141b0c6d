"""The scripting API: named endpoints with plain JSON in and out, for `gradio_client`.

Names, order and defaults of the arguments are a promise to people's scripts. Nothing is computed here;
what may block runs on threads of its own, so that an open page never waits for a script.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import gradio as gr

from engine.events.jobs import ENDED
from engine.events.switching import SwitchFinished
from engine.settings import named
from engine.video.request import AnalysisRequest
from ui.endpoints import offer, plain, said, spoken
from ui.handling import explain
from ui.house import House
from ui.media import given_video, upload_folder
from ui.off_loop import at_once, quick, slow
from ui.wording import printable

EVERY_SECONDS = 0.1  # between two updates of a stream


def wire(house: House) -> None:
    """Add every endpoint to the page that is being built."""
    offer(*_models(house), *_videos(house), *_jobs(house))


def _models(house: House) -> list[Callable[..., Any]]:
    engine = house.engine

    @spoken
    async def providers() -> list[dict]:
        """Where models come from: `{id, label, available, reason}`."""
        return plain(await slow(engine.providers))

    @spoken
    async def models(provider: str) -> list[dict]:
        """What a provider can load: `{name, provider, vision, size_bytes, detail}`."""
        wanted = ("name", "provider", "vision", "size_bytes", "detail")
        return [
            {name: getattr(entry, name) for name in wanted} for entry in await slow(engine.models, provider)
        ]

    async def switch_model(
        provider: str,
        model: str,
        when_busy: str = "refuse",
        options: dict = {},  # noqa: B006 - the default is part of the endpoint; it is never changed
    ) -> AsyncIterator[dict]:
        """Load a model: `{phase, progress, message}`, the last with `success` and what serves now."""
        try:
            given = named("The options of a model", options)
            run = await quick(engine.begin_switch, provider, model, when_busy, given)
        except Exception as error:  # noqa: BLE001 - a switch that fails does not raise
            yield _not_switched(house, explain(error))
            return
        shown = None
        while not isinstance(run.latest, SwitchFinished):
            if run.latest != shown:
                shown = run.latest
                yield plain(shown)
            await asyncio.sleep(EVERY_SECONDS)
        yield plain(run.latest)

    @spoken
    async def cancel_switch() -> dict:
        """Stop the load under way; gives the status."""
        return plain(await at_once(engine.cancel_switch))

    @spoken
    async def unload_model() -> dict:
        """Give the model's memory back and go to the built-in one; gives the status."""
        return plain(await slow(engine.unload_model))

    @spoken
    async def status() -> dict:
        """What serves now: `{state, provider, model, vision, memory_bytes, generation, busy, last_error}`."""
        return plain(await quick(engine.status))

    @spoken
    async def generation() -> dict:
        """How models write: `{max_new_tokens, temperature, top_p, top_k, seed, system_prompt}`."""
        return plain(await quick(engine.generation))

    @spoken
    async def set_generation(
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        seed: int | None = None,
        system_prompt: str | None = None,
    ) -> dict:
        """Change any of the generation settings; gives all of them."""
        given = {
            "max_new_tokens": max_new_tokens,
            "temperature": temperature,
            "top_p": top_p,
            "top_k": top_k,
            "seed": seed,
            "system_prompt": system_prompt,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        return plain(await slow(engine.set_generation, **changes))

    return [providers, models, switch_model, cancel_switch, unload_model, status, generation, set_generation]


def _not_switched(house: House, message: str) -> dict[str, Any]:
    status = house.engine.status()
    return plain(SwitchFinished("failed", 0.0, message, False, status.provider, status.model, 0.0, 0.0))


def _videos(house: House) -> list[Callable[..., Any]]:
    engine = house.engine

    async def submit(video: Any, tags: str | list[str], prompt: str, interval: float, options: dict) -> Any:
        opened = await quick(given_video, video)
        request = AnalysisRequest.of(
            opened.path,
            tags,
            prompt,
            interval,
            options,
            uploaded=opened.uploaded,
            name=opened.name,
        )
        return await slow(engine.submit_video, request)

    async def analyze_video(
        video: gr.FileData,
        tags: str | list[str] = "",
        prompt: str = "",
        interval: float = 2.0,
        options: dict = {},  # noqa: B006 - as above
    ) -> AsyncIterator[dict]:
        """Analyse a video and watch it: job views as they change, the last one with `result`.

        Leaving the stream does not cancel the job.
        """
        try:
            job = await submit(video, tags, prompt, interval, options)
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
        return plain(await submit(video, tags, prompt, interval, options))

    return [analyze_video, submit_video]


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

    @spoken
    async def job_result(job_id: str) -> dict:
        """Everything that is known of a job: `{job, frames, spans, summary}`."""
        return plain(await slow(engine.job_result, job_id))

    @spoken
    async def export_job(job_id: str, format: str) -> gr.FileData:
        """A job as a file that other programs read."""
        return gr.FileData(path=str(await slow(_served_copy, engine.export_job, job_id, format)))

    return [job, cancel_job, pause_job, resume_job, delete_job, jobs, job_result, export_job]


def _served_copy(export: Callable[[str, str], Path], job_id: str, format: str) -> Path:
    """The exported file, copied to where Gradio may hand it out; swept away from there after a day."""
    made = export(job_id, format)
    folder = Path(tempfile.mkdtemp(dir=upload_folder()))
    return Path(shutil.copy2(made, folder / printable(made.name)))
