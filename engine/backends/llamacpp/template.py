"""The chat template that came with a model, run in a sandbox and within a bound of time.

A template is a program out of a file from elsewhere: it may not compile, refuse a conversation, or never
end. Knows Jinja; nothing of tokens.
"""

import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, TypeVar

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from engine.errors import ModelError

log = logging.getLogger(__name__)

Turn = Mapping[str, Any]  # {"role": ..., "content": a text, or a list of parts}
LONGEST_SECONDS = 5.0  # a template takes a thousandth of that
_MOST_CHARACTERS = 50_000_000  # that multiplying may make of a text
_TEMPLATE_FILE = "<template>"  # what Jinja calls one that came as a text
T = TypeVar("T")


class RefusedConversation(Exception):
    """The template itself does not take this conversation; the message is its own."""


class ChatTemplate:
    """Puts turns as the text that the model was trained on. Raises: ModelError when it does not compile."""

    def __init__(self, source: str, bos: str, eos: str, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._longest_seconds = longest_seconds
        self._given = {
            "bos_token": bos,
            "eos_token": eos,
            "strftime_now": Jinja2ChatFormatter.strftime_now,
            "raise_exception": _refuse,
        }
        environment = _Sandbox(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[Jinja2ChatFormatter.IgnoreGenerationTags, "jinja2.ext.loopcontrols"],
        )
        environment.filters["tojson"] = Jinja2ChatFormatter.tojson
        try:
            self._template = self._bounded(lambda: environment.from_string(source))
        except _BROKEN as error:
            raise ModelError(
                f"The model's chat template does not compile: {error}. Pick another file of the model."
            ) from error

    def render(self, turns: Sequence[Turn]) -> str:
        """The text, up to where the answer begins.

        Raises: RefusedConversation; ModelError when the template fails, or does not end.
        """
        try:
            return self._bounded(
                lambda: self._template.render(messages=turns, add_generation_prompt=True, **self._given)
            )
        except RefusedConversation:
            raise
        except _BROKEN as error:
            raise RefusedConversation(str(error) or type(error).__name__) from error

    def _bounded(self, work: Callable[[], T]) -> T:
        """Do what may never end: each line of a template asks the clock, and each function that it calls."""
        deadline = time.monotonic() + self._longest_seconds

        def ask(frame: FrameType, event: str, argument: object) -> Any:
            if time.monotonic() > deadline:
                raise _TookTooLong
            return ask if frame.f_code.co_filename == _TEMPLATE_FILE else None

        before = sys.gettrace()
        sys.settrace(ask)
        try:
            return work()
        except _TookTooLong:
            raise ModelError(
                f"The model's chat template did not end within {self._longest_seconds:g} seconds. "
                "Pick another file of the model."
            ) from None
        finally:
            sys.settrace(before)


class _TookTooLong(BaseException):
    """Not an `Exception`, so that nothing in between takes it for a failure of its own."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Also keeps a template from asking for more in one operation than the clock can stop."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise jinja2.exceptions.SecurityError("a chat template may not use **")
        for many, times in ((left, right), (right, left)):
            if isinstance(many, (str, list, tuple)) and len(many) * int(times) > _MOST_CHARACTERS:
                raise jinja2.exceptions.SecurityError("a chat template may not make so long a text")
        return super().call_binop(context, operator, left, right)


# What Jinja and a template's own operations raise.
_BROKEN = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    jinja2.TemplateError,
)


def _refuse(message: str) -> None:
    raise RefusedConversation(message)
