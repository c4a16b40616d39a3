"""Run the benchmarks: `python platform_tests/benchmarks [--only B1,B4] [--json PATH] [--tiny]`; exits 1 on a miss."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import audits
import beside
import by_spark
import collection
import growth
import landing
import one_day
import rerun
import sensing
import writers
import year
from measure import Line
from report import as_table, write_json
from rich.console import Console  # noqa: TID251 - prints nothing from outside
from setting import BUILD, Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BENCHMARKS: dict[str, Callable[[Setting], Iterator[Line]]] = {
    "B1": one_day.run,
    "B2": year.run,
    "B3": writers.run,
    "B4": growth.run,
    "B5": audits.run,
    "B6": rerun.run,
    "B7": collection.run,
    "B8": landing.run,
    "B9": sensing.run,
    "C1": beside.compare,
    "C2": beside.year,
    "C3": beside.promote,
    "C4": beside.runs,
}
SPARK: dict[str, Callable[[Setting], Iterator[Line]]] = {
    "D1": by_spark.straight,
    "D2": by_spark.warm,
    "D4": by_spark.pays,
}
"""What needs Java."""
PIPE_WIDTH = 200


def main() -> int:
    """Run what was asked for, print the table, write the JSON."""
    options = _options()
    screen = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    began = time.monotonic()
    lines: list[Line] = []
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="work-") as folder:
        setting = Setting.tiny(Path(folder)) if options.tiny else Setting(Path(folder))
        for name in options.only or [*BENCHMARKS, *({} if options.tiny else SPARK)]:
            screen.print(f"{name} …", style="dim")
            try:
                lines += (BENCHMARKS | SPARK)[name](setting)
            except Exception as error:  # noqa: BLE001 - told, and the others still run
                lines.append(Line(name, "could not be measured", met=False, note=f"{type(error).__name__}: {error}"))
    write_json(options.json, lines, setting, time.monotonic() - began)
    screen.print(as_table(lines))
    missed = [line for line in lines if line.met is False]
    screen.print(f"{len(missed)} of {sum(line.met is not None for line in lines)} bounds missed.")
    return 1 if missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Lakeproof beside its peers and its limit.")
    parser.add_argument("--only", type=_names, help="some of them: B1,B4; by default a trial needs no Java")
    parser.add_argument("--json", type=Path, default=BUILD / "results.json", help="where the results go")
    parser.add_argument("--tiny", action="store_true", help="our side alone, in this process: a trial of the code")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = [name for name in text.upper().replace(",", " ").split() if name]
    if unknown := [name for name in names if name not in BENCHMARKS | SPARK]:
        msg = f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS | SPARK)}"
        raise argparse.ArgumentTypeError(msg)
    return names


if __name__ == "__main__":
    sys.exit(main())
