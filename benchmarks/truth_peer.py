"""Spans against the truth, beside vlm-engine: the same videos, and the same oracle behind a loopback server.

Printed for each video: spans found of those there are, spans made up, the worst start and end, the questions
that the server was asked, and the seconds, with everything loaded before. The peer has an environment of its
own, made here the first time, in which only torch and what it needs are Haven's; where that cannot be made
the peer is left out. Its prompt asks for the one tag that fits best; the oracle names all that hold, which
favours it. What counts is what it gives in the end (`tag_timespans`), in whole seconds.
"""

import argparse
import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.record import save
from benchmarks.server import ROOT
from benchmarks.truth import INTERVAL, compared
from engine.backends.base import Backend
from engine.backends.openai.provider import OpenAIProvider
from engine.backends.openai.servers import Server
from engine.cancel import CancelToken
from engine.settings import LoadOptions
from tests.running import Running
from tests.truth import SETS, Truth, truth

HERE = Path(__file__).parent
ENVIRONMENT = HERE / ".venv-vlm-engine"
REQUIREMENTS = HERE / "vlm_engine_requirements.txt"
MAKING_SECONDS, RUNNING_SECONDS = 300, 900
Found = dict[str, list[tuple[float, float]]]  # by tag: start and end in seconds
Way = Callable[[Truth, str], tuple[Found, float]]  # of a video and the server's address; with the seconds


def main() -> None:
    """Print and save the figures of every video and each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the first video only")
    given = parser.parse_args()
    ways: dict[str, Way] = {"Haven, samples": _haven(False), "Haven, narrowed": _haven(True)}
    if (python := _environment()) is not None:
        ways["vlm-engine"] = _peer(python)
    print(f"{'':34}{'found':>10}{'made up':>9}{'start ms':>10}{'end ms':>10}{'asked':>8}{'s':>8}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in list(SETS)[: 1 if given.quick else None]:
            made = truth(name, Path(folder))
            for way, analysed in ways.items():
                try:
                    rows.append({"video": name, "way": way, **_measured(made, analysed)})
                    _print(rows[-1])
                except subprocess.SubprocessError as error:
                    print(f"{name:18}{way:16} gave nothing: {error}", flush=True)
    totals = [_total(way, [row for row in rows if row["way"] == way]) for way in ways]
    for row in totals:
        _print(row)
    save("truth_peer", {"videos": rows, "totals": totals})


def _measured(made: Truth, analysed: Way) -> dict[str, float]:
    with _oracle(made) as address:
        found, seconds = analysed(made, address)
        with urllib.request.urlopen(f"{address}/asked") as answer:
            asked = json.load(answer)
    return {**compared(made, found), "asked": asked, "seconds": seconds}


def _haven(refine: bool) -> Way:
    """The whole way of an analysis but the page: file, jobs, store, and the backend of such servers."""

    def analysed(made: Truth, address: str) -> tuple[Found, float]:
        with tempfile.TemporaryDirectory() as data:
            running = Running(Path(data), _backend(address))
            try:
                began = time.perf_counter()
                options = {"refine": refine}
                job = running.run(made.clip.path, tags=list(made.spans), interval=INTERVAL, options=options)
                return running.spans(job.id), time.perf_counter() - began
            finally:
                running.close()

    return analysed


def _backend(address: str) -> Backend:
    provider = OpenAIProvider(lambda: [Server("oracle", address)])
    (entry,) = provider.models(Path())
    backend = provider.load(entry, LoadOptions(), lambda *_: None, CancelToken())
    backend.warm_up(CancelToken())
    return backend


def _peer(python: Path) -> Way:
    def analysed(made: Truth, address: str) -> tuple[Found, float]:
        asked = (str(made.clip.path), address, json.dumps(list(made.spans)), str(INTERVAL))
        run = subprocess.run(
            [str(python), str(HERE / "vlm_engine_run.py"), *asked],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=RUNNING_SECONDS,
        )
        told = json.loads(run.stdout.splitlines()[-1])
        return {tag: told["spans"].get(tag, []) for tag in made.spans}, told["seconds"]

    return analysed


@contextmanager
def _oracle(made: Truth) -> Iterator[str]:
    """The address of a server that knows one video."""
    command = [sys.executable, "-m", "benchmarks.oracle_server", json.dumps(made.spans)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _environment() -> Path | None:
    """The peer's Python; None, with a line that says why, where it cannot be had."""
    python = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready = ENVIRONMENT / "ready"
    if ready.exists() and ready.read_bytes() == REQUIREMENTS.read_bytes():
        return python
    print(f"making the environment of vlm-engine in {ENVIRONMENT.relative_to(ROOT)}", flush=True)
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    steps = (
        [sys.executable, "-m", "venv", str(ENVIRONMENT)],
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(REQUIREMENTS)],
    )
    try:
        for step in steps:
            _done(step)
        purelib = subprocess.run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout.strip()
        # Behind its own packages, for torch, which is large.
        Path(purelib, "haven.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        _done([str(python), "-c", "import torch, vlm_engine"])
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        print(f"vlm-engine is left out, its environment could not be made: {said.strip().splitlines()[-1]}")
        return None
    ready.write_bytes(REQUIREMENTS.read_bytes())
    return python


def _done(step: Sequence[str]) -> None:
    """Raises: OSError, subprocess.SubprocessError."""
    subprocess.run(step, check=True, capture_output=True, text=True, timeout=MAKING_SECONDS)


def _total(way: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    summed = {
        name: sum(row[name] for row in rows) for name in ("spans", "found", "made_up", "asked", "seconds")
    }
    worst = {
        name: max((row[name] for row in rows), default=0.0) for name in ("worst_start_ms", "worst_end_ms")
    }
    return {"video": "all", "way": way, **summed, **worst}


def _print(row: dict[str, Any]) -> None:
    print(
        f"{row['video']:18}{row['way']:16}{row['found']:>5} of {row['spans']:<2}{row['made_up']:>9}"
        f"{row['worst_start_ms']:>10.2f}{row['worst_end_ms']:>10.2f}{row['asked']:>8}{row['seconds']:>8.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
