"""A real Haven as a process of its own, and a real browser that looks at it.

`HAVEN_TEST_BROWSER` names the browser. Where there is none these tests are skipped, and say so loudly; with
`HAVEN_REQUIRE_BROWSER=1` they fail instead.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.emptying import asked, empty, what_is_there
from tests.fixtures.haven_process import ROOT, HavenProcess
from tests.fixtures.videos import colour_video, constant, numbered_video, repeated
from tests.install_browser import LOUD, find_browser

PATIENCE_MS = 30_000  # a busy machine is no failure
# A reload aborts what that window was asking; Gradio's own script says so as errors.
SAID_BY_A_RELOAD = ("AbortError", "Connection errored out")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--process-per-site",  # see `visitor`
]


@dataclass(frozen=True)
class Haven:
    """A running Haven that several modules look at, a script that asks it, and who looks at it."""

    address: str
    data: Path
    scripts: Client
    visitor: BrowserContext
    at_first: dict[str, Any]  # as `what_is_there` tells


# One a worker: to start one and to show its first page takes longer than most modules do. A module that kills
# it, or gives it other settings, has a `haven` of its own.
@pytest.fixture(scope="package")
def shared_haven(browser, tmp_path_factory) -> Iterator[Haven]:
    with HavenProcess(tmp_path_factory.mktemp("haven"), ROOT / "tests" / "fixtures") as process:
        address = process.address
        with asking(address) as scripts, looking(browser, address) as visitor:
            yield Haven(address, process.data, scripts, visitor, what_is_there(scripts, process.data))


@pytest.fixture(scope="module")
def haven(shared_haven) -> Iterator[Haven]:
    """As it was at first: no test meets the model or the jobs of another module."""
    yield shared_haven
    scripts, at_first = shared_haven.scripts, shared_haven.at_first
    empty(scripts, at_first["/generation"])
    assert what_is_there(scripts, shared_haven.data) == at_first


@pytest.fixture(scope="module")
def scripts(haven) -> Iterator[Client]:
    """The same Haven, asked by a script."""
    if isinstance(haven, Haven):
        yield haven.scripts
        return
    with asking(haven.address) as client:
        yield client


@contextmanager
def asking(address: str) -> Iterator[Client]:
    """A script that asks the Haven there."""
    with closing(Client(address, verbose=False)) as client:
        yield client


# Not for all tests: while it is open its event loop runs in this thread, where others need their own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    path = os.environ.get("HAVEN_TEST_BROWSER") or find_browser()
    if path is None:
        sys.stderr.write(LOUD)
        if os.environ.get("HAVEN_REQUIRE_BROWSER") == "1":
            pytest.fail("There is no browser, and HAVEN_REQUIRE_BROWSER=1 asks for one.")
        pytest.skip("There is no Chromium or Chrome here: THE PAGE WAS NOT TESTED.")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def reloaded() -> set[Page]:
    """The windows that were loaded a second time."""
    return set()


@pytest.fixture
def reload(reloaded):
    """Loads a window again."""

    def again(page: Page) -> None:
        reloaded.add(page)
        page.reload()

    return again


# One for each Haven, so that what the page is made of is fetched once and not for each test. One answer of
# Haven stays open in a window of its own: it keeps the process alive that all windows share, and with it the
# scripts that were compiled there, which is half of what opening a page takes.
@contextmanager
def looking(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """Who looks at the Haven there."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(PATIENCE_MS)
    context.new_page().goto(f"{address}/haven")
    yield context
    context.close()


@pytest.fixture(scope="module")
def visitor(browser, haven) -> Iterator[BrowserContext]:
    """Who looks at that Haven, and forgets between two tests."""
    if isinstance(haven, Haven):
        yield haven.visitor
        return
    with looking(browser, haven.address) as visitor:
        yield visitor


@pytest.fixture
def open_page(visitor, haven, scripts, reloaded):
    """Opens windows of one visitor; at the end none has asked outside or complained on its console."""
    expect.set_options(PATIENCE_MS)
    strange: list[str] = []

    def complain(page: Page, text: str) -> None:
        if page not in reloaded or not any(said in text for said in SAID_BY_A_RELOAD):
            strange.append(text)

    def watch(page: Page) -> None:
        page.on(
            "request", lambda request: _outside(request.url, haven.address) and strange.append(request.url)
        )
        page.on("console", lambda said: said.type in ("error", "warning") and complain(page, said.text))
        page.on("pageerror", lambda error: complain(page, str(error)))

    def opened(width: int = 1280, height: int = 720) -> Page:
        page = visitor.new_page()
        watch(page)
        page.set_viewport_size({"width": width, "height": height})
        page.goto(haven.address)
        page.locator("#haven-chip .chip-line").first.wait_for()
        expect(page.get_by_label("Provider")).not_to_have_value("")
        return page

    yield opened
    for page in visitor.pages[1:]:
        try:
            page.evaluate("localStorage.clear()")
        finally:  # else all later tests of this worker would meet it
            page.close()
    visitor.clear_cookies()
    running, queued = asked(scripts, ["/jobs", "running"], ["/jobs", "queued"])
    asked(scripts, *(["/cancel_job", job["job_id"]] for job in running + queued))
    assert strange == []


@pytest.fixture
def page(open_page) -> Page:
    return open_page()


@pytest.fixture(scope="session")
def short_video(tmp_path_factory) -> Path:
    """Four seconds, H.264: red, blue, green, yellow."""
    place = tmp_path_factory.mktemp("videos") / "colours.mp4"
    return colour_video(place, ["red", "blue", "green", "yellow"]).path


@pytest.fixture(scope="session")
def long_video(tmp_path_factory) -> Path:
    """Long enough to be cancelled where the page is slow, too: 400 seconds of numbered pictures."""
    place = tmp_path_factory.mktemp("videos")
    once = numbered_video(place / "once.mp4", constant(60), gop=30)
    return repeated(place / "long.mp4", once, 200)


def _outside(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))
