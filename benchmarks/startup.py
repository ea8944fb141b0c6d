"""From the command to a page that answers: `python haven_app.py` beside a bare `gr.Blocks` with one text box.

Both start as processes of their own, in turn, after one uncounted start each that fills the disk cache.
A start ends when `GET /` answers 200 with the page and its configuration in it; both are asked alike.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from benchmarks.record import save
from benchmarks.server import free_port, haven_command, stop

LIMIT = 1.3
BARE = """
import gradio as gr
with gr.Blocks() as demo:
    gr.Textbox()
demo.launch(server_name="127.0.0.1", server_port={port}, inbrowser=False)
"""


def main() -> None:
    """Print and save the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    rounds = 2 if given.quick else given.rounds
    haven, bare = [], []
    for round_number in range(rounds + 1):
        seconds = _haven_start(), _bare_start()
        if round_number:
            haven.append(seconds[0])
            bare.append(seconds[1])
    _report(haven, bare)


def _report(haven: list[float], bare: list[float]) -> None:
    ratio = statistics.median(haven) / statistics.median(bare)
    for name, times in (("python haven_app.py", haven), ("bare gr.Blocks", bare)):
        print(f"{name:22} median {statistics.median(times):5.2f} s  ({min(times):.2f} to {max(times):.2f})")
    print(f"ratio {ratio:.2f}, at most {LIMIT} is wanted; {len(haven)} starts each, in turn")
    save("startup", {"haven_seconds": haven, "bare_seconds": bare, "ratio": ratio, "limit": LIMIT})


def _haven_start() -> float:
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        return _seconds_until_page(haven_command(port, Path(folder)), port)


def _bare_start() -> float:
    port = free_port()
    return _seconds_until_page([sys.executable, "-c", BARE.format(port=port)], port)


def _seconds_until_page(command: list[str], port: int) -> float:
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(port):
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
            time.sleep(0.01)
        return time.perf_counter() - began
    finally:
        stop(process)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as page:
            return page.status == 200 and b"gradio_config" in page.read()
    except (urllib.error.URLError, ConnectionError):
        return False


if __name__ == "__main__":
    main()
