"""What storage raises. The engine turns these into messages for the person."""


class StorageError(Exception):
    """The data folder cannot be used."""


class FolderInUse(StorageError):
    """Another process owns the data folder."""


class FolderTooNew(StorageError):
    """The data folder was written by a newer Haven."""


class DiskFull(StorageError):
    """Nothing more can be written; what was written before stands."""
