"""Our side as a person runs it: the `lakeproof` command, through Dagster; nothing is imported here that it imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent.parent


def raw_departures(home: str, first: str, last: str) -> dict[str, float]:
    """Publish the example's departures, from the delivered ZIP and with their twenty audits."""
    binary = Path(sys.executable).parent / "lakeproof"
    command = [binary, "run", "flights.raw_departures", "--from", first, "--to", last]
    environment = os.environ | {"LAKEPROOF_HOME": home}
    subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    return {}
