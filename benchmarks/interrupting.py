"""Requests on a real model that are cancelled at a random moment of one of their phases.

The time of a try is that from the cancel until the next request holds the backend; for a load, until the
switch is over. That next request is then carried out, and must give what it gives on an undisturbed model. In
between the processor time of the whole process is read over a short pause: what still computes would show.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from engine.backends.base import Backend, Finished, Frame, FrameTask, Message, TextDelta
from engine.cancel import CancelToken
from engine.engine import BUILTIN, Engine
from engine.errors import Cancelled
from engine.events.switching import SwitchFinished
from engine.settings import GenerationSettings
from engine.video.request import AnalysisRequest
from storage.store import Store
from tests.fixtures.videos import constant, numbered_picture, numbered_video

PAUSE = 0.02  # seconds in which an idle process is watched
PREFILL = 2000  # tokens
GREEDY = GenerationSettings(max_new_tokens=64, temperature=0, seed=0)
SHORT = GenerationSettings(max_new_tokens=4, temperature=0, seed=0)
ENDLESS = "Name colours without end."
PICTURE = Frame(0, 0, numbered_picture(5, (640, 360)))
TASK = FrameTask(tags=("red",))


@dataclass
class Try:
    """One cancelled request."""

    phase: str
    seconds: float = 0.0  # from the cancel until the next request may start
    busy: float = 0.0  # cores that were busy in the pause afterwards
    wrong: str = ""  # what the next request did wrong, or what was not kept


@dataclass(frozen=True)
class Phase:
    """A request, and between which seconds of it the phase lies."""

    name: str
    request: "Request"
    begins: float
    ends: float


@dataclass
class Answer:
    """What a request said until its end; times in seconds from its start."""

    pieces: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    cancelled: bool = False

    def add(self, piece: str, began: float) -> None:
        self.pieces.append(piece)
        self.times.append(time.perf_counter() - began)


Request = Callable[[Backend, CancelToken, Answer], None]


class Bench:
    """One model in an engine of its own, and what an undisturbed request gives."""

    def __init__(self, data: Path, shelf: Path, model: str, rng: random.Random) -> None:
        self.engine = Engine(Store.open(data), shelf)
        self.engine.start()
        self.slot = self.engine._slot  # there is no verb for a single request
        self.model = model
        self.rng = rng
        self.load_seconds = self._switch("transformers", model)  # imports the libraries: not counted
        self._switch(*BUILTIN)
        self.load_seconds = self._switch("transformers", model)
        self.expected = self._next_request()
        self.video = numbered_video(data / "numbers.mp4", constant(900), size=(640, 360)).path

    def phases(self) -> list[Phase]:
        """Measured on undisturbed requests."""
        picture, prefill, tokens = self._encode, self._reader(), self._write
        encoded = self._undisturbed(picture).times[0]
        read = self._undisturbed(prefill).times[0]
        written = self._undisturbed(tokens).times
        return [
            Phase("encoding", picture, 0, encoded),
            Phase("prefill", prefill, 0, read),
            Phase("tokens", tokens, written[0], written[-1]),
        ]

    def cancelled_request(self, phase: Phase) -> Try:
        """One that was still running when it was cancelled: others are begun anew."""
        while True:
            done = self._try(phase, self.rng.uniform(phase.begins, phase.ends))
            if done is not None:
                return done

    def _try(self, phase: Phase, delay: float) -> Try | None:
        token, answer, begun, freed = CancelToken(), Answer(), threading.Event(), [0.0]

        def work() -> None:
            try:
                with self.slot.lease(token) as backend:
                    begun.set()
                    phase.request(backend, token, answer)
            except Cancelled:
                answer.cancelled = True
            with self.slot.lease(CancelToken()):
                freed[0] = time.perf_counter()

        thread = threading.Thread(target=work)
        thread.start()
        begun.wait()
        time.sleep(delay)
        cancelled_at = time.perf_counter()
        token.cancel()
        thread.join()
        if not answer.cancelled:
            return None
        return self._followed_up(Try(phase.name, freed[0] - cancelled_at))

    def cancelled_load(self) -> Try:
        """A load of the model beside the built-in one; the same load is then let through."""
        self._switch(*BUILTIN)
        while True:
            run = self.engine.begin_switch("transformers", self.model)
            time.sleep(self.rng.uniform(0, self.load_seconds))
            cancelled_at = time.perf_counter()
            run.cancel.cancel()
            run.wait()
            seconds = time.perf_counter() - cancelled_at
            if isinstance(run.latest, SwitchFinished) and run.latest.phase == "cancelled":
                break
            self._switch(*BUILTIN)
        done = Try("loading", seconds, _cores_busy())
        if self.engine.status().provider != "builtin":
            done.wrong = "the built-in provider did not go on serving"
        self._switch("transformers", self.model)
        return self._followed_up(done)

    def cancelled_job(self) -> Try:
        """A job that had kept at least one frame; all that was kept before is there afterwards."""
        request = AnalysisRequest.of(self.video, "red", interval=0.1)
        job_id = self.engine.submit_video(request).job_id
        while self.engine.job(job_id).frames_done == 0:
            time.sleep(0.002)
        rate = self.engine.job(job_id).frames_per_second or 1.0
        time.sleep(self.rng.uniform(0, 2 / rate))
        kept = self.engine.frames(job_id)
        cancelled_at = time.perf_counter()
        self.engine.cancel_job(job_id)
        while self.engine.status().busy:
            time.sleep(0.0005)
        with self.slot.lease(CancelToken()):
            done = Try("job", time.perf_counter() - cancelled_at)
        if self.engine.frames(job_id)[: len(kept)] != kept:
            done.wrong = "a frame that was kept is lost"
        if self.engine.job(job_id).status != "cancelled":
            done.wrong = f"the job is {self.engine.job(job_id).status}"
        return self._followed_up(done)

    def _followed_up(self, done: Try) -> Try:
        done.busy = max(done.busy, _cores_busy())
        answer = self._next_request()
        if answer != self.expected:
            done.wrong = f"the next request gave {answer!r}, not {self.expected!r}"
        return done

    def _next_request(self) -> tuple[str, ...]:
        answer = Answer()
        with self.slot.lease(CancelToken()) as backend:
            messages = [Message("user", "What colour is this?", (PICTURE.picture,))]
            _stream(backend, messages, SHORT, CancelToken(), answer)
        return tuple(answer.pieces)

    def _undisturbed(self, request: Request) -> Answer:
        answer = Answer()
        with self.slot.lease(CancelToken()) as backend:
            request(backend, CancelToken(), answer)
        return answer

    def _encode(self, backend: Backend, token: CancelToken, answer: Answer) -> None:
        began = time.perf_counter()
        for said in backend.look([PICTURE], TASK, token):
            answer.add(repr(said.tags), began)

    def _reader(self) -> Request:
        """Reads as many tokens as the model's context takes, `PREFILL` at most, and writes one."""
        with self.slot.lease(CancelToken()) as backend:
            most = min(PREFILL, backend.info.context_length - 8)
            words = most
            while backend.count_tokens(_long_text(words)) > most:
                words -= max(1, words // 50)
        messages = _long_text(words)
        return lambda backend, token, answer: _stream(backend, messages, SHORT, token, answer)

    def _write(self, backend: Backend, token: CancelToken, answer: Answer) -> None:
        _stream(backend, [Message("user", ENDLESS)], GREEDY, token, answer)

    def _switch(self, provider: str, model: str) -> float:
        run = self.engine.begin_switch(provider, model)
        run.wait()
        result = run.latest
        if not isinstance(result, SwitchFinished) or not result.success:
            raise SystemExit(f"{model} could not be loaded: {result.message}")
        return result.seconds


def _stream(
    backend: Backend,
    messages: list[Message],
    params: GenerationSettings,
    token: CancelToken,
    answer: Answer,
) -> None:
    began = time.perf_counter()
    for item in backend.stream(messages, params, token):
        if isinstance(item, TextDelta):
            answer.add(item.text, began)
        elif isinstance(item, Finished):
            answer.cancelled = item.reason == "cancelled"


def _long_text(words: int) -> list[Message]:
    return [Message("user", "red " * words)]


def _cores_busy() -> float:
    before = time.process_time()
    time.sleep(PAUSE)
    return (time.process_time() - before) / PAUSE
