"""The library: folders that are watched, the videos in them, and the queue that they are analysed in."""

from engine.library.library import Library

__all__ = ["Library"]
