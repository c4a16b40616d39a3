"""Same inputs, same content: a day is made under conditions that must not matter, and the first difference is told."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from lakeproof.asset import table_assets
from lakeproof.contract import Table
from lakeproof.engine.conditions import reversed_rows, shuffled_rows
from lakeproof.engine.duck import connect
from lakeproof.engine.function import FileRows, SqlMaker, StreamRows
from lakeproof.errors import UsageError
from lakeproof.forms import BATCH_ROWS
from lakeproof.journey import open_inputs
from lakeproof.lint import lint
from lakeproof.reading import TableReader
from lakeproof.spec import asset_key
from lakeproof.verify import differ, make_day
from lakeproof.window import Window, as_day

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import dagster as dg
    import duckdb

    from lakeproof.asset import TableAsset
    from lakeproof.engine.function import Rows
    from lakeproof.lake.days import Day
    from lakeproof.lakehouse import Lakehouse
    from lakeproof.reading import Reader


@dataclass(frozen=True)
class Condition:
    """What must not matter to a day's content.

    Args:
        clock: What every clock tells, DuckDB's too.
        zone: The zone of the process.
        order: In which order the inputs' rows come: `as stored`, `reversed`, or shuffled by a seed.
        advice: What makes a function differ here, and what to do about it.
    """

    clock: datetime
    zone: str = "UTC"
    order: str | int = "as stored"
    advice: str = ""

    def __str__(self) -> str:
        """Return the condition in words."""
        order = f"shuffled by seed {self.order}" if isinstance(self.order, int) else self.order
        return f"clock {self.clock.isoformat()}, zone {self.zone}, rows {order}"


FIRST = Condition(datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC))
CHANCE = "made twice alike, it differs from itself: choose rows by a hash of their key, not by chance"
CLOCK = "it looks at a clock: use the window, which says which days are made"
ZONE = "it depends on the zone of the process: name the zone wherever a time is turned into another"
ORDER = (
    "it depends on the order of its inputs' rows: sort by a key before a first row, a limit or a row number; join on "
    "columns that are unique on one side; declare digits= on sums of doubles"
)
CONDITIONS = (
    replace(FIRST, advice=CHANCE),
    replace(FIRST, clock=datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC), advice=CLOCK),
    replace(FIRST, clock=datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC), advice=CLOCK),
    replace(FIRST, zone="Pacific/Auckland", advice=ZONE),
    *(replace(FIRST, order=order, advice=ORDER) for order in ("reversed", 1, 2, 3)),
)
"""Each differs from the first in one thing, so that a failure names what to blame."""


def assert_idempotent(
    table: dg.AssetsDefinition | Table, day: str | date | None = None, *, lakehouse: Lakehouse
) -> None:
    """Assert that a day's content depends on its inputs alone.

    The day is made again and again: twice alike, under three clocks, in two time zones, and with the rows of its inputs
    reversed and shuffled, within files and across. Inputs are what is published in the lakehouse; nothing is published.
    SQL is also read for clocks, chance, and sums of doubles without `digits`.

    Args:
        table: The asset of a table, or the table.
        day: The day; None for an unpartitioned table.
        lakehouse: Where its inputs are published, as with `given`.

    Raises:
        AssertionError: It depends on something else; with the table, the day, the conditions, the first difference and
            what to do.
        UsageError: The day's inputs are not published there, or time-machine is not installed.
        LakeproofError: The day cannot be made.
    """
    made, at = _found(table), None if day is None else as_day(day)
    if (made.table.partition is None) != (at is None):
        msg = f"{made.table.name}: {'a table without days is made as a whole' if at else 'say which day'}."
        raise UsageError(msg, next_step="give a day for a daily table, and none for another")
    where = f"{made.table.name} {at or ''}".strip()
    if isinstance(made.maker, SqlMaker) and (found := lint([made])):  # a function is judged by what it makes
        msg = f"{where} is not idempotent: {'; '.join(map(str, found))}."
        raise AssertionError(msg)
    traveller = _time_machine()
    inputs = {name: _kept(name, reader, where, at, made) for name, reader in _opened(made, at, lakehouse).items()}
    connection = connect()
    with tempfile.TemporaryDirectory(prefix="lakeproof-idempotent-") as folder:
        _make(connection, "first", made, at, inputs, FIRST, Path(folder), traveller)
        if not made.table.allow_empty and not connection.table("first").limit(1).fetchall():
            msg = f"{where}: no row was made, so nothing is proved: give its inputs rows of that day."
            raise AssertionError(msg)
        for number, condition in enumerate(CONDITIONS):
            name = f"made_{number}"
            _make(connection, name, made, at, inputs, condition, Path(folder), traveller)
            one, other = connection.table("first"), connection.table(name)
            if difference := differ(connection, one, other, made.table.column_names, made.table.key):
                msg = (
                    f"{where} is not idempotent: {condition.advice}.\n"
                    f"  old: {FIRST}\n  new: {condition}\n"
                    f"  {difference.describe()}\n  first: {difference.samples[0]}"
                )
                raise AssertionError(msg)


def _found(table: dg.AssetsDefinition | Table) -> TableAsset:
    """Return what an asset, or the asset of a table, was made from."""
    found = table_assets([asset_key(table) if isinstance(table, Table) else table.key])
    if not found:
        name = table.name if isinstance(table, Table) else table.key.to_user_string()
        msg = f"{name} is made neither by daily_table nor by sql_table."
        raise UsageError(msg, next_step="give the asset that one of them returned")
    return found[0]


def _opened(made: TableAsset, day: Day, lakehouse: Lakehouse) -> dict[str, Reader]:
    return open_inputs(lakehouse.lake, made.table, made.inputs, (day,))


def _kept(name: str, reader: Reader, where: str, day: Day, made: TableAsset) -> Rows:
    """Return an input's rows as they stay, whatever the clock says; a source is read once, now."""
    window = None if day is None else Window.of(day, timezone=made.table.timezone)
    rows = reader.rows(window)
    if not isinstance(rows, FileRows):
        table = rows.relation(connect()).to_arrow_table(BATCH_ROWS)
        return StreamRows(table.to_reader)
    if isinstance(reader, TableReader) and not rows.paths and reader.input.kind != "previous":
        msg = f"{where}: nothing of its input {name} ({reader.input.table.name}) is published in the lakehouse."
        raise UsageError(msg, next_step=f"publish some: given(lakehouse, {reader.input.table.name.split('.')[1]}, …)")
    return rows


def _make(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    made: TableAsset,
    day: Day,
    inputs: Mapping[str, Rows],
    condition: Condition,
    folder: Path,
    traveller: Any,
) -> None:
    """Make the day under a condition."""
    order = condition.order
    if order == "reversed":
        inputs = {key: reversed_rows(rows, folder) for key, rows in inputs.items()}
    elif isinstance(order, int):
        inputs = {key: shuffled_rows(rows, folder, order) for key, rows in inputs.items()}
    with traveller.travel(condition.clock.astimezone(ZoneInfo(condition.zone)), tick=False):
        make_day(connection, name, made, day, inputs, condition.clock)


def _time_machine() -> Any:
    try:
        return import_module("time_machine")
    except ModuleNotFoundError:
        msg = "assert_idempotent() sets the clock with time-machine, which is not installed."
        raise UsageError(msg, next_step="pip install 'lakeproof[testing]'") from None
