"""Halves the time that importing Gradio takes: whenever it is imported it reads the source of each of its
components, to write a stub for editors beside it.

It passes over a class that comes from no file, and is told here that its own come from none. If it goes about
this otherwise one day, nothing breaks and the start is as slow as before; a test says so.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def no_stubs() -> Iterator[None]:
    """Around the first import of Gradio."""
    file_of = inspect.getfile

    def getfile(object: Any) -> str:
        if isinstance(object, type) and object.__module__.startswith("gradio."):
            raise OSError("Haven needs no stubs.")
        return file_of(object)

    inspect.getfile = getfile
    try:
        yield
    finally:
        inspect.getfile = file_of
