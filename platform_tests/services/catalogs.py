"""A real catalog for tests, and processes that publish through it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from publisher import FIRST, readings
from pyiceberg.catalog import load_catalog

from lakeproof.lake.catalog import Lake

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyiceberg.table import Table as IcebergTable

PUBLISHER = Path(__file__).parent / "publisher.py"

Publisher = subprocess.Popen[str]


def tell(process: Publisher, order: dict[str, Any]) -> None:
    """Give a publisher an order."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()


def hear(process: Publisher) -> Any:
    """Return the next thing that a publisher says."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def stop(processes: list[Publisher]) -> None:
    """Kill publishers."""
    for process in processes:
        process.kill()
        process.communicate()


@dataclass
class Catalog:
    """A catalog, and processes that publish through it.

    Args:
        properties: PyIceberg's.
        folder: Where its configuration and the start files of processes are.
    """

    properties: Mapping[str, str]
    folder: Path
    names: Iterator[int] = field(default_factory=itertools.count)
    idle: list[Publisher] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Write PyIceberg's configuration, as a person would."""
        lines = ["catalog:", "  lake:", *(f"    {name}: {value}" for name, value in self.properties.items())]
        (self.folder / ".pyiceberg.yaml").write_text("\n".join(lines))

    def new_name(self) -> str:
        """Return the name of a table that is not there, in a namespace that is not there."""
        return f"services{next(self.names)}.readings"

    def new_table(self) -> str:
        """Return the name of a new table that is there, and has no day."""
        name = self.new_name()
        self.lake().ensure(readings(name))
        return name

    def lake(self) -> Lake:
        """Open the lake, as a process of its own would."""
        return Lake(load_catalog("lake", **self.properties), "catalog lake")

    def stored(self, name: str) -> IcebergTable:
        """Return a table as the catalog has it now."""
        return load_catalog("lake", **self.properties).load_table(name)

    def seen(self, name: str) -> dict[int, tuple[int, set[int]]]:
        """Return the rows and the values of each numbered day, as plain PyIceberg reads them."""
        rows = pl.DataFrame(self.stored(name).scan().to_arrow())
        return {(day - FIRST).days + 1: (part.height, set(part["value"])) for (day,), part in rows.group_by("day")}

    @contextmanager
    def publishing(self, name: str, *runs: list[dict[str, Any]]) -> Iterator[list[Publisher]]:
        """Order a process to publish for each list of runs; let them go together once all are ready."""
        start = self.folder / f"start{next(self.names)}"
        self.idle = [one for one in self.idle if one.poll() is None]  # but those that a test killed
        self.idle += [self._start() for _ in range(len(runs) - len(self.idle))]
        busy, self.idle = self.idle[: len(runs)], self.idle[len(runs) :]
        try:
            for process, listed in zip(busy, runs, strict=True):
                tell(process, {"table": name, "start": str(start), "runs": listed})
            for process in busy:
                assert hear(process) == "ready"
            start.touch()
            yield busy
        except BaseException:
            stop(busy)
            raise
        self.idle += busy

    def together(self, name: str, *runs: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """Run a process for each list of runs, all at the same time, and return what each said of each run."""
        with self.publishing(name, *runs) as processes:
            return [[hear(process) for _ in listed] for process, listed in zip(processes, runs, strict=True)]

    def run(self, name: str, *runs: dict[str, Any]) -> list[dict[str, Any]]:
        """Run one process."""
        return self.together(name, list(runs))[0]

    def _start(self) -> Publisher:
        command, environment = [sys.executable, str(PUBLISHER)], {**os.environ, "PYICEBERG_HOME": str(self.folder)}
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def close(self) -> None:
        """Stop the processes."""
        stop(self.idle)
