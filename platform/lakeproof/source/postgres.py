"""Postgres as a source: COPY's binary rows as Arrow, in one transaction that repeats its reads and writes nothing."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakeproof.engine.cast import arrow_schema, cast_values, may_become
from lakeproof.engine.duck import quoted
from lakeproof.errors import RowsError
from lakeproof.parts import DECIMAL
from lakeproof.source.dialect import Reader, table_name
from lakeproof.source.fault import DeliveryFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lakeproof.parts import Column
    from lakeproof.window import Window

TAKEN = {
    "boolean": {"boolean"},
    "int": {"smallint", "integer"},
    "long": {"smallint", "integer", "bigint"},
    "float": {"real"},
    "double": {"real", "double precision"},
    "date": {"date"},
    "time": {"time without time zone"},
    "timestamp": {"timestamp without time zone"},
    "timestamptz": {"timestamp with time zone"},
    "uuid": {"uuid"},
    "binary": {"bytea"},
}
"""The types of Postgres that fit a contract's type, whatever the value."""

FIRST, LAST = date.min, date.max


class Postgres:
    """Postgres' dialect."""

    @contextmanager
    def connect(self, dsn: str) -> Iterator[Reader]:
        """Open a connection that reads one state of the database and writes nothing."""
        # Only where a source is used.
        from adbc_driver_postgresql import dbapi  # type: ignore[import-untyped]  # it ships none  # noqa: PLC0415

        with dbapi.connect(dsn, autocommit=False) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                cursor.execute("SET LOCAL TimeZone = 'UTC'")
            reader = Reader(connection)
            try:
                yield reader
            finally:
                reader.close()

    def catalog(self, table: str) -> str:
        """Return the statement that gives the name and the type of each column of a table."""
        return (
            "SELECT attname::text, CASE typtype WHEN 'e' THEN 'text' "  # noqa: S608 - quoted
            "ELSE format_type(atttypid, NULL) END "
            "FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid WHERE attnum > 0 AND NOT attisdropped "
            f"AND attrelid = to_regclass({_text(table_name(table))}) ORDER BY attnum"
        )

    def lacks(self, column: Column, delivered: str) -> bool:
        """Whether a column's declared type says that its values cannot be what the contract says."""
        if DECIMAL.fullmatch(column.type):
            return delivered not in {"numeric", "smallint", "integer", "bigint"}
        if column.type == "string":
            return delivered not in {"text", "character varying", "character", "name", "json", "jsonb", "citext"}
        return delivered not in TAKEN[column.type]

    def select(self, columns: Mapping[str, Column], table: str, where: str, limit: int | None) -> str:
        """Return the statement that reads columns, by name."""
        rest = (f" WHERE {where}" if where else "") + (f" LIMIT {limit}" if limit else "")
        return f"SELECT {', '.join(map(quoted, columns))} FROM {table_name(table)}{rest}"  # noqa: S608 - quoted

    def rows(self, reader: pa.RecordBatchReader, columns: Mapping[str, Column]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of such a statement as the contract says."""
        schema = arrow_schema(columns.values())
        for (name, column), field in zip(columns.items(), reader.schema, strict=True):
            _check_type(name, column, field)
        for batch in reader:
            arrays = [_taken(batch.column(n), name, column) for n, (name, column) in enumerate(columns.items())]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def within(self, name: str, column: Column, window: Window) -> str:
        """Return the condition that a row belongs to a window, by its day's column."""
        kind = {"date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMPTZ"}[column.type]
        first, until = _bounds(column, window)
        # A date without end belongs to every window, and is refused there.
        value = quoted(name)
        return f"({value} >= {kind} '{first}' AND {value} < {kind} '{until}' OR NOT isfinite({value}))"

    def counts(self, name: str, column: Column, table: str, window: Window) -> str:
        """Return the statement that gives each day of a window that has rows, as ISO text, and how many."""
        at = f" AT TIME ZONE {_text(window.timezone)}" if column.type == "timestamptz" else ""
        return (
            f"SELECT ({quoted(name)}{at})::date::text AS day, count(*) FROM {table_name(table)} "  # noqa: S608 - quoted
            f"WHERE {self.within(name, column, window)} AND isfinite({quoted(name)}) GROUP BY 1"
        )

    def latest(self, expression: str, table: str) -> str:
        """Return the statement that gives the largest value of an expression, as ISO text."""
        return f"SELECT max({expression})::text FROM {table_name(table)}"  # noqa: S608 - checked


def _bounds(column: Column, window: Window) -> tuple[str, str]:
    if column.type == "timestamptz":
        return window.start.isoformat(), window.end.isoformat()
    return window.first.isoformat(), window.until.isoformat()


def _text(value: str) -> str:
    return quoted(value, text=True)


def _storage(kind: pa.DataType) -> pa.DataType:
    """Return what holds a type that Arrow does not have: numbers of any size and JSON are text."""
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) and not kind.equals(pa.uuid()) else kind


def _check_type(name: str, column: Column, field: pa.Field) -> None:
    wanted, delivered = arrow_schema([column]).field(0).type, _storage(field.type)
    delivers = getattr(field.type, "type_name", str(field.type))
    # A double has no digits of its own, so it is no decimal; a numeric is nothing else.
    exact = pa.types.is_decimal(wanted)
    fits = exact if delivers == "numeric" else may_become(delivered, wanted)
    if not fits or (exact and pa.types.is_floating(delivered)):
        msg = f"it is {delivers}, not {column.type}"
        raise DeliveryFault(msg, field=name)


def _taken(values: pa.Array, name: str, column: Column) -> pa.Array:
    wanted = arrow_schema([column]).field(0).type
    if isinstance(values, pa.ExtensionArray) and not values.type.equals(pa.uuid()):
        values = values.storage
    try:
        if pa.types.is_decimal(wanted) and pa.types.is_string(values.type):
            return values.cast(wanted)
        made = cast_values(values, column, wanted, "")
    except RowsError as error:
        raise DeliveryFault(error.what.removeprefix(": "), field=name) from None
    except pa.ArrowInvalid as error:
        msg = f"a value is no {column.type}: {error}"
        raise DeliveryFault(msg, field=name) from None
    if column.type in {"date", "timestamp", "timestamptz"}:
        _check_finite(made, name, column)
    return made


def _check_finite(values: pa.Array, name: str, column: Column) -> None:
    """Refuse days before year 1 and after 9999, among which the driver puts Postgres' own infinity."""
    if column.type == "date":
        unit, first, last = pa.int32(), FIRST.toordinal() - _EPOCH, LAST.toordinal() - _EPOCH
    else:
        unit, first, last = pa.int64(), (FIRST.toordinal() - _EPOCH) * _DAY, (LAST.toordinal() - _EPOCH + 1) * _DAY - 1
    bounds = pc.min_max(values.cast(unit))
    if bounds["min"].is_valid and (bounds["min"].as_py() < first or bounds["max"].as_py() > last):
        msg = f"a value is infinity, or not of the years 1 to 9999, and so no {column.type}"
        raise DeliveryFault(msg, field=name)


_EPOCH = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001 - a day, not an instant
_DAY = 86_400_000_000
