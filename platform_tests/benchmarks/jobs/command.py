"""Our side as a person runs it: the `lakeproof` command, through Dagster, with the feed beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from flights.outside import outside

ROOT = Path(__file__).parent.parent.parent.parent


def raw_departures(home: str, first: str, last: str) -> dict[str, float]:
    """Publish the example's departures, collected from the feed and with all their audits."""
    binary = Path(sys.executable).parent / "lakeproof"
    command = [binary, "run", "flights.raw_departures", "--from", first, "--to", last]
    with outside(Path(home) / "outside") as where:
        environment = os.environ | where | {"LAKEPROOF_HOME": home}
        began = time.monotonic()
        subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        return {"seconds": time.monotonic() - began}
