"""Calling what may block (files, the database, a provider) without holding up the page.

Threads of our own: the pool that a web framework shares among everybody would let a few slow calls
keep a Stop waiting.
"""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Asked = ParamSpec("Asked")
Given = TypeVar("Given")

_quick = ThreadPoolExecutor(4, thread_name_prefix="page")
_stops = ThreadPoolExecutor(4, thread_name_prefix="page-stop")
_slow = ThreadPoolExecutor(16, thread_name_prefix="page-slow")


async def quick(call: Callable[Asked, Given], *args: Asked.args, **kwargs: Asked.kwargs) -> Given:
    """Run what answers in milliseconds, but may touch the disk."""
    return await _run(_quick, call, *args, **kwargs)


async def slow(call: Callable[Asked, Given], *args: Asked.args, **kwargs: Asked.kwargs) -> Given:
    """Run what may take seconds; never in the way of what is quick."""
    return await _run(_slow, call, *args, **kwargs)


async def at_once(call: Callable[Asked, Given], *args: Asked.args, **kwargs: Asked.kwargs) -> Given:
    """Run what stops something: a Stop waits behind nothing but other Stops."""
    return await _run(_stops, call, *args, **kwargs)


async def _run(
    pool: ThreadPoolExecutor, call: Callable[Asked, Given], *args: Asked.args, **kwargs: Asked.kwargs
) -> Given:
    bound = functools.partial(call, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(pool, bound)
