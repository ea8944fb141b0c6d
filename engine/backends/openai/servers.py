"""Which OpenAI-compatible servers a person has named, on the page or in the environment, and the key of each.

A key comes from the environment or from the system's keyring, belongs to one address, and goes to no
other. Knows no protocol.
"""

import os
from dataclasses import dataclass

from engine.backends.remote.keys import SERVICE, key_of
from engine.backends.remote.lines import Address, checked_url
from engine.backends.remote.named import told
from engine.errors import InvalidInput

USUAL_URL = "http://127.0.0.1:8080/v1"  # llama-server's
MORE_SERVERS = "HAVEN_OPENAI_SERVERS"


@dataclass(frozen=True)
class Server:
    """A server by the name that a person gave it; `key_variable` is where its key may be, if anywhere."""

    name: str
    base_url: str  # with the path that /models and /chat/completions hang below
    key_variable: str = ""
    of_environment: bool = True  # False: it was named on the page

    @property
    def address(self) -> Address:
        """With its key, looked up anew each time. Raises: InvalidInput for what is no address."""
        checked_url(self.base_url, f"The address of the server {self.name}", USUAL_URL)
        url = self.base_url.rstrip("/")
        return Address(
            url,
            key=self._key(url),
            key_hint=f"Set its key {self._place_of_key}, or in the keyring under {SERVICE!r} and {url!r}.",
            not_there=f"No server answers at {url}. Start one there, or "
            + ("set OPENAI_BASE_URL." if self.of_environment else "change its address on the Models tab."),
        )

    @property
    def _place_of_key(self) -> str:
        return f"in {self.key_variable}" if self.key_variable else "on the Models tab"

    def _key(self, url: str) -> str:
        given = os.environ.get(self.key_variable, "") if self.key_variable else ""
        return given or key_of(url)


def servers() -> tuple[Server, ...]:
    """Those of the environment, and those that were named on the page.

    Without any, the address that llama-server listens at. Raises: InvalidInput for a list that cannot be
    read.
    """
    found = {server.name: server for server in from_environment()}
    for name, url in told().openai:
        found.setdefault(name, Server(name, url, of_environment=False))
    return tuple(found.values()) or (Server("llama-server", USUAL_URL),)


def from_environment() -> tuple[Server, ...]:
    """The server of OPENAI_BASE_URL, and those of HAVEN_OPENAI_SERVERS: `lab=http://host/v1, home=...`.

    OPENAI_API_KEY belongs to OPENAI_BASE_URL and is not used where that is not set; the key of `lab` is in
    HAVEN_OPENAI_KEY_LAB. Raises: InvalidInput for a list that cannot be read.
    """
    found: dict[str, Server] = {}
    usual = os.environ.get("OPENAI_BASE_URL", "").strip()
    if usual:
        name = usual.rpartition("://")[2].split("/")[0].rpartition("@")[2]
        found[name] = Server(name, usual, "OPENAI_API_KEY")
    for item in filter(None, (part.strip() for part in os.environ.get(MORE_SERVERS, "").split(","))):
        name, equals, url = (part.strip() for part in item.partition("="))
        if not (name and equals and url):
            raise InvalidInput(f"{MORE_SERVERS} must be a list of name=address, not {item!r}.")
        found[name] = Server(name, url, f"HAVEN_OPENAI_KEY_{_as_variable(name)}")
    return tuple(found.values())


def _as_variable(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.upper())
