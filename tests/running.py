"""What tests run jobs with: a store, a slot with a given backend and the runner, or a whole engine."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from engine.backends.base import LoadPlan
from engine.engine import Engine
from engine.events.jobs import ENDED
from engine.events.switching import SwitchFinished
from engine.jobs import JobRunner
from engine.jobs.views import job_spans, samples_of
from engine.loading import Candidate
from engine.slot import Slot
from engine.video.frames import probe
from engine.video.request import AnalysisRequest
from engine.video.span_settings import SpanSettings
from storage.records import FrameRecord, JobRecord
from storage.store import Store
from storage.thumbnails import Thumbnails
from tests.fakes import FakeBackend

WAIT = 120  # seconds after which a test gives up
OVER = ("completed", "completed_with_errors", "failed", "cancelled", "interrupted", "paused")

Seen = TypeVar("Seen")


def until(look: Callable[[], Seen], wanted: Callable[[Seen], bool]) -> Seen:
    """What `look` gives once `wanted` holds for it."""
    pause = threading.Event()
    for _ in range(WAIT * 100):
        if wanted(found := look()):
            return found
        pause.wait(0.01)
    raise AssertionError(found)


def decoding() -> set[threading.Thread]:
    """The threads that decode a video now."""
    return {thread for thread in threading.enumerate() if thread.name == "decoding"}


def analysed(
    engine: Engine,
    video: Path,
    tags: str = "mostly red, mostly blue",
    interval: float = 0.5,
    prompt: str = "",
    **options: object,
) -> str:
    """The id of a job that ran to its end."""
    request = AnalysisRequest.of(video, tags, prompt, interval, options)
    return ended(engine, engine.submit_video(request).job_id)


def ended(engine: Engine, job_id: str) -> str:
    """The id, once the job has ended."""
    until(lambda: engine.job(job_id).status, lambda status: status in ENDED)
    return job_id


def opened(folder: Path, shelf: Path | None = None) -> Engine:
    """An engine at work, its data in this folder, and its models unless a shelf is given. To be closed."""
    engine = Engine(Store.open(folder / "data"), shelf or folder / "models")
    engine.start()
    return engine


@contextmanager
def engine_over(shelf: Path, folder: Path) -> Iterator[Engine]:
    """An engine with these models alone: none that were downloaded before are in its lists."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder / "cache"))
        engine = opened(folder, shelf)
        try:
            yield engine
        finally:
            engine.close()


@contextmanager
def engine_without_servers(folder: Path) -> Iterator[Engine]:
    """An engine that knows no server but those that a test names."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("OPENAI_BASE_URL", "HAVEN_OPENAI_SERVERS"):
            patched.delenv(name, raising=False)
        engine = opened(folder)
        try:
            yield engine
        finally:
            engine.close()


def switched(engine: Engine, provider: str, model: str) -> SwitchFinished:
    """How a switch of models ended."""
    run = engine.begin_switch(provider, model)
    assert run.wait(WAIT)
    assert isinstance(run.latest, SwitchFinished)
    return run.latest


def served_by(engine: Engine, base_url: str, **options: object) -> None:
    """Names a server "lab", waits until it has answered, and loads its first model."""
    engine.servers.save("lab", base_url)
    until(engine.providers, lambda seen: any(one.id == "openai" and one.available for one in seen))
    run = engine.begin_switch("openai", engine.models("openai")[0].name, options=options)
    assert run.wait(WAIT) and run.latest.success, run.latest.message


class Running:
    """What runs in a data folder. `stop_before`: numbers of questions at which the run is interrupted."""

    def __init__(self, folder: Path, backend: FakeBackend) -> None:
        self.backend = backend
        self.store = Store.open(folder)
        self.slot = Slot(
            Candidate("fake", "fake-1", {}, lambda cancel: LoadPlan("", 1, 100), lambda p, c: backend)
        )
        self.thumbnails = Thumbnails(folder / "thumbnails")
        self.runner = JobRunner(self.store, self.slot, self.thumbnails)
        self.runner.start()

    def submit(self, path: Path, **how: object) -> str:
        """Queue an analysis; gives its id."""
        request = AnalysisRequest.of(path, **how)
        return self.runner.submit(request, probe(path))

    def run(self, path: Path, **how: object) -> JobRecord:
        """Analyse a video to whatever end."""
        return self.wait(self.submit(path, **how))

    def resume(self, job_id: str) -> JobRecord:
        self.runner.resume(job_id)
        return self.wait(job_id)

    def interrupt(self) -> None:
        """End the run under way before its next question. To be called by the backend itself."""
        run = self.runner._worker.run
        assert run is not None
        run.stop("shutdown")

    def wait(self, job_id: str) -> JobRecord:
        """Until the job is over, or stopped, and off the thread."""
        pause = threading.Event()
        for _ in range(WAIT * 200):
            job, running = self.store.job(job_id), self.runner.running()
            if job is not None and job.status in OVER and (running is None or running.id != job_id):
                return job
            pause.wait(0.005)
        raise AssertionError(f"the job is {job and job.status}")

    def frames(self, job_id: str) -> list[FrameRecord]:
        return self.store.frames(job_id)

    def spans(self, job_id: str) -> dict[str, list[tuple[float, float]]]:
        """Start and end of each span by tag, in seconds."""
        job = self.store.job(job_id)
        assert job is not None
        found: dict[str, list[tuple[float, float]]] = {tag: [] for tag in job.tags}
        for span in job_spans(job, samples_of(self.frames(job_id)), SpanSettings(), ()):
            found[span.tag].append((span.start_us / 1e6, span.end_us / 1e6))
        return found

    def close(self) -> None:
        self.runner.close()
        self.slot.close()
        self.thumbnails.close()
        self.store.close()
