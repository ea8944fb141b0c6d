"""What people do with the library, and what they see of it.

How folders are looked through is the business of `watch`, what becomes of the files in them that of
`queueing`; jobs and their queue are those of the engine.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.backends.remote.questions import Cost
from engine.bounds import whole
from engine.errors import InvalidInput
from engine.events.jobs import JobView
from engine.jobs import JobRunner
from engine.library import scan
from engine.library.disk import Disk
from engine.library.folders import Folders
from engine.library.queueing import HELD, Analysis, Queueing, request_of
from engine.library.views import STATES, DiskUse, FilesPage, FileView, FolderView, QueueView
from engine.library.watch import Watcher
from engine.paths import place_of, why_not
from engine.plans import cost_of_frame
from engine.trouble import storage_said
from engine.video.request import AnalysisRequest
from storage.records import JobRecord, LibraryFileRecord, LibraryFolderRecord
from storage.store import Store

STEPS = {"up": -1, "down": 1, "first": None}
MOST = 1_000  # files or jobs at once
LONGEST = 200  # characters of what is searched
WAITING = ("queued", "running", "paused")


class Library:
    """Every method may be called from any thread; those that change something raise OutOfSpace."""

    def __init__(self, store: Store, jobs: JobRunner, analysis: Analysis) -> None:
        self._store = store
        self._jobs = jobs
        self._analysis = analysis
        self._watched = Folders()
        self._queueing = Queueing(store, analysis, self._watched)
        self._watcher = Watcher(store, self._watched, self._queueing)
        self._disk = Disk(store, jobs.files)

    def start(self) -> None:
        """Look through the folders, and go on with what is new in them."""
        self._watcher.start()

    def close(self) -> None:
        """Stop looking, and wait for it."""
        self._watcher.close()
        self._disk.close()

    # folders

    def watch(
        self,
        path: str | Path,
        tags: str | list[str] = "",
        prompt: str = "",
        interval: object = 2.0,
        options: Mapping[str, Any] | None = None,
        recursive: bool = True,
        pattern: str = "",
    ) -> FolderView:
        """Analyse the videos in a folder, those that are there and those that come; or a single file.

        A folder that is watched already is asked what is said now. Raises: InvalidInput, saying what to do.
        """
        if not isinstance(recursive, bool):
            raise InvalidInput(f"recursive must be true or false, not {recursive!r}.")
        root = self._root(path)
        scan.matcher(pattern)
        asked: dict[str, Any] = {
            "tags": tags,
            "prompt": prompt,
            "interval": interval,
            "options": dict(options or {}),
        }
        self._analysis.refuse(AnalysisRequest.of(root, **asked))
        pattern = " ".join(pattern.replace(",", " ").split())
        with storage_said():
            before = next((one for one in self._store.library.folders() if one.path == str(root)), None)
            now = time.time()
            folder_id = self._store.library.add_folder(str(root), recursive, pattern, asked, now)
            if before is not None and dict(before.asked) != asked:
                left = self._waiting(folder_id, ("queued", "new"))
                self._store.library.renew_folder(folder_id, now)
                self._queueing.let_go(left)
        self._watched.hurry(folder_id)
        return self.folder(folder_id)

    def forget(self, folder_id: int) -> FolderView:
        """Watch a folder no longer. Jobs made for it that wait are cancelled; what was found is kept."""
        view = self.folder(folder_id)
        with storage_said():
            left = self._waiting(view.folder_id, ("queued", "new", "gone"))
            self._store.library.delete_folder(view.folder_id)
            self._watched.forget(view.folder_id)
            self._queueing.let_go(left)
        return view

    def scan(self, folder_id: int = 0) -> list[FolderView]:
        """Look through a folder, or all of them, now; returns at once."""
        if folder_id:
            self.folder(folder_id)
        with storage_said():
            self._store.library.hurry(folder_id, time.time())
        self._watched.hurry(folder_id)
        return self.folders()

    def wait_for_look(self, folder_id: int, seconds: float) -> bool:
        """Until the look that was asked for last has ended, so many seconds at most; whether it has."""
        return self._watched.wait_for_look(folder_id, seconds)

    def folder(self, folder_id: int) -> FolderView:
        """Raises: InvalidInput for one that is not watched."""
        found = next((one for one in self.folders() if one.folder_id == folder_id), None)
        if found is None:
            raise InvalidInput(f"There is no watched folder {folder_id!r}; it may have been forgotten.")
        return found

    def folders(self) -> list[FolderView]:
        """In the order in which they were added."""
        counts = self._store.library.counts()
        return [self._folder_view(one, counts.get(one.id, {})) for one in self._store.library.folders()]

    # files

    def files(
        self, search: str = "", state: str = "", folder_id: int = 0, limit: int = 50, offset: int = 0
    ) -> FilesPage:
        """Videos by folder and path; with `search`, those that have it in their name or among their tags.

        Raises: InvalidInput.
        """
        if len(str(search)) > LONGEST:
            raise InvalidInput(f"Say what to look for in at most {LONGEST} characters.")
        if state and state not in STATES:
            raise InvalidInput(f"There is no state {state!r}. A video is {', '.join(STATES)}.")
        limit = whole("limit", limit, 1, MOST)
        offset = whole("offset", offset, 0, 1_000_000_000)
        library = self._store.library
        files = library.files(str(search), state, folder_id, limit, offset)
        jobs = self._store.queue.jobs([file.job_id for file in files if file.job_id])
        views = tuple(self._file_view(file, jobs.get(file.job_id)) for file in files)
        return FilesPage(library.count(str(search), state, folder_id), offset, views)

    def retry(self, file_id: int) -> None:
        """Look into a file once more that was set aside, or whose analysis was cancelled or deleted.

        Raises: InvalidInput.
        """
        file = self._store.library.file(file_id)
        if file is None:
            raise InvalidInput(f"There is no video {file_id!r} in the library; it may have been forgotten.")
        job = self._store.job(file.job_id) if file.job_id else None
        if file.state == "new" or (job is not None and job.status in WAITING):
            raise InvalidInput(f"{file.name} is waiting already.")
        with storage_said():
            self._store.library.change_files([file_id], state="new", reason="", job_id="", found=[])
        self._watched.hurry(file.folder_id)

    # the queue

    def queue(self, limit: int = 50) -> QueueView:
        """What runs and what waits, in order."""
        limit = whole("limit", limit, 1, MOST)
        running = self._jobs.running()
        waiting = self._store.queue.waiting(limit)
        jobs = [*([running] if running else []), *waiting]
        return QueueView(
            held=self.held,
            running=int(running is not None),
            waiting=self._store.queue.count("queued"),
            paused=self._store.queue.count("paused"),
            interrupted=self._store.queue.count("interrupted"),
            jobs=tuple(self._jobs.view(job, forecast=False) for job in jobs),
        )

    @property
    def held(self) -> bool:
        """Whether files wait in the library until all is resumed."""
        return bool(self._store.setting(HELD, False))

    def pause_all(self) -> QueueView:
        """Pause what runs and what waits; nothing of the library is queued until all is resumed."""
        with storage_said():
            self._store.set_setting(HELD, True)
            self._jobs.pause_all()
        return self.queue()

    def resume_all(self) -> QueueView:
        """Go on with what was paused, by hand or by a kill, and with the files that wait."""
        with storage_said():
            self._store.set_setting(HELD, False)
            self._jobs.resume_all()
        self._watched.wake()  # a look at a large folder would come before its videos
        return self.queue()

    def cancel_all(self) -> QueueView:
        """Cancel what runs and waits, keeping what was finished; nothing more is queued, as when paused."""
        with storage_said():
            self._store.set_setting(HELD, True)
            self._jobs.cancel_all()
        return self.queue()

    def move_job(self, job_id: str, where: str) -> QueueView:
        """Put a waiting job one place `up` or `down`, or `first`. Raises: InvalidInput."""
        if where not in STEPS:
            raise InvalidInput(f"A job moves {', '.join(STEPS)}; not {where!r}.")
        with storage_said():
            self._jobs.move(job_id, STEPS[where])
        return self.queue()

    # disk

    def disk(self) -> DiskUse | None:
        """What pictures and uploads take, as it was counted last; None before the first time."""
        return self._disk.use()

    def disk_now(self) -> DiskUse:
        """As `disk`, counted now, which may take seconds."""
        return self._disk.count()

    def clear_disk(self, kind: str) -> DiskUse:
        """Remove `thumbnails`, `uploads` or `previews` that no analysis needs. Raises: InvalidInput."""
        return self._disk.clear(kind)

    # views

    def _waiting(self, folder_id: int, states: Sequence[str]) -> list[str]:
        """The jobs of such files that have not ended."""
        files = self._store.library.with_job(folder_id, states, WAITING, limit=1_000_000)
        return [file.job_id for file in files]

    def _root(self, path: str | Path) -> Path:
        """Raises: InvalidInput for what is no folder or file that can be looked into."""
        text = str(path).strip().strip("\"'")
        if not text:
            raise InvalidInput("Name a folder on this machine, for example ~/Videos.")
        place = place_of(text)
        try:
            root = place.resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise InvalidInput(why_not(text, error, "folder")) from error
        if not root.is_dir() and not root.is_file():
            raise InvalidInput(f"{root} is no folder and no file. Name a folder with videos in it.")
        if root.is_relative_to(self._store.folder.resolve()):
            raise InvalidInput(f"{root} belongs to Haven itself. Name a folder with videos of yours.")
        return root

    def _folder_view(self, folder: LibraryFolderRecord, counts: Mapping[str, int]) -> FolderView:
        known = self._watched.of(folder.id)
        each = self._cost_of_frame(folder)
        return FolderView(
            folder_id=folder.id,
            folder=folder.path,
            recursive=folder.recursive,
            pattern=folder.pattern,
            asked=dict(folder.asked),
            looking=known.looking,
            looked=known.looked,
            trouble=known.trouble,
            files={state: counts.get(state, 0) for state in STATES},
            requests_per_frame=each.requests,
            tokens_per_frame=each.tokens,
        )

    def _cost_of_frame(self, folder: LibraryFolderRecord) -> Cost:
        try:
            return cost_of_frame(request_of(folder, folder.path), self._analysis.model())
        except InvalidInput:  # asked by an older Haven; `trouble` says so
            return Cost(0, 0)

    def _file_view(self, file: LibraryFileRecord, job: JobRecord | None) -> FileView:
        view: JobView | None = self._jobs.view(job, forecast=False) if job else None
        return FileView(
            file_id=file.id,
            folder_id=file.folder_id,
            video=file.name,
            place=file.path,
            size=file.size,
            state=file.state,
            reason=file.reason,
            length=file.duration_us / 1e6,
            found=file.found,
            job=view,
        )
