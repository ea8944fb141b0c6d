"""What went wrong, said to the person at the screen.

The message of a `HavenError` is shown as it is: it names the file, model or value and says what to do
next. Anything else that is raised is a defect in Haven, and is logged with its trace.
"""

from collections.abc import Callable
from dataclasses import dataclass


class HavenError(Exception):
    """Something that a person can act on."""


class InvalidInput(HavenError):
    """A value that was asked for is out of bounds, unknown, or missing."""


@dataclass(frozen=True)
class Name:
    """The name of a setting in a message, as scripts know it; with one of its values: mode='shots'."""

    setting: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.setting}={self.value!r}" if self.value else self.setting


class BadSetting(InvalidInput):
    """A setting that cannot be as it was given. Knows which words of its message are names of settings.

    A script reads the names; what has words of its own for a setting puts them there by `said`.
    """

    def __init__(self, *parts: str | Name) -> None:
        super().__init__(*parts)
        self._parts = parts

    def __str__(self) -> str:
        return self.said(str)

    def said(self, of_name: Callable[[Name], str]) -> str:
        """The message, with what is said for each name."""
        return "".join(of_name(part) if isinstance(part, Name) else part for part in self._parts)


class FileInTheWay(InvalidInput):
    """Something stands where a file was to be put, and may only be replaced if the person says so."""


class MediaError(HavenError):
    """A video that cannot be opened, or not be read any further."""


class ModelError(HavenError):
    """A model that cannot be found, loaded, or made to answer."""


class ServerAway(ModelError):
    """The server that has the model is down, or takes no requests now: ask the same later."""


class Busy(HavenError):
    """What was asked for would interrupt something that is running."""


class Cancelled(HavenError):
    """The work was stopped because somebody asked for it."""


class OutOfSpace(HavenError):
    """The disk that holds the data folder is full."""


class DataFolderError(HavenError):
    """The data folder cannot be used or written: another process's, a newer Haven's, locked, closed."""
