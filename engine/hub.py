"""One line to a Hugging Face hub: which files a model has, and a file's bytes from any place on.

Uses the library's addresses, keys and errors, and moves the bytes itself: the library's own download
starts a broken-off file anew each time (huggingface_hub 2.4), tells of progress once in 10 MB, and cannot
be left while it waits. Knows nothing of folders, and writes nothing.
"""

import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from engine.backends.remote.lines import Limits, checked_url, is_loopback
from engine.errors import ModelError

if TYPE_CHECKING:
    import httpx2

PATIENT = Limits(connect=10.0, idle=30.0)
_STILL_WORK = "Models that are on this machine still work."
_NO_FAREWELL = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # on, for no time
_WRONG_KEY = "Invalid credentials in Authorization header"  # as the hub says it
_GOES_ON = "What is here is kept: start it again, and it goes on."


@dataclass(frozen=True)
class HubFile:
    """A file of a repository. `digest` is `sha256:` and that of its bytes in hex, or, for one that git keeps
    itself, `git:` and the SHA-1 of git's blob."""

    name: str
    size_bytes: int
    digest: str


@dataclass(frozen=True)
class Listing:
    """The files of a repository at one commit."""

    commit: str
    files: tuple[HubFile, ...]


class HubFault(ModelError):
    """A hub that cannot be reached, or gives something else than was asked for.

    `status` is the HTTP status, 0 where there was none; `again` says that the next try may succeed.
    """

    def __init__(self, message: str, status: int = 0, *, again: bool = False) -> None:
        super().__init__(message)
        self.status, self.again = status, again


class HubLine:
    """Used by one thread at a time; `hang_up` by any. Every verb raises HubFault."""

    def __init__(self, endpoint: str = "", limits: Limits = PATIENT) -> None:
        """`endpoint` is the hub's address; empty: the one that `HF_ENDPOINT` names, else huggingface.co.

        Raises: InvalidInput for an address that is none.
        """
        import httpx2
        from huggingface_hub import constants

        self.endpoint = (endpoint or constants.ENDPOINT).rstrip("/")
        self.host = checked_url(self.endpoint, "HF_ENDPOINT", "https://huggingface.co").netloc
        self._sockets: list[socket.socket] = []
        self._hung_up = False
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(limits.idle, connect=limits.connect),
            follow_redirects=True,  # to where the bytes are kept; the client takes no key to another host
            trust_env=not is_loopback(self.endpoint),
        )

    def listing(self, repo: str, revision: str) -> Listing:
        """What a repository holds."""
        url = f"{self.endpoint}/api/models/{repo}/revision/{quote(revision, safe='')}"
        with self._answer(url, repo, {}, {"blobs": "true"}) as response:
            response.read()
            try:
                return _listing(response.json())
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise HubFault(
                    f"{self.host} does not answer as a Hugging Face hub does. Check HF_ENDPOINT."
                ) from error

    @contextmanager
    def content(self, repo: str, commit: str, name: str, start: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """The bytes of a file from `start` on, as they arrive, and where they really begin.

        That is 0 where the server cannot begin elsewhere.
        """
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(repo, name, revision=commit, endpoint=self.endpoint)
        wanted = {"Range": f"bytes={start}-"} if start else {}
        with self._answer(url, repo, wanted, {}) as response:
            yield (start if response.status_code == 206 else 0), response.iter_raw()

    def hang_up(self) -> None:
        """Shut the connections down, whatever waits on them; the line is of no use afterwards."""
        self._hung_up = True
        for each in self._sockets[:]:
            _shut(each)

    def close(self) -> None:
        """After the last request."""
        self._client.close()

    def broke_off(self) -> HubFault:
        """The fault of an answer that ends before its end."""
        return HubFault(f"The connection to {self.host} broke off. {_GOES_ON}", again=True)

    @contextmanager
    def _answer(
        self, url: str, repo: str, headers: Mapping[str, str], params: Mapping[str, str]
    ) -> Iterator["httpx2.Response"]:
        import httpx2
        from huggingface_hub import get_token
        from huggingface_hub.constants import is_offline_mode
        from huggingface_hub.utils import hf_raise_for_status

        if is_offline_mode():
            raise HubFault(
                "HF_HUB_OFFLINE is set, so nothing is downloaded. Unset it and start Haven again. "
                f"{_STILL_WORK}"
            )
        sent = {"User-Agent": "haven", "Accept-Encoding": "identity", **headers}
        key = get_token()
        if key:
            sent["Authorization"] = f"Bearer {key}"
        try:
            with self._client.stream(
                "GET", url, params=params or None, headers=sent, extensions={"trace": self._remember}
            ) as response:
                hf_raise_for_status(response)
                yield response
        except httpx2.HTTPError as error:
            raise self._explained(error, repo) from error

    def _remember(self, event: str, about: Mapping[str, Any]) -> None:
        """Told by the connections what they do; TLS wraps the socket in another one."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._sockets.append(about["return_value"].get_extra_info("socket"))
            if self._hung_up:
                _shut(self._sockets[-1])

    def _explained(self, error: "httpx2.HTTPError", repo: str) -> HubFault:
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError

        if isinstance(error, HfHubHTTPError):
            return self._refused(error, repo)
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
            return HubFault(
                f"There is no connection to {self.host}. Check the network. {_STILL_WORK}", again=True
            )
        if isinstance(error, httpx2.TimeoutException):
            return HubFault(f"{self.host} does not answer any more. {_GOES_ON}", again=True)
        return self.broke_off()

    def _refused(self, error: Any, repo: str) -> HubFault:
        from huggingface_hub import errors

        status, page = error.response.status_code, f"{self.endpoint}/{repo}"
        if isinstance(error, errors.GatedRepoError):
            return HubFault(
                f"{repo} is given only to those who accept its terms. Accept them at {page}, set HF_TOKEN to "
                "an access token of yours, and start Haven again.",
                status,
            )
        if isinstance(error, errors.EntryNotFoundError | errors.RevisionNotFoundError):
            return HubFault(f"{repo} does not have this file any more. Look at {page}.", status)
        if error.response.headers.get("X-Error-Message") == _WRONG_KEY:
            return HubFault(
                f"{self.host} does not accept the access token that is set. Correct HF_TOKEN, or take it "
                "away, and start Haven again.",
                status,
            )
        elsewhere = error.response.url.netloc.decode() != self.host  # where the bytes are; it knows no names
        if status in (401, 403, 404) and not elsewhere:
            return HubFault(
                f"{self.host} has no model {repo}, or shows it to its owners only ({status}).", status
            )
        if status == 429:
            wait = error.response.headers.get("retry-after", "")
            asks = f" and asks to wait {wait} s" if wait.isdigit() else ""
            return HubFault(f"{self.host} takes no more requests now{asks} (429). {_GOES_ON}", status)
        return HubFault(
            f"{self.host} failed ({status}). Try again later. {_GOES_ON}",
            status,
            again=status >= 500 or elsewhere,
        )


def _listing(told: Mapping[str, Any]) -> Listing:
    """Read an answer. Raises: what reading a value of another shape does."""
    files = []
    for each in told["siblings"]:
        kept = each.get("lfs")
        digest = f"sha256:{kept['sha256']}" if kept else f"git:{each['blobId']}"
        files.append(HubFile(each["rfilename"], int(each["size"]), digest))
    return Listing(told["sha"], tuple(files))


def _shut(each: socket.socket) -> None:
    """Wake whoever waits on it; closing it then resets the line, which a server notices that is sending."""
    with suppress(OSError):  # it is closed already
        socket.socket.setsockopt(each, socket.SOL_SOCKET, socket.SO_LINGER, _NO_FAREWELL)
        socket.socket.shutdown(each, socket.SHUT_RDWR)  # past TLS, whose farewell would wait for an answer
