"""Our side as a person runs it: the `lakeproof` command, through Dagster."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent.parent
UPSTREAM = ("flights.airlines", "flights.airports", "flights.planes")


def lakeproof(home: str, *command: str) -> float:
    """Run the command on a lake of its own; return how long its process took."""
    binary = Path(sys.executable).parent / "lakeproof"
    environment = os.environ | {"LAKEPROOF_HOME": home}
    began = time.monotonic()
    subprocess.run([binary, *command], check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def upstream(home: str) -> dict[str, float]:
    """Publish what the departures' audits refer to."""
    return {"seconds": lakeproof(home, "run", *UPSTREAM)}


def raw_departures(home: str, first: str, last: str) -> dict[str, float]:
    """Publish the example's departures, from the delivered ZIP and with their twenty audits."""
    return {"seconds": lakeproof(home, "run", "flights.raw_departures", "--from", first, "--to", last)}
