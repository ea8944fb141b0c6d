"""The direction of imports, read from the source, and what starting up must not import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ("storage", "engine", "ui", "haven_app")  # each may import those before it
MAY_USE_STORAGE = (
    "engine/engine.py",
    "engine/jobs/",
    "engine/library/",
    "engine/chat/conversation.py",
    "engine/prompts.py",
    "engine/trouble.py",
)
ABOVE_THE_PORT = {f"engine.{part}" for part in ("video", "jobs", "library", "chat", "slot", "engine")}
HEAVY = {"torch", "transformers", "accelerate", "av", "cv2", "llama_cpp", "openai", "ollama"}


def sources(floor):
    return [ROOT / "haven_app.py"] if floor == "haven_app" else sorted((ROOT / floor).rglob("*.py"))


def imported(path):
    """The full names of all modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module


def files(*floors):
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for floor in floors for path in sources(floor)]


@pytest.mark.parametrize("path", files(*FLOORS[:-1]))
def test_imports_run_one_way(path):
    floor = FLOORS.index(path.relative_to(ROOT).parts[0])
    above = {name.split(".")[0] for name in imported(path)} & set(FLOORS[floor + 1 :])
    assert not above


@pytest.mark.parametrize("path", files("engine"))
def test_the_engine_knows_neither_pages_nor_sql(path):
    assert not {name.split(".")[0] for name in imported(path)} & {"gradio", "peewee", "playhouse", "sqlite3"}


@pytest.mark.parametrize("path", files("engine"))
def test_only_the_engine_and_what_keeps_something_use_storage(path):
    uses = any(name.split(".")[0] == "storage" for name in imported(path))
    assert not uses or path.relative_to(ROOT).as_posix().startswith(MAY_USE_STORAGE)


@pytest.mark.parametrize("path", files("engine/backends"))
def test_a_backend_knows_nothing_of_who_asks_it(path):
    assert not {".".join(name.split(".")[:2]) for name in imported(path)} & ABOVE_THE_PORT


@pytest.mark.parametrize("path", files("ui"))
def test_the_page_asks_the_engine_and_never_storage(path):
    assert not {name.split(".")[0] for name in imported(path)} & {
        "storage",
        "peewee",
        "torch",
        "transformers",
        "av",
    }


def test_the_reader_of_imports_sees_those_inside_functions(tmp_path):
    file = tmp_path / "example.py"
    file.write_text("import a.b\nfrom c.d import e\ndef f():\n    from g import h\n    import i\n")
    assert set(imported(file)) == {"a.b", "c.d", "g", "i"}


def test_starting_imports_nothing_heavy():
    """All of the page and of storage, and all of the engine that these bring in, with its first backend."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for floor in ("storage", "ui", "haven_app")
        for path in sources(floor)
        if "migrations" not in path.parts
    ]
    modules += ["engine.engine", "engine.backends.builtin"]
    command = f"import sys, {', '.join(modules)}\nprint(*({HEAVY} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


STUBS = """
import sys
from ui.no_stubs import no_stubs

stubs = []

def note(event, given):
    if event == "open" and str(given[0]).endswith(".pyi"):
        stubs.append(given[0])

sys.addaudithook(note)
with no_stubs():
    import gradio
print(*stubs)
"""


def test_gradio_is_imported_without_looking_after_its_stubs():
    done = subprocess.run(
        [sys.executable, "-c", STUBS], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout.strip()) == (0, "")
