"""The result for people, one table, and for programs, one JSON file."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from measure import Line
    from setting import Setting

LIBRARIES = ("lakeproof", "duckdb", "polars", "pyarrow", "pyiceberg", "dagster")


def as_table(lines: Sequence[Line]) -> Table:
    """Return all lines as one table."""
    table = Table(title="medians; ratios turn by turn", title_justify="left")
    table.add_column("")
    table.add_column("measured", overflow="fold")
    for name in ("ours", "other", "ratio", "bound", "met"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("seen", overflow="fold")
    for line in lines:
        table.add_row(
            line.benchmark,
            line.what,
            _figure(line.ours, line.unit),
            _figure(line.other, line.unit),
            "" if line.ratio is None else f"{line.ratio:.2f}",
            "" if line.bound is None else f"{'≥' if line.at_least else '≤'} {line.bound:g}",
            {True: "yes", False: "[red]NO[/red]", None: ""}[line.met],
            line.note,
        )
    return table


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def write_json(path: Path, lines: Sequence[Line], setting: Setting, seconds: float) -> None:
    """Write what was measured, on what, with which versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    sizes = {name: value for name, value in vars(setting).items() if name not in {"work", "data", "run_job"}}
    record = {
        "taken": datetime.now(UTC).isoformat(timespec="seconds"),
        "took_seconds": round(seconds),
        "machine": {"cores": os.cpu_count(), "memory_mib": memory, "python": platform.python_version()},
        "load_at_the_end": os.getloadavg(),
        "versions": {name: version(name) for name in LIBRARIES},
        "sizes": sizes,
        "lines": [asdict(line) for line in lines],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
