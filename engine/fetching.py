"""Fetching one model of the catalogue: asked for, fetched, checked and put on the shelf, file by file.

Goes on where an earlier try stopped, whichever process that was. Knows the hub's line and the staging
folder; knows nothing of threads, or of other downloads.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from engine.cancel import CancelToken
from engine.errors import ModelError, OutOfSpace
from engine.events.models import ModelOffer
from engine.hub import HubFault, HubFile, HubLine, Listing
from engine.offers import FETCHED, folder_of
from engine.staging import Part, Staging, is_the_same

Tell = Callable[[int, int, str], None]  # bytes that are here, bytes in all, what is being done
PAUSES = (1.0, 2.0, 4.0)  # seconds before the next try where a line broke off without a new byte
_ROOM_LEFT = 200_000_000  # bytes of the disk that a download leaves alone
_NOT_SATISFIABLE = 416
_WEIGHTS = (".gguf", ".safetensors")


@dataclass(frozen=True)
class Fetch:
    """One model on its way to the shelf."""

    offer: ModelOffer
    shelf: Path
    line: HubLine
    tell: Tell
    cancel: CancelToken
    pauses: Sequence[float] = PAUSES

    def run(self) -> Path:
        """Fetch what is missing; gives the folder on the shelf.

        Raises: Cancelled; ModelError and OutOfSpace, with what was fetched kept; OSError of the disk.
        """
        with self._staging.alone():
            return self._run()

    def _run(self) -> Path:
        self.tell(*self._staging.known(), f"Asking {self.line.host} about {self.offer.label}.")
        listing = self._asked()
        wanted = wanted_files(self.offer, listing)
        target = self.shelf / folder_of(self.offer)
        files = [file for file in wanted if not self._is_there(target / file.name, file)]
        self._staging.begin(files)
        self._refuse_a_full_disk(files)
        for number, file in enumerate(files, 1):
            if not self._staging.is_whole(file):
                self._fetch(listing.commit, file, files, f"Fetching {file.name} ({number} of {len(files)}).")
        self._staging.finish(target)
        whole = sum(file.size_bytes for file in wanted)
        self.tell(whole, whole, f"{self.offer.label} is whole.")
        return target

    def _is_there(self, path: Path, file: HubFile) -> bool:
        """Whether the shelf has it already; a large file takes some seconds to compare."""
        return is_the_same(path, file, self.cancel.raise_if_cancelled)

    @property
    def _staging(self) -> Staging:
        return Staging(self.shelf, self.offer.id)

    def _asked(self) -> Listing:
        try:
            return self.line.listing(self.offer.repo, self.offer.revision)
        except HubFault:
            self.cancel.raise_if_cancelled()  # what was hung up is no fault
            raise

    def _refuse_a_full_disk(self, files: Sequence[HubFile]) -> None:
        missing = sum(file.size_bytes for file in files) - self._staging.kept_bytes(files)
        free = shutil.disk_usage(self.shelf).free - _ROOM_LEFT
        if missing > free:
            raise OutOfSpace(
                f"The disk has no room for {self.offer.label}: {missing / 1e9:.1f} GB are to be fetched, and "
                f"{(missing - free) / 1e9:.1f} GB of space are missing. Free some, then start it again."
            )

    def _fetch(self, commit: str, file: HubFile, files: Sequence[HubFile], said: str) -> None:
        """One file, from where it stopped. Raises: as `run`."""
        others = self._staging.kept_bytes(each for each in files if each != file)
        total = sum(each.size_bytes for each in files)

        def show(part: Part) -> None:
            self.tell(others + part.size_bytes, total, said)

        with self._staging.part(file, self.cancel.raise_if_cancelled) as part:
            self._fill(part, commit, file, show)
            sound = part.is_sound
            if not sound:
                part.restart()
        if not sound:
            raise ModelError(
                f"{file.name} arrived damaged: it is not what {self.line.host} says it has. "
                "It was thrown away. Start the download again."
            )
        self._staging.keep(file)

    def _fill(self, part: Part, commit: str, file: HubFile, show: Callable[[Part], None]) -> None:
        """Until it is whole; a line that breaks off is taken up again while new bytes come."""
        tries = 0
        while not part.is_whole:
            before = part.size_bytes
            try:
                self._receive(part, commit, file, show)
            except HubFault as fault:
                self.cancel.raise_if_cancelled()
                tries = 0 if part.size_bytes > before else tries
                if fault.status == _NOT_SATISFIABLE and part.size_bytes:
                    part.restart()
                elif not fault.again or tries == len(self.pauses):
                    raise
                self.cancel.wait(self.pauses[min(tries, len(self.pauses) - 1)])
                self.cancel.raise_if_cancelled()
                tries += 1

    def _receive(self, part: Part, commit: str, file: HubFile, show: Callable[[Part], None]) -> None:
        with self.line.content(self.offer.repo, commit, file.name, part.size_bytes) as (start, chunks):
            if start != part.size_bytes:
                part.restart()
            show(part)
            for chunk in chunks:
                self.cancel.raise_if_cancelled()
                part.add(chunk)
                show(part)
                if part.is_whole:
                    return
        raise self.line.broke_off()


def wanted_files(offer: ModelOffer, listing: Listing) -> list[HubFile]:
    """Those of a repository that are fetched. Raises: ModelError where one that is needed is not there.

    Weights that could run code are never among them, whatever the catalogue asks for, and neither is
    anything below the topmost folder.
    """
    safe = [file for file in listing.files if "/" not in file.name and file.name.endswith(FETCHED)]
    chosen = [file for file in safe if _is_any(file.name, offer.files)]
    here = {file.name for file in chosen}
    missing = [name for name in offer.files if "*" not in name and name not in here]
    if missing:
        raise ModelError(f"{offer.repo} does not have {missing[0]} any more. Look for a newer Haven.")
    if not any(name.endswith(_WEIGHTS) for name in here):
        raise ModelError(f"{offer.repo} has no weights that are safe to open. Pick another model.")
    return sorted(chosen, key=lambda file: file.size_bytes)


def _is_any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
