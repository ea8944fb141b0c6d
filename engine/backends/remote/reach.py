"""Whether a server answers, and what: asked on a thread of its own, kept for some seconds.

The page asks often and must never wait; a name that cannot be looked up may block for many seconds in
the operating system, whatever time-out is set. Knows no provider.
"""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

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

    def ask(self, address: Hashable, look: Callable[[], T], otherwise: T) -> T:
        """What `look` finds at `address`; `otherwise` where it has not come back in time and never had.

        A look that takes longer goes on, and the next call gets what it finds. `look` must not raise.
        """
        return self.ask_all({address: look}, otherwise)[address]

    def ask_all(self, looks: dict[Hashable, Callable[[], T]], otherwise: T) -> dict[Hashable, T]:
        """The same for several addresses, side by side."""
        begun = {address: self._begin(address, look) for address, look in looks.items()}
        deadline = time.monotonic() + self._patience
        return {
            address: self._result(address, begun[address], deadline, otherwise) for address in looks
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

    def _result(self, address: Hashable, begun: _Look[T], deadline: float, otherwise: T) -> T:
        if begun.over.wait(max(0.0, deadline - time.monotonic())) and begun.found is not None:
            return begun.found
        with self._lock:
            last = self._last.get(address)
        return last.found if last is not None and last.found is not None else otherwise
