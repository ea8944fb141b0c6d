"""Haven's server on a thread of the test, on a free port of this machine, for a real or a fake engine."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def served(engine, data: Path) -> Iterator[str]:
    """The address of a server that is stopped at the end; the engine is not closed."""
    uploads = data / "tmp"
    uploads.mkdir(parents=True, exist_ok=True)
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # Imported here: Gradio reads the environment when it is imported.
    from ui.server import application, server

    ready = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    running = []

    async def serve() -> None:
        running.append(server(application(engine, data), ready.set))
        await running[0].serve(sockets=[listener])

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="test-server")
    thread.start()
    try:
        assert ready.wait(60), "the server did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for one in running:
            one.should_exit = True
        thread.join(30)
        listener.close()
        if before is None:
            del os.environ["GRADIO_TEMP_DIR"]
        else:
            os.environ["GRADIO_TEMP_DIR"] = before
    assert not thread.is_alive()
