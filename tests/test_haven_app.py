"""Starting and stopping Haven as a person does: flags, a taken port, a folder in use, signals."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import haven_app
from storage import schema
from storage.store import Store

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 120  # seconds; a busy machine is no failure


def command(*flags: str) -> list[str]:
    return [sys.executable, "haven_app.py", "--no-browser", *flags]


def said(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(
        command(*flags),
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    return next((line for line in process.stdout if line.startswith("Haven is ready at ")), "").strip()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A Haven, its address and its data folder."""
    data = tmp_path_factory.mktemp("data")
    flags = command("--port", "0", "--data-dir", str(data))
    with subprocess.Popen(flags, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = first_line(process).removeprefix("Haven is ready at ")
            assert address.startswith("http://127.0.0.1:")
            yield address, data
        finally:
            process.terminate()
            process.wait(PATIENCE)


def test_a_second_start_on_the_same_port_opens_the_first(running, tmp_path):
    address, _ = running
    again = said("--port", str(urlsplit(address).port), "--data-dir", str(tmp_path))
    assert (again.returncode, again.stdout) == (0, f"Haven is already running at {address}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_second_start_on_the_same_folder_is_told_in_one_line(running):
    _, data = running
    again = said("--port", "0", "--data-dir", str(data))
    assert again.returncode == 2
    assert again.stdout == ""
    assert len(again.stderr.splitlines()) == 1
    assert str(data) in again.stderr


def test_the_upload_folder_is_private(running):
    _, data = running
    assert (data / "tmp").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_a_data_folder_that_is_made_is_private(tmp_path):
    store = haven_app._open(tmp_path / "new" / "data")
    store.close()
    assert (tmp_path / "new" / "data").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_data_folder_that_cannot_be_made_is_told_in_one_line():
    refused = said("--port", "0", "--data-dir", "/proc/nope")
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "/proc/nope" in refused.stderr


def test_a_place_for_uploads_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "tmp").write_text("in the way")
    refused = said("--port", "0", "--data-dir", str(tmp_path))
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert str(tmp_path / "tmp") in refused.stderr


def test_the_folder_of_a_newer_haven_is_refused_in_one_line(tmp_path, monkeypatch):
    newer = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, newer, ignore=shutil.ignore_patterns("__pycache__"))
    (newer / "9000_of_tomorrow.py").write_text("def up(migrator, db):\n    pass\n")
    monkeypatch.setattr(schema, "MIGRATIONS", newer)
    Store.open(tmp_path / "data").close()
    refused = said("--port", "0", "--data-dir", str(tmp_path / "data"))
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    assert "newer Haven" in refused.stderr


def test_uploads_that_a_killed_process_left_are_removed_and_nothing_else(tmp_path):
    outside = tmp_path / "films"
    outside.mkdir()
    (outside / "mine.mp4").write_bytes(b"film")
    uploads = tmp_path / "data" / "tmp"
    (uploads / "7f3a").mkdir(parents=True)
    (uploads / "7f3a" / "lake.mp4").write_bytes(b"film")
    (uploads / "half").write_bytes(b"fi")
    (uploads / "link").symlink_to(outside)
    (tmp_path / "data" / "videos").mkdir()
    haven_app._open(tmp_path / "data").close()
    assert list(uploads.iterdir()) == []
    assert (outside / "mine.mp4").exists()
    assert (tmp_path / "data" / "videos").is_dir()


def test_a_folder_in_use_keeps_its_uploads(tmp_path):
    owner = haven_app._open(tmp_path)
    upload = tmp_path / "tmp" / "lake.mp4"
    upload.write_bytes(b"film")
    try:
        assert said("--port", "0", "--data-dir", str(tmp_path)).returncode == 2
        assert upload.exists()
    finally:
        owner.close()


@pytest.mark.skipif(os.name != "posix", reason="home folders of POSIX")
@pytest.mark.parametrize("flag", ["--data-dir", "--models-dir"])
def test_the_home_folder_of_nobody_is_told_in_one_line(tmp_path, flag):
    given = {"--data-dir": str(tmp_path), flag: "~nobody-of-that-name/haven"}
    refused = said("--port", "0", *(word for pair in given.items() for word in pair))
    assert refused.returncode == 2
    assert refused.stderr == "There is no home folder ~nobody-of-that-name. Write the whole path instead.\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "haven.example"])
def test_only_this_machine_is_answered_for_now(host, tmp_path):
    refused = said("--host", host, "--data-dir", str(tmp_path))
    assert refused.returncode == 2
    assert "on this machine only" in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly_beside_a_port_that_is_taken(tmp_path, number):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        environment = {**os.environ, "HAVEN_PORT": str(taken), "HAVEN_DATA_DIR": str(tmp_path)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command(), cwd=ROOT, env=environment, **pipes) as process:
            told = process.stdout.readline()
            address = first_line(process)
            process.send_signal(number)
            assert process.wait(PATIENCE) == 0
            assert process.stderr.read() == ""
    assert told.startswith(f"Port {taken} is taken by another program")
    assert int(address.rsplit(":", 1)[1]) > taken
    assert (tmp_path / "haven.db").is_file()


# Stays in the import of the module that the first argument names, so that a signal meets the start there.
STAYS = """
import runpy, sys, threading

class Stay:
    def find_spec(self, name, path=None, target=None):
        if name == place:
            print("importing", flush=True)
            threading.Event().wait()

place = sys.argv.pop(1)
sys.meta_path.insert(0, Stay())
sys.argv[0] = "haven_app.py"
runpy.run_path("haven_app.py", run_name="__main__")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("place", ["argparse", "engine.errors", "storage.store", "engine.engine", "gradio"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_start_at_once_wherever_it_is(tmp_path, place, number):
    flags = ["--no-browser", "--port", "0", "--data-dir", str(tmp_path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", STAYS, place, *flags], cwd=ROOT, **pipes) as process:
        try:
            assert process.stdout.readline() == "importing\n"
            process.send_signal(number)
            process.send_signal(number)  # people press it twice
            assert process.wait(PATIENCE) == -number
            assert (process.stdout.read(), process.stderr.read()) == ("", "")
        finally:
            process.kill()
    Store.open(tmp_path).close()  # nobody holds it any more, and it can be read


def test_a_haven_that_had_to_take_another_port_is_found_there(tmp_path, monkeypatch, capsys):
    opened = []

    def taken(host, port):
        raise OSError

    monkeypatch.setattr(haven_app, "_bound", taken)
    monkeypatch.setattr(haven_app, "_is_haven", lambda host, port: port == 7861)
    monkeypatch.setattr(haven_app.webbrowser, "open", opened.append)
    assert haven_app.main(["--port", "7860", "--data-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "Haven is already running at http://127.0.0.1:7861\n"
    assert opened == ["http://127.0.0.1:7861"]


HANGS = """
import sys, threading
import engine.engine, haven_app

def close(self):
    print("closing", flush=True)
    threading.Event().wait()

engine.engine.Engine.close = close
haven_app.main(sys.argv[1:])
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once_while_closing_hangs(tmp_path, number):
    flags = ["--no-browser", "--port", "0", "--data-dir", str(tmp_path)]
    started = [sys.executable, "-c", HANGS, *flags]
    with subprocess.Popen(started, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            first_line(process)
            process.send_signal(number)
            assert process.stdout.readline() == "closing\n"
            process.send_signal(number)
            assert process.wait(PATIENCE) == -number
        finally:
            process.kill()


def test_small_answers_are_not_held_back():
    """Without TCP_NODELAY the body of an answer waits 40 ms for its header to be acknowledged."""

    async def connected() -> int:
        accepted = asyncio.get_running_loop().create_future()

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            client = writer.get_extra_info("socket")
            accepted.set_result(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(answer, sock=haven_app._bound("127.0.0.1", 0)) as server:
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            found = await accepted
            writer.close()
            await writer.wait_closed()
        return found

    assert asyncio.run(connected())


def test_importing_it_does_nothing():
    assert "gradio" not in vars(haven_app)
    code = "import haven_app, sys; assert 'gradio' not in sys.modules and 'storage' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=PATIENCE).returncode == 0


@pytest.mark.parametrize("flag", [["--port", "70000"], ["--port", "many"], ["--colour"]])
def test_a_flag_that_makes_no_sense_is_refused(flag, capsys):
    with pytest.raises(SystemExit) as ended:
        haven_app.main(flag)
    assert ended.value.code == 2
    assert flag[0] in capsys.readouterr().err
