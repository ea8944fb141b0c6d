"""Reading a streamed answer of OpenAI's chat protocol: bytes come in, what the model says comes out.

Knows no connection and no client library: that one's own reader leaves at the model's last word, and a
connection whose answer was not read to its end cannot be used again.
"""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from engine.backends.remote.faults import complained, cut_off, whole_letters
from engine.backends.remote.talk import End, Piece, TokenOdds

_LAST = b"[DONE]"


def pieces(url: str, parts: Iterable[bytes]) -> Iterator[Piece | End]:
    """Pieces and then one `End`, as soon as the model has ended; `parts` are read on to their own end.

    The reason to end comes with the last text, the token counts, where there are any, after it. Raises:
    ServerFault where the server at `url` complains or breaks off; ValueError and its like for what is none
    of the protocol.
    """
    rest = iter(parts)
    reason, read, written = None, None, None
    for data in events(rest):
        if data.startswith(_LAST):
            break
        chunk = json.loads(data)
        if chunk.get("error"):
            raise complained(url, _words(chunk["error"]))
        if usage := chunk.get("usage"):
            read, written = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
        for choice in chunk.get("choices") or ():
            reason = choice.get("finish_reason") or reason
            yield Piece(_text((choice.get("delta") or {}).get("content") or ""), _odds(choice))
    if reason is None:
        raise cut_off(url)
    yield End(reason == "length", read, written)
    for _ in rest:
        pass


def events(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The data of server-sent events, of which the protocol uses nothing else (HTML standard, 9.2.6)."""
    begun, data = b"", list[bytes]()
    for part in parts:
        *lines, begun = (begun + part).split(b"\n")
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                data.append(line.removeprefix(b"data:").removeprefix(b" "))
            elif not line and data:
                yield b"\n".join(data)
                data = []
    if data:  # the empty line that ends it was left out
        yield b"\n".join(data)


def _words(error: Any) -> str:
    """What an error says, in any of the shapes that servers give it."""
    said = error.get("message") if isinstance(error, dict) else error
    return said if isinstance(said, str) else json.dumps(error)


def _odds(choice: dict[str, Any]) -> tuple[TokenOdds, ...]:
    places = (choice.get("logprobs") or {}).get("content")
    return tuple(
        TokenOdds(
            _text(each["token"] or ""),
            tuple(
                (_text(one["token"] or ""), _logprob(one["logprob"]))
                for one in each.get("top_logprobs") or [each]
            ),
        )
        for each in places or ()
    )


def _text(told: Any) -> str:
    """Raises: ValueError for what is no text."""
    if not isinstance(told, str):
        raise ValueError(f"no text: {told!r:.80}")
    return whole_letters(told)


def _count(told: Any) -> int | None:
    return told if isinstance(told, int) and told >= 0 else None


def _logprob(told: Any) -> float:
    """JSON has no number for the logarithm of 0: some servers say null then."""
    return -math.inf if told is None else min(float(told), 0.0)
