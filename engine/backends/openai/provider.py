"""The provider of models on OpenAI-compatible servers: what they list, checking one, trying one.

The weights are the servers' own, so nothing is needed of ours. Knows no protocol.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import psutil

from engine.backends.base import Backend, BackendInfo, LoadPlan, LoadProgress, ModelEntry
from engine.backends.openai.listing import Listed
from engine.backends.openai.servers import Server, servers
from engine.backends.openai.wire import OpenAIWire
from engine.backends.remote.asking import Asker
from engine.backends.remote.backend import PARALLEL, RemoteBackend
from engine.backends.remote.calls import Patience
from engine.backends.remote.faults import ServerFault
from engine.backends.remote.lines import Address, Limits
from engine.backends.remote.pictures import small_picture
from engine.backends.remote.reach import Reach, why_not
from engine.backends.remote.talk import Ask, Turn
from engine.cancel import CancelToken
from engine.errors import Cancelled, HavenError, InvalidInput, ModelError
from engine.settings import LoadOptions

log = logging.getLogger(__name__)
USUAL_CONTEXT = 8192  # tokens; for servers that do not say theirs, `n_ctx` does


@dataclass(frozen=True)
class _Choice:
    """A model, the server that it is on, and its name among the models of all servers."""

    name: str
    server: Server
    listed: Listed


class OpenAIProvider:
    """The servers that a person has named."""

    id = "openai"
    label = "OpenAI-compatible"
    _reach: ClassVar[Reach[str]] = Reach()

    def __init__(
        self,
        source: Callable[[], Sequence[Server]] = servers,
        limits: Limits | None = None,
        patience: Patience | None = None,
    ) -> None:
        """`source` tells the servers, `limits` and `patience` are those of answering."""
        self._source, self._limits, self._patience = source, limits, patience

    def unavailable(self, patient: CancelToken | None = None, model: str = "") -> str:
        """Servers side by side, well below a second unless `patient`; one that answers is enough.

        With a `model` only those that may have it.
        """
        if find_spec("openai") is None:
            return "The package openai is not installed. Run: pip install -r requirements.txt"
        try:
            addresses = [server.address for _, server in self._places(model)]
        except InvalidInput as error:
            return str(error)
        import_module("httpx")  # before the clock runs; the page has it imported already
        found = self._reach.ask_all(
            {address: _look_at(address) for address in addresses}, _late, patient=patient
        )
        return "" if "" in found.values() else " ".join(found.values())

    def models(self, shelf: Path, model: str = "", cancel: CancelToken | None = None) -> list[ModelEntry]:
        """What the servers list, with a `model` only those that may have it; one that is gone adds nothing.

        Raises: Cancelled.
        """
        try:
            return [self._entry(choice) for choice in self._choices(model, cancel or CancelToken())]
        except InvalidInput as error:
            log.info("no servers: %s", error)
            return []

    def validate(
        self, entry: ModelEntry, options: LoadOptions, cancel: CancelToken | None = None
    ) -> LoadPlan:
        """Raises: ModelError where no server has it, InvalidInput for an option it has not; Cancelled."""
        _context(options, listed := self._find(entry.name, cancel or CancelToken()).listed)
        return LoadPlan(listed.digest, memory_bytes=0, free_bytes=psutil.virtual_memory().available)

    def load(
        self, entry: ModelEntry, options: LoadOptions, progress: LoadProgress, cancel: CancelToken
    ) -> Backend:
        """Nothing is loaded; whether the model sees is tried where its server does not say.

        Raises: ModelError, InvalidInput, Cancelled.
        """
        cancel.raise_if_cancelled()
        progress(0.0, f"asking for {entry.name}")
        choice = self._find(entry.name, cancel)
        context = _context(options, choice.listed)
        wire = OpenAIWire(choice.server.address, choice.listed.id, self._limits)
        try:
            vision = choice.listed.vision
            if vision is None:
                progress(0.5, f"showing {entry.name} a picture")
                vision = self._sees(wire, cancel)
        except BaseException:
            wire.close()
            raise
        progress(1.0, "ready")
        info = BackendInfo(
            provider=self.id,
            model=entry.name,
            digest=choice.listed.digest,
            vision=vision,
            context_length=context,
            memory_bytes=0,
            parallel=options.parallel or PARALLEL,
            load_options=options.of_answers(),
        )
        return RemoteBackend(info, wire, self._patience)

    def _sees(self, wire: OpenAIWire, cancel: CancelToken) -> bool:
        """Whether the server takes a picture. Raises: ServerFault when it does not answer at all."""
        ask = Ask.greedy(Turn("user", "Hello", (small_picture(),)), 1)
        try:
            Asker(wire, self._patience or Patience()).reply(ask, cancel)
        except ServerFault as fault:
            if not fault.understood:
                raise
            return False
        return True

    def _places(self, model: str) -> list[tuple[str, Server]]:
        """The servers, each behind what it puts before the names of its models; all where `model` is empty.

        Else those that may have it: one that takes its time keeps nobody waiting who wants another's model.
        Raises: InvalidInput.
        """
        named = self._source()
        several = sum(server.of_environment for server in named) > 1
        # Whatever is named on the page and removed again: the models of other servers keep their names.
        places = [
            (f"{server.name}: " if several or not server.of_environment else "", server) for server in named
        ]
        if not model:
            return places
        own = [place for place in places if place[0] and model.startswith(place[0])]
        nameless = [place for place in places if not place[0] and ": " not in model]
        return own or nameless or places

    def _choices(self, model: str, cancel: CancelToken) -> list[_Choice]:
        """What `_places` list, asked side by side. Raises: InvalidInput, Cancelled."""
        places = self._places(model)
        with ThreadPoolExecutor(len(places) or 1, "haven-list") as threads:
            lists = list(threads.map(lambda place: _choices_of(place, cancel), places))
        return [choice for each in lists for choice in each]

    def _find(self, name: str, cancel: CancelToken) -> _Choice:
        for choice in self._choices(name, cancel):
            if choice.name == name:
                return choice
        raise ModelError(f"No server has a model {name!r} now. Start its server, or pick another model.")

    def _entry(self, choice: _Choice) -> ModelEntry:
        listed = choice.listed
        unknown = "whether it sees pictures is found out when it is loaded" if listed.vision is None else ""
        detail = ", ".join(filter(None, (listed.detail, f"at {choice.server.base_url}", unknown)))
        return ModelEntry(choice.name, self.id, bool(listed.vision), listed.size_bytes, detail)


def _choices_of(place: tuple[str, Server], cancel: CancelToken) -> list[_Choice]:
    """The models of one server; none where it does not answer. Raises: Cancelled."""
    prefix, server = place
    wire = None
    try:
        wire = OpenAIWire(server.address)
        return [_Choice(f"{prefix}{listed.id}", server, listed) for listed in wire.models(cancel)]
    except Cancelled:
        raise
    except HavenError as fault:
        log.info("no list of models: %s", fault)
        return []
    finally:
        if wire is not None:
            wire.close()


def _look_at(address: Address) -> Callable[[], str]:
    return lambda: why_not(address, "models")


def _late(address: Address) -> str:
    return f"{address.url} has not answered yet. {address.not_there}"


def _context(options: LoadOptions, listed: Listed) -> int:
    """How many tokens are sent at most. Raises: InvalidInput."""
    for option in options.as_dict():
        if option not in ("n_ctx", "parallel"):
            raise InvalidInput(
                f"A server has no load option {option}: it is the server's own to choose. Leave it out."
            )
    if listed.context_length and (options.n_ctx or 0) > listed.context_length:
        raise InvalidInput(
            f"n_ctx {options.n_ctx:,} is more than the {listed.context_length:,} tokens that {listed.id} "
            "reads."
        )
    return options.n_ctx or listed.context_length or USUAL_CONTEXT
