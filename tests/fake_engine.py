"""An engine without threads, models or a database: frames come when a test says so."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from fake_downloads import FakeDownloads
from fake_exports import FakeExports
from fake_findings import FakeFindings, FakeSearch
from fixtures.digests import digest

from engine.backends.base import BackendInfo, ModelEntry
from engine.errors import InvalidInput, MediaError
from engine.events.jobs import RESUMABLE, AnalysisPlan, FrameView, JobResult, JobView
from engine.events.models import ProviderStatus
from engine.events.switching import Status, SwitchFinished, SwitchProgress
from engine.servers import NamedServers
from engine.settings import GenerationSettings
from engine.video.frames import VideoInfo
from engine.video.previews import Previews
from engine.video.request import AnalysisRequest

FRAMES = 12  # of every video
SECONDS = 24.0


class FakeRun:
    """A switch that ends when the test says so."""

    def __init__(self, latest: SwitchProgress) -> None:
        self.latest = latest

    def wait(self, seconds: float | None = None) -> bool:
        return isinstance(self.latest, SwitchFinished)


class FakeEngine:
    """What is asked of it stands in `asked`; what it answers can be set on its attributes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[Any, ...]] = []
        self.fails: dict[str, Exception] = {}  # verb -> what it raises
        self.status_now = Status("ready", "builtin", "scene-facts", True, 0, 1, (), "")
        self.switching: FakeRun | None = None
        self.settings = GenerationSettings()
        self.vocabulary: tuple[str, ...] | None = ("dark", "moving")
        self.known_jobs: dict[str, JobView] = {}
        self.paths: dict[str, Path] = {}
        self.requests: dict[str, AnalysisRequest] = {}
        self.answers: dict[str, list[FrameView]] = {}
        self.shelf = folder / "models"
        self.downloads = FakeDownloads(self._note)
        self.previews = Previews(folder / "previews", digest)
        self.exports = FakeExports(self._note, self.video_path)
        self.findings = FakeFindings(lambda job_id: (self.job(job_id), self.answers[job_id]))
        self.search = FakeSearch()
        self.servers = NamedServers({}.get, lambda key, value: None)

    # models

    def providers(self) -> list[ProviderStatus]:
        self._note("providers")
        return [
            ProviderStatus("builtin", "Built-in (no download)", True, ""),
            ProviderStatus("transformers", "Transformers", True, ""),
        ]

    def models(self, provider: str) -> list[ModelEntry]:
        self._note("models", provider)
        if provider == "builtin":
            return [ModelEntry("scene-facts", "builtin", True, 0)]
        if provider == "transformers":
            return [
                ModelEntry("tiny", "transformers", True, 1_900_000),
                ModelEntry("other", "transformers", True, 5),
            ]
        raise InvalidInput(f"There is no provider {provider!r}.")

    def begin_switch(
        self, provider: str, model: str, when_busy: str = "refuse", options: Mapping[str, Any] | None = None
    ) -> FakeRun:
        self._note("begin_switch", provider, model, when_busy, dict(options or {}))
        self.switching = FakeRun(SwitchProgress("loading", 0.43, f"Loading {model}"))
        self.status_now = replace(self.status_now, state="loading")
        if model == "no-such":
            self.finish_switch(False, "no-such", "There is no model 'no-such'.")
        elif provider == "builtin":
            self.finish_switch(True, model, "Ready")
        return self.switching

    def finish_switch(self, success: bool, model: str, message: str) -> None:
        """End the switch under way; a success counts one flip."""
        assert self.switching is not None
        now = self.status_now
        if success:
            provider = "builtin" if model == "scene-facts" else "transformers"
            now = replace(now, provider=provider, model=model, generation=now.generation + 1, last_error="")
        else:
            now = replace(now, last_error=message)
        self.status_now = replace(now, state="ready")
        phase = "done" if success else "failed"
        ended = SwitchFinished(phase, 1.0, message, success, now.provider, now.model, 0.5, 0.0)
        self.switching.latest = ended

    def switch_progress(self) -> SwitchProgress | None:
        run = self.switching
        return run.latest if run is not None and not run.wait(0) else None

    def cancel_switch(self) -> Status:
        self._note("cancel_switch")
        if self.switch_progress() is not None:
            self.finish_switch(False, "", "it was cancelled")
        return self.status_now

    def unload_model(self) -> Status:
        self._note("unload_model")
        self.begin_switch("builtin", "scene-facts")
        return self.status_now

    def status(self) -> Status:
        return self.status_now

    def backend_info(self) -> BackendInfo:
        now = self.status_now
        return BackendInfo(
            now.provider, now.model, "digest", now.vision, 0, 0, tag_vocabulary=self.vocabulary
        )

    def generation(self) -> GenerationSettings:
        return self.settings

    def set_generation(self, **changes: Any) -> GenerationSettings:
        self.settings = self.settings.changed(changes)
        return self.settings

    # videos and jobs

    def open_video(self, path: str | Path) -> VideoInfo:
        self._note("open_video", str(path))
        if not Path(path).is_file():
            raise MediaError(f"There is no file {path}.")
        return VideoInfo(Path(path), round(SECONDS * 1e6), 640, 360, "h264", Fraction(25), 0)

    def expect_upload(self, path: Path) -> None:
        self._note("expect_upload", str(path))

    def plan(self, request: AnalysisRequest) -> AnalysisPlan:
        self._note("plan", request)
        return AnalysisPlan(FRAMES, 2.0, None, 0)

    def submit_video(self, request: AnalysisRequest) -> JobView:
        self._note("submit_video", request)
        self.open_video(request.video)
        now = self.status_now
        job = JobView(
            job_id=f"job{len(self.known_jobs)}",
            video=request.name or request.video.name,
            status="running",
            reason="",
            provider=now.provider,
            model=now.model,
            frames_done=0,
            frames_total=FRAMES,
            progress=0.0,
            eta_seconds=None,
            frames_per_second=None,
            latest=None,
            error="",
            tags=request.tags,
            prompt=request.prompt,
            created_at=1_700_000_000.0 + len(self.known_jobs),
            duration=SECONDS,
        )
        self.known_jobs[job.job_id] = job
        self.paths[job.job_id] = request.video
        self.requests[job.job_id] = request
        self.answers[job.job_id] = []
        return job

    def work(self, job_id: str, frames: int = 1, **changed: Any) -> JobView:
        """Answer the next frames; `changed` replaces fields of each, for example `state="failed"`."""
        for _ in range(frames):
            job, done = self.known_jobs[job_id], self.answers[job_id]
            at = len(done) * SECONDS / FRAMES
            frame = FrameView(
                index=len(done),
                time=at,
                state="answered",
                tags={tag: 0.9 if place == 0 else 0.2 for place, tag in enumerate(job.tags)},
                caption="A boat <on> a lake" if job.prompt else "",
                facts={},
                error="",
                thumbnail=f"/thumbnails/{job_id}/{round(at * 1e6)}.jpg",
            )
            done.append(replace(frame, **changed))
            over = len(done) == job.frames_total
            self.change(
                job_id,
                frames_done=len(done),
                progress=len(done) / job.frames_total,
                frames_per_second=4.2,
                eta_seconds=(job.frames_total - len(done)) / 4.2,
                latest=done[-1],
                status="completed" if over else job.status,
            )
        return self.known_jobs[job_id]

    def change(self, job_id: str, **changed: Any) -> JobView:
        """Set fields of a job, for example its status."""
        self.known_jobs[job_id] = replace(self.job(job_id), **changed)
        return self.known_jobs[job_id]

    def job(self, job_id: str) -> JobView:
        if job_id not in self.known_jobs:
            raise InvalidInput(f"There is no analysis {job_id!r}; it may have been deleted.")
        return self.known_jobs[job_id]

    def request(self, job_id: str) -> AnalysisRequest:
        self.job(job_id)
        return self.requests[job_id]

    def jobs(self, status: str = "", limit: int = 50) -> list[JobView]:
        newest = reversed(self.known_jobs.values())
        return [job for job in newest if not status or job.status == status][:limit]

    def active_job(self) -> JobView | None:
        return next((job for job in self.known_jobs.values() if job.status in ("running", "queued")), None)

    def pause_job(self, job_id: str) -> JobView:
        self._note("pause_job", job_id)
        return self.change(job_id, status="paused", reason="user")

    def resume_job(self, job_id: str) -> JobView:
        self._note("resume_job", job_id)
        if self.job(job_id).status not in RESUMABLE:
            raise InvalidInput("This analysis cannot be resumed.")
        return self.change(job_id, status="running", reason="")

    def cancel_job(self, job_id: str) -> JobView:
        self._note("cancel_job", job_id)
        return self.change(job_id, status="cancelled")

    def delete_job(self, job_id: str) -> JobView:
        self._note("delete_job", job_id)
        view = self.job(job_id)
        del self.known_jobs[job_id]
        return view

    def frames(self, job_id: str, limit: int | None = None, newest_first: bool = False) -> list[FrameView]:
        found = self.answers.get(job_id, [])
        return (found[::-1] if newest_first else found)[:limit]

    def job_result(self, job_id: str) -> JobResult:
        return JobResult(
            self.job(job_id), tuple(self.answers[job_id]), (), {"frames": len(self.answers[job_id])}
        )

    def export_job(self, job_id: str, format: str) -> Path:
        if format != "json":
            raise InvalidInput(f"There is no export as {format!r} yet. Use json.")
        place = self.folder / f"{self.job(job_id).job_id}.json"
        place.write_text(repr(asdict(self.job_result(job_id))), encoding="utf-8")
        return place

    def video_path(self, job_id: str) -> Path:
        self.job(job_id)
        return self.paths[job_id]

    def thumbnail_path(self, job_id: str, time_us: int) -> Path:
        return self.folder / "thumbnails" / job_id / f"{time_us}.jpg"

    def close(self) -> None:
        self._note("close")
        self.previews.close()

    def _note(self, verb: str, *given: Any) -> None:
        self.asked.append((verb, *given))
        if verb in self.fails:
            raise self.fails[verb]
