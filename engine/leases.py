"""Who uses the backend: leases, for one answer each, and occupants, who count as busy between leases too.

Keeps the tenant (the loaded backend) and hands it out; knows nothing of loading, failing or choosing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.backends.base import Backend
from engine.cancel import CancelToken


@dataclass(eq=False)
class Tenant:
    """A loaded backend, and how many leases are out on it."""

    backend: Backend
    leases: int = 0


@dataclass(frozen=True, eq=False)
class Occupant:
    """Somebody at work: a job, a chat."""

    name: str
    stop: Callable[[], None]


class Leases:
    """Hands out the tenant, to at most `info.parallel` at a time. Any thread may call any method."""

    def __init__(self) -> None:
        self._state = threading.Condition()
        self._tenant: Tenant | None = None
        self._occupants: list[Occupant] = []
        self._line: list[tuple[bool, int]] = []  # who waits for a lease: (not urgent, number)
        self._tickets = 0
        self._admitting = True

    def occupants(self) -> tuple[Occupant, ...]:
        with self._state:
            return tuple(self._occupants)

    @contextmanager
    def occupy(self, occupant: Occupant, cancel: CancelToken, urgent: bool) -> Iterator[None]:
        """Raises: Cancelled, while waiting for admission; who is `urgent` does not wait."""
        with self._waking(cancel), self._state:
            self._state.wait_for(lambda: urgent or self._admitting or cancel.cancelled)
            cancel.raise_if_cancelled()
            self._occupants.append(occupant)
        try:
            yield
        finally:
            with self._state:
                self._occupants.remove(occupant)
                self._state.notify_all()

    def admit(self, admitting: bool) -> None:
        """Whether new occupants may come in; those who are urgent always may."""
        with self._state:
            self._admitting = admitting
            self._state.notify_all()

    def wait_until_unoccupied(self, cancel: CancelToken) -> None:
        """Raises: Cancelled."""
        with self._waking(cancel), self._state:
            self._state.wait_for(lambda: cancel.cancelled or not self._occupants)
        cancel.raise_if_cancelled()

    @contextmanager
    def lease(self, cancel: CancelToken, urgent: bool) -> Iterator[Backend]:
        """Waits for its turn, and while there is no tenant. Raises: Cancelled while waiting."""
        tenant = self._take(cancel, urgent)
        try:
            yield tenant.backend
        finally:
            with self._state:
                tenant.leases -= 1
                self._state.notify_all()

    def put(self, tenant: Tenant) -> Tenant | None:
        """Let `tenant` serve from now on; gives back the one that served before, with its leases."""
        with self._state:
            old, self._tenant = self._tenant, tenant
            self._state.notify_all()
            return old

    def vacate(self, cancel: CancelToken) -> Tenant | None:
        """Wait for the leases to end, then take the tenant out: nobody is served until the next `put`.

        Raises: Cancelled while waiting; the tenant stays.
        """
        with self._waking(cancel), self._state:
            self._state.wait_for(lambda: cancel.cancelled or self._tenant is None or self._tenant.leases == 0)
            cancel.raise_if_cancelled()
            tenant, self._tenant = self._tenant, None
            return tenant

    def wait_until_returned(self, tenant: Tenant) -> None:
        """Wait for the last lease on a tenant that serves no more."""
        with self._state:
            self._state.wait_for(lambda: tenant.leases == 0)

    def _take(self, cancel: CancelToken, urgent: bool) -> Tenant:
        with self._waking(cancel), self._state:
            self._tickets += 1
            ticket = (not urgent, self._tickets)
            self._line.append(ticket)
            try:
                self._state.wait_for(lambda: cancel.cancelled or self._is_next(ticket))
                cancel.raise_if_cancelled()
                tenant = self._tenant
                assert tenant is not None  # _is_next saw to it, under this lock
                tenant.leases += 1
                return tenant
            finally:
                self._line.remove(ticket)
                self._state.notify_all()

    def _is_next(self, ticket: tuple[bool, int]) -> bool:
        tenant = self._tenant
        return (
            tenant is not None and tenant.leases < tenant.backend.info.parallel and ticket == min(self._line)
        )

    @contextmanager
    def _waking(self, cancel: CancelToken) -> Iterator[None]:
        """Wake those who wait on the state when `cancel` is set."""
        forget = cancel.on_cancel(self._wake)
        try:
            yield
        finally:
            forget()

    def _wake(self) -> None:
        with self._state:
            self._state.notify_all()
