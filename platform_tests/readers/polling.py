"""Readers that share no code with Lakeproof, each polling a table in a process of its own.

`LAKEPROOF_READERS` of the environment says which. Spark, which takes long to start, is one of them in `make soak`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).parent
VENV = HERE.parent.parent / ".venv"

PYTHONS = {
    "duckdb": VENV / "readers" / "bin" / "python",
    "polars": sys.executable,
    "pyiceberg": sys.executable,
    "spark": VENV / "spark" / "bin" / "python",
}
"""What runs each. DuckDB, the newest whose Iceberg reader is on PyPI, and Spark have environments of their own."""

READERS = os.environ.get("LAKEPROOF_READERS", "duckdb polars pyiceberg").split()
POLLS = int(os.environ.get("LAKEPROOF_POLLS", "6"))
"""How often a reader polls at least while a test publishes."""

WAIT_SECONDS = 120
"""How long a reader may take until its first poll, and to end: Spark takes 20 seconds where it has half a core."""


@dataclass
class Polling:
    """A reader at work.

    Args:
        reader: Which.
        process: The process that it is.
        said: What it prints, a line a poll.
    """

    reader: str
    process: subprocess.Popen[bytes]
    said: Path

    @property
    def polls(self) -> int:
        """How many polls there were until now; a reader that broke off fails the test."""
        assert not self.process.poll(), f"{self.reader} broke off: a file may be gone from under it"
        return self.said.read_text().count("\n")

    @property
    def has_enough(self) -> bool:
        """Whether it polled as often as a test asks for."""
        return self.polls > POLLS

    def seen(self) -> list[list[list[Any]]]:
        """Return what each poll saw: day, rows, lowest and highest value."""
        return [json.loads(line) for line in self.said.read_text().splitlines()]


@contextmanager
def polling(reader: str, catalog: Path, name: str, table: str, folder: Path) -> Iterator[Polling]:
    """Poll in another process from before the block runs until it ends.

    Args:
        reader: Which.
        catalog: The database of the SQLite catalog.
        name: The catalog's name.
        table: The table's name without its namespace.
        folder: Where the reader's output goes.
    """
    stop, said = folder / f"{reader}.stop", folder / f"{reader}.polls"
    command = [PYTHONS[reader], HERE / f"poll_with_{reader}.py", catalog, name, table, stop]
    with said.open("wb") as output:
        process = subprocess.Popen(list(map(str, command)), stdout=output)
    found, late = Polling(reader, process, said), time.monotonic() + WAIT_SECONDS
    try:
        while not found.polls:
            assert time.monotonic() < late
            time.sleep(0.01)
        yield found
    finally:
        stop.touch()
        process.wait(timeout=WAIT_SECONDS)
    assert process.returncode == 0


def assert_whole(polls: Iterable[list[list[Any]]], days: Iterable[str], rows: int) -> None:
    """Each poll sees each day once, whole, of one run, and of none that an audit held (those are below nothing)."""
    for poll in polls:
        assert sorted(row[:2] for row in poll) == [[day, rows] for day in days]
        assert all(low == high and low >= 0 for _, _, low, high in poll)
