"""One session by script: gradio_client against a real Haven, from provider to provider, and a restart."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from gradio_client import Client, handle_file

from tests.fixtures.haven_process import PATIENCE, HavenProcess
from tests.fixtures.slow_model import TINY, make_slow_model
from tests.fixtures.write_gguf import write_pair

COLOUR = "What colour is this?"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model for Transformers; for llama.cpp a slow one that says the same, and one cut off."""
    shelf = tmp_path_factory.mktemp("shelf")
    shutil.copytree(TINY, shelf / TINY.name)
    model, _ = write_pair(shelf, make_slow_model(tmp_path_factory.mktemp("slow") / "slow"), "slow")
    (shelf / "truncated.gguf").write_bytes(model.read_bytes()[:-1000])
    return shelf


@pytest.fixture
def haven(tmp_path: Path, shelf: Path) -> Iterator[HavenProcess]:
    with HavenProcess(tmp_path / "data", shelf) as process:
        yield process


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    colours = {"red": (0, 0, 220), "blue": (220, 0, 0)}  # BGR
    for name, colour in colours.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((48, 64, 3), colour, np.uint8))
    return {name: tmp_path / f"{name}.png" for name in colours}


class Script:
    """What a script does, on a connection of its own."""

    def __init__(self, address: str) -> None:
        self.client = Client(address, verbose=False)

    def load(self, provider: str, model: str, **options: int) -> list[dict]:
        return list(self.client.submit(provider, model, "refuse", options, api_name="/switch_model"))

    def ask(self, text: str, session_id: str = "", *images: Path) -> dict:
        files = [handle_file(str(image)) for image in images]
        return list(self.client.submit(text, session_id, files, api_name="/chat"))[-1]

    def told(self, endpoint: str, *asked: str) -> dict | list:
        return self.client.predict(*asked, api_name=endpoint)

    def serving(self) -> tuple[str, str]:
        status = self.told("/status")
        return status["provider"], status["model"]

    def who(self, session_id: str) -> list[tuple[str, str]]:
        """Model and state of each answer."""
        messages = self.told("/session", session_id)["messages"]
        return [(each["model"], each["state"]) for each in messages if each["role"] == "assistant"]


@pytest.fixture
def connect(haven: HavenProcess) -> Iterator[Callable[[], Script]]:
    """Makes connections, which end with the test."""
    made: list[Script] = []

    def connected() -> Script:
        made.append(Script(haven.address))
        return made[-1]

    yield connected
    for script in made:
        script.client.close()


def test_one_session_through_all_local_providers_a_broken_file_and_a_restart(haven, connect, pictures):
    script = connect()
    assert script.serving() == ("builtin", "scene-facts")
    script.client.predict(max_new_tokens=3000, temperature=0, api_name="/set_generation")

    steps = script.load("llamacpp", "slow", n_ctx=2048)
    assert steps[-1]["success"], steps[-1]["message"]
    shares = [step["progress"] for step in steps if step["phase"] == "loading"]
    assert shares == sorted(shares) and steps[-1]["phase"] == "done"
    assert script.serving() == ("llamacpp", "slow")
    first = script.ask(COLOUR, "", pictures["red"])
    assert (first["text"], first["finish_reason"]) == ("red", "stop")

    endless = script.client.submit("Name colours without end.", api_name="/chat")
    begun = next(endless)
    session_id = begun["session_id"]
    assert begun["text"]
    assert script.told("/stop_chat", session_id) == {"stopped": True}
    stopped = list(endless)[-1]
    assert (stopped["done"], stopped["finish_reason"]) == (True, "cancelled")
    assert stopped["usage"]["completion_tokens"] < 3000
    assert script.told("/status")["busy"] == []

    assert script.load("transformers", TINY.name)[-1]["success"]
    generation = script.told("/status")["generation"]
    assert "blue" in script.ask(COLOUR, session_id, pictures["blue"])["text"]

    last = script.load("llamacpp", "truncated")[-1]
    assert not last["success"] and "truncated.gguf" in last["message"]
    assert (last["model"], last["interruption_seconds"]) == (TINY.name, 0)
    status = script.told("/status")
    assert (status["model"], status["generation"]) == (TINY.name, generation)
    assert status["last_error"] == last["message"]
    script.ask(COLOUR, session_id, pictures["red"])
    assert script.who(session_id) == [("slow", "stopped"), *[(TINY.name, "done")] * 2]

    settings, sessions = script.told("/generation"), script.told("/sessions")
    whole = script.told("/session", session_id)
    haven.restart()
    script = connect()
    comes_back(script)
    assert script.serving() == ("transformers", TINY.name)
    assert (script.told("/generation"), script.told("/sessions")) == (settings, sessions)
    assert script.told("/session", session_id) == whole
    script.ask(COLOUR, session_id, pictures["blue"])
    assert script.who(session_id)[-1] == (TINY.name, "done")
    # The options of a model that was left are still known when it is chosen again.
    assert script.load("llamacpp", "slow")[-1]["success"]
    assert script.ask("Hello", session_id)["usage"]["context_length"] == 2048


def comes_back(script: Script) -> None:
    """The model of before is loaded while the page answers already; a chat waits for it."""
    deadline = time.monotonic() + PATIENCE
    while script.told("/status")["state"] != "ready":
        assert time.monotonic() < deadline
