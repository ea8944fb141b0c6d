"""What our routes answer with: JSON that nobody keeps, files, and why there is none."""

import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from fastapi.responses import FileResponse, JSONResponse

from engine.errors import HavenError, OutOfSpace
from ui.off_loop import slow

NO_STORE = {"cache-control": "no-store"}  # for what may be another in a moment
OCTETS = "application/octet-stream"


def of_now(found: Any) -> JSONResponse:
    """Plain JSON that holds for this moment alone: no browser keeps it."""
    return JSONResponse(found, headers=NO_STORE)


async def or_404(call: Callable[..., Any], *args: Any) -> Any:
    """What the call gives, on a thread that may block.

    Raises: HTTPException 404 with the reason where the engine refuses, 507 where the disk is full.
    """
    try:
        return await slow(call, *args)
    except OutOfSpace as error:
        raise HTTPException(507, str(error)) from None
    except HavenError as error:
        raise HTTPException(404, str(error)) from None


def file_or_404(path: Path, media_type: str | None = None, cache: str = "private, no-cache") -> FileResponse:
    """A file that exists, in ranges where the browser asks for them; `cache` as the header has it.

    Without a media type it is a person's own video. Raises: HTTPException 404 where there is no file.
    """
    if not path.is_file():
        raise HTTPException(404, headers=NO_STORE)
    return FileResponse(
        path, media_type=media_type or _video_type(path.name), headers={"cache-control": cache}
    )


def media_type_of(name: str) -> str:
    """By the ending of a file's name."""
    return mimetypes.guess_type(name)[0] or OCTETS


def _video_type(name: str) -> str:
    """Of a person's own file: never one that a browser would show as a page or run."""
    found = media_type_of(name)
    return found if found.startswith("video/") else OCTETS
