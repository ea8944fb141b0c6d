"""A conversation with one model in Ollama's protocol: always streamed, always with the same `num_ctx`.

A request with another `num_ctx` would make the server load the model anew. Knows no frames and no tags.
"""

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from engine.backends.ollama.server import KEEP_ALIVE, OllamaServer
from engine.backends.remote.faults import ServerFault, cut_off
from engine.backends.remote.lines import Limits
from engine.backends.remote.talk import Ask, End, Piece, TokenOdds, Turn
from engine.cancel import CancelToken

if TYPE_CHECKING:
    import ollama

log = logging.getLogger(__name__)
_LIKELIEST = 20  # the most that the server gives


class OllamaWire:
    """One loaded model. The last one that leaves it tells the server to unload it."""

    _users: ClassVar[Counter[tuple[str, str]]] = Counter()
    _counting: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        server: OllamaServer,
        model: str,
        options: Mapping[str, Any],
        *,
        thinks: bool = False,
        limits: Limits | None = None,
    ) -> None:
        """`options` are those of loading: constant, whatever is asked."""
        self._server, self._model = server, model
        self._options, self._thinks = dict(options), thinks
        self._limits = limits or Limits()
        with self._counting:
            self._users[self._key] += 1

    def talk(self, ask: Ask, cancel: CancelToken) -> Iterator[Piece | End]:
        """Raises: ServerFault, Cancelled."""
        ended = False
        for part in self._server.chat(self._limits, cancel, **self._request(ask)):
            yield Piece(part.message.content or "", _odds(part))
            if part.done:
                ended = True
                yield End(part.done_reason == "length", part.prompt_eval_count, part.eval_count)
        if not ended:
            raise cut_off(self._server.address.url)

    def close(self) -> None:
        """A server that is gone has nothing to unload."""
        with self._counting:
            self._users[self._key] -= 1
            last = self._users[self._key] <= 0
        try:
            if last:
                self._server.unload(self._model)
        except ServerFault as fault:
            log.info("%s was not told to leave memory: %s", self._model, fault)
        finally:
            self._server.close()

    @property
    def _key(self) -> tuple[str, str]:
        return self._server.address.url, self._model

    def _request(self, ask: Ask) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [_message(turn) for turn in ask.turns],
            "options": {**self._sampling(ask), **self._options},
            "keep_alive": KEEP_ALIVE,
        }
        if ask.schema is not None:
            request["format"] = dict(ask.schema)
        if ask.odds:
            request.update(logprobs=True, top_logprobs=_LIKELIEST)
        if ask.quick and self._thinks:
            request["think"] = False
        return request

    def _sampling(self, ask: Ask) -> dict[str, Any]:
        settings = ask.settings
        options: dict[str, Any] = {
            "num_predict": settings.max_new_tokens,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "top_k": settings.top_k,
        }
        if settings.seed >= 0:
            options["seed"] = settings.seed
        if ask.quick:
            options["repeat_penalty"] = 1.0  # the question itself says yes and no
        return options


def _message(turn: Turn) -> dict[str, Any]:
    from ollama import Image

    message: dict[str, Any] = {"role": turn.role, "content": turn.text}
    if turn.pictures:
        message["images"] = [Image(value=picture) for picture in turn.pictures]
    return message


def _odds(part: "ollama.ChatResponse") -> tuple[TokenOdds, ...]:
    return tuple(
        TokenOdds(each.token, tuple((one.token, one.logprob) for one in each.top_logprobs or [each]))
        for each in part.logprobs or ()
    )
