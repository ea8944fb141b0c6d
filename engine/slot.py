"""One hot-swappable thing: the slot that holds the backend which serves everybody.

A switch from one model to the next is a transaction: validate, load beside, warm up, flip, drain, close,
roll back. The slot knows neither where models come from (a `Candidate` does) nor where the choice is kept
(`persist` does); how one is loaded and tried is in `loading`.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, get_args

from engine import loading
from engine.backends.base import Backend, BackendInfo, LoadPlan
from engine.cancel import CancelToken
from engine.errors import Busy, Cancelled, HavenError, InvalidInput, ModelError
from engine.events.switching import SwitchFinished, SwitchPhase, SwitchProgress
from engine.leases import Leases, Occupant, Tenant
from engine.loading import Candidate

log = logging.getLogger(__name__)

WhenBusy = Literal["refuse", "wait", "cancel"]


@dataclass(eq=False)
class _Attempt:
    """One switch under way."""

    candidate: Candidate
    when_busy: WhenBusy
    report: Callable[[SwitchProgress], None]
    cancel: CancelToken
    interruption: float = 0.0  # seconds
    aftermath: str = ""  # what became of the old model, beside the reason of the failure
    started: float = field(default_factory=time.monotonic)

    def say(self, phase: SwitchPhase, progress: float, message: str) -> None:
        self.report(SwitchProgress(phase, progress, message))


class Slot:
    """The one backend of the process. Every method may be called from any thread."""

    def __init__(self, fallback: Candidate, backend: Backend | None = None) -> None:
        """`fallback` serves at once, and again when nothing else can: it must be cheap and sure.

        `backend` is the fallback where it is there already, so that nothing has to be loaded.
        """
        self._fallback = fallback
        self._leases = Leases()
        self._turn = threading.Lock()
        self._choice = threading.Lock()
        self._latest = CancelToken()
        self._drains: list[threading.Thread] = []
        self._generation = 0
        self._serve(backend or loading.load_now(fallback), fallback)

    @property
    def info(self) -> BackendInfo:
        """Of the backend that serves now, or that served last while a switch has none loaded."""
        return self._info

    @property
    def generation(self) -> int:
        """Counts the flips: the same number means the same loaded model."""
        return self._generation

    @property
    def busy(self) -> tuple[str, ...]:
        """What runs on the backend, in the words of those who run it."""
        return tuple(occupant.name for occupant in self._leases.occupants())

    def occupy(
        self, name: str, stop: Callable[[], None], cancel: CancelToken, urgent: bool = False
    ) -> AbstractContextManager[None]:
        """Count as busy, under `name`, between leases as well; `stop` is called by a switch that cancels.

        While a switch makes way, only who is `urgent` (a chat) comes in; others wait.
        Raises: Cancelled while waiting.
        """
        return self._leases.occupy(Occupant(name, stop), cancel, urgent)

    def lease(self, cancel: CancelToken, urgent: bool = False) -> AbstractContextManager[Backend]:
        """The only way to the backend: for one answer, or one `look`. Who is `urgent` comes first.

        Raises: Cancelled while waiting for it.
        """
        return self._leases.lease(cancel, urgent)

    def switch(
        self,
        candidate: Candidate,
        when_busy: WhenBusy,
        report: Callable[[SwitchProgress], None],
        cancel: CancelToken,
        persist: Callable[[BackendInfo], None],
    ) -> SwitchFinished:
        """Put `candidate` in the place of what serves; the result says how it went.

        The latest request wins: one that is under way is cancelled. `persist` is called after the flip,
        before another switch may begin. On failure what served before goes on serving.
        Never raises.
        """
        attempt = _Attempt(candidate, when_busy, report, cancel)
        self.supersede(cancel)
        attempt.say("waiting", 0.0, f"{candidate.name} is next.")
        with self._turn:
            try:
                return self._attempt(attempt, persist)
            finally:
                self._leases.admit(True)

    def supersede(self, cancel: CancelToken) -> None:
        """Make this the switch that was asked for last, and cancel the one before.

        `switch` does so itself; who starts it on another thread does it before, so that requests keep
        their order. One that was itself superseded meanwhile changes nothing.
        """
        with self._choice:
            if cancel.cancelled or cancel is self._latest:
                return
            earlier, self._latest = self._latest, cancel
        earlier.cancel("another model was chosen")

    def cancel_switch(self) -> None:
        """Stop the switch under way, if there is one; what served goes on serving."""
        with self._choice:
            latest = self._latest
        latest.cancel("it was cancelled")

    def close(self) -> None:
        """Cancel a switch, wait for the leases, give all memory back. Nothing may be leased afterwards."""
        self.cancel_switch()
        with self._turn:
            tenant = self._leases.vacate(CancelToken())
        for thread in self._drains:
            thread.join()
        if tenant is not None:
            loading.close(tenant.backend)

    def _attempt(self, attempt: _Attempt, persist: Callable[[BackendInfo], None]) -> SwitchFinished:
        name = attempt.candidate.name
        try:
            self._transact(attempt)
        except Cancelled as stopped:
            return self._finished(attempt, "cancelled", f"{name} was not loaded: {stopped}.")
        except HavenError as error:
            return self._finished(attempt, "failed", str(error))
        except Exception as error:
            log.exception("switching to %s", name)
            why = str(error) or type(error).__name__
            return self._finished(attempt, "failed", f"{name} could not be loaded: {why}")
        try:
            persist(self._info)
        except Exception as error:  # the model serves all the same
            log.exception("keeping the choice of %s", name)
            attempt.aftermath = f"It will have to be picked again after a restart: {error}"
        return self._finished(attempt, "done", f"{name} is ready.")

    def _finished(self, attempt: _Attempt, phase: SwitchPhase, message: str) -> SwitchFinished:
        return SwitchFinished(
            phase=phase,
            progress=1.0 if phase == "done" else 0.0,
            message=f"{message} {attempt.aftermath}".strip(),
            success=phase == "done",
            provider=self._info.provider,
            model=self._info.model,
            seconds=time.monotonic() - attempt.started,
            interruption_seconds=attempt.interruption,
        )

    def _transact(self, attempt: _Attempt) -> None:
        """Raises: HavenError, or whatever a candidate raises; then what served before serves."""
        attempt.cancel.raise_if_cancelled()
        if attempt.when_busy not in get_args(WhenBusy):
            choices = ", ".join(get_args(WhenBusy))
            raise InvalidInput(f"when_busy must be one of {choices}, not {attempt.when_busy!r}.")
        if attempt.when_busy == "refuse" and self.busy:
            raise Busy(f"{' and '.join(self.busy)} is running. Wait for it or stop it, then load the model.")
        attempt.say("validating", 0.0, f"Checking {attempt.candidate.name}.")
        attempt.candidate.reach(attempt.cancel)
        plan = attempt.candidate.validate(attempt.cancel)
        attempt.cancel.raise_if_cancelled()
        if self._serves_already(attempt.candidate, plan):
            return
        beside = plan.memory_bytes <= plan.free_bytes
        if not beside and plan.memory_bytes > plan.free_bytes + self._info.memory_bytes:
            raise ModelError(loading.too_large(attempt.candidate, plan, self._info.model))
        self._make_way(attempt)
        if beside:
            self._flip(attempt, loading.prepare(attempt.candidate, attempt.say, attempt.cancel))
        else:
            self._replace(attempt)

    def _serves_already(self, candidate: Candidate, plan: LoadPlan) -> bool:
        served = self._candidate
        return (
            self._info.digest == plan.digest
            and (served.provider, served.model) == (candidate.provider, candidate.model)
            and dict(served.options) == dict(candidate.options)
        )

    def _make_way(self, attempt: _Attempt) -> None:
        """Wait for the occupants to end, or stop them first; new ones wait until the switch is over."""
        self._leases.admit(False)
        if attempt.when_busy == "refuse":
            return  # whoever came in since is drained, not stopped
        occupants = self._leases.occupants()
        if occupants:
            attempt.say("waiting", 0.0, f"Waiting for the end of: {', '.join(o.name for o in occupants)}.")
        if attempt.when_busy == "cancel":
            for occupant in occupants:
                occupant.stop()
        self._leases.wait_until_unoccupied(attempt.cancel)

    def _flip(self, attempt: _Attempt, backend: Backend) -> None:
        """The old backend goes on for those who hold a lease on it, and is closed behind them."""
        before = time.monotonic()
        old = self._serve(backend, attempt.candidate)
        attempt.interruption = time.monotonic() - before
        if old is not None:
            self._drain(old)

    def _replace(self, attempt: _Attempt) -> None:
        """Both do not fit: close the old one first, and bring it back when the new one fails."""
        served = self._candidate
        attempt.say("closing", 0.0, f"Unloading {served.name} to make room.")
        old = self._leases.vacate(attempt.cancel)
        vacated = time.monotonic()
        try:
            if old is not None:
                loading.close(old.backend)
            loading.await_memory(attempt.candidate, attempt.cancel)
            self._serve(loading.prepare(attempt.candidate, attempt.say, attempt.cancel), attempt.candidate)
        except BaseException:
            self._restore(attempt, served)
            raise
        finally:
            attempt.interruption = time.monotonic() - vacated

    def _restore(self, attempt: _Attempt, served: Candidate) -> None:
        attempt.say("restoring", 0.0, f"Bringing back {served.name}.")
        try:
            self._serve(loading.load_now(served), served)
            attempt.aftermath = f"{served.name} was brought back."
        except Exception as error:
            log.exception("bringing back %s", served.name)
            self._serve(loading.load_now(self._fallback), self._fallback)
            attempt.aftermath = (
                f"{served.name} could not be brought back ({error}); {self._fallback.name} serves instead."
            )

    def _serve(self, backend: Backend, candidate: Candidate) -> Tenant | None:
        """The flip: one assignment under the lock of the leases. Gives back the tenant before."""
        self._info, self._candidate = backend.info, candidate
        self._generation += 1
        return self._leases.put(Tenant(backend))

    def _drain(self, old: Tenant) -> None:
        def close_behind_the_last() -> None:
            self._leases.wait_until_returned(old)
            loading.close(old.backend)

        thread = threading.Thread(target=close_behind_the_last, name="haven-drain")
        self._drains = [*(t for t in self._drains if t.is_alive()), thread]
        thread.start()
