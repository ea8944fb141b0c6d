"""From every provider to every other while the engine runs: all five real, with servers on loopback.

The pairs stand in an order in which each begins where the one before ended, so that twenty switches go
through all of them; a test that runs alone loads its first model itself.
"""

import gc
import shutil
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from engine import loading
from engine.backends import PROVIDER_IDS, provider
from engine.backends.base import Backend, BackendInfo
from engine.backends.llamacpp import native
from engine.backends.llamacpp.model import LlamaCppBackend
from engine.backends.ollama.provider import OllamaProvider
from engine.backends.openai.provider import OpenAIProvider
from engine.backends.remote.backend import RemoteBackend
from engine.backends.remote.reach import Reach
from engine.backends.transformers import devices
from engine.backends.transformers.model import TransformersBackend
from engine.cancel import CancelToken
from engine.engine import Engine
from engine.events.chat import MessageView
from engine.events.switching import SwitchFinished
from engine.settings import LoadOptions
from storage.store import Store
from tests.fixtures import llama_server, ollama_server
from tests.fixtures.loopback import Asked, Exchange, Loopback

WAIT = 120  # seconds after which a test gives up
TINY = Path(__file__).parent / "fixtures" / "tiny_model"


@dataclass(frozen=True)
class Choice:
    """A model, with options that are not the usual ones."""

    provider: str
    model: str
    options: dict[str, Any]


CHOICES = {
    "builtin": Choice("builtin", "scene-facts", {}),
    "llamacpp": Choice("llamacpp", "tiny", {"n_ctx": 1024, "flash_attention": False}),
    "transformers": Choice("transformers", "tiny_model", {"dtype": "float32", "n_ctx": 2048}),
    "ollama": Choice("ollama", ollama_server.SEEING, {"n_ctx": 2048}),
    "openai": Choice("openai", llama_server.ALIAS, {"n_ctx": 4096}),
}
BROKEN = {
    "a GGUF file that is cut off": ("llamacpp", "truncated", "truncated.gguf"),
    "weights that are cut off": ("transformers", "broken", "broken"),
    "no such file": ("llamacpp", "nowhere", "Put one into"),
    "no such folder": ("transformers", "nowhere", "Put one into"),
    "no such model on Ollama": ("ollama", "gone:7b", "ollama pull gone:7b"),
    "no such model on a server": ("openai", "gone", "Start the server with it"),
    "no such built-in model": ("builtin", "gone", "Pick that one"),
    "no such provider": ("magic", "wand", "magic"),
}


def every_pair() -> list[tuple[str, str]]:
    """Round by steps of one, of two, ...: as five is a prime number, each round visits all."""
    names, count = list(CHOICES), len(CHOICES)
    return [
        (names[place * step % count], names[(place + 1) * step % count])
        for step in range(1, count)
        for place in range(count)
    ]


class House:
    """An engine, and what became of the backends that it had."""

    def __init__(self, engine: Engine, ollama: ollama_server.OllamaStandIn) -> None:
        self.engine, self.ollama = engine, ollama
        self.closed: list[BackendInfo] = []

    def switch(self, choice: Choice) -> SwitchFinished:
        return self.ended(self.engine.begin_switch(choice.provider, choice.model, options=choice.options))

    def ended(self, run) -> SwitchFinished:
        assert run.wait(WAIT)
        assert isinstance(run.latest, SwitchFinished)
        return run.latest

    def serve(self, provider_id: str) -> Choice:
        """Have this provider's model serve, if it does not already."""
        choice = CHOICES[provider_id]
        result = self.switch(choice)
        assert result.success, result.message
        return choice

    def backend(self) -> Backend:
        with self.engine._slot.lease(CancelToken()) as backend:
            return backend

    def answer(self, text: str = "Hello", *pictures: Path) -> MessageView:
        """The next answer, in a chat of its own."""
        answer = self.engine.chats.send("", text, pictures)
        assert answer.wait(WAIT)
        return self.engine.chats.conversation(answer.session_id).messages[-1]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, gguf_shelf: Path) -> Path:
    """The tiny model in both formats, and each of them cut off."""
    shelf = tmp_path_factory.mktemp("shelf")
    shutil.copytree(TINY, shelf / TINY.name)
    for file in gguf_shelf.iterdir():
        shutil.copy(file, shelf)
    shutil.copytree(TINY, shelf / "broken")
    cut_off(shelf / "broken" / "model.safetensors")
    shutil.copy(shelf / "tiny.gguf", shelf / "truncated.gguf")
    cut_off(shelf / "truncated.gguf")
    return shelf


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, shelf: Path) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("server")
    with (
        ollama_server.OllamaStandIn() as ollama,
        llama_server.llama_server(folder, "--interrupt_requests", "false") as openai,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("OLLAMA_HOST", ollama.url)
        patch.setenv("OPENAI_BASE_URL", openai)
        for each in (OllamaProvider, OpenAIProvider):
            patch.setattr(each, "_reach", Reach(patience=WAIT))  # however busy the machine is
        engine = Engine(Store.open(tmp_path_factory.mktemp("data")), shelf)
        made = House(engine, ollama)
        close = loading.close

        def noted(backend: Backend) -> None:
            made.closed.append(backend.info)
            close(backend)

        patch.setattr(loading, "close", noted)
        engine.start()
        engine.set_generation(max_new_tokens=8, temperature=0)
        try:
            yield made
        finally:
            engine.close()


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pictures") / "red.png"
    cv2.imwrite(str(place), np.full((60, 80, 3), (0, 0, 220), np.uint8))
    return place


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(WAIT * 100):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")


def test_the_pairs_are_all_pairs_and_each_begins_where_the_last_one_ended():
    pairs = every_pair()
    assert set(pairs) == {(old, new) for old in PROVIDER_IDS for new in PROVIDER_IDS if old != new}
    assert len(pairs) == 20
    assert all(before[1] == after[0] for before, after in pairwise(pairs))


@pytest.mark.parametrize(("old", "new"), every_pair())
def test_after_a_switch_everything_names_the_new_model_and_the_old_one_is_gone(house, red, old, new):
    house.serve(old)
    before, closed = house.engine.status(), len(house.closed)
    left = weakref.ref(house.backend())
    wanted = CHOICES[new]
    result = house.switch(wanted)
    named = (wanted.provider, wanted.model)
    assert result.success, result.message
    assert (result.provider, result.model) == named

    status, info = house.engine.status(), house.engine.backend_info()
    assert (status.provider, status.model, status.state, status.last_error) == (*named, "ready", "")
    assert status.generation == before.generation + 1
    assert (info.provider, info.model, info.load_options) == (*named, wanted.options)
    answer = house.answer("What colour is this?", red)
    assert (answer.provider, answer.model, answer.state) == (*named, "done")
    assert ("not a language model" if new == "builtin" else "red") in answer.text
    assert house.engine._store.setting("model") == {
        "provider": wanted.provider,
        "model": wanted.model,
        "options": wanted.options,
    }

    until(lambda: len(house.closed) > closed)
    assert [(each.provider, each.model) for each in house.closed[closed:]] == [(old, CHOICES[old].model)]
    until(lambda: gone(left))
    until(lambda: house.ollama.memory == ({wanted.model: 2048} if new == "ollama" else {}))


def gone(left: weakref.ref) -> bool:
    gc.collect()  # a library may keep its own objects in circles
    return left() is None


@pytest.mark.parametrize(("target", "model", "said"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("old", CHOICES)
def test_after_a_switch_that_failed_the_old_model_serves_as_it_did(house, old, target, model, said):
    choice = house.serve(old)
    serving, before = weakref.ref(house.backend()), house.engine.status()
    info, kept = house.engine.backend_info(), house.engine._store.setting("model")
    closed = len(house.closed)
    result = house.ended(house.engine.begin_switch(target, model, options={}))
    assert not result.success
    assert (result.provider, result.model) == (choice.provider, choice.model)
    assert model in result.message or target in result.message
    assert said in result.message
    assert result.interruption_seconds == 0

    status = house.engine.status()
    assert (status.provider, status.model, status.generation) == (old, choice.model, before.generation)
    assert status.last_error == result.message
    assert house.engine.backend_info() == info and info.load_options == choice.options
    assert house.backend() is serving() and len(house.closed) == closed
    assert house.engine._store.setting("model") == kept
    answer = house.answer()
    assert (answer.provider, answer.model, answer.state) == (old, choice.model, "done")


@pytest.mark.parametrize(
    ("old", "new", "weights", "where"),
    [
        ("transformers", "llamacpp", "doomed.gguf", native),
        ("llamacpp", "transformers", "doomed/model.safetensors", devices),
    ],
)
def test_where_both_do_not_fit_the_old_model_comes_back_with_all_its_options(
    house, shelf, monkeypatch, old, new, weights, where
):
    """There is room for one model only, and the new one's file goes while the old one is unloaded."""
    if new == "llamacpp":
        shutil.copy(shelf / "tiny.gguf", shelf / weights)
    else:
        shutil.copytree(TINY, shelf / "doomed")
    choice = house.serve(old)
    info, generation = house.engine.backend_info(), house.engine.status().generation
    doomed = next(entry for entry in house.engine.models(new) if entry.name == "doomed")
    needed = provider(new).validate(doomed, LoadOptions()).memory_bytes
    closed = len(house.closed)

    def room(*_: object) -> int:
        if len(house.closed) == closed:
            return needed - 1
        (shelf / weights).unlink(missing_ok=True)
        return needed

    monkeypatch.setattr(where, "free_bytes", room)
    result = house.ended(house.engine.begin_switch(new, "doomed", options={}))
    assert not result.success
    assert "doomed" in result.message and f"{choice.model} ({old}) was brought back" in result.message
    assert house.engine.backend_info() == info and info.load_options == choice.options
    assert house.engine.status().generation == generation + 1
    answer = house.answer()
    assert (answer.provider, answer.model, answer.state) == (old, choice.model, "done")


def test_of_ten_switches_in_a_row_the_last_one_wins_and_nothing_is_left_over(house):
    house.serve("builtin")
    others = backends()  # of other tests
    asked = [CHOICES[name] for name in [*CHOICES, *CHOICES]]
    runs = [house.engine.begin_switch(each.provider, each.model, options=each.options) for each in asked]
    results = [house.ended(run) for run in runs]
    assert results[-1].success, results[-1].message
    assert [result.phase for result in results[:-1] if result.phase not in ("cancelled", "done")] == []
    assert house.engine.status().provider == asked[-1].provider
    assert house.answer().model == asked[-1].model
    house.serve("builtin")
    until(lambda: all(any(found is other for other in others) for found in backends()))
    assert house.ollama.memory == {}


def backends() -> list[Backend]:
    """Every one that is in memory."""
    gc.collect()
    kinds = (LlamaCppBackend, TransformersBackend, RemoteBackend)
    return [found for found in gc.get_objects() if type(found) in kinds]


def test_the_providers_are_asked_side_by_side(house, monkeypatch):
    """Each of two servers answers only once the other one was asked as well."""
    both = threading.Barrier(2)

    def answer(exchange: Exchange, asked: Asked) -> None:
        both.wait(WAIT / 4)
        exchange.json({"version": "1", "data": []})

    with Loopback(answer) as one, Loopback(answer) as other:
        monkeypatch.setenv("OLLAMA_HOST", one.url)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{other.url}/v1")
        found = house.engine.providers()
    assert [(each.id, each.available, each.reason) for each in found] == [
        (provider_id, True, "") for provider_id in PROVIDER_IDS
    ]
    assert [each.label for each in found] == [provider(provider_id).label for provider_id in PROVIDER_IDS]
