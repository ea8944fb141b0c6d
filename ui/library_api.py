"""The library's endpoints of the scripting API. As in `api`, names, order and defaults are a promise."""

from collections.abc import Callable
from typing import Any

from engine.bounds import named, whole
from ui.endpoints import plain, spoken
from ui.house import House
from ui.off_loop import at_once, quick, slow

MOST = 2**53  # that a number in JSON is exact to


def endpoints(house: House) -> list[Callable[..., Any]]:
    """What a script can ask about folders, the queue and the disk."""
    return [*_folders(house), *_files(house), *_queue(house), *_disk(house)]


def _folders(house: House) -> list[Callable[..., Any]]:
    engine = house.engine

    @spoken
    async def folders() -> list[dict]:
        """The watched folders: `{folder_id, folder, recursive, pattern, asked, looking, trouble, files}`."""
        return plain(await quick(engine.library.folders))

    @spoken
    async def watch_folder(
        folder: str,
        tags: str = "",
        prompt: str = "",
        interval: float = 2.0,
        options: dict = {},  # noqa: B006 - the default is part of the endpoint; it is never changed
        recursive: bool = True,
        pattern: str = "",
    ) -> dict:
        """Analyse the videos in a folder of this machine, those that are there and those that come."""
        given = named("The options of an analysis", options)
        return plain(
            await slow(engine.library.watch, folder, tags, prompt, interval, given, recursive, pattern)
        )

    @spoken
    async def forget_folder(folder_id: int) -> dict:
        """Watch a folder no longer; what was found is kept. Gives how it was."""
        return plain(await slow(engine.library.forget, whole("folder_id", folder_id, 0, MOST)))

    @spoken
    async def scan_library(folder_id: int = 0) -> list[dict]:
        """Look through a folder, or all of them, now; gives the folders, at once."""
        return plain(await slow(engine.library.scan, whole("folder_id", folder_id, 0, MOST)))

    return [folders, watch_folder, forget_folder, scan_library]


def _files(house: House) -> list[Callable[..., Any]]:
    engine = house.engine

    @spoken
    async def library(
        search: str = "", state: str = "", folder_id: int = 0, limit: int = 50, offset: int = 0
    ) -> dict:
        """Videos of the watched folders, a page at a time: `{total, offset, files}`."""
        folder = whole("folder_id", folder_id, 0, MOST)
        return plain(await quick(engine.library.files, search, state, folder, limit, offset))

    @spoken
    async def retry_video(file_id: int) -> None:
        """Look once more into a video that was set aside."""
        await slow(engine.library.retry, whole("file_id", file_id, 0, MOST))

    return [library, retry_video]


def _queue(house: House) -> list[Callable[..., Any]]:
    engine = house.engine

    @spoken
    async def queue(limit: int = 50) -> dict:
        """What runs and waits, in order: `{held, running, waiting, paused, interrupted, jobs}`."""
        return plain(await quick(engine.library.queue, limit))

    @spoken
    async def pause_all() -> dict:
        """Pause every job, and queue nothing of the library until all is resumed; gives the queue."""
        return plain(await at_once(engine.library.pause_all))

    @spoken
    async def resume_all() -> dict:
        """Go on with every job that was paused or interrupted; gives the queue."""
        return plain(await slow(engine.library.resume_all))

    @spoken
    async def cancel_all() -> dict:
        """Cancel every job that runs, waits or is paused, keeping what was finished; gives the queue."""
        return plain(await at_once(engine.library.cancel_all))

    @spoken
    async def move_job(job_id: str, where: str) -> dict:
        """Put a waiting job `first`, or one place `up` or `down`; gives the queue."""
        return plain(await quick(engine.library.move_job, job_id, where))

    return [queue, pause_all, resume_all, cancel_all, move_job]


def _disk(house: House) -> list[Callable[..., Any]]:
    engine = house.engine

    @spoken
    async def disk_use() -> dict:
        """Bytes that are taken and free: `{thumbnails, uploads, previews, free}`."""
        return plain(await slow(engine.library.disk_now))

    @spoken
    async def clear_disk(kind: str) -> dict:
        """Remove `thumbnails`, `uploads` or `previews` that no analysis under way needs; gives the rest."""
        return plain(await slow(engine.library.clear_disk, kind))

    return [disk_use, clear_disk]
