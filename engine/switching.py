"""A model switch that is under way: runs on its own thread, and says how far it is to whoever looks."""

import logging
import threading
from collections.abc import Callable

from engine.cancel import CancelToken
from engine.events.switching import SwitchFinished, SwitchProgress

log = logging.getLogger(__name__)

Report = Callable[[SwitchProgress], None]


class SwitchRun:
    """Started when it is made. Dropping it does not stop the switch; cancelling does."""

    def __init__(
        self, name: str, work: Callable[[Report, CancelToken], SwitchFinished], cancel: CancelToken
    ) -> None:
        self.cancel = cancel
        self._latest: SwitchProgress = SwitchProgress("waiting", 0.0, f"{name} is next.")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(work,), name="haven-switch")
        self._thread.start()

    @property
    def latest(self) -> SwitchProgress:
        """Where it is; a `SwitchFinished` once it is over."""
        return self._latest

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most so long; True when it is over."""
        return self._over.wait(seconds)

    def _run(self, work: Callable[[Report, CancelToken], SwitchFinished]) -> None:
        try:
            self._latest = work(self._report, self.cancel)
        except Exception as error:
            log.exception("a switch broke")
            message = f"Something in Haven broke: {type(error).__name__}: {error}"
            self._latest = SwitchFinished("failed", 0.0, message, False, "", "", 0.0, 0.0)
        finally:
            self._over.set()

    def _report(self, progress: SwitchProgress) -> None:
        self._latest = progress
