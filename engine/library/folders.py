"""What is known of the watched folders as long as the process lives, and when each is to be looked through.

In memory alone: after a start every folder is looked through anew. Reads no file and no database.
"""

import errno
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field

_UNDER_WAY = float("inf")
_PUT_BACK = "Put back what was there; or forget it here, and watch the place where that is now."
_WHAT_TO_DO = {
    **dict.fromkeys((errno.ELOOP, errno.ENOTDIR, errno.EISDIR), _PUT_BACK),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "Allow this user to read it."),
}


@dataclass
class Folder:
    """One of them."""

    due: float = 0.0  # monotonic: when it is looked through again
    looking: bool = False
    looked: bool = False
    unreadable: str = ""
    refused: str = ""  # why its videos cannot be analysed with the model that serves
    stumbles: int = 0  # files one after the other that could not be read
    pauses: dict[int, float] = field(default_factory=dict)  # of each such file, seconds that it waits

    @property
    def trouble(self) -> str:
        """Why it cannot be looked through, or why its videos cannot be analysed now."""
        return self.unreadable or self.refused

    def lost(self, path: str, error: OSError) -> None:
        """Note that nothing can be said of what is in it."""
        what_to_do = _WHAT_TO_DO.get(error.errno or 0, "Is its disk connected?")
        self.unreadable = f"{path} cannot be read ({error.strerror}). {what_to_do}"


class Folders:
    """All of them by id, and the thread's alarm clock. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._state = threading.Condition()
        self._known: dict[int, Folder] = {}
        self._woken = False

    def of(self, folder_id: int) -> Folder:
        """What is known of one; of one that was forgotten, nothing."""
        with self._state:
            return self._known.get(folder_id, Folder())

    def forget(self, folder_id: int) -> None:
        with self._state:
            self._known.pop(folder_id, None)

    def keep(self, folder_ids: Collection[int]) -> None:
        """Know only these: one that was forgotten while another was looked through is never due again."""
        with self._state:
            for known in [known for known in self._known if known not in folder_ids]:
                del self._known[known]

    def hurry(self, folder_id: int = 0) -> None:
        """Have that folder looked through now, or all of them; returns at once."""
        with self._state:
            for known, folder in self._known.items():
                if folder_id in (0, known):
                    folder.due = 0.0
            if folder_id:
                self._known.setdefault(folder_id, Folder()).due = 0.0
        self.wake()

    def is_due(self, folder_id: int) -> bool:
        with self._state:
            return self._known.setdefault(folder_id, Folder()).due <= time.monotonic()

    def begin(self, folder_id: int) -> Folder:
        """It is being looked through."""
        known = self.of(folder_id)
        known.looking, known.due = True, _UNDER_WAY
        return known

    def end(self, known: Folder, again_in: float) -> None:
        """It was; again in so many seconds, unless somebody asked for another look meanwhile."""
        known.looking, known.looked = False, True
        with self._state:
            if known.due == _UNDER_WAY:
                known.due = time.monotonic() + again_in
            self._state.notify_all()

    def wait_for_look(self, folder_id: int, seconds: float) -> bool:
        """Until the look that was asked for last has ended, so many seconds at most; whether it has."""
        with self._state:
            known = self._known.get(folder_id)
            if known is None:
                return False
            return self._state.wait_for(lambda: known.looked and 0.0 < known.due < _UNDER_WAY, seconds)

    def look_is_due(self) -> bool:
        """Whether something is to be looked through before anything else."""
        with self._state:
            return self._woken or any(known.due <= time.monotonic() for known in self._known.values())

    def wake(self) -> None:
        with self._state:
            self._woken = True
            self._state.notify_all()

    def sleep(self, seconds: float | None) -> None:
        """Until somebody wakes the thread, so many seconds at most."""
        with self._state:
            self._state.wait_for(lambda: self._woken, seconds)
            self._woken = False
