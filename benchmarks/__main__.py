"""`python -m benchmarks [NAME ...] [--quick]`: every benchmark, or those named, one after the other.

Each runs in a process of its own, so that none finds the libraries of another already warm.
"""

import argparse
import subprocess
import sys

from benchmarks.record import machine_line

NAMES = (
    "startup",
    "sampling",
    "truth",
    "truth_peer",
    "throughput",
    "cancel",
    "kill",
    "memory",
    "llamacpp",
    "tagging",
    "server_parallel",
    "batches",
    "search",
    "switching",
    "whole_switch",
)


def main() -> int:
    """0 when every benchmark ran to its end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="a few rounds only: shows that it runs")
    given = parser.parse_args()
    for name in given.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name!r}; pick any of: {', '.join(NAMES)}")
    print(machine_line(), flush=True)
    failed = [name for name in given.names or NAMES if not _run(name, given.quick)]
    if failed:
        print(f"\nDid not run to the end: {', '.join(failed)}")
    return 1 if failed else 0


def _run(name: str, quick: bool) -> bool:
    print(f"\n== {name}", flush=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if quick else [])]
    return subprocess.run(command).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
