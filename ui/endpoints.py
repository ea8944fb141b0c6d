"""How a function becomes an endpoint of the scripting API: checked arguments, plain JSON, spoken errors.

What an endpoint is given comes from anybody's script, so that it is held against the types that the function
names before the function sees it; bounds are the engine's. Knows no endpoint.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from html import escape
from inspect import Parameter, isasyncgenfunction, signature
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import gradio as gr

from engine.errors import InvalidInput
from ui.handling import explain
from ui.wording import printable

EVERY_SECONDS = 0.1  # between two updates of a stream; a chat has its own


def offer(*endpoints: Callable[..., Any]) -> None:
    """Add them to the page that is being built, each under its own name."""
    for endpoint in endpoints:
        gr.api(_checked(endpoint), api_name=endpoint.__name__, concurrency_limit=None)


def plain(value: Any) -> Any:
    """Dataclasses, mappings and tuples as what JSON knows."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {printable(str(name)): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return printable(str(value)) if isinstance(value, (str, Path)) else value


def spoken(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """An endpoint whose errors reach the script as a plain message, never as a trace."""

    @wraps(call)
    async def endpoint(*args: Any, **kwargs: Any) -> Any:
        try:
            return await call(*args, **kwargs)
        except Exception as error:
            raise said(error) from error

    return endpoint


def said(error: Exception) -> gr.Error:
    """What a script is told: the message alone."""
    # A page would render the message as HTML.
    return gr.Error(escape(explain(error), quote=False), print_exception=False)


def _checked(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The same endpoint; arguments of another type are refused by name. None stands for a default."""
    expected = signature(endpoint)
    types = get_type_hints(endpoint)

    def check(args: tuple[Any, ...], given: dict[str, Any]) -> dict[str, Any]:
        bound = expected.bind(*args, **given)
        for name, value in bound.arguments.items():
            default = expected.parameters[name].default
            if value is None and default is not Parameter.empty:
                bound.arguments[name] = default
                continue
            problem = _problem(types.get(name), value)
            if problem:
                raise said(InvalidInput(f"{name} {problem}"))
        return bound.arguments

    @wraps(endpoint)
    async def asked(*args: Any, **given: Any) -> Any:
        return await endpoint(**check(args, given))

    @wraps(endpoint)
    async def streamed(*args: Any, **given: Any) -> AsyncIterator[Any]:
        async for item in endpoint(**check(args, given)):
            yield item

    return streamed if isasyncgenfunction(endpoint) else asked


def _problem(wanted: Any, value: Any) -> str:
    """What is wrong with an argument, as the end of a sentence; empty for nothing."""
    if wanted is str and not isinstance(value, str):
        return f"must be a text, not {value!r:.80}."
    if get_origin(wanted) is list and not isinstance(value, list):
        return f"must be a list, not {value!r:.80}."
    if isinstance(value, str) and _is_torn(value):
        return "holds half a character. Write it anew."
    return ""


def _is_torn(text: str) -> bool:
    """Whether it cannot be written as UTF-8, so that neither the database nor a page could take it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
