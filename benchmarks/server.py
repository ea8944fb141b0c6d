"""Haven as a process of its own, the way a person starts it, for what measures all of it."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def haven_command(port: int, data: Path, models: Path | None = None) -> list[str]:
    """The command line of a Haven that opens no browser."""
    command = [sys.executable, str(ROOT / "haven_app.py"), "--no-browser", "--port", str(port)]
    return [*command, "--data-dir", str(data), "--models-dir", str(models or data / "models")]


@contextlib.contextmanager
def running_haven(data: Path, models: Path | None = None) -> Iterator[str]:
    """The address of a Haven that is stopped at the end."""
    command = haven_command(0, data, models)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield _address(process)
        finally:
            stop(process)


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Haven is ready at "):
            return line.split()[-1]
    raise RuntimeError(f"Haven ended with status {process.wait()} before its page answered")


def stop(process: subprocess.Popen) -> None:
    """Ask it to end, and make it after half a minute."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
