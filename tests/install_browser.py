"""Finds a browser for the browser tests, or gets one: Debian's Chromium where that is possible, else
Playwright's own. `make test` runs it as a script; the tests ask `find_browser`.

Chromium's headless shell goes first: it shows the same page without drawing bars of its own around it, for
four fifths of the processor time.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ON_PATH = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
ELSEWHERE = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
)
LOUD = """
======================================================================
  THE BROWSER TESTS WILL NOT RUN: there is no Chromium or Chrome here,
  and none could be installed. Install one and run the tests again.
======================================================================
"""


def find_browser() -> str | None:
    """Path of a Chromium or Chrome that can be started, `HAVEN_TEST_BROWSER` first; None without one."""
    named = os.environ.get("HAVEN_TEST_BROWSER", "")
    if os.path.exists(named):
        return named
    on_path = next(filter(None, map(shutil.which, ON_PATH)), None)
    return on_path or next(filter(os.path.exists, ELSEWHERE), None) or _playwrights_own()


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _install() -> None:
    if shutil.which("apt-get") and (root := _as_root()) is not None:
        _try([*root, "apt-get", "update", "-qq"])
        install = [*root, "apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        if not _try([*install, "chromium-headless-shell"]):
            _try([*install, "chromium"])
    if find_browser() is None:
        _try([sys.executable, "-m", "playwright", "install", "chromium"])


def _as_root() -> list[str] | None:
    """What goes before a command to run it as root; None where that would ask for a password."""
    if os.geteuid() == 0:
        return []
    return ["sudo", "-n"] if shutil.which("sudo") and _try(["sudo", "-n", "true"]) else None


def _try(command: Sequence[str]) -> bool:
    """Whether the command succeeded. It never waits for an answer."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, stdin=subprocess.DEVNULL, env=environment).returncode == 0


def main() -> int:
    """0 when there is a browser now, else 1, after saying so loudly."""
    if find_browser() is None:
        _install()
    browser = find_browser()
    sys.stderr.write(f"Browser for the tests: {browser}\n" if browser else LOUD)
    return 0 if browser else 1


if __name__ == "__main__":
    sys.exit(main())
