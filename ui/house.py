"""What the page's handlers work with: the engine, and the videos that were chosen."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ui.media import OpenedVideos

if TYPE_CHECKING:
    from engine.engine import Engine


@dataclass(frozen=True)
class House:
    """Made once by the server and handed to every tab."""

    engine: "Engine"
    samples: Path  # folder for clips that Haven makes itself
    opened: OpenedVideos = field(default_factory=OpenedVideos)
