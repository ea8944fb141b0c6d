"""What the engine says of a setting by its name in scripts, said by the label that a person sees.

The one place where the two meet: a script is told of `fps`, the page of “Frames a second”.
"""

import re

from engine.errors import InvalidInput
from ui import asking
from ui.handling import explain

LABELS = {
    **{field.name: field.said for field in (*asking.WRITTEN, *asking.TICKS)},
    "max_frames": asking.MOST.said,
    "threshold": "Sure from",
    "max_gap": "Join gaps up to",
    "min_duration": "Drop shorter than",
}
_NAME = rf"(?:{'|'.join(sorted(LABELS, key=len, reverse=True))})"
# Where a message names a setting, and no video whose name is the same word.
_NAMED = re.compile(
    rf"^{_NAME}(?= (?:must|in per cent must|says|has|narrows|are cast|\())"
    rf"|(?<=[Ll]eave ){_NAME}(?= out\b)|(?<=leave out ){_NAME}\b(?!=)|(?<=must come after ){_NAME}\b"
)
_MODE = re.compile("mode='(" + "|".join(mode for _, mode in asking.MODES) + ")'")


def explained(error: Exception) -> str:
    """As `explain`, with the labels of the page."""
    said = explain(error)
    return by_label(said) if isinstance(error, InvalidInput) else said


def by_label(text: str) -> str:
    """A message of the engine with labels in the place of the names of settings."""
    modes = {mode: label for label, mode in asking.MODES}
    text = _NAMED.sub(lambda found: asking.quoted(LABELS[found[0]]), text)
    return _MODE.sub(lambda found: asking.quoted(modes[found[1]]), text)
