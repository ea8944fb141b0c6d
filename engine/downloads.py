"""Downloads: the few verbs by which the page gets models, two at a time, each on its own thread.

What a download has so far outlives this process, so that a restarted one shows it and goes on. Knows
neither the network nor the layout of a staging folder; those are `hub` and `staging`.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.backends.ollama.provider import OllamaProvider
from engine.download_run import STOPPED, DownloadRun
from engine.errors import InvalidInput, ModelError
from engine.events.models import DownloadView, ModelOffer
from engine.fetching import PAUSES, Fetch
from engine.hub import HubLine
from engine.memory import Room, room
from engine.offers import CATALOG, offers, read_catalog
from engine.paths import why_not
from engine.staging import Staging, begun

AT_ONCE = 2
_PULL = "ollama:"
_LONGEST_NAME = 200  # characters
_FAREWELL = 1.0  # seconds that a thread is waited for when Haven closes


class Downloads:
    """Every verb may be called from any thread, and answers in a few milliseconds."""

    def __init__(
        self,
        shelf: Path,
        catalog: Path = CATALOG,
        endpoint: str = "",
        pauses: Sequence[float] = PAUSES,
        room: Callable[[], Room] = room,
    ) -> None:
        """`endpoint` is the hub's address, empty for the usual one; `pauses` are those between tries.

        `room` says what memory a model may take.
        """
        self._room = room
        self._shelf, self._catalog, self._endpoint, self._pauses = shelf, catalog, endpoint, pauses
        self._lock = threading.Lock()
        self._runs: dict[str, DownloadRun] = {}  # the last one of each id, in the order of their starts
        self._closed = False

    def offers(self) -> list[ModelOffer]:
        """What is worth getting. Raises: InvalidInput, naming what is wrong with the catalogue."""
        return offers(self._shelf, self._room(), self._catalog)

    def start(self, id: str) -> None:
        """Begin, or go on where it stopped; one that is under way is left alone. Raises: InvalidInput."""
        if id.startswith(_PULL):
            self.pull(id.removeprefix(_PULL))
            return
        offer = next((offer for offer in read_catalog(self._catalog) if offer.id == id), None)
        if offer is None:
            raise InvalidInput(f"There is no model {id!r} in the list of models worth getting.")
        self._begin(id, lambda run: self._fetch(offer, run))

    def pull(self, name: str) -> None:
        """The same for a model that an Ollama server downloads. Raises: InvalidInput for no name."""
        name = name.strip()
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            raise InvalidInput("Say which model the Ollama server is to pull, such as llama3.2:3b.")
        self._begin(f"{_PULL}{name}", lambda run: _pull(name, run))

    def cancel(self, id: str) -> None:
        """Stop it; what is here is kept for the next start. One that has ended is left as it is."""
        with self._lock:
            run = self._runs.get(id)
        if run is not None:
            run.stop()

    def discard(self, id: str) -> None:
        """Remove what a download that is not whole has left, stopping it first. Raises: ModelError."""
        with self._lock:
            run = self._runs.get(id)
            if run is not None and not run.over.is_set():
                run.forgotten = True
            else:
                self._runs.pop(id, None)
                self._remove(id)
                return
        run.stop()

    def views(self) -> list[DownloadView]:
        """Those of this process in the order of their starts, then what earlier ones have left."""
        with self._lock:
            runs = list(self._runs.values())
        shown = [run.view() for run in runs if not run.forgotten]
        known = {run.id for run in runs}
        left = [_left(staging) for staging in begun(self._shelf) if staging.id not in known]
        return [
            view for view in (*shown, *left) if view.state != "partial" or view.done_bytes or view.progress
        ]

    def close(self) -> None:
        """Stop everything; what is here is kept."""
        with self._lock:
            self._closed = True
            runs = list(self._runs.values())
        for run in runs:
            run.stop()
        for run in runs:
            run.over.wait(_FAREWELL)

    def _begin(self, id: str, work: Callable[[DownloadRun], str]) -> None:
        with self._lock:
            if self._closed:
                raise InvalidInput("Haven is closing. Start the download again afterwards.")
            before = self._runs.pop(id, None)
            if before is not None and before.state in ("waiting", "downloading"):
                self._runs[id] = before
                return
            run = DownloadRun(id, work, self._after, before)
            if not id.startswith(_PULL):
                run.tell(*self._staging(id).known())
            self._runs[id] = run
            self._begin_waiting()

    def _begin_waiting(self) -> None:
        """As many as may be under way at once. The lock is held."""
        under_way = sum(run.state == "downloading" for run in self._runs.values())
        waiting = [run for run in self._runs.values() if run.state == "waiting"]
        for run in waiting[: max(0, AT_ONCE - under_way)]:
            run.begin()

    def _after(self, run: DownloadRun) -> None:
        """At the end of a run, on its thread."""
        with self._lock:
            try:
                if run.forgotten:
                    if self._runs.get(run.id) is run:
                        del self._runs[run.id]
                    self._remove(run.id)
                elif run.state != "completed" and not run.id.startswith(_PULL):
                    run.tell(*self._staging(run.id).known())
            finally:  # what cannot be removed holds up no other download
                if not self._closed:
                    self._begin_waiting()

    def _staging(self, id: str) -> Staging:
        return Staging(self._shelf, id)

    def _remove(self, id: str) -> None:
        """Only what is a download: an id may come from outside. Raises: ModelError."""
        for staging in begun(self._shelf):
            if staging.id == id:
                try:
                    with staging.alone():
                        staging.discard()
                except OSError as error:
                    raise ModelError(why_not(error.filename or self._shelf, error)) from error

    def _fetch(self, offer: ModelOffer, run: DownloadRun) -> str:
        line = HubLine(self._endpoint)
        take_back = run.cancel.on_cancel(line.hang_up)
        try:
            folder = Fetch(offer, self._shelf, line, run.tell, run.cancel, self._pauses).run()
        finally:
            take_back()
            line.close()
        return f"{offer.label} is here: {folder}"


def _pull(name: str, run: DownloadRun) -> str:
    OllamaProvider().pull(name, run.tell_share, run.cancel)
    return f"The Ollama server has {name} now."


def _left(staging: Staging) -> DownloadView:
    """What another process has left of a download."""
    done, total = staging.known()
    share = done / total if total else None
    return DownloadView(staging.id, "partial", done, total, None, None, STOPPED, share)
