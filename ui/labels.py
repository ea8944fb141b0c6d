"""How the page calls the settings that the engine speaks of by their names in scripts.

The one place where the two meet: a script is told of `fps`, the page of “Frames a second”. Knows no wording.
"""

from engine.errors import BadSetting, Name
from ui import asking
from ui.handling import explain
from ui.wording import printable

LABELS = {
    **{field.name: field.said for field in (*asking.WRITTEN, *asking.TICKS)},
    "max_frames": asking.MOST.said,
    "threshold": "Sure from",
    "max_gap": "Join gaps up to",
    "min_duration": "Drop shorter than",
}
_MODES = {mode: label for label, mode in asking.MODES}


def explained(error: Exception) -> str:
    """As `explain`, with the labels of the page."""
    return printable(error.said(_label)) if isinstance(error, BadSetting) else explain(error)


def _label(name: Name) -> str:
    label = _MODES.get(name.value) if name.value else LABELS.get(name.setting)
    return asking.quoted(label) if label else str(name)
