"""Where a download lies until it is whole: a hidden folder of the shelf, which no list of models looks into.

`.downloads/<id>/plan.json` says which files belong to it, `parts/` has what is begun, `files/` what is whole
and checked. All of it outlives the process. Knows files and digests, and no network.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from engine.errors import ModelError
from engine.hub import HubFile
from engine.paths import why_not

HIDDEN = ".downloads"
_AT_ONCE = 1 << 20  # bytes that are read
_ANNOUNCES = ("config.json", ".gguf")  # a file like that makes a folder a model: it is put there last


class Staging:
    """The folder of one download. `id` is that of its offer."""

    def __init__(self, shelf: Path, id: str) -> None:
        self.id = id
        self._folder = shelf / HIDDEN / id
        self._ready, self._parts = self._folder / "files", self._folder / "parts"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else works on this download meanwhile, in whichever process. Raises: ModelError, OSError.

        A lock of the operating system, which ends with its process. Its file stays: removing it would race.
        """
        import filelock

        self._folder.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self._folder.parent / f"{self.id}.lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            raise ModelError(
                "Another Haven is downloading this model to the same shelf. Wait until it is there, or stop "
                "it in that Haven."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def begin(self, files: Iterable[HubFile]) -> None:
        """Say what belongs to the download; what was kept of other files is removed."""
        files = list(files)
        for folder in (self._ready, self._parts):
            folder.mkdir(parents=True, exist_ok=True)
        _drop_all_but(self._ready, {file.name for file in files})
        _drop_all_but(self._parts, {_part_name(file) for file in files})
        new = self._folder / "plan.json.new"
        new.write_text(json.dumps([asdict(file) for file in files]), encoding="utf-8")
        new.replace(self._folder / "plan.json")

    def plan(self) -> list[HubFile]:
        """What belongs to it; empty when nothing was begun, or the note of it is damaged."""
        try:
            told = json.loads((self._folder / "plan.json").read_text(encoding="utf-8"))
            return [HubFile(**each) for each in told]
        except (OSError, ValueError, TypeError):
            return []

    def kept_bytes(self, files: Iterable[HubFile]) -> int:
        """How much of them is here, going by sizes."""
        return sum(self._kept_of(file) for file in files)

    def known(self) -> tuple[int, int]:
        """Bytes that are here, and in all, as far as it was planned; 0 in all where that is not known."""
        plan = self.plan()
        if not plan:
            return sum(map(_size, (*self._parts.glob("*"), *self._ready.glob("*")))), 0
        return self.kept_bytes(plan), sum(file.size_bytes for file in plan)

    def part(self, file: HubFile, check: Callable[[], None]) -> "Part":
        """What is begun of a file, for more; `check` is called while that is read, and may raise."""
        return Part(self._parts / _part_name(file), file, check)

    def is_whole(self, file: HubFile) -> bool:
        """Whether it is here and was checked."""
        return _size(self._ready / file.name) == file.size_bytes

    def keep(self, file: HubFile) -> None:
        """Put a file among those that are whole. Its part must be sound."""
        os.replace(self._parts / _part_name(file), self._ready / file.name)

    def finish(self, target: Path) -> None:
        """Move everything to its place on the shelf, at once where nothing is there yet.

        Raises: OSError, with the rest still here; ModelError, as `discard`.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            for path in sorted(self._ready.iterdir(), key=lambda path: path.name.endswith(_ANNOUNCES)):
                os.replace(path, target / path.name)
        else:
            os.rename(self._ready, target)
        self.discard()

    def discard(self) -> None:
        """Remove what is here. Raises: ModelError where that is not allowed."""
        try:
            shutil.rmtree(self._folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ModelError(why_not(error.filename or self._folder, error)) from error

    def _kept_of(self, file: HubFile) -> int:
        if self.is_whole(file):
            return file.size_bytes
        return min(_size(self._parts / _part_name(file)), file.size_bytes)


def begun(shelf: Path) -> list[Staging]:
    """Every download that has left something, by id."""
    try:
        names = sorted(path.name for path in (shelf / HIDDEN).iterdir() if path.is_dir())
    except OSError:  # nothing was ever begun
        return []
    return [Staging(shelf, name) for name in names]


class Part:
    """A file that grows, and the digest of what it has. To be used in a `with`."""

    def __init__(self, path: Path, file: HubFile, check: Callable[[], None]) -> None:
        self._path, self._file, self._check = path, file, check

    def __enter__(self) -> Self:
        self._open: BinaryIO = self._path.open("a+b")
        try:
            self._read_what_is_here()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            if kind is None:
                self._open.flush()
                os.fsync(self._open.fileno())

    @property
    def is_whole(self) -> bool:
        return self.size_bytes >= self._file.size_bytes

    @property
    def is_sound(self) -> bool:
        """Whether it is, to the bit, what the hub says it has."""
        return self.size_bytes == self._file.size_bytes and _says(self._digest, self._file)

    def add(self, chunk: bytes) -> None:
        """More of it, safe from a kill of the process. Raises: OSError when the disk does not take it."""
        self._open.write(chunk)
        self._open.flush()
        self._digest.update(chunk)
        self.size_bytes += len(chunk)

    def restart(self) -> None:
        """Begin from nothing."""
        self._open.truncate(0)
        self.size_bytes, self._digest = 0, _digest_of(self._file)

    def _read_what_is_here(self) -> None:
        self._open.seek(0)
        self._digest, self.size_bytes = _read(self._open, self._file, self._check)
        if self.size_bytes > self._file.size_bytes:
            self.restart()


def is_the_same(path: Path, file: HubFile, check: Callable[[], None]) -> bool:
    """Whether what lies at `path` is, to the bit, what the hub has; `check` is called while it is read."""
    if _size(path) != file.size_bytes:
        return False
    with path.open("rb") as there:
        return _says(_read(there, file, check)[0], file)


def _read(source: BinaryIO, file: HubFile, check: Callable[[], None]) -> tuple["hashlib._Hash", int]:
    """The digest of the rest of an open file, and how many bytes that was."""
    digest, size = _digest_of(file), 0
    while chunk := source.read(_AT_ONCE):
        check()
        digest.update(chunk)
        size += len(chunk)
    return digest, size


def _says(digest: "hashlib._Hash", file: HubFile) -> bool:
    kind = file.digest.partition(":")[0]
    return f"{kind}:{digest.hexdigest()}" == file.digest


def _digest_of(file: HubFile) -> "hashlib._Hash":
    """Empty, of the kind that the hub names; git puts a header before a file's bytes."""
    if file.digest.startswith("sha256:"):
        return hashlib.sha256()
    return hashlib.sha1(f"blob {file.size_bytes}\0".encode(), usedforsecurity=False)


def _part_name(file: HubFile) -> str:
    return file.digest.replace(":", "-")


def _drop_all_but(folder: Path, names: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
