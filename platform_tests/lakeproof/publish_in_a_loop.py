"""Publishes days of a table round after round, until it is killed: `publish_in_a_loop.py HOME FIRST_ROUND`."""

from __future__ import annotations

import itertools
import sys
from datetime import date, timedelta

import polars as pl

from lakeproof import Column, Lakehouse, Outcome, Table, Window, audit
from lakeproof.engine.function import FunctionMaker
from lakeproof.wap import Work, base_of, write_audit_publish

FIRST = date(2024, 1, 1)
DAYS = tuple(FIRST + timedelta(days=number) for number in range(4))
ROWS = 500

table = Table(
    "tests.crashed",
    columns=[Column("day", "date"), Column("value", "long")],
    partition="day",
    layer="tests",
    start=FIRST,
    owner="team:tests",
    audits=[audit.row_count(at_least=ROWS, at_most=ROWS)],
)


def publish_round(lakehouse: Lakehouse, number: int, days: tuple[date, ...]) -> Outcome:
    """Publish days whose every value is the number of the round."""

    def make(window: Window) -> pl.DataFrame:
        return pl.DataFrame({"day": [day for day in window.days for _ in range(ROWS)]}).with_columns(value=number)

    base = base_of(lakehouse.lake, table, days)
    work = Work(table=table, maker=FunctionMaker(make, {"window": Window}), readers={}, days=days, base=base)
    return write_audit_publish(lakehouse.lake, work)


def main() -> None:
    """Publish all days, say that it began, then a part of them, all of them, and so on."""
    lakehouse, first = Lakehouse(home=sys.argv[1]), int(sys.argv[2])
    for number in itertools.count(first):
        publish_round(lakehouse, number, DAYS if number % 2 == 0 else DAYS[:2])
        if number == first:
            sys.stdout.write("began\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
