"""An engine without its front door, in which a job waits at a frame until a test goes on."""

import threading
from pathlib import Path

from engine.backends.base import Frame, LoadPlan
from engine.cancel import CancelToken
from engine.jobs import JobRunner
from engine.loading import Candidate
from engine.slot import Slot
from engine.video.frames import probe
from engine.video.request import AnalysisRequest
from storage.store import Store
from storage.thumbnails import Thumbnails
from tests.fakes import FakeBackend, Gate
from tests.fixtures.videos import constant, numbered_video

WAIT = 30  # seconds after which a test gives up
FRAMES = 10
ALL_TIMES = [n * 100_000 for n in range(FRAMES)]


class House:
    """A store, a slot with a fake backend, and a runner: the engine without its front door."""

    def __init__(self, folder: Path) -> None:
        self.gate_at: dict[int, Gate] = {}
        self.answers: dict[int, object] = {}
        self.store = Store.open(folder)
        self.slot = Slot(self.model("first"))
        self.thumbnails = Thumbnails(folder / "thumbnails")
        self.runner = JobRunner(self.store, self.slot, self.thumbnails)

    def model(self, name: str) -> Candidate:
        def load(progress, cancel) -> FakeBackend:
            return FakeBackend(model=name, digest=name, on_look=self._pass_gate, answers=self.answers)

        return Candidate("fake", name, {}, lambda cancel: LoadPlan(name, 1, 100), load)

    def _pass_gate(self, frame: Frame) -> None:
        if frame.index in self.gate_at:
            self._wait_until_kept(frame.index)
            self.gate_at.pop(frame.index)()

    def _wait_until_kept(self, frames: int) -> None:
        """The answer before is kept beside the look at this frame, and a test counts on it."""
        pause = threading.Event()
        while (job := self.runner.running()) and job.frames_done < frames:
            pause.wait(0.002)

    def hold_at(self, index: int) -> Gate:
        self.gate_at[index] = Gate()
        return self.gate_at[index]

    def submit(self, path: Path, **how) -> str:
        request = AnalysisRequest.of(path, **({"tags": "boat", "interval": 0.1} | how))
        return self.runner.submit(request, probe(path))

    def wait_for(self, job_id: str, *statuses: str):
        """Until the job has one of these statuses and is off the thread."""
        pause = threading.Event()
        for _ in range(WAIT * 200):
            job, running = self.store.job(job_id), self.runner.running()
            if job.status in statuses and (running is None or running.id != job_id):
                return job
            pause.wait(0.005)
        raise AssertionError(f"the job is {job.status}, {job.error}")

    def times(self, job_id: str) -> list[int]:
        return [frame.time_us for frame in self.store.frames(job_id)]

    def switch(self, name: str, when_busy: str = "refuse") -> bool:
        cancel = CancelToken()
        result = self.slot.switch(self.model(name), when_busy, lambda p: None, cancel, lambda i: None)
        self.runner.model_changed()
        return result.success

    def close(self) -> None:
        self.runner.close()
        self.slot.close()
        self.thumbnails.close()
        self.store.close()


def stopped_at_frame_4(house: House, clip: Path, verb) -> str:
    gate = house.hold_at(4)
    job_id = house.submit(clip)
    assert gate.reached.wait(WAIT)
    stopping = threading.Thread(target=verb, args=(job_id,))
    stopping.start()
    run = house.runner._worker.run
    assert run is None or run.cancel.wait(WAIT)
    gate.open()
    stopping.join(WAIT)
    return job_id


def lake(folder: Path) -> Path:
    """A video of so many frames, a tenth of a second apart."""
    return numbered_video(folder / "lake.mp4", constant(FRAMES, 10)).path
