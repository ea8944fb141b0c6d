"""A conversation with one model in OpenAI's chat protocol, always streamed.

Servers differ in what else they take; what they refuse is a fault for the caller, who has another way to
ask. Knows no frames and no tags.
"""

from base64 import b64encode
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from engine.backends.openai.chunks import pieces
from engine.backends.openai.listing import Listed, read_listing
from engine.backends.remote.calls import call
from engine.backends.remote.lines import Address, Limits, Line, Lines
from engine.backends.remote.talk import Ask, End, Piece, Turn
from engine.cancel import CancelToken

if TYPE_CHECKING:
    import openai

LISTING = Limits(connect=3.0, idle=5.0, total=10.0)
_LIKELIEST = 20  # the most that the protocol allows
_NO_KEY = "none"  # the client wants one; what is sent is decided by the line


class OpenAIWire:
    """One model on one server; with an empty name, only good for listing."""

    def __init__(self, address: Address, model: str = "", limits: Limits | None = None) -> None:
        self._address, self._model = address, model
        self._limits = limits or Limits()
        # OpenAI's own API refuses options that it does not know, and has renamed one
        self._strict = urlsplit(address.url).hostname == "api.openai.com"
        self._lines: Lines[openai.OpenAI] = Lines(self._line, lambda client: client.close())

    def models(self, cancel: CancelToken) -> list[Listed]:
        """Raises: ServerFault, Cancelled."""
        (listed,) = call(
            self._lines,
            self._address,
            LISTING,
            cancel,
            lambda client: [read_listing(self._address.url, client.get("/models", cast_to=object))],
        )
        return listed

    def talk(self, ask: Ask, cancel: CancelToken) -> Iterator[Piece | End]:
        """Raises: ServerFault, Cancelled."""
        request = self._request(ask)
        return call(
            self._lines, self._address, self._limits, cancel, lambda client: self._said(client, request), End
        )

    def close(self) -> None:
        """The server keeps its model: it is not ours to unload."""
        self._lines.close()

    def _line(self) -> "Line[openai.OpenAI]":
        import openai

        return Line(
            self._address,
            self._limits,
            lambda options: openai.OpenAI(
                api_key=self._address.key or _NO_KEY,
                base_url=self._address.url,
                max_retries=0,
                timeout=options["timeout"],
                http_client=_http_client(options),
            ),
        )

    def _said(self, client: "openai.OpenAI", request: dict[str, Any]) -> Iterator[Piece | End]:
        import openai

        # Not `chat.completions.create`, which looks through the request first: a quarter of the cost.
        with client.post(
            "/chat/completions", body=request, cast_to=object, stream=True, stream_cls=openai.Stream[object]
        ) as stream:
            yield from pieces(self._address.url, stream.response.iter_bytes())

    def _request(self, ask: Ask) -> dict[str, Any]:
        settings = ask.settings
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [_message(turn) for turn in ask.turns],
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "stream": True,
            "stream_options": {"include_usage": True},
            ("max_completion_tokens" if self._strict else "max_tokens"): settings.max_new_tokens,
        }
        if not self._strict:
            request["top_k"] = settings.top_k
        if settings.seed >= 0:
            request["seed"] = settings.seed
        if ask.odds:
            request.update(logprobs=True, top_logprobs=_LIKELIEST)
        if ask.schema is not None:
            shape = {"name": "tags", "strict": True, "schema": dict(ask.schema)}
            request["response_format"] = {"type": "json_schema", "json_schema": shape}
        return request


def _http_client(options: Any) -> Any:
    import httpx

    return httpx.Client(**options)


def _message(turn: Turn) -> dict[str, Any]:
    """Text alone as a plain string, which every server takes; pictures come before the text."""
    if not turn.pictures:
        return {"role": turn.role, "content": turn.text}
    blocks: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{b64encode(each).decode()}"}}
        for each in turn.pictures
    ]
    return {"role": turn.role, "content": [*blocks, {"type": "text", "text": turn.text}]}
