"""Start here: flags, then store, engine and page, then serve. No logic of its own, no work at import."""

import signal

if __name__ == "__main__":
    # Until the page is served nothing is lost by ending at once, as by a kill; and a trace helps nobody.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import asyncio
import gc
import json
import os
import shutil
import socket
import sys
import threading
import urllib.request
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.engine import Engine
    from storage.store import Store

HOST, PORT = "127.0.0.1", 7860
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORTS_TRIED = 100
PROBE_SECONDS = 2
STOPPING = (signal.SIGINT, signal.SIGTERM)
UPLOADS = "tmp"  # below the data folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run Haven until it is stopped; returns the exit status."""
    given = _flags(arguments)
    if given.host not in LOOPBACK:
        return _refused(f"Haven answers on this machine only for now: --host {given.host} is not possible.")
    from engine.errors import InvalidInput
    from engine.paths import place_of

    try:
        data, models = place_of(given.data_dir).absolute(), place_of(given.models_dir).absolute()
    except InvalidInput as error:
        return _refused(str(error))
    listener, port = _listener(given.host, given.port)
    if listener is None:
        return _opened_there(_address(given.host, port), not given.no_browser)
    _set_environment(data / UPLOADS)
    from storage.errors import StorageError

    try:
        _run(data, models, listener, _address(given.host, port), not given.no_browser)
    except StorageError as error:
        return _refused(str(error))
    finally:
        listener.close()
    return 0


def _flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="haven_app.py", description="Haven: ask a video, on this machine.")
    parser.add_argument("--host", default=os.environ.get("HAVEN_HOST", HOST), help="address to answer on")
    parser.add_argument("--port", type=int, default=os.environ.get("HAVEN_PORT", PORT), help="0: a free one")
    parser.add_argument(
        "--data-dir", default=os.environ.get("HAVEN_DATA_DIR") or None, help="where jobs and videos are kept"
    )
    parser.add_argument(
        "--models-dir", default=os.environ.get("HAVEN_MODELS_DIR") or "models", help="where models are found"
    )
    no_browser = os.environ.get("HAVEN_NO_BROWSER", "").lower() in ("1", "true", "yes")
    parser.add_argument("--no-browser", action="store_true", default=no_browser, help="open no browser")
    given = parser.parse_args(arguments)
    if not 0 <= given.port <= 65535:
        parser.error(f"--port must be from 0 to 65535, not {given.port}")
    if given.data_dir is None:
        from platformdirs import user_data_dir

        given.data_dir = user_data_dir("haven", appauthor=False)
    return given


def _set_environment(uploads: Path) -> None:
    """What Gradio and Hugging Face read when they are imported: no telemetry, a folder of our own."""
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["DO_NOT_TRACK"] = "1"


def _open(data: Path) -> "Store":
    """The data folder, this process's alone, with an empty place for uploads. Raises: StorageError."""
    from storage.errors import StorageError
    from storage.store import Store

    store = Store.open(data)
    try:
        _make_empty(data / UPLOADS)
    except OSError as error:
        store.close()
        raise StorageError(f"{data / UPLOADS} cannot be used: {error.strerror}.") from error
    return store


def _make_empty(uploads: Path) -> None:
    """What lies there was left by a process that was killed; a job keeps its upload in a place of its own."""
    uploads.mkdir(mode=0o700, exist_ok=True)
    uploads.chmod(0o700)
    for left in uploads.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left)
        else:
            left.unlink()


def _run(data: Path, models: Path, listener: socket.socket, address: str, open_browser: bool) -> None:
    store = _open(data)
    from engine.engine import Engine

    engine = Engine(store, models)
    try:
        engine.start()
        asyncio.run(_serve(engine, data, listener, lambda: _ready(address, open_browser)))
    finally:
        # Should closing hang, the next signal ends the process at once; what was shown is kept all the same.
        for stopping in STOPPING:
            signal.signal(stopping, signal.SIG_DFL)
        engine.close()


async def _serve(
    engine: "Engine", data: Path, listener: socket.socket, when_ready: Callable[[], None]
) -> None:
    from ui.no_stubs import no_stubs

    with no_stubs():
        from ui.server import application, server
    app = application(engine, data)
    gc.freeze()  # what is here stays; a full search for garbage would stop every thread to go through it
    serving = server(app, when_ready)

    def stop(*_: object) -> None:
        serving.should_exit = True

    # From here on a signal closes the engine too: the server takes it, and hands it on once it has stopped.
    for stopping in STOPPING:
        signal.signal(stopping, stop)
    await serving.serve(sockets=[listener])


def _ready(address: str, open_browser: bool) -> None:
    print(f"Haven is ready at {address}", flush=True)
    if open_browser:
        _browse(address)


def _browse(address: str) -> None:
    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _listener(host: str, port: int) -> tuple[socket.socket | None, int]:
    """A socket on `port`, or on the next free one, and its port; no socket where Haven already answers."""
    for candidate in range(port, port + PORTS_TRIED) if port else (0,):
        try:
            found = _bound(host, candidate)
        except OSError:
            if _is_haven(host, candidate):
                return None, candidate
            continue
        if candidate != port:
            print(f"Port {port} is taken by another program; Haven takes {candidate}.", flush=True)
        return found, found.getsockname()[1]
    raise SystemExit(f"No port from {port} to {port + PORTS_TRIED - 1} is free. Name another with --port.")


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol by its number: asyncio sends small answers at once only where it is named, and else the
    # second part of each waits 40 ms for the first to be acknowledged.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # elsewhere the option would let two programs share the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _is_haven(host: str, port: int) -> bool:
    # No proxy: one that the environment names would be asked for this machine's own address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{_address(host, port)}/haven", timeout=PROBE_SECONDS) as answer:
            return json.load(answer).get("app") == "haven"
    except (OSError, ValueError, AttributeError):
        return False


def _opened_there(address: str, open_browser: bool) -> int:
    print(f"Haven is already running at {address}", flush=True)
    if open_browser:
        webbrowser.open(address)
    return 0


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _refused(message: str) -> int:
    print(message, file=sys.stderr, flush=True)
    return 2


if __name__ == "__main__":
    sys.exit(main())
