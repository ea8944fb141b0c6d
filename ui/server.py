"""The web server: our own application with Gradio's page mounted in it, guarded, on this machine only.

Knows nothing of what is on the page. Gradio's settings are all given here by name, because each of
them could otherwise be switched on by somebody's environment.
"""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from ui.ending import EndStreams, OpenStreams, cutting_is_no_error
from ui.first_paint import FirstPaint
from ui.guards import OnlyOwnHosts, OnlyOwnOrigin, SecurityHeaders
from ui.house import House
from ui.no_downloads import forbid_downloads
from ui.page import build_page
from ui.routes import own_routes
from ui.theme import theme
from ui.uploads import RoomForUploads, leave_nothing_unfinished

if TYPE_CHECKING:
    from engine.engine import Engine

SHUTDOWN_SECONDS = 2  # for answers under way, which are cut then; streams end at once
CUT_SECONDS = 1  # for what was cut to end


def application(engine: "Engine", data_folder: Path) -> FastAPI:
    """Everything that is served, for one engine; `data_folder` is where Haven keeps what lasts.

    To be called on the event loop that will serve it: elsewhere Gradio makes loops that it never closes.
    """
    house = House(engine, data_folder / "samples")
    app = FastAPI(title="Haven", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(own_routes(house))
    # The last one added is the first one asked.
    app.add_middleware(FirstPaint)
    app.add_middleware(RoomForUploads, data_folder=data_folder)
    app.add_middleware(CORSMiddleware, allow_origins=[])
    app.add_middleware(OnlyOwnOrigin)
    app.add_middleware(OnlyOwnHosts)
    app.add_middleware(SecurityHeaders)
    app.state.streams = OpenStreams()
    app.add_middleware(EndStreams, streams=app.state.streams)
    forbid_downloads()
    leave_nothing_unfinished()
    page = build_page(house)
    # Gradio checks file references only in a launched page, and mounting does not count as launching:
    # without this line a forged reference reads any file of the machine.
    page.has_launched = True
    return gr.mount_gradio_app(
        app,
        page,
        path="/",
        server_name="127.0.0.1",
        footer_links=[],
        run_history=False,
        app_kwargs={"docs_url": None, "redoc_url": None},
        auth=None,
        auth_message=None,
        auth_dependency=None,
        root_path=None,
        allowed_paths=[],
        blocked_paths=[],
        favicon_path=None,
        show_error=True,
        max_file_size=None,
        ssr_mode=False,
        node_server_name=None,
        node_port=None,
        enable_monitoring=False,
        pwa=False,
        i18n=None,
        mcp_server=False,
        theme=theme(),
        css=None,
        js=None,
        head=None,
    )


def server(app: FastAPI, when_ready: Callable[[], None]) -> uvicorn.Server:
    """A server for `app`, to be run on a socket; `when_ready` is called once the page answers."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="on",
        ws="none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        proxy_headers=False,
        server_header=False,
    )
    return _Server(config, when_ready, app.state.streams)


class _Server(uvicorn.Server):
    """Says when it listens, and ends what would stay open when it stops."""

    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None], streams: OpenStreams) -> None:
        super().__init__(config)
        self._when_ready = when_ready
        self._streams = streams

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.end()
        with cutting_is_no_error():
            await super().shutdown(sockets)
            if self.server_state.tasks:  # they were cancelled, and have not met it yet
                await asyncio.wait(self.server_state.tasks, timeout=CUT_SECONDS)
