"""What goes wrong with the data folder, in words for the person. Knows nothing of what was to be kept."""

from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import DataFolderError, OutOfSpace
from engine.paths import finds_no_room, why_not
from storage.errors import DatabaseLocked, DiskFull, StorageError
from storage.patience import told_soon

FULL = "The disk is full. Free some space and try again."


@contextmanager
def storage_said() -> Iterator[None]:
    """For what a person waits for: it waits for another program a moment only. Raises: as `in_words`."""
    with told_soon(), in_words():
        yield


@contextmanager
def in_words() -> Iterator[None]:
    """Raises: OutOfSpace, DataFolderError in place of what storage and the disk raise."""
    try:
        yield
    except OSError as error:
        if finds_no_room(error):
            raise OutOfSpace(FULL) from error
        place = error.filename or "The data folder"
        raise DataFolderError(f"Nothing could be kept. {why_not(place, error)}") from error
    except DiskFull as error:
        raise OutOfSpace(FULL) from error
    except DatabaseLocked as error:
        raise DataFolderError(
            f"{error} Nothing was changed: try again when it is closed, or done."
        ) from error
    except StorageError as error:
        raise DataFolderError(f"Nothing could be kept: {error}") from error
