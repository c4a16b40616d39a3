"""SQLite as a source. Its columns have no types, so each value's own is asked for, in the statement that reads it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from lakeproof.engine.cast import arrow_schema, cast_values
from lakeproof.engine.duck import quoted
from lakeproof.errors import RowsError
from lakeproof.parts import DECIMAL
from lakeproof.source.dialect import Reader, table_name
from lakeproof.source.fault import SHOWN, DeliveryFault, shown
from lakeproof.source.text import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lakeproof.parts import Column
    from lakeproof.window import Window

FITS = {
    "boolean": "typeof({0}) = 'integer' AND {0} IN (0, 1)",
    "int": "typeof({0}) = 'integer' AND {0} BETWEEN -2147483648 AND 2147483647",
    "long": "typeof({0}) = 'integer'",
    "float": "typeof({0}) = 'real' OR typeof({0}) = 'integer' AND abs({0}) <= 16777216",
    "double": "typeof({0}) = 'real' OR typeof({0}) = 'integer' AND abs({0}) <= 9007199254740992",
    "binary": "typeof({0}) = 'blob'",
}
"""When a value is what a contract says, by the contract's type; all others are text."""

DECIMAL_FITS = "typeof({0}) IN ('text', 'integer') OR typeof({0}) = 'real' AND CAST(CAST({0} AS TEXT) AS REAL) = {0}"
"""A double is a decimal where its fifteen digits are all that there is to it."""

FIRST_ROW = {"boolean": "0", "int": "0", "long": "0", "float": "0.5", "double": "0.5", "binary": "x'00'"}
"""The driver takes a column's type from the first rows, which may all be null: so there is one before them."""

ISO = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


class Sqlite:
    """SQLite's dialect."""

    @contextmanager
    def connect(self, dsn: str) -> Iterator[Reader]:
        """Open a connection that reads one state of the database and writes nothing."""
        # Only where a source is used.
        from adbc_driver_sqlite import dbapi  # noqa: PLC0415

        path = dsn.removeprefix("sqlite:///")
        with dbapi.connect(f"file:{quote(path)}?mode=ro", autocommit=False) as connection:
            reader = Reader(connection, **{"adbc.sqlite.query.batch_rows": 65_536})
            try:
                yield reader
            finally:
                reader.close()

    def catalog(self, table: str) -> str:
        """Return the statement that gives the name and the type of each column of a table."""
        schema, _, name = table.rpartition(".")
        of = f", {_text(schema)}" if schema else ""
        return f"SELECT name, type FROM pragma_table_info({_text(name)}{of})"  # noqa: S608 - quoted

    def lacks(self, column: Column, delivered: str) -> bool:
        """Whether a column's declared type says that its values cannot be what the contract says: it never does."""
        del column, delivered
        return False

    def select(self, columns: Mapping[str, Column], table: str, where: str, limit: int | None) -> str:
        """Return the statement that reads columns, by name, and beside them what does not fit."""
        values, faults, firsts = [], [], []
        for number, (name, column) in enumerate(columns.items()):
            fits = _fits(name, column)
            text = column.type not in FIRST_ROW
            value = f"CAST({quoted(name)} AS TEXT)" if text else quoted(name)
            values.append(f"CASE WHEN {fits} THEN {value} END AS c{number}")
            firsts.append(FIRST_ROW.get(column.type, "''"))
            told = f"'{number} ' || typeof({quoted(name)}) || ' ' || substr(quote({quoted(name)}), 1, {SHOWN})"
            faults.append(f"WHEN {quoted(name)} IS NOT NULL AND NOT ({fits}) THEN {told}")
        rest = (f" WHERE {where}" if where else "") + (f" LIMIT {limit}" if limit else "")
        rows = f"SELECT {', '.join(values)}, CASE {' '.join(faults)} END AS fault FROM {table_name(table)}{rest}"  # noqa: S608 - quoted
        return f"SELECT {', '.join(firsts)}, '' UNION ALL SELECT * FROM ({rows})"  # noqa: S608 - as above

    def rows(self, reader: pa.RecordBatchReader, columns: Mapping[str, Column]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of such a statement as the contract says."""
        schema, seen = arrow_schema(columns.values()), -1
        for whole in reader:
            batch = whole.slice(1) if seen < 0 else whole
            seen = max(seen, 0)
            faults = batch.column(len(columns))
            if faults.null_count < len(faults):
                row = pc.index(pc.is_valid(faults), value=True).as_py()
                number, kind, value = faults[row].as_py().split(" ", 2)
                name, column = list(columns.items())[int(number)]
                msg = f"{value} is {kind}, and no {column.type}"
                raise DeliveryFault(msg, row=seen + row + 1, field=name)
            arrays = [_taken(batch.column(n), name, column, seen) for n, (name, column) in enumerate(columns.items())]
            seen += batch.num_rows
            if batch.num_rows:
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def within(self, name: str, column: Column, window: Window) -> str:
        """Return the condition that a row belongs to a window, by its day's column."""
        day = _day(name)
        if column.type == "timestamptz":
            start, end = int(window.start.timestamp()), int(window.end.timestamp())
            inside = f"unixepoch({quoted(name)}) >= {start} AND unixepoch({quoted(name)}) < {end}"
            return (
                f"({inside} OR {quoted(name)} IS NOT NULL AND ({_no_day(name)} OR unixepoch({quoted(name)}) IS NULL))"
            )
        inside = f"{day} >= '{window.first}' AND {day} < '{window.until}'"
        return f"({inside} OR {quoted(name)} IS NOT NULL AND {_no_day(name)})"

    def counts(self, name: str, column: Column, table: str, window: Window) -> str:
        """Return the statement that gives each day of a window that has rows, as ISO text, and how many."""
        where, of = self.within(name, column, window), table_name(table)
        if column.type != "timestamptz":
            return f"SELECT {_day(name)} AS day, count(*) FROM {of} WHERE {where} GROUP BY 1"  # noqa: S608 - quoted
        # SQLite knows no zones: where each day begins is told as seconds.
        ends = [(day, int(type(window).of(day, timezone=window.timezone).end.timestamp())) for day in window.days]
        cases = " ".join(f"WHEN unixepoch({quoted(name)}) < {end} THEN '{day}'" for day, end in ends)
        return f"SELECT CASE {cases} END AS day, count(*) FROM {of} WHERE {where} GROUP BY 1"  # noqa: S608 - quoted

    def latest(self, expression: str, table: str) -> str:
        """Return the statement that gives the largest value of an expression, as ISO text."""
        return f"SELECT CAST(max({expression}) AS TEXT) FROM {table_name(table)}"  # noqa: S608 - checked


def _fits(name: str, column: Column) -> str:
    condition = DECIMAL_FITS if DECIMAL.fullmatch(column.type) else FITS.get(column.type, "typeof({0}) = 'text'")
    return condition.format(quoted(name).replace("{", "{{").replace("}", "}}"))


def _day(name: str) -> str:
    return f"substr({quoted(name)}, 1, 10)"


def _no_day(name: str) -> str:
    return f"(typeof({quoted(name)}) <> 'text' OR {_day(name)} NOT GLOB '{ISO}')"


def _text(value: str) -> str:
    return quoted(value, text=True)


def _taken(values: pa.Array, name: str, column: Column, before: int) -> pa.Array:
    wanted = arrow_schema([column]).field(0).type
    if not (pa.types.is_temporal(wanted) or pa.types.is_decimal(wanted)):
        return _cast(values, name, column, before)
    try:
        return parsed(values, wanted)
    except pa.ArrowInvalid:
        for row in range(len(values)):
            try:
                parsed(values.slice(row, 1), wanted)
            except pa.ArrowInvalid:
                why = f"{shown(values[row].as_py())} is no {column.type}"
                raise DeliveryFault(why, row=before + row + 1, field=name) from None
        raise


def _cast(values: pa.Array, name: str, column: Column, before: int) -> pa.Array:
    wanted = arrow_schema([column]).field(0).type
    try:
        if pa.types.is_boolean(wanted):
            return values.cast(wanted)
        if column.type == "string":
            values.validate(full=True)
        return cast_values(values, column, wanted, "")
    except RowsError as error:
        raise DeliveryFault(error.what.removeprefix(": "), row=before + 1, field=name) from None
    except pa.ArrowInvalid as error:
        msg = f"a value is no {column.type}: {error}"
        raise DeliveryFault(msg, row=before + 1, field=name) from None
