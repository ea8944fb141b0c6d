"""What storage raises. The engine turns these into messages for the person."""


class StorageError(Exception):
    """The data folder cannot be used."""


class FolderInUse(StorageError):
    """Another process owns the data folder."""


class FolderTooNew(StorageError):
    """The data folder was written by a newer Haven."""


class DatabaseLocked(StorageError):
    """Another program holds the database for too long; what was to be kept was not, what was kept stands."""


class DiskFull(StorageError):
    """Nothing more can be written; what was written before stands."""
