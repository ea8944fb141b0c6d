"""How long a chat waits for the backend while a video is analysed on the same CPU.

Chats are begun at random moments of a running job. The wait is that of the chat for its lease, the frame the
time that one `look` holds the backend; both are taken where leases are given out.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.models import KEPT, TINY_MODEL
from benchmarks.record import quantile
from engine.backends.base import Backend
from engine.cancel import CancelToken
from engine.engine import Engine
from engine.events.switching import SwitchFinished
from engine.slot import Slot
from engine.video.request import AnalysisRequest
from storage.store import Store
from tests.fixtures.videos import constant, numbered_video


@dataclass(frozen=True)
class Case:
    """One model, and how many tags it is asked about in each frame."""

    provider: str
    model: str
    tags: int
    chats: int


CASES = (
    Case("transformers", TINY_MODEL.name, 20, 100),
    Case("llamacpp", "tiny", 20, 100),
    Case("transformers", KEPT.name, 2, 10),
)


class Watch:
    """Stands where a slot gives out its leases, and takes the time; all in seconds."""

    def __init__(self, slot: Slot) -> None:
        self.waits: list[float] = []  # of chats
        self.frames: list[float] = []  # that each frame held the backend
        self._lease = slot.lease
        slot.lease = self.lease  # type: ignore[method-assign]

    @contextmanager
    def lease(self, cancel: CancelToken, urgent: bool = False) -> Iterator[Backend]:
        asked = time.perf_counter()
        with self._lease(cancel, urgent) as backend:
            given = time.perf_counter()
            yield backend
            if urgent:
                self.waits.append(given - asked)
            else:
                self.frames.append(time.perf_counter() - given)


def measure(data: Path, shelf: Path, quick: bool) -> list[dict[str, Any]]:
    """Print and give the figures of each case."""
    data.mkdir()
    video = numbered_video(data / "numbers.mp4", constant(9000), gop=30, size=(640, 360)).path
    engine = Engine(Store.open(data / "data"), shelf)
    engine.start()
    engine.set_generation(max_new_tokens=4, temperature=0)
    watch = Watch(engine._slot)  # there is no verb that tells of leases
    try:
        cases = CASES[:2] if quick else CASES
        return [_measure(engine, watch, case, video, 5 if quick else case.chats) for case in cases]
    finally:
        engine.close()


def _measure(engine: Engine, watch: Watch, case: Case, video: Path, chats: int) -> dict[str, Any]:
    run = engine.begin_switch(case.provider, case.model)
    run.wait()
    if not isinstance(run.latest, SwitchFinished) or not run.latest.success:
        raise SystemExit(run.latest.message)
    tags = ", ".join(f"thing {number}" for number in range(case.tags))
    job_id = engine.submit_video(AnalysisRequest.of(video, tags, interval=0.05)).job_id
    _until_frames(engine, job_id, 3)
    watch.waits.clear()
    watch.frames.clear()
    rng, frame = random.Random(1), 0.05
    for _ in range(chats):
        time.sleep(rng.uniform(0, 2 * frame))
        engine.chats.send("", "Hello").wait()
        frame = quantile(watch.frames, 0.5) if watch.frames else frame
    status = engine.job(job_id).status
    engine.cancel_job(job_id)
    if status != "running":
        raise SystemExit(f"the analysis was over too soon: it is {status}")
    return _report(case, watch)


def _until_frames(engine: Engine, job_id: str, count: int) -> None:
    while engine.job(job_id).frames_done < count:
        if engine.job(job_id).status not in ("queued", "running"):
            raise SystemExit(f"the analysis ended: {engine.job(job_id).error}")
        time.sleep(0.01)


def _report(case: Case, watch: Watch) -> dict[str, Any]:
    waits, frames = list(watch.waits), list(watch.frames)
    ratio = max(waits) / max(frames)
    print(
        f"{case.model} on {case.provider}, {case.tags} tags a frame: a chat waits "
        f"{quantile(waits, 0.5) * 1e3:.1f} ms in the median, {max(waits) * 1e3:.1f} at most; a frame takes "
        f"{quantile(frames, 0.5) * 1e3:.1f} and {max(frames) * 1e3:.1f}: {ratio:.2f} of a frame at most, "
        f"1 is wanted; {len(waits)} chats",
        flush=True,
    )
    return {
        "case": [case.provider, case.model],
        "tags": case.tags,
        "wait_seconds": waits,
        "frame_seconds": frames,
        "ratio": ratio,
    }
