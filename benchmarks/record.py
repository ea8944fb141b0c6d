"""What a benchmark leaves behind: its figures as JSON, with the machine and the versions they hold for.

Knows nothing of what is measured.
"""

import json
import math
import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("gradio", "torch", "transformers", "av", "opencv-python", "peewee", "llama-cpp-python")


def machine() -> dict[str, Any]:
    """Cores, processor, system and versions."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def machine_line() -> str:
    """The same for a person, on one line."""
    this = machine()
    libraries = ", ".join(f"{name} {number}" for name, number in this["libraries"].items())
    return f"{this['cores']} cores, {this['processor']}, Python {this['python']}, {libraries}"


def save(name: str, figures: object) -> Path:
    """Write `results/<name>.json`; an earlier one is replaced."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    taken = {"taken_at": time.strftime("%Y-%m-%d %H:%M:%S"), "machine": machine(), "figures": figures}
    path.write_text(json.dumps(taken, indent=1), encoding="utf-8")
    return path


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least `share` (in (0, 1]) of them do not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
