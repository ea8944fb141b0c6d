"""What can go wrong with a server, in words for the person at the screen.

Two ways lead here: an HTTP answer that is none (`check_answer`) and an exception of a client library
(`fault_of`). Knows HTTP; knows no provider.
"""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from engine.errors import ModelError

if TYPE_CHECKING:
    import httpx

log = logging.getLogger(__name__)

# what the libraries raise for JSON that is none, or has another shape than they expect
_OTHER_SHAPES = (ValueError, TypeError, AttributeError, KeyError, RecursionError)
_LONGEST_WORDS = 300  # characters of a server's own words that are shown
_AWAY = {429, 502, 503, 504}  # it is busy or being started, or what stands before it does not reach it
_TRY_AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}


class ServerFault(ModelError):
    """A server that cannot be reached, does not answer, or answers something else.

    `status` is the HTTP status, 0 where there was none; `understood` says that the server read the
    request and did not want it, so that another one may be welcome; `again` that the same request may
    succeed later, after `wait` seconds (None where the server names no time); `away` that no request would
    now.
    """

    def __init__(
        self,
        message: str,
        status: int = 0,
        *,
        understood: bool = False,
        again: bool = False,
        away: bool = False,
        wait: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.understood, self.again = status, understood, again
        self.away, self.wait = away, wait


def check_answer(response: "httpx.Response", server: str, key_hint: str) -> None:
    """Take only 2xx with something else than a page; reads the body of any other answer.

    Raises: ServerFault. `server` is its address, `key_hint` says where its key is set.
    """
    status = response.status_code
    if response.is_success:
        if "html" in response.headers.get("content-type", "").lower():
            raise ServerFault(
                f"{server} answers with a web page, not as a model server. Check the address and its path."
            )
        return
    if 300 <= status < 400:
        raise _redirected(response, server)
    response.read()
    raise refused(server, status, _words(response.text), key_hint, _retry_after(response))


def refused(
    server: str, status: int, words: str, key_hint: str = "", wait: float | None = None
) -> ServerFault:
    """The fault of an error status; `words` are what the server says about it."""
    said = f" It says: {words}" if words else ""
    if status in (401, 403):
        message = f"{server} does not accept the key. {key_hint}".strip() + said
    elif status == 404:
        message = f"{server} does not have that model, or is no such server (404).{said}"
    elif status == 429:
        asks = f" and asks to wait {wait:.0f} s" if wait else ""
        message = f"{server} takes no more requests now{asks} (429). Try again later.{said}"
    elif status >= 500:
        message = f"{server} failed ({status}). Look at its log, or try again.{said}"
    else:
        message = f"{server} does not take the request ({status}).{said}"
    return ServerFault(
        message,
        status,
        understood=status in (400, 404, 415, 422, 500, 501),
        again=status in _TRY_AGAIN,
        away=status in _AWAY,
        wait=wait,
    )


def complained(server: str, words: str) -> ServerFault:
    """The fault of an answer that carries an error instead of text."""
    shown = _shortened(words)
    return ServerFault(f"{server} could not answer. It says: {shown}", understood=True)


def cut_off(server: str) -> ServerFault:
    """The fault of an answer that ends without its end.

    Some servers break off like that when they meet an option that they do not have.
    """
    return ServerFault(
        f"{server} broke the answer off before its end. Look at its log, or try again.",
        understood=True,
        again=True,
    )


def fault_of(error: BaseException, server: str, not_there: str) -> ServerFault | None:
    """The fault behind an exception of a client library; None for one that is a defect of ours.

    `not_there` says what to do when nothing listens at the address.
    """
    import httpx

    for cause in _chain(error):
        if isinstance(cause, ServerFault):
            return cause
        if isinstance(cause, httpx.ConnectError):
            return ServerFault(not_there, again=True, away=True)
        if isinstance(cause, httpx.ConnectTimeout):
            return ServerFault(f"{server} cannot be reached in time. {not_there}", again=True, away=True)
        if isinstance(cause, httpx.TimeoutException):
            return ServerFault(f"{server} does not answer any more. Try again, or restart it.", again=True)
        if isinstance(cause, httpx.InvalidURL | httpx.UnsupportedProtocol):
            return ServerFault(f"{server} is no address of a server ({cause}). Write http://host:port.")
        if isinstance(cause, httpx.HTTPError):
            return cut_off(server)
        if isinstance(cause, _OTHER_SHAPES):
            log.warning("reading what %s answered", server, exc_info=error)
            return ServerFault(f"{server} answers with something that is not its protocol, or is cut off.")
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _redirected(response: "httpx.Response", server: str) -> ServerFault:
    target = response.headers.get("location", "another address")
    return ServerFault(
        f"{server} redirects to {target}. Redirects are not followed, so that no key goes astray: set the "
        "final address instead.",
        response.status_code,
    )


def _words(body: str) -> str:
    """What the body of an error says: the usual JSON shapes, else its text; no pages."""
    try:
        told: Any = json.loads(body)
    except ValueError:
        return "" if "<" in body[:200] else _shortened(body)
    for key in ("error", "message", "detail"):
        if isinstance(told, dict):
            told = told.get(key, told)
    return _shortened(told if isinstance(told, str) else json.dumps(told))


def whole_letters(text: str) -> str:
    """Without halves of letters, which JSON can hold and no database takes."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _shortened(text: str) -> str:
    text = whole_letters(" ".join(text.split()))
    return text if len(text) <= _LONGEST_WORDS else f"{text[:_LONGEST_WORDS]}…"


def _retry_after(response: "httpx.Response") -> float | None:
    """Seconds, from a number or a date (RFC 9110, section 10.2.3); None where there is neither."""
    told = response.headers.get("retry-after", "")
    if told.strip().isdigit():
        return float(told)
    try:
        when = parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
