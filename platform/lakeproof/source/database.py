"""Tables of a database: the contract's columns by name, bounded by the window, from one state of it, as a stream."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakeproof.engine.cast import arrow_schema
from lakeproof.engine.duck import quoted
from lakeproof.errors import ContractError, SourceError, did_you_mean
from lakeproof.source.dialect import table_name
from lakeproof.source.drift import compare_names
from lakeproof.source.fault import DeliveryFault, shown
from lakeproof.source.postgres import Postgres
from lakeproof.source.protocol import Completeness, Delivery, Precheck
from lakeproof.source.sqlite import Sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lakeproof.parts import Column
    from lakeproof.source.dialect import Dialect, Reader
    from lakeproof.source.protocol import Day
    from lakeproof.window import Window

SAMPLE_ROWS = 5
DIALECTS: dict[str, Dialect] = {"postgresql": Postgres(), "postgres": Postgres(), "sqlite": Sqlite()}
SCHEMES = "postgresql://… or sqlite:///path"
DAYS = ("date", "timestamp", "timestamptz")
NEXT = "have the table mended, or change the contract to what is true; then run the same days again"


@dataclass(frozen=True)
class DatabaseSource:
    """A table or view of Postgres or SQLite.

    Args:
        table: Its name, with its schema if it needs one: `public.airports`.
        fields: The fields to read, as delivered and typed.
        dsn: Where the database is, where that is no secret: `sqlite:///data/reference.db`.
        dsn_env: The environment variable that holds it: `postgresql://user:password@host/database`, or as for `dsn`.
        names: What the table calls a field, where it is not the field's own name.
        day: The field that says which day a row belongs to: a date, or a timestamp, of which a window has the instants
            from its start until before its end. None for a table without days. Rows where it is null belong to no
            window; the pre-check counts them.
        watermark: A column, or an expression over the table's columns, whose largest value says until when the table is
            complete: a date or a timestamp. Without one it is complete whenever it can be reached.

    Raises:
        ContractError: The address holds a password or is of no known kind, the day is no such field, or the watermark
            is no expression.
    """

    table: str
    fields: Sequence[Column]
    dsn: str | None = None
    dsn_env: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    day: str | None = None
    watermark: str | None = None

    def __post_init__(self) -> None:
        """Refuse what can be known to be wrong without a look at the database."""
        where = f"DatabaseSource {self.table}"
        if (self.dsn is None) == (self.dsn_env is None):
            msg = f"{where}: give dsn or dsn_env, one of them."
            raise ContractError(msg)
        if self.dsn is not None and (urlsplit(self.dsn).password or "password" in self.dsn):
            msg = f"{where}: dsn holds a password."
            raise ContractError(msg, next_step="put it into an environment variable, and name that as dsn_env")
        if self.dsn is not None and urlsplit(self.dsn).scheme not in DIALECTS:
            msg = f"{where}: dsn is of no known kind."
            raise ContractError(msg, next_step=f"give {SCHEMES}")
        known = {column.name: column for column in self.fields}
        if unknown := [name for name in self.names if name not in known]:
            msg = f"{where}: names has {', '.join(unknown)}, which is no field."
            raise ContractError(msg)
        if self.day is not None and (self.day not in known or known[self.day].type not in DAYS):
            why = f"is no {' or '.join(DAYS)}" if self.day in known else f"is no field. {did_you_mean(self.day, known)}"
            msg = f"{where}: day {self.day} {why}"
            raise ContractError(msg)
        if self.watermark is not None:
            _check_expression(where, self.watermark)

    @property
    def name(self) -> str:
        """The address as it is declared, and the table."""
        return f"{self.dsn if self.dsn is not None else f'${self.dsn_env}'}/{self.table}"

    def precheck(self, window: Window | None) -> Precheck:
        """Compare the table's columns with the fields, and read a few rows as strictly as all of them will be."""
        with self._connected(window) as (dialect, reader):
            catalog = reader.stream(dialect.catalog(self.table)).read_all()
            found = dict(zip(*catalog.to_pydict().values(), strict=True))
            if not found:
                return Precheck((f"table {self.table} is not there",))
            gone, new = compare_names(list(self._columns), list(found))
            retyped = tuple(
                f"field {name} is {found[name]}, not {column.type}"
                for name, column in self._columns.items()
                if name in found and dialect.lacks(column, found[name])
            )
            if gone or retyped:
                return Precheck((*gone, *retyped), new)
            statement = dialect.select(self._columns, self.table, self._where(dialect, window), SAMPLE_ROWS)
            try:
                rows = [row for b in dialect.rows(reader.stream(statement), self._columns) for row in b.to_pylist()]
            except DeliveryFault as fault:
                return Precheck((str(fault),), new)
            return Precheck((), (*new, *self._dayless(reader)), tuple(rows))

    def complete(self, window: Window | None) -> dict[Day, Completeness]:
        """Say of each day whether the watermark passed its end; without a watermark, whether the table can be read."""
        days: list[Day] = [None] if window is None or self.day is None else list(window.days)
        try:
            with self._connected(window) as (dialect, reader):
                if self.watermark is None:
                    reader.stream(f"SELECT 1 FROM {table_name(self.table)} LIMIT 1").read_all()  # noqa: S608 - quoted
                    reached = Completeness(complete=True, reason=f"{self.name} can be read")
                    return dict.fromkeys(days, reached)
                latest = self._latest(dialect, reader)
        except SourceError as error:
            return dict.fromkeys(days, Completeness.refused(error))
        return {day: self._passed(latest, window, day) for day in days}

    def count(self, window: Window | None) -> dict[Day, int]:
        """Count the rows of each day, by one statement."""
        with self._connected(window) as (dialect, reader):
            if window is None or self.day is None:
                statement = f"SELECT count(*) FROM {table_name(self.table)}"  # noqa: S608 - quoted
                return {None: reader.stream(statement).read_all().column(0)[0].as_py()}
            statement = dialect.counts(*self._day, self.table, window)
            days, counts = reader.stream(statement).read_all().to_pydict().values()
        found = dict(zip(days, counts, strict=True))
        return {day: found.get(day.isoformat(), 0) for day in window.days}

    def version(self, window: Window | None) -> dict[str, str]:
        """Return the watermark as it is now; nothing where none is declared, as a table has no other mark."""
        if self.watermark is None:
            return {}
        with self._connected(window) as (dialect, reader):
            return {"watermark": str(self._latest(dialect, reader))}

    def read(self, window: Window | None) -> Delivery:
        """Read the rows of a window, from one state of the database; what breaks on the way delivers no whole."""
        told: dict[str, Any] = {"table": self.table, "rows": 0}

        def batches() -> Iterator[pa.RecordBatch]:
            with self._connected(window) as (dialect, reader):
                statement = dialect.select(self._columns, self.table, self._where(dialect, window), None)
                for batch in dialect.rows(reader.stream(statement), self._columns):
                    told["rows"] += batch.num_rows
                    yield batch

        return Delivery(pa.RecordBatchReader.from_batches(arrow_schema(self.fields), batches()), told)

    def _dayless(self, reader: Reader) -> tuple[str, ...]:
        """Count the rows without a day, which no window has.

        They are told and block nothing: such a row may get its day yet, and the days that are there are whole.
        """
        if self.day is None:
            return ()
        name, _ = self._day
        statement = f"SELECT count(*) FROM {table_name(self.table)} WHERE {quoted(name)} IS NULL"  # noqa: S608 - quoted
        rows: int = reader.stream(statement).read_all().column(0)[0].as_py()
        return (f"{rows:,} rows have no {name}, so they belong to no day and are not collected",) if rows else ()

    @property
    def _columns(self) -> dict[str, Column]:
        return {self.names.get(column.name, column.name): column for column in self.fields}

    @property
    def _day(self) -> tuple[str, Column]:
        return next((name, column) for name, column in self._columns.items() if column.name == self.day)

    def _where(self, dialect: Dialect, window: Window | None) -> str:
        return "" if window is None or self.day is None else dialect.within(*self._day, window)

    @contextmanager
    def _connected(self, window: Window | None) -> Iterator[tuple[Dialect, Reader]]:
        """Open a connection; whatever breaks is told without the address, which may hold a password."""
        dsn = self.dsn if self.dsn is not None else os.environ.get(str(self.dsn_env))
        named = f"{self.name}, {window}" if window is not None and self.day is not None else self.name
        if not dsn:
            msg = f"{self.name}: the environment variable {self.dsn_env} is not set."
            raise SourceError(msg, next_step=f"set {self.dsn_env} to {SCHEMES}")
        dialect = DIALECTS.get(urlsplit(dsn).scheme)
        if dialect is None:
            msg = f"{self.name}: the environment variable {self.dsn_env} holds no address of a known kind."
            raise SourceError(msg, next_step=f"set it to {SCHEMES}")
        try:
            with dialect.connect(dsn) as reader:
                yield dialect, reader
                return
        except DeliveryFault as fault:
            refused = SourceError(f"{named}: {fault}.", next_step=NEXT)
        except (OSError, pa.ArrowException, dbapi_errors()) as error:
            why = without_secrets(_STATEMENT.split(str(error), maxsplit=1)[0], dsn)
            step = "see that the database can be reached and the table be read; then run the same days again"
            refused = SourceError(f"{named}: it cannot be read, or not to its end: {why.strip()}", next_step=step)
        raise refused from None  # what the driver said may hold the address

    def _latest(self, dialect: Dialect, reader: Reader) -> date | datetime | None:
        """Return the largest value of the watermark; None while there is none."""
        column = str(self.watermark)
        expression = quoted(column) if _NAME.fullmatch(column) else column
        text = reader.stream(dialect.latest(expression, self.table)).read_all().column(0)[0].as_py()
        if text is None:
            return None
        try:
            return date.fromisoformat(text) if len(text) == _DATE_LENGTH else datetime.fromisoformat(text)
        except ValueError:
            msg = f"the watermark {column} is {shown(text)}, which is no date and no timestamp"
            raise DeliveryFault(msg) from None

    def _passed(self, latest: date | datetime | None, window: Window | None, day: Day) -> Completeness:
        if latest is None:
            return Completeness(complete=False, reason=f"{self.name}: the watermark {self.watermark} has no value yet")
        if window is None or day is None:
            return Completeness(complete=True, reason=f"{self.name}: the watermark {self.watermark} is {latest}")
        end = type(window).of(day, timezone=window.timezone).end
        if not isinstance(latest, datetime):
            passed = latest >= end.date()
        else:
            passed = latest >= (end if latest.tzinfo else end.replace(tzinfo=None))
        how = "which is past" if passed else "which is not yet"
        return Completeness(passed, f"{self.name}: the watermark {self.watermark} is {latest}, {how} the end of {day}")


_NAME = re.compile(r"\w+")
_DATE_LENGTH = 10
_STATEMENT = re.compile(r"\n\s*query(?: was)?: ", re.IGNORECASE)
"""From here on drivers repeat the whole statement."""


def dbapi_errors() -> type[Exception]:
    """Return the base of what the drivers raise; they are loaded when a source is used."""
    from adbc_driver_manager import Error  # noqa: PLC0415 - as said

    return Error


def without_secrets(text: str, dsn: str) -> str:
    """Return what a driver says, without the address of the database and its password."""
    parts = urlsplit(dsn)
    options = [value for _, value in parse_qsl(parts.query)]
    secrets = {dsn, parts.password, unquote(parts.password or ""), *options, *(quote(one) for one in options)}
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "…")
    return text


def _check_expression(where: str, text: str) -> None:
    """Refuse what is no expression over a table's own columns.

    Raises:
        ContractError: It is none.
    """
    try:
        tree = sqlglot.parse_one(f"SELECT {text}", dialect="postgres")
    except SqlglotError:
        tree = None
    whole = isinstance(tree, exp.Select) and len(tree.expressions) == 1 and set(_parts(tree)) == {"expressions"}
    if not whole or tree is None or tree.find(exp.Subquery, exp.AggFunc, exp.Star, exp.Command, exp.Placeholder):
        msg = f"{where}: watermark {text!r} is no column and no expression over the table's columns."
        raise ContractError(msg, next_step="name the column whose largest value says until when the table is complete")


def _parts(tree: exp.Expr) -> list[str]:
    return [name for name, value in tree.args.items() if value]
