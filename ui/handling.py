"""How a tab attaches its handlers, private to the page and unlimited by the queue; how it says what failed.

The engine is what limits; a limit on handlers would only make one window wait for another.
"""

import logging
from html import escape
from typing import Any

from engine.errors import HavenError
from ui.wording import printable

log = logging.getLogger(__name__)

# What every event of the page is attached with.
QUIET: dict[str, Any] = {
    "api_visibility": "private",
    "concurrency_limit": None,
    "show_progress": "hidden",
    "queue": True,
}
# For buttons that do one thing after another: a click that comes while the one before is answered counts too.
EVERY_CLICK: dict[str, Any] = {**QUIET, "trigger_mode": "multiple"}


def notice(text: str, kind: str = "error") -> str:
    """A line for the person, escaped; empty text takes it away."""
    if not text:
        return ""
    role = "alert" if kind == "error" else "status"
    return f'<p class="notice {kind}" role="{role}">{escape(text)}</p>'


def explain(error: Exception) -> str:
    """What the person is told: the message of a HavenError; a defect is logged with its trace."""
    if isinstance(error, HavenError):
        return printable(str(error))
    log.error("A handler failed", exc_info=error)
    return "Something went wrong inside Haven. The details are in its log, in the terminal."
