"""Where the page's own style and scripts are, and what a browser may keep of them.

Their addresses carry a mark of the file as it is, so that a browser asks for each once, and again only when
it was changed: forty questions less whenever the page is opened.
"""

import re
from pathlib import Path

from ui.widgets import ASSETS

FOREVER = "private, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
_NAMED = re.compile(rb"haven/assets/([\w.]+)")


def with_marks(markup: bytes) -> bytes:
    """The same, with a mark behind the address of each of our files."""
    return _NAMED.sub(
        lambda found: found[0] + b"?v=" + file_mark(ASSETS / found[1].decode()).encode(), markup
    )


def file_mark(file: Path) -> str:
    """Another one once the file was written anew."""
    found = file.stat()
    return f"{found.st_mtime_ns:x}-{found.st_size:x}"


def may_be_kept(file: Path, mark: str) -> str:
    """The header `cache-control` for a file that was asked for under this mark."""
    return FOREVER if mark == file_mark(file) else ASK_AGAIN
