"""Models that go away, do not fit or cannot be had, with real ones: a message, and the old one serves on."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.backends.llamacpp import native
from engine.backends.transformers import devices
from engine.engine import Engine
from tests.fixtures.write_gguf import TINY, write_pair
from tests.running import WAIT, engine_over, switched

ROOT = Path(__file__).resolve().parents[1]
MODELS = {"llamacpp": "tiny", "transformers": "tiny_model"}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Path:
    shelf = tmp_path_factory.mktemp("shelf")
    write_pair(shelf)
    shutil.copytree(TINY, shelf / "tiny_model")
    return shelf


@pytest.fixture(scope="module")
def engine(shelf, tmp_path_factory) -> Iterator[Engine]:
    with engine_over(shelf, tmp_path_factory.mktemp("data")) as engine:
        yield engine


def asked(engine: Engine, text: str = "What colour is this?", session: str = ""):
    answer = engine.chats.send(session, text)
    assert answer.wait(WAIT)
    return answer


def serves(engine: Engine, provider: str) -> bool:
    status = engine.status()
    return (status.provider, status.model) == (provider, MODELS[provider])


@pytest.fixture(params=MODELS)
def serving(engine, request) -> str:
    """The provider whose model serves; that of the other one is what a test picks."""
    assert switched(engine, request.param, MODELS[request.param]).success
    return str(request.param)


def other(provider: str) -> str:
    return next(name for name in MODELS if name != provider)


def refused(engine: Engine, serving: str, model: str = "") -> str:
    """The message of a switch to the other provider, after which the old model answers as before."""
    before = asked(engine).draft.text
    result = switched(engine, other(serving), model or MODELS[other(serving)])
    assert not result.success and serves(engine, serving)
    assert asked(engine).draft.text == before
    return result.message


def test_no_memory_left_is_a_message_and_nothing_is_closed_for_it(engine, serving, monkeypatch):
    where = {"llamacpp": native, "transformers": devices}[other(serving)]
    held = engine.status().memory_bytes
    monkeypatch.setattr(where, "free_bytes", lambda *_: 1000 - held)
    message = refused(engine, serving)
    assert f"GB are free, even with {MODELS[serving]} unloaded" in message
    assert "pick a smaller model" in message


def test_memory_that_runs_out_while_loading_is_a_message(engine, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")

    assert switched(engine, "llamacpp", MODELS["llamacpp"]).success
    monkeypatch.setattr("transformers.AutoModelForImageTextToText.from_pretrained", full)
    message = refused(engine, "llamacpp")
    assert "The memory is full. Close other programs, or choose a smaller model" in message
    assert str(engine.shelf) in message


def test_a_library_that_is_not_installed_is_a_reason_and_the_old_model_serves_on(
    engine, serving, monkeypatch
):
    missing = {"llamacpp": "llama_cpp", "transformers": "accelerate"}[other(serving)]
    place = f"engine.backends.{other(serving)}.provider.find_spec"
    monkeypatch.setattr(place, lambda name: None if name == missing else object())
    message = refused(engine, serving)
    assert "is not installed. Run: pip install -r requirements.txt" in message
    listed = {one.id: one for one in engine.providers()}
    assert listed[serving].available and not listed[other(serving)].available
    assert "pip install" in listed[other(serving)].reason


def test_a_model_that_was_deleted_since_it_was_listed_is_named(engine, serving, shelf):
    gone = {"llamacpp": "gone.gguf", "transformers": "gone"}[other(serving)]
    if other(serving) == "llamacpp":
        shutil.copy(shelf / "tiny.gguf", shelf / gone)
    else:
        shutil.copytree(TINY, shelf / gone)
    assert "gone" in [entry.name for entry in engine.models(other(serving))]
    if (shelf / gone).is_dir():
        shutil.rmtree(shelf / gone)
    else:
        (shelf / gone).unlink()
    message = refused(engine, serving, "gone")
    assert "has no model 'gone'. There are: tiny" in message


@pytest.mark.skipif(os.name != "posix", reason="an open file can be deleted")
def test_a_model_whose_files_are_deleted_while_it_serves_answers_on(engine, serving, shelf, tmp_path):
    before = asked(engine).draft.text
    aside = tmp_path / "aside"
    aside.mkdir()
    for path in list(shelf.iterdir()):
        shutil.move(path, aside / path.name)
    try:
        assert asked(engine).draft.text == before
        assert engine.models(serving) == []
        assert "has no model" in refused(engine, serving)
    finally:
        for path in aside.iterdir():
            shutil.move(path, shelf / path.name)


OVERWRITTEN = """
import sys
from pathlib import Path
from engine.backends import provider
from engine.backends.base import Message
from engine.cancel import CancelToken
from engine.settings import GenerationSettings, LoadOptions

shelf = Path(sys.argv[1])
source = provider("llamacpp")
entry = source.models(shelf)[0]
backend = source.load(entry, LoadOptions(), lambda share, what: None, CancelToken())
ask = lambda: "".join(
    getattr(piece, "text", "")
    for piece in backend.stream(
        [Message("user", "Hello")], GenerationSettings(max_new_tokens=8, temperature=0), CancelToken()
    )
)
before = ask()
for path in [path for path in shelf.rglob("*") if path.is_file()]:
    path.write_bytes(b"")
assert ask() == before
print("answers on")
"""


def test_a_gguf_model_whose_files_are_overwritten_while_it_serves_answers_on(tmp_path):
    """In a process of its own: what is mapped and cut short would end it."""
    write_pair(tmp_path)
    told = subprocess.run(
        [sys.executable, "-c", OVERWRITTEN, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    assert (told.returncode, told.stdout) == (0, "answers on\n"), told.stderr


def test_half_a_megabyte_that_is_pasted_is_a_turn_that_failed_and_the_next_one_is_answered(engine, serving):
    pasted = asked(engine, "a red boat, \x07" * 33_000 + "?")
    assert pasted.draft.state == "failed"
    assert "tokens" in pasted.draft.error
    kept = engine.chats.conversation(pasted.session_id).messages
    assert (len(kept[0].text), kept[1].state) == (33_000 * 12 + 1, "failed")
    assert asked(engine, session=pasted.session_id).draft.state == "done"
