"""A table with a column of each type and the values that are easiest to get wrong, and every kind of day.

As a program it runs a day of the table, and is killed when the day is staged and audited, just before its publish.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pyarrow as pa

from lakeproof import Column, Table, Window, audit, wap
from lakeproof.engine.cast import arrow_schema
from lakeproof.engine.function import FunctionMaker
from lakeproof.lake.catalog import Lake
from lakeproof.wap import write_audit_publish
from lakeproof.work import Work, base_of

if TYPE_CHECKING:
    from lakeproof.outcome import Outcome

FIRST = date(2024, 1, 1)
PLAIN, EMPTY, RESTATED, HELD, KEPT, STAGED, LATER, BESIDE = (FIRST + timedelta(days=n) for n in range(8))
"""What becomes of each day: see `publish_days`."""

OUTPUT = "trial"

TABLE = "sales.orders"
CLOCKS = "sales.clocks"
"""A table with a `time`, of which one engine reads no column."""

Row = dict[str, Any]

BEFORE = {
    "day": "date",
    "id": "long",
    "flag": "boolean",
    "small": "int",
    "big": "long",
    "narrow": "float",
    "single": "float",
    "wide": "double",
    "price": "decimal(10, 2)",
    "exact": "decimal(38, 10)",
    "due": "date",
    "at": "timestamp",
    "instant": "timestamptz",
    "label": "string",
    "token": "uuid",
    "raw": "binary",
}
"""The columns of the first contract."""

WIDENED = {"small": "long", "narrow": "double", "price": "decimal(20, 2)"}
RENAMED = {"label": "title"}
AFTER = {RENAMED.get(name, name): WIDENED.get(name, kind) for name, kind in BEFORE.items()} | {"added": "string"}
"""The columns of the second."""

NULLS: Row = {}
LEAST: Row = {
    "flag": False,
    "small": -(2**31),
    "big": -(2**63),
    "narrow": -3.4028234663852886e38,
    "single": -3.4028234663852886e38,
    "wide": -sys.float_info.max,
    "price": Decimal("-99999999.99"),
    "exact": Decimal("-9999999999999999999999999999.9999999999"),
    "due": date.min,
    "at": datetime.min,  # noqa: DTZ901 - a timestamp without a zone
    "instant": datetime.min.replace(tzinfo=UTC),
    "label": "",
    "token": UUID(int=0),
    "raw": b"",
}
MOST: Row = {
    "flag": True,
    "small": 2**31 - 1,
    "big": 2**63 - 1,
    "narrow": 3.4028234663852886e38,
    "single": 3.4028234663852886e38,
    "wide": sys.float_info.max,
    "price": Decimal("99999999.99"),
    "exact": Decimal("9999999999999999999999999999.9999999999"),
    "due": date.max,
    "at": datetime.max,  # noqa: DTZ901 - as above
    "instant": datetime.max.replace(tzinfo=UTC),
    "label": "Żółć 東京 🛫 e\u0301 \u202eabc",
    "token": UUID(int=2**128 - 1),
    "raw": bytes(range(256)),
}
NOT_NUMBERS: Row = {
    **dict.fromkeys(("narrow", "single", "wide"), float("nan")),
    "at": datetime(1969, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001 - as above
    "instant": datetime(1582, 10, 10, 12, tzinfo=UTC),  # between the two calendars
    "due": date(1582, 10, 10),
    "label": "NULL",
    "token": UUID("01234567-89ab-cdef-0123-456789abcdef"),
}
INFINITE: Row = {
    **dict.fromkeys(("narrow", "single", "wide"), float("inf")),
    "label": "'\"\\\n\r\t,;",
    "raw": b"\x00",
}
LESS: Row = {
    **dict.fromkeys(("narrow", "single", "wide"), float("-inf")),
    "label": "a\x00b",
    "price": Decimal("0.00"),
    "exact": Decimal("0.0000000001"),
}
TINY: Row = {
    "narrow": 1.401298464324817e-45,
    "single": -0.0,
    "wide": 5e-324,
    "label": "  spaces  ",
    "instant": datetime(2024, 3, 10, 7, 30, 0, 1, tzinfo=UTC),
}
AWKWARD = (NULLS, LEAST, MOST, NOT_NUMBERS, INFINITE, LESS, TINY)
LARGE: Row = {
    "small": 2**31,
    "narrow": 1e300,
    "price": Decimal("999999999999999999.99"),
    "title": "long " * 20_000,
    "added": "",
}
"""What only the second contract has room for."""


OF_CLOCKS = {"day": "date", "id": "long", "clock": "time"}
TIMES: tuple[Row, ...] = ({}, {"clock": time.min}, {"clock": time.max}, {"clock": time(12, 30, 1, 5)})


def contract(name: str, columns: dict[str, str]) -> Table:
    """Declare the table with some columns; an audit holds a day with an id below nothing."""
    were = {new: old for old, new in RENAMED.items()}
    return Table(
        name,
        columns=[
            Column(column, kind, renamed_from=were.get(column) if "added" in columns else None)
            for column, kind in columns.items()
        ],
        partition="day",
        layer="tests",
        start=FIRST,
        key=["day", "id"],
        owner="team:tests",
        allow_empty=True,
        audits=[audit.between("id", 0, None), audit.unique()],
    )


def rows_of(day: date, columns: dict[str, str], values: tuple[Row, ...], first: int = 0) -> list[Row]:
    """Return rows of a day, numbered from the first id on; what a row does not say is null."""
    return [
        {name: {"day": day, "id": first + number, **row}.get(name) for name in columns}
        for number, row in enumerate(values)
    ]


def run(lake: Lake, name: str, day: date, rows: list[Row], columns: dict[str, str]) -> Outcome:
    """Run a day through the one path, with these rows."""
    table = contract(name, columns)

    def make(window: Window) -> pa.Table:
        assert window.days == (day,)
        return pa.Table.from_pylist(rows, arrow_schema(table.columns))

    maker = FunctionMaker(make, {"window": Window})
    work = Work(table=table, maker=maker, readers={}, days=(day,), base=base_of(lake, table, (day,)))
    return write_audit_publish(lake, work)


def publish_clocks(lake: Lake) -> list[Row]:
    """Publish the other table, and return its rows."""
    rows = rows_of(PLAIN, OF_CLOCKS, TIMES)
    assert [day.state for day in run(lake, CLOCKS, PLAIN, rows, OF_CLOCKS).days] == ["published"]
    return rows


def publish_days(lake: Lake) -> tuple[list[Row], list[Row], list[Row]]:
    """Run every kind of day but the one whose run is killed.

    Args:
        lake: The lake, on `main`.

    Returns:
        The rows of `main`, of the output's branch, and of the candidate of the day that was held and never published.
    """

    def told(day: date, values: tuple[Row, ...], first: int = 0, **options: Any) -> list[Row]:
        columns, where = options.get("columns", BEFORE), options.get("lake", lake)
        rows = rows_of(day, columns, values, first)
        (outcome,) = run(where, TABLE, day, rows, columns).days
        assert outcome.state == ("held" if first < 0 else "published")
        return [_widened(row) for row in rows]

    seen = {PLAIN: told(PLAIN, AWKWARD), EMPTY: told(EMPTY, ()), KEPT: told(KEPT, AWKWARD[:2])}
    seen[RESTATED] = told(RESTATED, AWKWARD[1:3])
    candidate = seen | {HELD: told(HELD, AWKWARD, first=-1)}
    told(KEPT, AWKWARD, first=-1)
    after = tuple({RENAMED.get(column, column): value for column, value in row.items()} for row in AWKWARD)
    seen[LATER] = told(LATER, (*after, LARGE), columns=AFTER)
    beside = {"columns": AFTER, "lake": lake.on(OUTPUT)}
    forked = seen | {day: told(day, after, first=1_000, **beside) for day in (LATER, BESIDE)}
    told(BESIDE, after, first=-1, **beside)
    seen[RESTATED] = told(RESTATED, after, first=100, columns=AFTER)
    main, branch, held = ([row for rows in days.values() for row in rows] for days in (seen, forked, candidate))
    return main, branch, held


def _widened(row: Row) -> Row:
    """Return a row of either contract as readers see it under the second."""
    named = {RENAMED.get(name, name): value for name, value in row.items()}
    return {name: named.get(name) for name in AFTER}


def main() -> None:
    """Stage and audit a day, and die as at the pull of the plug."""
    lake = Lake.configured("lake")
    assert lake is not None
    wap.publish = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    run(lake, TABLE, STAGED, rows_of(STAGED, AFTER, (LARGE,)), AFTER)


if __name__ == "__main__":
    main()
