"""Lines to one server: HTTP clients with one connection each, which can be hung up from any thread.

Closing a response does not wake a thread that waits in `recv`; shutting its socket down does, and tells
the server at once. So each line knows its socket. What goes out is reduced to what a request needs, and
the key goes to the address that it belongs to and to no other. Knows HTTP, and no provider.
"""

import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import SplitResult, urlsplit

from engine.backends.remote.faults import check_answer
from engine.errors import InvalidInput

if TYPE_CHECKING:
    import httpx

C = TypeVar("C")
_LATER = 1.0  # seconds by which the one who waits gives up before the line does, and says why
_LABEL = re.compile(r"\w([\w-]{0,61}\w)?")  # what may stand between two dots of a host's name
_NEEDED_HEADERS = {
    *("host", "accept", "accept-encoding", "connection", "content-type", "content-length"),
    *("transfer-encoding", "user-agent"),
}


@dataclass(frozen=True)
class Limits:
    """How long a server may take, in seconds."""

    connect: float = 5.0
    idle: float = 180.0  # without any sign of an answer: a long prompt on a slow machine is read in this time
    total: float = 3600.0  # for a whole answer


@dataclass(frozen=True)
class Address:
    """Where a server is, and the key that belongs there."""

    url: str
    key: str = field(default="", repr=False)
    key_hint: str = ""  # where the key is set, for the person
    not_there: str = ""  # what to do when nothing listens there

    @property
    def origin(self) -> tuple[str, str, int | None]:
        parts = urlsplit(self.url)
        standard = {"http": 80, "https": 443}.get(parts.scheme)
        return parts.scheme, parts.hostname or "", parts.port or standard


def checked_url(url: str, setting: str, example: str) -> SplitResult:
    """The parts of a server's address. Raises: InvalidInput, naming the setting, for what is none.

    A password in the address is refused unseen: addresses are shown.
    """
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and _is_host(parts.hostname) and parts.port != 0
    except ValueError:  # an open bracket, or a port that is no number
        sound = False
    if not sound:
        raise InvalidInput(f"{setting} is no address of a server: {url!r}. Write it like {example}.")
    if parts.username or parts.password:
        raise InvalidInput(f"{setting} holds a password. Leave it out of the address, and set the key apart.")
    return parts


def _is_host(name: str | None) -> bool:
    """Whether it could be asked for: letters, figures, dots and hyphens, or an address of IPv6."""
    if not name or ":" in name:
        return bool(name)
    return all(_LABEL.fullmatch(label) for label in name.removesuffix(".").split("."))


def is_loopback(url: str) -> bool:
    """Whether the address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Line(Generic[C]):
    """One client of a library over one connection. Used by one thread at a time; `hang_up` by any."""

    def __init__(self, address: Address, limits: Limits, make: Callable[[Mapping[str, Any]], C]) -> None:
        """`make` gets the arguments of an `httpx.Client` and gives the library's client."""
        import httpx

        self._address = address
        self._sockets: list[socket.socket] = []
        self._hung_up = False
        self.client = make(
            {
                "timeout": httpx.Timeout(limits.idle + _LATER, connect=limits.connect),
                "limits": httpx.Limits(max_connections=1),
                "verify": address.origin[0] == "https",  # certificates take 15 ms to read
                "follow_redirects": False,
                "trust_env": not is_loopback(address.url),  # an ambient proxy does not reach our loopback
                "event_hooks": {"request": [self._prepare], "response": [self._check]},
            }
        )

    @property
    def hung_up(self) -> bool:
        return self._hung_up

    def hang_up(self) -> None:
        """Shut the connection down, whatever waits on it; the line is of no use afterwards."""
        self._hung_up = True
        for each in self._sockets[-1:]:
            _shut(each)

    def _prepare(self, request: "httpx.Request") -> None:
        for name in set(request.headers) - _NEEDED_HEADERS:
            del request.headers[name]
        if self._address.key and Address(str(request.url)).origin == self._address.origin:
            request.headers["authorization"] = f"Bearer {self._address.key}"
        request.extensions["trace"] = self._remember

    def _check(self, response: "httpx.Response") -> None:
        check_answer(response, self._address.url, self._address.key_hint)

    def _remember(self, event: str, about: Mapping[str, Any]) -> None:
        """Told by the connection what it does; TLS wraps the socket in another one."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._sockets = [about["return_value"].get_extra_info("socket")]
            if self._hung_up:
                _shut(self._sockets[0])


class Lines(Generic[C]):
    """The lines of one backend: as many as are in use at once, kept for the next request."""

    def __init__(self, make: Callable[[], Line[C]], close: Callable[[C], None]) -> None:
        self._make, self._close_client = make, close
        self._lock = threading.Lock()
        self._free: list[Line[C]] = []

    def take(self) -> Line[C]:
        """A line that nobody else uses, until it is given back."""
        with self._lock:
            if self._free:
                return self._free.pop()
        return self._make()

    def give_back(self, line: Line[C]) -> None:
        """When nobody uses it any more; one that was hung up is closed, and may be given back twice."""
        if line.hung_up:
            self._close_client(line.client)
            return
        with self._lock:
            self._free.append(line)

    def close(self) -> None:
        """Close what is free; what is in use is closed by whoever hangs it up."""
        with self._lock:
            free, self._free = self._free, []
        for line in free:
            self._close_client(line.client)


def _shut(each: socket.socket) -> None:
    with suppress(OSError):  # it is closed already
        socket.socket.shutdown(each, socket.SHUT_RDWR)  # past TLS, whose farewell would wait for an answer
