"""The servers that a person names, changes and removes while Haven runs, and where their keys go.

Names and addresses are kept with the settings, a key in the system's keyring alone, under its address: a
server that moves to another address leaves its key behind. Knows no protocol.
"""

import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from engine.backends.ollama.server import address_of
from engine.backends.openai.servers import USUAL_URL, Server, from_environment
from engine.backends.remote.keys import forget_key, keep_key, key_of, why_no_keyring
from engine.backends.remote.lines import checked_url
from engine.backends.remote.named import Named, tell
from engine.errors import InvalidInput
from engine.events.models import ServersView, ServerView

SETTING = "servers"
MAX_NAME = 40  # characters
MAX_SERVERS = 50
_SEPARATORS = set(":,=")  # they part names from what follows, in model names and in the environment


@dataclass(frozen=True)
class _Server:
    """As it is kept."""

    name: str
    base_url: str
    has_key: bool = False


class NamedServers:
    """Every method may be called from any thread."""

    def __init__(self, setting: Callable[[str, Any], Any], keep: Callable[[str, Any], None]) -> None:
        """`setting` and `keep` read and write a setting by its name."""
        self._keep = keep
        self._lock = threading.Lock()
        kept = setting(SETTING, {})
        self._servers = [_Server(**each) for each in kept.get("openai", ())]
        self._ollama: str = kept.get("ollama", "")
        self._tell()

    def close(self) -> None:
        """Nothing is named any more."""
        tell(Named())

    def view(self) -> ServersView:
        """What is named, by whom, and whether a key can be kept. Holds no key."""
        with self._lock:
            own = [ServerView(each.name, each.base_url, each.has_key, "page") for each in self._servers]
            ollama = self._ollama
        given = [
            ServerView(each.name, each.base_url, bool(os.environ.get(each.key_variable)), "environment")
            for each in _given()
        ]
        used = {each.name for each in given}
        servers = (*given, *(each for each in own if each.name not in used))
        return ServersView(servers, ollama, _usual_ollama(), why_no_keyring())

    def save(self, name: str, base_url: str, key: str = "", old_name: str = "") -> ServersView:
        """Add a server, or change the one that is called `old_name`; an empty `key` leaves its key as it is.

        Raises: InvalidInput, naming what is off; nothing is changed then.
        """
        with self._lock:
            others = self._others(old_name)
            name, url = _checked_name(name, others), _checked_address(base_url)
            before = self._named(old_name) if old_name else None
            stays = before is not None and before.base_url == url and before.has_key
            earlier = key_of(url)
            if key := key.strip():
                keep_key(url, key)
            server = _Server(
                name, url, bool(key) or stays or any(o.has_key for o in others if o.base_url == url)
            )
            at = self._servers.index(before) if before else len(self._servers)
            try:
                self._change([*others[:at], server, *others[at:]], self._ollama)
            except Exception:
                if key:
                    _put_back(url, earlier)
                raise
            if before is not None:
                self._forget_key_of(before)
        return self.view()

    def remove(self, name: str) -> ServersView:
        """Forget a server with its key. Raises: InvalidInput for a name that is not known."""
        with self._lock:
            gone = self._named(name)
            self._change(self._others(name), self._ollama)
            self._forget_key_of(gone)
        return self.view()

    def set_ollama(self, address: str) -> ServersView:
        """Where Ollama is; empty: where OLLAMA_HOST says. Raises: InvalidInput for what is no address."""
        address = address.strip()
        with self._lock:
            if address:
                address_of(address, "The address of Ollama")
            self._change(self._servers, address)
        return self.view()

    def _others(self, name: str) -> list[_Server]:
        return [each for each in self._servers if each.name != name]

    def _named(self, name: str) -> _Server:
        for each in self._servers:
            if each.name == name:
                return each
        raise InvalidInput(f"There is no server {name!r} that was named here; it may have been removed.")

    def _change(self, servers: list[_Server], ollama: str) -> None:
        """Kept first, so that what counts is never more than what lasts."""
        self._keep(SETTING, {"openai": [asdict(each) for each in servers], "ollama": ollama})
        self._servers, self._ollama = list(servers), ollama
        self._tell()

    def _forget_key_of(self, gone: _Server) -> None:
        others = {each.base_url for each in self._servers}
        others |= {each.base_url.rstrip("/") for each in _given()}
        if gone.has_key and gone.base_url not in others:
            forget_key(gone.base_url)

    def _tell(self) -> None:
        tell(Named(tuple((each.name, each.base_url) for each in self._servers), self._ollama))


def _put_back(url: str, key: str) -> None:
    if key:
        keep_key(url, key)
    else:
        forget_key(url)


def _given() -> tuple[Server, ...]:
    """Those of the environment; none where it cannot be read, which the list of providers says."""
    try:
        return from_environment()
    except InvalidInput:
        return ()


def _usual_ollama() -> str:
    """The address that counts where none is named, or why there is none."""
    try:
        return address_of(os.environ.get("OLLAMA_HOST", "")).url
    except InvalidInput as error:
        return str(error)


def _checked_name(name: str, others: list[_Server]) -> str:
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME or not name.isprintable() or set(name) & _SEPARATORS:
        raise InvalidInput(f"Give the server a name of at most {MAX_NAME} characters, without : , and =.")
    if any(each.name == name for each in others):
        raise InvalidInput(f"There is a server {name} already. Change that one, or take another name.")
    if any(each.name == name for each in from_environment()):
        raise InvalidInput(f"The environment names a server {name} already. Take another name.")
    if len(others) >= MAX_SERVERS:
        raise InvalidInput(f"{MAX_SERVERS} servers are the most. Remove one first.")
    return name


def _checked_address(base_url: str) -> str:
    url = base_url.strip().rstrip("/")
    parts = checked_url(url, "The address", USUAL_URL)
    if parts.query or parts.fragment:
        raise InvalidInput(f"Write the address without what follows ? or #, like {USUAL_URL}.")
    return url
