"""A process that publishes days of tables, as it is told on its standard input, a JSON line an order.

An order is `{"table": name, "start": file, "runs": [{"days": [1, 2], "value": 7}]}`. A run is over numbered days, and
its every row has that value, or that of its day in `values`; below nothing, an audit holds the day. With each order the
process looks at what is published, says "ready" and waits for the file to be there; so processes that are told together
begin on the same base. Then it says a line a run: the state of each day and the exit code.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from lakeproof import Column, Table, Window, audit
from lakeproof.engine.function import FunctionMaker
from lakeproof.lake.catalog import Lake
from lakeproof.wap import write_audit_publish
from lakeproof.work import Work, base_of

FIRST = date(2024, 1, 1)
ROWS = 50


def readings(name: str) -> Table:
    """Declare the table: a day has 50 rows, and none is below nothing."""
    return Table(
        name,
        columns=[Column("day", "date"), Column("row", "int"), Column("value", "long")],
        partition="day",
        layer="tests",
        start=FIRST,
        key=["day", "row"],
        owner="team:tests",
        audits=[audit.between("value", 0, None), audit.row_count(at_least=ROWS, at_most=ROWS), audit.unique()],
    )


def day(number: int) -> date:
    """Return the numbered day of the table; 1 is its first."""
    return FIRST + timedelta(days=number - 1)


def work_of(lake: Lake, name: str, days: list[int], values: dict[int, int]) -> Work:
    """Return a run of numbered days, each with the value of its rows."""
    table = readings(name)

    def make(window: Window) -> pl.DataFrame:
        numbers = [(one - FIRST).days + 1 for one in window.days]
        days = pl.DataFrame({"day": list(window.days), "value": [values[n] for n in numbers]})
        return days.join(pl.DataFrame({"row": range(ROWS)}, {"row": pl.Int32}), how="cross")

    listed = tuple(day(number) for number in days)
    maker = FunctionMaker(make, {"window": Window})
    return Work(table=table, maker=maker, readers={}, days=listed, base=base_of(lake, table, listed))


def publish_runs(lake: Lake, name: str, start: Path, runs: list[dict[str, Any]]) -> None:
    """Publish the runs, one after another, once the start is given."""
    for number, run in enumerate(runs):
        values = run["values"] if "values" in run else dict.fromkeys(run["days"], run["value"])
        work = work_of(lake, name, run["days"], {int(key): value for key, value in values.items()})
        if number == 0:
            _say("ready")
            while not start.exists():
                time.sleep(0.005)
        try:
            outcome = write_audit_publish(lake, work)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            _say({"error": f"{type(error).__name__}: {error}"})
        else:
            _say({"states": [one.state for one in outcome.days], "exit": outcome.exit_code})


def main() -> None:
    """Do what is ordered until there are no more orders."""
    lake = Lake.configured("lake")
    assert lake is not None
    for line in sys.stdin:
        order = json.loads(line)
        publish_runs(lake, order["table"], Path(order["start"]), order["runs"])


def _say(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
