"""One request to a server that can be left at any moment: on cancel, or when the server takes too long.

The library's blocking client works on a thread of its own, the caller waits on a queue. So looking up
a name, connecting, a long prompt and an answer that drips are all left at once; the line is hung up, and
the thread ends behind it. Knows no provider.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeVar

from engine.backends.remote.faults import ServerFault, fault_of
from engine.backends.remote.lines import Address, Limits, Line, Lines
from engine.cancel import CancelToken
from engine.errors import Cancelled

C = TypeVar("C")
T = TypeVar("T")
_LEFTOVERS = 1.0  # seconds for the rest of an answer behind its last item, which servers send along with it
_FAREWELL = 0.05  # seconds that a hung-up thread is waited for: enough unless it looks up a name


@dataclass(frozen=True)
class Patience:
    """How a failed request is tried again: once, and only before anything was answered. Seconds."""

    pause: float = 0.5  # where the server names no time
    longest: float = 10.0  # however long the server asks to wait


@dataclass(frozen=True)
class _Failure:
    error: BaseException


class _End:
    """The last item: the thread has ended well, or is no longer waited for."""


def call(
    lines: Lines[C],
    address: Address,
    limits: Limits,
    cancel: CancelToken,
    begin: Callable[[C], Iterable[T]],
    last: type | tuple[()] = (),
) -> Iterator[T]:
    """What `begin(client)` yields. Any item, an empty one too, counts as a sign of life.

    An item of the type `last` ends it; what `begin` reads behind that only makes the line ready for the next
    request. Raises: ServerFault; Cancelled at once after `cancel`, with the connection shut.
    """
    cancel.raise_if_cancelled()
    line = lines.take()
    items: SimpleQueue[T | _Failure | _End] = SimpleQueue()
    worker = threading.Thread(
        target=_work, args=(lines, line, begin, items, last), name="haven-line", daemon=True
    )

    def leave() -> None:
        line.hang_up()
        items.put(_End())

    ended = False
    take_back = cancel.on_cancel(leave)
    worker.start()
    try:
        for item in _received(items, address, limits):
            cancel.raise_if_cancelled()
            if isinstance(item, _Failure):
                ended = True
                raise _explained(item.error, address)
            yield item
        cancel.raise_if_cancelled()
        ended = True
    finally:
        if not ended:
            line.hang_up()
        _wait_for(worker, line)
        take_back()
        if not worker.is_alive():
            lines.give_back(line)  # else it is the thread that does, when it has ended


def once_again(attempt: Callable[[], Iterator[T]], cancel: CancelToken, patience: Patience) -> Iterator[T]:
    """`attempt()`, and a second one where the first failed in a way that may pass, before its first item.

    Raises: ServerFault of the last attempt; Cancelled, while waiting too.
    """
    begun = False
    try:
        for item in attempt():
            begun = True
            yield item
        return
    except ServerFault as fault:
        if begun or not fault.again:
            raise
        wait = patience.pause if fault.wait is None else min(fault.wait, patience.longest)
    cancel.wait(wait)
    cancel.raise_if_cancelled()
    yield from attempt()


def _wait_for(worker: threading.Thread, line: Line[C]) -> None:
    """Until it has ended, or can be waited for no longer; then the line is hung up."""
    worker.join(_FAREWELL if line.hung_up else _LEFTOVERS)
    if worker.is_alive() and not line.hung_up:  # the server keeps an answer open that has ended
        line.hang_up()
        worker.join(_FAREWELL)


def _work(
    lines: Lines[C],
    line: Line[C],
    begin: Callable[[C], Iterable[T]],
    items: "SimpleQueue[T | _Failure | _End]",
    last: type | tuple[()],
) -> None:
    try:
        for item in begin(line.client):
            if line.hung_up:
                break
            items.put(item)
            if isinstance(item, last):
                items.put(_End())
    except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
        line.hang_up()  # what is left of the answer must not be read as the next one
        items.put(_Failure(error))
    if line.hung_up:
        lines.give_back(line)
    items.put(_End())


def _received(
    items: "SimpleQueue[T | _Failure | _End]", address: Address, limits: Limits
) -> Iterator[T | _Failure]:
    """What arrives, up to the end. Raises: ServerFault when it takes too long."""
    deadline = time.monotonic() + limits.total
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise ServerFault(f"{address.url} has not ended its answer within {limits.total:g} s.")
        try:
            item = items.get(timeout=min(limits.idle, left))
        except Empty:
            if left < limits.idle:
                continue
            raise ServerFault(
                f"{address.url} has sent nothing for {limits.idle:g} s. Look whether it still works."
            ) from None
        if isinstance(item, _End):
            return
        yield item


def _explained(error: BaseException, address: Address) -> BaseException:
    """The fault behind `error`, with it as its cause; the error itself where it is a defect of ours."""
    if isinstance(error, Cancelled | ServerFault):
        return error
    fault = fault_of(error, address.url, address.not_there)
    if fault is None:
        return error
    fault.__cause__ = error
    return fault
