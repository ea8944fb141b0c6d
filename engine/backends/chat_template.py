"""The chat template that came with a model, run in a sandbox and within bounds of time and of length.

A template is a program out of a file from elsewhere: it may not compile, refuse a conversation, never end,
or write without end. Knows Jinja; nothing of tokens.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from types import FrameType
from typing import Any, TypeVar

import jinja2
import jinja2.ext
import jinja2.runtime
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.backends import template_lengths as lengths
from engine.cancel import CancelToken
from engine.errors import HavenError, ModelError

Turn = Mapping[str, Any]  # {"role": ..., "content": a text, or a list of parts}
LONGEST_SECONDS = 2.0  # of computing, whatever else the machine does; a template takes a thousandth of that
LONGEST_SOURCE = 200_000  # characters
_QUICK_SOURCE = 20_000  # compiled in half a second; to watch that takes three times as long
_TO_COMPILE = 5  # times as long as to write
_STEPS = 32  # from one look at the clock to the next
_MOST_BITS = 100_000  # of a number
# filters that read a value, or pick of it, and write nothing; and those that put something before its lines
_READING = frozenset({"attr", "count", "d", "default", "first", "items", "last", "length", "list", "map"})
_PICKING = frozenset({"reject", "rejectattr", "reverse", "select", "selectattr"})
_SPREADING = frozenset({"indent", "slice", "wordwrap", "xmlattr"})
_TEMPLATE_FILE = "<template>"  # what Jinja calls one that came as a text
_OTHER = "Pick another model, or another file of this one."
T = TypeVar("T")


class RefusedConversation(ModelError):
    """The template itself does not take this conversation."""


class ChatTemplate:
    """Puts turns as the text that the model was trained on.

    `given` are the special tokens by the names that templates know; `called` begins what is said of a broken
    one. Raises: ModelError when it does not compile, or is too long to try.
    """

    def __init__(
        self,
        source: str,
        given: Mapping[str, Any],
        called: str = "The model's chat template",
        longest_seconds: float = LONGEST_SECONDS,
    ) -> None:
        self._given = {**_GIVEN, **given}
        self._source = source
        self.asks_the_time = "strftime_now" in source  # so that it may write the same turns in another way
        self._called, self._longest_seconds = called, longest_seconds
        if len(source) > LONGEST_SOURCE:
            raise ModelError(f"{called} has {len(source):,} characters, which none needs. {_OTHER}")
        try:
            self._template = self._read(lambda: _compiled(source))
        except HavenError:
            raise
        except Exception as error:  # Jinja's own, and what Python says to the program that Jinja writes
            raise ModelError(f"{called} does not compile: {_said(error)}. {_OTHER}") from error

    def render(self, turns: Sequence[Turn], cancel: CancelToken | None = None) -> str:
        """The text, up to where the answer begins.

        Raises: RefusedConversation; Cancelled; ModelError when the template does not end.
        """
        try:
            return self._bounded(lambda: self._template.render(messages=turns, **self._given), cancel)
        except HavenError:
            raise
        except Exception as error:  # whatever a program from elsewhere does
            raise RefusedConversation(f"{self._called} refuses this conversation: {_said(error)}.") from error

    def words(self) -> str:
        """The texts that stand in the template itself, apart from each other."""
        return self._read(lambda: _words(self._template.environment, self._source))

    def _read(self, work: Callable[[], T]) -> T:
        """Nothing of a template runs meanwhile, so that only a long one can take long."""
        return work() if len(self._source) <= _QUICK_SOURCE else self._bounded(work, times=_TO_COMPILE)

    def _bounded(self, work: Callable[[], T], cancel: CancelToken | None = None, times: int = 1) -> T:
        """Do what may never end: a step is each line of the template, and each function that it calls."""
        longest = self._longest_seconds * times
        deadline = time.thread_time() + longest
        steps = 0

        def step(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal steps
            steps += 1
            if steps % _STEPS == 0:
                if time.thread_time() > deadline:
                    raise _Endless(f"did not end within {longest:g} seconds")
                if cancel is not None and cancel.cancelled:
                    raise _Endless("was stopped")
            if event != "call":
                return step
            if frame.f_code in _JOINING:
                _refuse_too_long(sum(map(lengths.written, frame.f_locals.get("seq", ()))))
            return step if frame.f_code.co_filename == _TEMPLATE_FILE else None

        before = sys.gettrace()
        sys.settrace(step)
        try:
            return work()
        except _Endless as endless:
            sys.settrace(before)
            if cancel is not None:
                cancel.raise_if_cancelled()
            raise ModelError(f"{self._called} {endless}. {_OTHER}") from None
        finally:
            sys.settrace(before)


def refuse_broken(source: str, called: str) -> None:
    """Raises: ModelError for one that does not compile, or does not end when it is given a short question.

    One that refuses the question passes: it may want the model's own tokens, or a turn of another shape.
    """
    template = ChatTemplate(source, {}, called)
    try:
        template.render([{"role": "user", "content": "Hi"}])
    except RefusedConversation:
        return


class _Endless(BaseException):
    """Not an `Exception`, so that nothing in between takes it for a failure of its own."""


class _Generation(jinja2.ext.Extension):
    """`{% generation %}` marks what a model learns from; what stands in it is written as it is."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Any) -> Any:
        parser.stream.skip(1)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _joined(pieces: Iterable[str]) -> str:
    """All that a template writes goes through here, and what it keeps of that for later."""
    kept: list[str] = []
    length = 0
    for piece in pieces:
        kept.append(piece)
        length += len(piece)
        _refuse_too_long(length)
    return "".join(kept)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Also keeps a template from asking for more in one operation than the clock can stop."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})
    concat = staticmethod(_joined)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise jinja2.exceptions.SecurityError("a chat template may not use **")
        if operator == "*":
            _refuse_too_long(_product(left, right))
        elif operator == "+":
            _refuse_too_long(lengths.of(left) + lengths.of(right))
        elif isinstance(left, (str, bytes)):
            _refuse_too_long(lengths.percent(_text(left), right))
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, called: Any, /, *args: Any, **kwargs: Any) -> Any:
        method = getattr(called, "__wrapped__", called)  # the sandbox wraps `format`
        owner, verb = getattr(method, "__self__", None), getattr(method, "__name__", "")
        if verb == "join" and args:
            args = (_listed(args[0]), *args[1:])
        given = (*args, *kwargs.values())
        if isinstance(owner, (str, bytes)):
            _refuse_too_long(lengths.called(owner, verb, given))
        elif isinstance(owner, int):
            _refuse_too_long(lengths.widest(given))
        return super().call(context, called, *args, **kwargs)


def _watched(name: str, filter: Callable[..., Any]) -> Callable[..., Any]:
    """The filter behind a look at what it is given; one that wants the context is not run while compiling."""
    wants = getattr(filter, "jinja_pass_arg", None)

    @jinja2.pass_context
    def watched(context: jinja2.runtime.Context, value: Any = "", *args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        if name == "join":
            value = _listed(value)
            _refuse_too_long(lengths.joined(args[0] if args else kwargs.get("d", ""), value))
        elif name == "replace":
            _refuse_too_long(lengths.replaced(value, *given[:2]))
        elif name == "format":
            _refuse_too_long(lengths.percent(str(value), given))
        elif name in _SPREADING:
            _refuse_too_long(lengths.spread(value, given))
        elif name not in _READING | _PICKING:
            _refuse_too_long(lengths.written(value) + lengths.widest(given))
        known = {"context": context, "eval_context": context.eval_ctx, "environment": context.environment}
        return filter(*([known[wants.name]] if wants else []), value, *args, **kwargs)

    return watched


def _shown(value: Any) -> Any:
    """What is written as it is; a list may hold itself many times."""
    if not isinstance(value, str):
        _refuse_too_long(lengths.written(value))
    return value


def _refuse_too_long(length: int) -> None:
    if length > lengths.MOST:
        raise _Endless(f"writes more than {lengths.MOST // 1_000_000} million characters")


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _listed(parts: Any) -> Any:
    """What can be gone through once only, as a list."""
    return list(parts) if isinstance(parts, Iterator) else parts


def _product(left: Any, right: Any) -> int:
    """How long it gets; numbers of so many digits that to multiply them takes minutes count as too long."""
    if isinstance(left, int) and isinstance(right, int):
        return lengths.MOST + 1 if left.bit_length() + right.bit_length() > _MOST_BITS else 0
    many, times = (right, left) if isinstance(left, int) else (left, right)
    return lengths.of(many) * times if isinstance(times, int) else 0


@lru_cache(maxsize=8)
def _compiled(source: str) -> jinja2.Template:
    """Kept, since one is wanted when a model is checked, when it is loaded, and when it is brought back."""
    environment = _Sandbox(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_Generation, "jinja2.ext.loopcontrols"],
        finalize=_shown,
    )
    environment.filters["tojson"] = _to_json
    environment.globals["namespace"] = _Namespace
    environment.filters = {name: _watched(name, filter) for name, filter in environment.filters.items()}
    return environment.from_string(source)


def _words(environment: jinja2.Environment, source: str) -> str:
    """All texts of a template's own, apart from each other."""
    tree = environment.parse(source)
    written = [node.data for node in tree.find_all(nodes.TemplateData)]
    said = [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]
    return "\0".join([*written, *said])


class _Namespace(jinja2.utils.Namespace):
    """One that takes no names with which Python's own things begin."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # a name may be `self` too
        values = dict(*args[1:], **kwargs)
        for name in values:
            _refuse_underscore(name)
        jinja2.utils.Namespace.__init__(args[0], values)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_underscore(name)
        super().__setitem__(name, value)


def _refuse_underscore(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"a chat template may not keep anything as {name}")


def _said(error: Exception) -> str:
    """The first line of what Jinja or Python say, and where it is; without the point at its end."""
    where = f", in line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
    said = (error.message or "") if isinstance(error, jinja2.TemplateError) else str(error)
    first = said.strip().split("\n")[0].rstrip(".")
    return f"{first or type(error).__name__}{where}"


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own would write HTML's special characters otherwise."""
    encoder = json.JSONEncoder(
        ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )
    return _joined(encoder.iterencode(value))


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def _refuse(message: object) -> None:
    raise jinja2.TemplateError(str(message))


# What templates are written to expect, as transformers gives it to them.
_GIVEN: Mapping[str, Any] = {
    "add_generation_prompt": True,
    "tools": None,
    "documents": None,
    "strftime_now": _now,
    "raise_exception": _refuse,
}
# These put texts together where Jinja asks nobody: the operator ~.
_JOINING = frozenset((jinja2.runtime.str_join.__code__, jinja2.runtime.markup_join.__code__))
