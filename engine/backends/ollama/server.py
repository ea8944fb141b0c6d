"""One Ollama server: which models it has, loading and unloading one, pulling one.

Knows Ollama's protocol and its client library; the conversation itself is `wire`'s.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from engine.backends.base import LoadProgress
from engine.backends.remote.calls import call
from engine.backends.remote.faults import complained, cut_off
from engine.backends.remote.lines import Address, Limits, Line, Lines, checked_url
from engine.cancel import CancelToken

if TYPE_CHECKING:
    import ollama

T = TypeVar("T")
DEFAULT_PORT = 11434
_STANDARD_PORTS = {"http": 80, "https": 443}
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # what a server may listen at, and where it is then
KEEP_ALIVE = "30m"  # a model that nobody asks for so long may leave memory by itself
SHORT = Limits(connect=2.0, idle=5.0, total=10.0)
LOADING = Limits(idle=600.0)  # nothing is sent while weights are read
PULLING = Limits(idle=120.0, total=86_400.0)
_ALMOST = 0.99  # all layers named so far are there; another may follow
_HINT = "Set OLLAMA_API_KEY."


@dataclass(frozen=True)
class Listed:
    """A model as the server's list has it."""

    name: str
    digest: str
    size_bytes: int
    detail: str  # parameters and quantisation, such as "3.2B, Q4_K_M"


@dataclass(frozen=True)
class Details:
    """What the server says of one model when asked about it."""

    writes: bool
    vision: bool
    thinks: bool
    context_length: int  # tokens that it was trained for; 0 where the server does not say
    num_ctx: int  # tokens that its own parameters ask for; 0 where they do not


def address_of(host: str, setting: str = "OLLAMA_HOST") -> Address:
    """The address that `OLLAMA_HOST` names, or another `setting`, as Ollama reads it: host, port and scheme
    may be left out.

    `0.0.0.0`, which tells a server to listen everywhere, is reached through loopback. The key of
    `OLLAMA_API_KEY` goes along only where `OLLAMA_HOST` names the server. Raises:
    InvalidInput for what is no address.
    """
    scheme, separator, rest = host.strip().rpartition("://")
    scheme = scheme or "http"
    if not rest or rest.startswith((":", "/")):
        rest = f"127.0.0.1{rest}"
    parts = checked_url(f"{scheme}://{rest}", setting, f"http://127.0.0.1:{DEFAULT_PORT}")
    name = str(parts.hostname)
    name = _EVERYWHERE.get(name, name)
    port = parts.port or (_STANDARD_PORTS[scheme] if separator else DEFAULT_PORT)
    shown = f"[{name}]" if ":" in name else name
    url = f"{scheme}://{shown}:{port}{parts.path.rstrip('/')}"
    return Address(
        url,
        key=os.environ.get("OLLAMA_API_KEY", "") if host.strip() and setting == "OLLAMA_HOST" else "",
        key_hint=_HINT,
        not_there=f"No Ollama server answers at {url}. Start it with `ollama serve`, or set {setting}.",
    )


class OllamaServer:
    """The verbs of one server. Every one raises ServerFault, and Cancelled where it takes a token."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._lines: Lines[ollama.Client] = Lines(self._line, lambda client: client.close())

    def models(self, cancel: CancelToken) -> list[Listed]:
        (answer,) = self._ask(SHORT, cancel, lambda client: [client.list()])
        return [_listed(model) for model in answer.models if model.model]

    def details(self, model: str, cancel: CancelToken) -> Details:
        (answer,) = self._ask(SHORT, cancel, lambda client: [client.show(model)])
        return _details(answer)

    def preload(self, model: str, options: Mapping[str, Any], cancel: CancelToken) -> None:
        """Put the model into the server's memory; an empty prompt loads and answers nothing."""
        done = False
        for part in self._ask(
            LOADING,
            cancel,
            lambda client: client.generate(
                model, "", stream=True, options=dict(options), keep_alive=KEEP_ALIVE
            ),
        ):
            done = done or bool(part.done)
        if not done:
            raise cut_off(self.address.url)

    def unload(self, model: str) -> None:
        """Tell the server that the model may leave memory now."""
        for _ in self._ask(SHORT, CancelToken(), lambda client: [client.generate(model, "", keep_alive=0)]):
            pass

    def pull(self, model: str, progress: LoadProgress, cancel: CancelToken) -> None:
        """Let the server download a model; the share is that of the bytes of the layers it has named so far.

        What it has after a cancel, it keeps, and goes on from there.
        """
        done: dict[str, tuple[int, int]] = {}  # bytes there and bytes in all, by layer
        told, status = 0.0, ""
        for part in self._ask(PULLING, cancel, lambda client: client.pull(model, stream=True)):
            status = part.status or ""
            if part.digest and part.total:
                done[part.digest] = part.completed or 0, part.total
            there, whole = sum(part for part, _ in done.values()), sum(whole for _, whole in done.values())
            told = max(told, min(_ALMOST, there / max(1, whole)))
            progress(told, status)
        if status != "success":
            raise cut_off(self.address.url)
        progress(1.0, f"{model} is there")

    def chat(self, limits: Limits, cancel: CancelToken, **request: Any) -> "Iterator[ollama.ChatResponse]":
        """A streamed answer, part by part."""
        return self._ask(limits, cancel, lambda client: client.chat(**request, stream=True))

    def close(self) -> None:
        self._lines.close()

    def _line(self) -> "Line[ollama.Client]":
        import ollama

        return Line(self.address, LOADING, lambda options: ollama.Client(self.address.url, **options))

    def _ask(
        self, limits: Limits, cancel: CancelToken, begin: "Callable[[ollama.Client], Iterable[T]]"
    ) -> Iterator[T]:
        return call(self._lines, self.address, limits, cancel, lambda client: self._said(begin(client)))

    def _said(self, parts: Iterable[T]) -> Iterator[T]:
        """The parts of an answer; a part that is an error ends it."""
        import ollama

        try:
            yield from parts
        except ollama.ResponseError as error:
            raise complained(self.address.url, error.error) from error


def _listed(model: "ollama.ListResponse.Model") -> Listed:
    about = model.details
    known = [] if about is None else [about.parameter_size, about.quantization_level]
    return Listed(
        model.model or "",
        model.digest or "",
        int(model.size or 0),
        ", ".join(each for each in known if each),
    )


def _details(answer: "ollama.ShowResponse") -> Details:
    info = answer.modelinfo or {}
    can = answer.capabilities
    context = next((int(value) for key, value in info.items() if key.endswith(".context_length")), 0)
    return Details(
        writes=can is None or "completion" in can,
        # servers before 0.6.4 name no capabilities; the projector's parameters tell
        vision="vision" in can if can is not None else any(".vision." in key for key in info),
        thinks=can is not None and "thinking" in can,
        context_length=context,
        num_ctx=_parameter(answer.parameters or "", "num_ctx"),
    )


def _parameter(text: str, name: str) -> int:
    """A whole number of the model's own parameters, a line each, name and value apart by blanks."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == name and words[1].isdigit():
            return int(words[1])
    return 0
