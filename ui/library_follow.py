"""What an open Library tab has to redraw, as `follow` does for the rest: asked for while the tab is in sight.

Nothing is kept between two questions. What is asked of the database has an index, so that ten thousand
videos are no burden; one or two letters are looked for in a short text of each video.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ui import library_cards
from ui.follow import BUSY_MS, IDLE_MS, differing

if TYPE_CHECKING:
    from engine.engine import Engine

PAGE = 50  # videos
FAR = 1_000_000_000  # more than there can be


@dataclass(frozen=True)
class DrawnLibrary:
    """What a page shows already, and which videos it wants to see."""

    search: str = ""
    state: str = ""
    offset: int = 0
    parts: Mapping[str, str] = field(default_factory=dict)


def changes(engine: "Engine", drawn: DrawnLibrary) -> dict[str, Any]:
    """Plain JSON: the parts that are not drawn yet, and when to ask again. Raises: InvalidInput."""
    library = engine.library
    folders, queue = library.folders(), library.queue(library_cards.SHOWN_JOBS)
    offset = min(max(drawn.offset, 0), FAR)
    page = library.files(drawn.search.strip(), drawn.state, limit=PAGE, offset=offset)
    if not page.files and page.total:  # the end is nearer by now
        offset = (page.total - 1) // PAGE * PAGE
        page = library.files(drawn.search.strip(), drawn.state, limit=PAGE, offset=offset)
    searching = bool(drawn.search.strip() or drawn.state)
    parts = {
        "library-folders": library_cards.folders(folders),
        "library-queue": library_cards.queue(queue),
        "library-files": library_cards.files(page, folders, searching),
        "library-disk": library_cards.disk(library.disk()),
    }
    looking = any(folder.looking or not folder.looked for folder in folders)
    moving = looking or queue.running > 0
    return {"every_ms": BUSY_MS if moving else IDLE_MS, "parts": differing(parts, drawn.parts)}
