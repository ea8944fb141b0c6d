"""The engine: the few verbs that the page and scripts call. Owns the slot and the jobs.

Translates between what is stored and what is shown; decides nothing that the slot or the job runner can
decide. Every verb may be called from any thread.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast, get_args

from engine.backends import PROVIDER_IDS, provider
from engine.backends.base import BackendInfo, ModelEntry
from engine.backends.builtin import BuiltinBackend
from engine.bounds import whole
from engine.cancel import CancelToken
from engine.candidates import candidate
from engine.chat.conversation import Chats
from engine.downloads import Downloads
from engine.errors import Busy, InvalidInput
from engine.events.jobs import AnalysisPlan, FrameView, JobResult, JobStatus, JobView
from engine.events.models import ProviderStatus
from engine.events.switching import Status, SwitchFinished, SwitchProgress
from engine.jobs import JobRunner
from engine.jobs.again import request_of
from engine.jobs.comparing import Comparisons
from engine.jobs.exporting import Exports
from engine.jobs.findings import Findings
from engine.jobs.lookup import known_job
from engine.jobs.search import Search
from engine.jobs.videos import sha256_of
from engine.jobs.views import frame_view, job_result, samples_of
from engine.library import Library
from engine.library.queueing import Analysis
from engine.memory import Room, room
from engine.paths import place_of
from engine.plans import plan
from engine.prompts import SavedPrompts
from engine.refusals import refuse_an_empty_range, refuse_what_the_model_cannot
from engine.servers import NamedServers
from engine.settings import GenerationSettings
from engine.slot import Slot, WhenBusy
from engine.switching import Report, SwitchRun
from engine.trouble import storage_said
from engine.video.frames import VideoInfo, probe
from engine.video.previews import Previews
from engine.video.request import AnalysisRequest
from storage.errors import StorageError
from storage.patience import told_soon
from storage.store import Store
from storage.thumbnails import Thumbnails

log = logging.getLogger(__name__)

CANCEL_SECONDS = 1.0  # that `cancel_switch` waits for the end before it answers
BUILTIN = ("builtin", "scene-facts")


class Engine:
    """One backend, hot-swappable, and the jobs that use it."""

    def __init__(self, store: Store, models_dir: Path) -> None:
        """The built-in provider serves at once; nothing runs before `start`."""
        self._store = store
        self._shelf = models_dir
        self._slot = Slot(candidate(*BUILTIN, {}, models_dir), BuiltinBackend())
        self._thumbnails = Thumbnails(store.folder / "thumbnails")
        self._jobs = JobRunner(store, self._slot, self._thumbnails)
        self.chats = Chats(store, self._slot, self.generation)
        self.downloads = Downloads(models_dir, room=self._room)
        self.servers = NamedServers(store.setting, self._keep)
        self.prompts = SavedPrompts(store.prompts)
        self.previews = Previews(store.folder / "previews", lambda at, cancel: sha256_of(at, store, cancel))
        self.library = Library(store, self._jobs, self._for_library())
        self.findings = Findings(store)
        self.search = Search(store, self.findings)
        self.comparisons = Comparisons(store, self.findings, lambda job: self._jobs.view(job, forecast=False))
        self.exports = Exports(store, self.findings, self.job_result)
        self._changing = threading.Lock()  # one change of the settings, or choice of a model, at a time
        self._closing = False
        self._switches: list[SwitchRun] = []  # the last one, and those before it that have not ended
        self._last_error = ""
        self._generation = GenerationSettings().changed(store.setting("generation", {}))

    def start(self) -> None:
        """Recover what a dead process left, go on with the queue, bring back the last model."""
        self._jobs.start()
        self.previews.start()
        self.exports.start()
        self.chats.start()
        chosen = self._store.setting("model")
        if chosen and (chosen["provider"], chosen["model"]) != BUILTIN:
            self.begin_switch(chosen["provider"], chosen["model"], "wait", chosen["options"])
        self.library.start()  # once it is known that the last model is on its way

    def close(self) -> None:
        """Stop what runs, give all memory back, let go of the data folder."""
        with self._changing:
            self._closing = True
        for run in self._switches:
            run.cancel.cancel("Haven is closing")
        self.downloads.close()
        self.library.close()
        self.previews.close()
        self.findings.close()
        self.chats.close()
        self.servers.close()
        self._jobs.close()
        for run in self._switches:
            run.wait()
        self._slot.close()
        self._thumbnails.close()
        self._store.close()

    # models

    @property
    def shelf(self) -> Path:
        """The folder that a person puts models into, and downloads are put into."""
        return self._shelf

    def providers(self) -> list[ProviderStatus]:
        """Every provider, and why one cannot be used here; all are asked side by side."""
        known = [provider(provider_id) for provider_id in PROVIDER_IDS]
        with ThreadPoolExecutor(len(known), "haven-probe") as probes:  # servers that are down take their time
            reasons = list(probes.map(lambda one: one.unavailable(), known))
        return [
            ProviderStatus(one.id, one.label, not reason, reason)
            for one, reason in zip(known, reasons, strict=True)
        ]

    def models(self, provider_id: str) -> list[ModelEntry]:
        """What a provider could load now. Raises: InvalidInput for an unknown provider."""
        return provider(provider_id).models(self._shelf)

    def begin_switch(
        self,
        provider_id: str,
        model: str,
        when_busy: str = "refuse",
        options: Mapping[str, Any] | None = None,
    ) -> SwitchRun:
        """Start to load a model; how it went is the last thing that the run says.

        Without `options` the model is loaded with those that it was loaded with last; an option that is
        given as None is left to the backend again.
        """
        if options is not None and not isinstance(options, Mapping):
            raise InvalidInput(f"The options of a switch must be names with values, not {options!r}.")
        asked = options or self._store.setting(_options_key(provider_id, model), {})
        kept = {name: value for name, value in asked.items() if value is not None}
        wanted = candidate(provider_id, model, kept, self._shelf)

        def persist(info: BackendInfo) -> None:
            with told_soon():
                self._store.set_setting("model", {"provider": provider_id, "model": model, "options": kept})
                self._store.set_setting(_options_key(provider_id, model), kept)

        def work(report: Report, cancel: CancelToken) -> SwitchFinished:
            result = self._slot.switch(wanted, cast(WhenBusy, when_busy), report, cancel, persist)
            self._after_switch(result)
            return result

        token = CancelToken()
        with self._changing:  # who asks last wins, whichever thread is quicker
            self._slot.supersede(token)
            if self._closing:
                token.cancel("Haven is closing")
            run = SwitchRun(wanted.name, work, token)
            self._switches = [*(r for r in self._switches if not r.wait(0)), run]
        return run

    def switch_progress(self) -> SwitchProgress | None:
        """Of the switch that is under way, whoever asked for it."""
        latest = self._switches[-1:]
        return latest[0].latest if latest and not latest[0].wait(0) else None

    def cancel_switch(self) -> Status:
        """Stop the switch under way, if there is one; what served goes on serving."""
        for run in self._switches:
            run.cancel.cancel("it was cancelled")
            run.wait(CANCEL_SECONDS)
        return self.status()

    def unload_model(self) -> Status:
        """Go back to the built-in provider. Raises: Busy when something runs on the model."""
        run = self.begin_switch(*BUILTIN)
        run.wait()
        result = cast(SwitchFinished, run.latest)
        if not result.success:
            raise Busy(result.message)
        return self.status()

    def status(self) -> Status:
        """What serves now."""
        info = self._slot.info
        return Status(
            state="ready" if self.switch_progress() is None else "loading",
            provider=info.provider,
            model=info.model,
            vision=info.vision,
            memory_bytes=info.memory_bytes,
            generation=self._slot.generation,
            busy=self._slot.busy,
            last_error=self._last_error,
        )

    def backend_info(self) -> BackendInfo:
        """Of what serves now, tag vocabulary included."""
        return self._slot.info

    def generation(self) -> GenerationSettings:
        """How models write."""
        return self._generation

    def set_generation(self, **changes: Any) -> GenerationSettings:
        """Change some settings; holds for the next request. Raises: InvalidInput, naming what is off."""
        with self._changing, storage_said():
            changed = self._generation.changed(changes)
            self._store.set_setting("generation", asdict(changed))
            self._generation = changed
        return changed

    def _keep(self, key: str, value: Any) -> None:
        with storage_said():
            self._store.set_setting(key, value)

    def _after_switch(self, result: SwitchFinished) -> None:
        if result.phase == "failed":
            self._last_error = result.message
        elif result.success:
            self._last_error = ""
        try:
            self._jobs.model_changed()
        except StorageError as error:
            log.warning("jobs that wait for this model go on when the database lets them: %s", error)

    # videos and jobs

    def open_video(self, path: str | Path) -> VideoInfo:
        """What a video file is. Raises: MediaError or InvalidInput, naming the file and what to do."""
        return probe(place_of(path))

    def expect_upload(self, path: Path) -> None:
        """Read an upload that may be analysed soon, in the background: a job about it begins at once then."""
        self._jobs.expect_upload(path)

    def plan(self, request: AnalysisRequest) -> AnalysisPlan:
        """What an analysis would cost. Raises: as `open_video`."""
        video, model = self.open_video(request.video), self._slot.info
        return plan(request, video, model, self._store.earlier_speed(model.digest, request.prompt_sha256))

    def submit_video(self, request: AnalysisRequest) -> JobView:
        """Queue an analysis with the model that serves now.

        Raises: MediaError, InvalidInput (a tag outside the model's vocabulary, a model that sees nothing),
        OutOfSpace.
        """
        self._refuse(request)
        info = self.open_video(request.video)
        refuse_an_empty_range(request, info)
        with storage_said():
            job_id = self._jobs.submit(request, info)
        return self.job(job_id)

    def job(self, job_id: str) -> JobView:
        """Raises: InvalidInput for an id that is not known."""
        return self._jobs.view(known_job(self._store, job_id))

    def request(self, job_id: str) -> AnalysisRequest:
        """What a job was asked, to be asked again. Raises: InvalidInput for an id that is not known."""
        return request_of(known_job(self._store, job_id))

    def jobs(self, status: str = "", limit: int = 50) -> list[JobView]:
        """The newest first; `status` empty means all. Raises: InvalidInput."""
        if status and status not in get_args(JobStatus):
            raise InvalidInput(f"There is no status {status!r}. A job is {', '.join(get_args(JobStatus))}.")
        limit = whole("limit", limit, 1, 10_000)
        return [self._jobs.view(job, forecast=False) for job in self._store.jobs(status=status, limit=limit)]

    def active_job(self) -> JobView | None:
        """The job that runs, else the oldest in the queue, else the newest that waits by itself."""
        job = self._jobs.running() or self._store.next_queued()
        if job is None:
            waiting = (j for j in self._store.jobs(status="paused") if j.reason != "user")
            job = next(waiting, None)
        return self._jobs.view(job) if job else None

    def pause_job(self, job_id: str) -> JobView:
        """Raises: InvalidInput when there is nothing to pause."""
        return self._changed(self._jobs.pause, job_id)

    def resume_job(self, job_id: str) -> JobView:
        """Go on behind the last frame that was kept. Raises: InvalidInput when there is nothing to resume."""
        return self._changed(self._jobs.resume, job_id)

    def cancel_job(self, job_id: str) -> JobView:
        """Stop the computing; what was finished is kept. A job that has ended is left as it is."""
        return self._changed(self._jobs.cancel, job_id)

    def delete_job(self, job_id: str) -> JobView:
        """Forget a job with its answers, pictures and upload; gives how it was."""
        view = self.job(job_id)
        with storage_said():
            self._jobs.delete(job_id)
        return view

    def frames(self, job_id: str, limit: int | None = None, newest_first: bool = False) -> list[FrameView]:
        """The answers of a job, in the order of the video; with `newest_first`, those that came last."""
        job = self._store.job(job_id) if newest_first and limit is not None else None
        if job is not None and limit is not None:
            return [frame_view(frame) for frame in self._jobs.newest_frames(job, limit)]
        return [frame_view(f) for f in self._store.frames(job_id, limit=limit, newest_first=newest_first)]

    def job_result(self, job_id: str) -> JobResult:
        """Everything that is known of a job."""
        record = known_job(self._store, job_id)
        frames = self._store.frames(job_id)
        found = self.findings.of(record, samples_of(frames))
        return job_result(self._jobs.view(record), record, frames, found, self.findings.settings(job_id))

    def export_job(self, job_id: str, format: str) -> Path:
        """Write what is known of a job as a file. Raises: as `Exports.export`."""
        return self.exports.export(job_id, format)

    def video_path(self, job_id: str) -> Path:
        """The file that a job is about."""
        return Path(known_job(self._store, job_id).video_path)

    def thumbnail_path(self, job_id: str, time_us: int) -> Path:
        """Where the small picture of a frame is, once it is written."""
        return self._thumbnails.path(job_id, time_us)

    def _changed(self, change: Callable[[str], None], job_id: str) -> JobView:
        known_job(self._store, job_id)
        with storage_said():
            change(job_id)
        return self.job(job_id)

    def _for_library(self) -> Analysis:
        def found(job_id: str) -> list[str]:
            tags = self.job_result(job_id).summary["tags"]
            return [tag for tag, total in tags.items() if total["spans"]]

        return Analysis(
            submit=lambda request: self.submit_video(request).job_id,
            refuse=self._refuse,
            cancel=self._jobs.cancel,
            ready=lambda: self.switch_progress() is None,
            found=found,
            model=self.backend_info,
        )

    def _room(self) -> Room:
        return room(self._slot.info)

    def _refuse(self, request: AnalysisRequest) -> None:
        refuse_what_the_model_cannot(request, self._slot.info)


def _options_key(provider_id: str, model: str) -> str:
    return f"options/{provider_id}/{model}"
