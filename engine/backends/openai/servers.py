"""Which OpenAI-compatible servers a person has named, and the key of each.

A key comes from the environment or from the system's keyring, belongs to one address, and goes to no
other. Knows no protocol.
"""

import os
from dataclasses import dataclass
from importlib.util import find_spec

from engine.backends.remote.lines import Address, checked_url
from engine.errors import InvalidInput

USUAL_URL = "http://127.0.0.1:8080/v1"  # llama-server's
KEYRING_SERVICE = "haven"
MORE_SERVERS = "HAVEN_OPENAI_SERVERS"


@dataclass(frozen=True)
class Server:
    """A server by the name that a person gave it; `key_variable` is where its key may be, if anywhere."""

    name: str
    base_url: str  # with the path that /models and /chat/completions hang below
    key_variable: str = ""

    @property
    def address(self) -> Address:
        """With its key, looked up anew each time. Raises: InvalidInput for what is no address."""
        checked_url(self.base_url, f"The address of the server {self.name}", USUAL_URL)
        url = self.base_url.rstrip("/")
        return Address(
            url,
            key=self._key(url),
            key_hint=f"Set its key in {self.key_variable}, or in the keyring under "
            f"{KEYRING_SERVICE!r} and {url!r}.",
            not_there=f"No server answers at {url}. Start one there, or set OPENAI_BASE_URL.",
        )

    def _key(self, url: str) -> str:
        from_environment = os.environ.get(self.key_variable, "") if self.key_variable else ""
        return from_environment or _from_keyring(url)


def servers() -> tuple[Server, ...]:
    """The server of OPENAI_BASE_URL, and those of HAVEN_OPENAI_SERVERS: `lab=http://host/v1, home=...`.

    Without any, the address that llama-server listens at. OPENAI_API_KEY belongs to OPENAI_BASE_URL and
    is not used where that is not set; the key of `lab` is in HAVEN_OPENAI_KEY_LAB.
    Raises: InvalidInput for a list that cannot be read.
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
    return tuple(found.values()) or (Server("llama-server", USUAL_URL),)


def _as_variable(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.upper())


def _from_keyring(url: str) -> str:
    """The key that the system keeps for this address; empty where it keeps none, or has no keyring."""
    if find_spec("keyring") is None:
        return ""
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(KEYRING_SERVICE, url) or ""
    except KeyringError:  # locked, or no backend on this machine: the same as having none
        return ""
