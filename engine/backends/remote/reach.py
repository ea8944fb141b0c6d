"""Whether a server answers, and what: asked on a thread of its own, kept for some seconds.

The page asks often and must never wait; a name that cannot be looked up may block for many seconds in
the operating system, whatever time-out is set. Who loads a model waits. Knows HTTP, and no provider.
"""

import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from engine.backends.remote.calls import call
from engine.backends.remote.faults import ServerFault
from engine.backends.remote.lines import Address, Limits, Line, Lines
from engine.cancel import CancelToken

LOOK = Limits(connect=3.0, idle=3.0, total=5.0)
_GLANCE = 0.05  # seconds between two looks whether somebody still waits
K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(eq=False)
class _Look(Generic[T]):
    """One look at a server; `found` once it is over."""

    over: threading.Event = field(default_factory=threading.Event)
    found: T | None = None
    ended: float = 0.0


class Reach(Generic[T]):
    """Keeps what the last look at each address found.

    `patience` is how long a caller waits for a look under way, `kept` how long its result holds, both in
    seconds.
    """

    def __init__(self, patience: float = 0.4, kept: float = 3.0) -> None:
        self._patience, self._kept = patience, kept
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, _Look[T]] = {}
        self._last: dict[Hashable, _Look[T]] = {}

    def ask(self, address: K, look: Callable[[], T], otherwise: T, patient: CancelToken | None = None) -> T:
        """What `look` finds at `address`; `otherwise` where it has not come back in time and never had.

        A look that takes longer goes on, and the next call gets what it finds; who is `patient` waits until
        it must be over, or that token is cancelled. `look` must not raise. Raises: Cancelled.
        """
        return self.ask_all({address: look}, lambda late: otherwise, patient)[address]

    def ask_all(
        self,
        looks: Mapping[K, Callable[[], T]],
        otherwise: Callable[[K], T],
        patient: CancelToken | None = None,
    ) -> dict[K, T]:
        """The same for several addresses, side by side."""
        begun = {address: self._begin(address, look) for address, look in looks.items()}
        deadline = time.monotonic() + self._patience
        if patient is not None:
            deadline = time.monotonic() + max(self._patience, LOOK.total)
            _wait_for(begun.values(), deadline, patient)
        found = {address: self._result(address, begun[address], deadline) for address in looks}
        return {
            address: otherwise(address) if result is None else result for address, result in found.items()
        }

    def _begin(self, address: Hashable, look: Callable[[], T]) -> _Look[T]:
        with self._lock:
            last = self._last.get(address)
            if last is not None and time.monotonic() - last.ended < self._kept:
                return last
            if address in self._under_way:
                return self._under_way[address]
            begun = self._under_way[address] = _Look()
        threading.Thread(
            target=self._run, args=(address, begun, look), name="haven-reach", daemon=True
        ).start()
        return begun

    def _run(self, address: Hashable, begun: _Look[T], look: Callable[[], T]) -> None:
        try:
            begun.found = look()
            begun.ended = time.monotonic()
        finally:
            with self._lock:
                self._under_way.pop(address, None)
                if begun.ended:
                    self._last[address] = begun
            begun.over.set()

    def _result(self, address: Hashable, begun: _Look[T], deadline: float) -> T | None:
        if begun.over.wait(max(0.0, deadline - time.monotonic())) and begun.found is not None:
            return begun.found
        with self._lock:
            last = self._last.get(address)
        return None if last is None else last.found


def _wait_for(looks: Iterable[_Look[T]], deadline: float, cancel: CancelToken) -> None:
    """Until all of them are over; they go on for others when it is cancelled. Raises: Cancelled."""
    for look in looks:
        while not look.over.wait(_GLANCE) and time.monotonic() < deadline:
            cancel.raise_if_cancelled()


def why_not(address: Address, path: str) -> str:
    """Why nothing useful answers a GET of `path` below the address, for the person; empty where it does.

    Plain HTTP, so that no provider's library is imported for it.
    """
    import httpx

    lines: Lines[httpx.Client] = Lines(
        lambda: Line(address, LOOK, lambda options: httpx.Client(**options)), httpx.Client.close
    )
    url = f"{address.url.rstrip('/')}/{path.lstrip('/')}"
    try:
        for _ in call(lines, address, LOOK, CancelToken(), lambda client: [client.get(url).json()]):
            pass
    except ServerFault as fault:
        return str(fault)
    finally:
        lines.close()
    return ""
