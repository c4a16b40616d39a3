"""What a scan of staged rows counts for the audits, and the rows at fault: by DuckDB, in this process."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import duckdb

from lakeproof.audit.content import CONTENT_KEY, content_key, counted_content
from lakeproof.audit.kinds import DIALECT, References
from lakeproof.audit.plan import STAGED, Plan
from lakeproof.errors import AuditError
from lakeproof.storage import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lakeproof.contract import Table
    from lakeproof.parts import Audit
    from lakeproof.verdict import Content

SAMPLE = 10
"""How many rows at fault an audit keeps."""

Day = date | None

Count = dict[str, Any]
"""The scan's numbers of one day: `_rows`, `_xor`, `_sum`, and each audit's under its name."""

_STATEMENTS: WeakKeyDictionary[Table, dict[tuple[str, ...], str]] = WeakKeyDictionary()
"""Scans in SQL, by the names of the audits that ride along; a contract that nobody has any more takes its own along."""


@dataclass(frozen=True)
class Scan:
    """What the scan counted, and which audits it could not ask.

    Args:
        counts: The numbers of each day that has rows.
        errors: Why an audit could not judge a day, by its name and the day.
    """

    counts: Mapping[Day, Count]
    errors: Mapping[tuple[str, Day], str]


class Counter(Protocol):
    """An engine that has the staged rows, and counts what the audits ask."""

    @property
    def algorithm(self) -> str:
        """The algorithm of its content digests."""

    def scan(self, days: Sequence[Day]) -> Scan:
        """Ask all audits of all days at once.

        Raises:
            AuditError: The staged rows could not be read at all.
        """

    def samples(self, audit: Audit, days: Sequence[Day]) -> Mapping[Day, list[Count]] | None:
        """Return rows at fault by day, up to `SAMPLE` of each; None for an audit of whole days.

        Those of `unique` are the values that come more than once, with `_copies`, and `_failed`: how many rows of the
        day have such values.
        """

    def rows(self, day: Day) -> duckdb.DuckDBPyRelation:
        """Return the staged rows of a day, for a function that judges them."""


@dataclass(frozen=True)
class DuckCounter:
    """DuckDB, with the staged files.

    Args:
        table: The contract.
        connection: Where the relations live, and a view of what each reference audit refers to: `_value`, and `_of_day`
            or null.
        rows_of: Gives the rows of some staged days, read from their files.
        broken: Why a reference audit has nothing to refer to, by its name.
    """

    table: Table
    connection: duckdb.DuckDBPyConnection
    rows_of: Callable[[Sequence[Day]], duckdb.DuckDBPyRelation]
    broken: Mapping[str, str] = field(default_factory=dict)

    @property
    def algorithm(self) -> str:
        """The algorithm of its content digests."""
        return CONTENT_KEY

    def rows(self, day: Day) -> duckdb.DuckDBPyRelation:
        """Return the staged rows of a day."""
        return self.rows_of([day])

    def scan(self, days: Sequence[Day]) -> Scan:
        """Ask all audits in one scan; where that breaks, find out which breaks on which day, and ask without it."""
        self.rows_of(days).create_view(STAGED, replace=True)
        errors = {(name, day): why for name, why in self.broken.items() for day in days}
        sound = [audit for audit in self.table.audits if audit.name not in self.broken]
        try:
            return Scan(_run(self.connection, Plan(self.table, sound)), errors)
        except duckdb.Error as error:
            refuse(f"reading the stage of {self.table.name} for its audits", error)
        counts = _bare(self.table, self.connection)
        for audit in sound:
            try:
                asked = _run(self.connection, Plan(self.table, [audit]))
            except duckdb.Error:
                asked = {}
                for day in days:
                    self.rows_of([day]).create_view(STAGED, replace=True)
                    try:
                        asked |= _run(self.connection, Plan(self.table, [audit]))
                    except duckdb.Error as error:
                        refuse(f"reading the stage of {self.table.name} for audit {audit.name}", error)
                        errors[audit.name, day] = str(error).splitlines()[0]
                self.rows_of(days).create_view(STAGED, replace=True)
            for day, count in asked.items():
                counts[day][audit.name] = count[audit.name]
        return Scan(counts, errors)

    def samples(self, audit: Audit, days: Sequence[Day]) -> Mapping[Day, list[Count]] | None:
        """Return rows at fault, by one more scan of the days at fault."""
        plan = Plan(self.table, [audit] if isinstance(audit, References) else [])
        statement = plan.sample(audit, SAMPLE)
        if statement is None:
            return None
        self.rows_of(days).create_view(STAGED, replace=True)
        bad: dict[Day, list[Count]] = defaultdict(list)
        answer = self.connection.sql(statement.sql(dialect=DIALECT)).to_arrow_table()
        for row in answer.to_pylist():
            bad[row.pop("_day")].append(row)
        return bad


def digest_days(
    table: Table, connection: duckdb.DuckDBPyConnection, rows: duckdb.DuckDBPyRelation
) -> dict[Day, Content]:
    """Return the content digest of each day that has rows, as a verdict has it.

    Args:
        table: The contract.
        connection: Where the relation lives.
        rows: The rows, with the contract's columns.

    Raises:
        AuditError: They could not be read.
    """
    rows.create_view(STAGED, replace=True)
    key = content_key(table.columns)
    return {day: counted_content(key, count) for day, count in _bare(table, connection).items()}


def _bare(table: Table, connection: duckdb.DuckDBPyConnection) -> dict[Day, Count]:
    """Count and digest the staged rows, with no audit."""
    try:
        return _run(connection, Plan(table, ()))
    except duckdb.Error as error:
        refuse(f"reading the stage of {table.name} for its audits", error)
        msg = f"{table.name}: the staged rows cannot be read for the audits: {error}"
        raise AuditError(msg, next_step="mend what it says, then run the days again") from error


def _run(connection: duckdb.DuckDBPyConnection, plan: Plan) -> dict[Day, Count]:
    answer = connection.execute(_statement(plan))
    names = [column[0] for column in answer.description or ()]
    return by_day(plan, (dict(zip(names, values, strict=True)) for values in answer.fetchall()))


def _statement(plan: Plan) -> str:
    """Return a plan's scan in SQL, put together once a contract: it takes milliseconds, and so does a small day."""
    known = _STATEMENTS.setdefault(plan.table, {})
    names = tuple(audit.name for audit in plan.audits)
    if names not in known:
        known[names] = plan.scan().sql(dialect=DIALECT)
    return known[names]


def by_day(plan: Plan, rows: Iterable[Count]) -> dict[Day, Count]:
    """Return the rows of a plan's scan by day, with each audit's number under the audit's name."""
    counts = {}
    for count in rows:
        for position, audit in enumerate(plan.audits):
            count[audit.name] = count.get(f"_a{position}")
        if count["_rows"] or plan.table.partition:
            counts[count["_day"]] = count
    return counts
