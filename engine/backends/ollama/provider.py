"""The provider of an Ollama server's models: what is there, checking one, loading it there.

The weights are in the server's memory, so nothing is needed of ours. Cheap to make and to ask: whether
the server answers is looked up on a thread of its own and kept for some seconds.
"""

import logging
import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import psutil

from engine.backends.base import Backend, BackendInfo, LoadPlan, LoadProgress, ModelEntry
from engine.backends.ollama.server import Details, Listed, OllamaServer, address_of
from engine.backends.ollama.wire import OllamaWire
from engine.backends.remote.backend import PARALLEL, RemoteBackend
from engine.backends.remote.calls import Patience
from engine.backends.remote.faults import ServerFault
from engine.backends.remote.lines import Address, Limits
from engine.backends.remote.named import told
from engine.backends.remote.reach import Reach, why_not
from engine.cancel import CancelToken
from engine.errors import InvalidInput, ModelError
from engine.settings import LoadOptions

log = logging.getLogger(__name__)
USUAL_CONTEXT = 8192  # tokens: what a model was trained for may need more memory than there is
_FOREIGN_OPTIONS = ("flash_attention", "device", "dtype", "quantization")


class OllamaProvider:
    """The server that was named on the page, else that of `OLLAMA_HOST`, else the one on this machine."""

    id = "ollama"
    label = "Ollama"
    _reach: ClassVar[Reach[str]] = Reach()
    _known: ClassVar[dict[tuple[str, str], Details]] = {}  # by address and digest

    def __init__(self, limits: Limits | None = None, patience: Patience | None = None) -> None:
        """`limits` and `patience` are those of answering."""
        named = told().ollama
        self._host = named or os.environ.get("OLLAMA_HOST", "")
        self._setting = "its address on the Models tab" if named else "OLLAMA_HOST"
        self._limits, self._patience = limits, patience

    def unavailable(self, patient: CancelToken | None = None, model: str = "") -> str:
        """Looks for well below a second unless `patient`, and no more often than every few seconds."""
        if find_spec("ollama") is None:
            return "The package ollama is not installed. Run: pip install -r requirements.txt"
        try:
            address = self._address
        except InvalidInput as error:
            return str(error)
        import_module("httpx")  # before the clock runs; the page has it imported already
        return self._reach.ask(
            address,
            lambda: why_not(address, "api/version"),
            otherwise=f"{address.url} has not answered yet. {address.not_there}",
            patient=patient,
        )

    def models(self, shelf: Path, model: str = "", cancel: CancelToken | None = None) -> list[ModelEntry]:
        """The server's own list, without models that write nothing; empty where the server is gone.

        Raises: Cancelled.
        """
        try:
            server = OllamaServer(self._address)
        except InvalidInput as error:
            log.info("no list of models: %s", error)
            return []
        try:
            token = cancel or CancelToken()
            entries = [self._entry(server, listed, token) for listed in server.models(token)]
        except ServerFault as fault:
            log.info("no list of models: %s", fault)
            return []
        finally:
            server.close()
        return [entry for entry in entries if entry is not None]

    def validate(
        self, entry: ModelEntry, options: LoadOptions, cancel: CancelToken | None = None
    ) -> LoadPlan:
        """Raises: ModelError where the server does not have it, InvalidInput for an option it has not;
        Cancelled.
        """
        server = OllamaServer(self._address)
        try:
            token = cancel or CancelToken()
            model = _find(server, entry.name, token)
            _load_options(entry.name, options, self._details(server, model, token))
        finally:
            server.close()
        return LoadPlan(model.digest, memory_bytes=0, free_bytes=psutil.virtual_memory().available)

    def load(
        self, entry: ModelEntry, options: LoadOptions, progress: LoadProgress, cancel: CancelToken
    ) -> Backend:
        """Has the server load it, which says nothing of how far it is. Raises: ModelError, Cancelled."""
        cancel.raise_if_cancelled()
        server = OllamaServer(self._address)
        progress(0.0, f"asking {server.address.url} about {entry.name}")
        try:
            model = _find(server, entry.name, cancel)
            details = self._details(server, model, cancel)
            chosen = _load_options(entry.name, options, details)
            progress(0.1, f"waiting until {server.address.url} has loaded {entry.name}")
            server.preload(entry.name, chosen, cancel)
        except BaseException:
            server.close()
            raise
        progress(1.0, "ready")
        info = BackendInfo(
            provider=self.id,
            model=entry.name,
            digest=model.digest,
            vision=details.vision,
            context_length=chosen["num_ctx"],
            memory_bytes=0,
            parallel=options.parallel or PARALLEL,
            load_options=options.of_answers(),
        )
        wire = OllamaWire(server, entry.name, chosen, thinks=details.thinks, limits=self._limits)
        return RemoteBackend(info, wire, self._patience)

    def pull(self, name: str, progress: LoadProgress, cancel: CancelToken) -> None:
        """Have the server download a model, by the bytes of its layers. Raises: ModelError, Cancelled."""
        server = OllamaServer(self._address)
        try:
            server.pull(name, progress, cancel)
        finally:
            server.close()

    @property
    def _address(self) -> Address:
        """Raises: InvalidInput."""
        return address_of(self._host, self._setting)

    def _details(self, server: OllamaServer, model: Listed, cancel: CancelToken) -> Details:
        """Asked once for each digest, since it stands for all that makes up the model."""
        key = server.address.url, model.digest
        if key not in self._known:
            self._known[key] = server.details(model.name, cancel)
        return self._known[key]

    def _entry(self, server: OllamaServer, model: Listed, cancel: CancelToken) -> ModelEntry | None:
        """None for a model that does not write; one that the server cannot describe says why."""
        try:
            details = self._details(server, model, cancel)
        except ServerFault as fault:
            return ModelEntry(model.name, self.id, False, model.size_bytes, f"Cannot be loaded. {fault}")
        where = f"at {server.address.url}"
        detail = f"{model.detail}, {where}" if model.detail else where
        entry = ModelEntry(model.name, self.id, details.vision, model.size_bytes, detail)
        return entry if details.writes else None


def _find(server: OllamaServer, name: str, cancel: CancelToken) -> Listed:
    for model in server.models(cancel):
        if model.name == name:
            return model
    raise ModelError(f"{server.address.url} has no model {name!r} any more. Pull it, or pick another one.")


def _load_options(name: str, options: LoadOptions, details: Details) -> dict[str, int]:
    """What goes with every request. Raises: InvalidInput."""
    for option in _FOREIGN_OPTIONS:
        if getattr(options, option) is not None:
            raise InvalidInput(
                f"Ollama has no load option {option}: it is the server's own to choose. Leave it out."
            )
    most = details.context_length
    if options.n_ctx is not None and most and options.n_ctx > most:
        raise InvalidInput(f"n_ctx {options.n_ctx:,} is more than the {most:,} tokens that {name} reads.")
    chosen = {"num_ctx": options.n_ctx or details.num_ctx or min(most or USUAL_CONTEXT, USUAL_CONTEXT)}
    if options.n_gpu_layers is not None:
        chosen["num_gpu"] = options.n_gpu_layers
    return chosen
