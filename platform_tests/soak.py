"""Repeat the reliability tests with new seeds until the time is up, and print what was tried as one table.

Usage: soak.py MINUTES. A test that fails ends it. The figures are what the tests record of themselves.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

TESTS = Path(__file__).parent
RELIABILITY = [
    TESTS / "services",
    TESTS / "readers",
    TESTS / "lakeproof" / "test_crash.py",
]
ONCE = TESTS / "orchestrator"
"""Nothing is drawn by chance in it, so the first round has it alone."""

BY_TRINO = TESTS / "engines" / "test_trino_polls.py"
"""Trino reads a REST catalog, so it polls one, in a test of its own."""

LONGER = {
    "LAKEPROOF_AIRFLOW": "1",
    "INTERLEAVINGS": "15",
    "INTERLEAVED_STEPS": "25",
    "LAKEPROOF_KILLS": "25",
    "LAKEPROOF_SERVICE_KILLS": "6",
    "LAKEPROOF_STEP_STRIDE": "1",
    "LAKEPROOF_POLLS": "40",
    "LAKEPROOF_UPKEEP_ROUNDS": "30",
}
"""A round's size, where the tests in `make test` are shorter."""

READERS = "duckdb polars pyiceberg"
SPARK_LACKS, TRINO_LACKS = (os.environ.get(name, "") for name in ("SPARK_LACKS", "TRINO_LACKS"))
"""Why Spark or Trino takes no part, if it does not; the Makefile knows."""


def figures_of(report: Path) -> Counter[str]:
    """Return what the tests of a round recorded, summed up."""
    figures: Counter[str] = Counter()
    for entry in ET.parse(report).iter("property"):  # noqa: S314 - pytest wrote it just now
        figures[entry.attrib["name"]] += int(entry.attrib["value"])
    return figures


def main(minutes: float) -> int:
    """Go round until the time is up; return what the last round of pytest ended with."""
    longer = LONGER | {"LAKEPROOF_READERS": READERS if SPARK_LACKS else f"{READERS} spark"}
    end, figures, ended = time.monotonic() + 60 * minutes, Counter[str](), 0
    while not ended and time.monotonic() < end:
        figures["rounds"] += 1
        seed = str(int(time.time()))
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.xml"
            tests = [*RELIABILITY, *([] if TRINO_LACKS else [BY_TRINO]), *([ONCE] if figures["rounds"] == 1 else [])]
            command = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", *map(str, tests)]
            ended = subprocess.run(command, check=False, env=longer | os.environ | {"LAKEPROOF_SEED": seed}).returncode
            figures += figures_of(report)
        sys.stdout.write(f"Round {figures['rounds']}, seed {seed}: {'failed' if ended else 'passed'}\n")
    width = max(map(len, figures))
    for name, count in sorted(figures.items()):
        sys.stdout.write(f"  {name:{width}}  {count:>8,}\n")
    for name, lacks in (("Spark", SPARK_LACKS), ("Trino", TRINO_LACKS)):
        if lacks:
            sys.stdout.write(f"  {name} took no part: {lacks}\n")
    return ended


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
