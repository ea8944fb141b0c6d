"""What engine and page add to a chat: a real Haven asked over HTTP, beside the bare backend asked directly.

Haven is a process of its own, and its answers are read off the stream of `/chat` as a browser would; the
backend is in this process, loaded by the same provider with the same settings. They are asked in turn, never
at once, and never the same question twice, so that neither finds an answer ready.
"""

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.models import KEPT, TINY_MODEL
from benchmarks.record import quantile
from benchmarks.server import running_haven
from engine.backends import provider
from engine.backends.base import Backend, Finished, Message, TextDelta
from engine.cancel import CancelToken
from engine.settings import GenerationSettings, LoadOptions
from tests.fixtures.write_gguf import write_pair

FIRST_LIMIT, RATE_LIMIT = 0.03, 0.97  # seconds more, share
ENDLESS = "Name colours without end."
SESSION = "benchmark"  # one for all, as a page and a script's client have


@dataclass(frozen=True)
class Case:
    """One model, and how long an answer its rate is taken from."""

    provider: str
    model: str
    tokens: int
    rounds: int


CASES = (
    Case("transformers", TINY_MODEL.name, 1000, 5),
    Case("llamacpp", "tiny", 2000, 9),
    Case("transformers", KEPT.name, 64, 5),
    Case("llamacpp", "random", 64, 5),
)


@dataclass(frozen=True)
class Timed:
    """One answer: seconds until its first words, and tokens a second from then to its end."""

    first: float
    rate: float


def measure(data: Path, shelf: Path, quick: bool) -> list[dict[str, Any]]:
    """Print and give the figures of each case."""
    if not quick:
        write_pair(shelf, KEPT, "random", "Q8_0")
    figures = []
    with running_haven(data, shelf) as address, httpx.Client(base_url=address, timeout=600) as page:
        for case in CASES[:2] if quick else CASES:
            figures.append(_compare(page, case, shelf, 2 if quick else case.rounds, 5 if quick else 40))
    return figures


def _compare(page: httpx.Client, case: Case, shelf: Path, rounds: int, short: int) -> dict[str, Any]:
    *_, switched = _stream(page, "switch_model", case.provider, case.model, "refuse", {})
    if not switched["success"]:
        raise SystemExit(switched["message"])
    with _loaded(case, shelf) as backend:
        firsts = _in_turn(page, backend, short if case.tokens > 100 else short // 4, 8)
        rates = _in_turn(page, backend, rounds, case.tokens)
    more = statistics.median(t.first for t in firsts["page"]) - statistics.median(
        t.first for t in firsts["bare"]
    )
    rate = {who: statistics.median(t.rate for t in timed) for who, timed in rates.items()}
    print(f"{case.model} on {case.provider}")
    for who, timed in firsts.items():
        seconds = [t.first for t in timed]
        print(
            f"  first words, {who}: {quantile(seconds, 0.5) * 1e3:.1f} ms median, "
            f"{quantile(seconds, 0.9) * 1e3:.1f} at the 90th percentile, {max(seconds) * 1e3:.1f} longest"
        )
    print(
        f"  {more * 1e3:.1f} ms more, at most {FIRST_LIMIT * 1e3:.0f} are wanted; medians of {len(seconds)}"
    )
    print(
        f"  tokens a second: page {rate['page']:.1f}, bare {rate['bare']:.1f}, ratio "
        f"{rate['page'] / rate['bare']:.3f}, at least {RATE_LIMIT} is wanted; medians of {rounds}, in turn",
        flush=True,
    )
    return {
        "case": [case.provider, case.model],
        "first_seconds": {who: [t.first for t in timed] for who, timed in firsts.items()},
        "more_seconds": more,
        "rates": {who: [t.rate for t in timed] for who, timed in rates.items()},
        "rate_ratio": rate["page"] / rate["bare"],
        "limits": {"first": FIRST_LIMIT, "rate": RATE_LIMIT},
    }


def _in_turn(page: httpx.Client, backend: Backend, rounds: int, tokens: int) -> dict[str, list[Timed]]:
    settings = GenerationSettings(max_new_tokens=tokens, temperature=0)
    list(_stream(page, "set_generation", *asdict(settings).values()))
    timed: dict[str, list[Timed]] = {"page": [], "bare": []}
    for number in range(rounds + 1):
        question = f"{number}: {ENDLESS}" if tokens < 100 else ENDLESS
        pair = {"page": _through_the_page(page, question), "bare": _bare(backend, question, settings)}
        for who, one in pair.items():
            if number:  # the first ones warm up
                timed[who].append(one)
    return timed


def _through_the_page(page: httpx.Client, question: str) -> Timed:
    began = time.perf_counter()
    first = 0.0
    for piece in _stream(page, "chat", question, "", []):
        now = time.perf_counter()
        first = first or (now if piece["text"] else 0.0)
    if piece["finish_reason"] not in ("stop", "length"):
        raise SystemExit(f"the answer ended as {piece['finish_reason']}: {piece['notice']}")
    return _timed(began, first, now, piece["usage"]["completion_tokens"])


def _bare(backend: Backend, question: str, settings: GenerationSettings) -> Timed:
    began = time.perf_counter()
    first, tokens = 0.0, 0
    for item in backend.stream([Message("user", question)], settings, CancelToken()):
        if isinstance(item, TextDelta):
            first = first or time.perf_counter()
        elif isinstance(item, Finished):
            tokens = item.usage.completion_tokens
    return _timed(began, first, time.perf_counter(), tokens)


def _timed(began: float, first: float, ended: float, tokens: int) -> Timed:
    return Timed(first - began, (tokens - 1) / max(ended - first, 1e-9))


def _stream(page: httpx.Client, endpoint: str, *asked: Any) -> Iterator[dict[str, Any]]:
    """What an endpoint yields, as it arrives."""
    call = f"/gradio_api/call/{endpoint}"
    asks = {"data": list(asked), "session_hash": SESSION}
    event = page.post(call, json=asks).json()["event_id"]
    with page.stream("GET", f"{call}/{event}") as stream:
        kind = ""
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data" and kind == "error":
                raise SystemExit(f"/{endpoint} failed: {value}")
            elif name == "data" and kind in ("generating", "complete") and json.loads(value):
                yield json.loads(value)[0]


@contextmanager
def _loaded(case: Case, shelf: Path) -> Iterator[Backend]:
    source = provider(case.provider)
    entry = next(entry for entry in source.models(shelf) if entry.name == case.model)
    backend = source.load(entry, LoadOptions(), lambda share, what: None, CancelToken())
    try:
        backend.warm_up(CancelToken())
        yield backend
    finally:
        backend.close()
