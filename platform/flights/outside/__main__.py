"""`python -m flights.outside COMMAND …`: run a command with the outside world there, and let it go afterwards."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from flights.outside.world import outside


def main() -> int:
    """Run the command, and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m flights.outside",
        description="Run a command while the flights feed, the landing folder and the database are there.",
    )
    parser.add_argument("--folder", type=Path, default=Path(".lakeproof/outside"), help="where they are kept")
    parser.add_argument("--rate", type=float, default=50, help="requests a second that the feed takes")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command; without one, the addresses are printed")
    options = parser.parse_args()
    ends = {signal.SIGINT, signal.SIGTERM}
    with outside(options.folder, rate=options.rate) as where:
        if not options.command:
            signal.pthread_sigmask(signal.SIG_BLOCK, ends)
            print("\n".join(f"export {name}={value}" for name, value in where.items()), flush=True)  # noqa: T201
            signal.sigwait(ends)
            return 0
        process = subprocess.Popen(options.command, env=os.environ | where)  # noqa: S603 - what was asked for
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        signal.signal(signal.SIGINT, lambda *_: None)  # of a terminal the command has it, too, and ends by itself
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
