"""The kinds of audits, each with what it adds to the scan and how it reads the answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakeproof.errors import ContractError, did_you_mean
from lakeproof.parts import Audit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lakeproof.contract import Table
    from lakeproof.parts import Audited

DIALECT = "duckdb"


def quote(column: str) -> str:
    """Return a column as a SQL identifier."""
    return '"' + column.replace('"', '""') + '"'


def parsed(sql: str, what: str) -> exp.Expression:
    """Return a SQL expression as a tree.

    Raises:
        ContractError: It does not parse; says where.
    """
    try:
        tree = sqlglot.parse_one(f"SELECT {sql}", dialect=DIALECT)
    except SqlglotError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        msg = f"{what}: {sql!r} does not parse: {reason}."
        raise ContractError(msg, next_step="write one SQL expression in DuckDB's dialect") from None
    if (
        not isinstance(tree, exp.Select)
        or len(tree.expressions) != 1
        or set(tree.args) - {"kind", "expressions"} & {name for name, value in tree.args.items() if value}
    ):
        msg = f"{what}: {sql!r} is not one expression."
        raise ContractError(msg, next_step="write one SQL expression over the table's columns")
    expression: exp.Expression = tree.expressions[0]
    if isinstance(expression, exp.Alias | exp.Star):
        msg = f"{what}: {sql!r} is not one expression: it is a name or a star."
        raise ContractError(msg, next_step="write a condition or a value, without a name")
    return expression


@lru_cache(maxsize=1)
def aggregates() -> frozenset[str]:
    """Return the names of DuckDB's aggregates."""
    query = "SELECT function_name FROM duckdb_functions() WHERE function_type = 'aggregate'"
    return frozenset(name for (name,) in duckdb.connect().execute(query).fetchall())


def _called(tree: exp.Expression) -> Iterator[str]:
    """Yield the names of the functions an expression calls."""
    for node in tree.find_all(exp.Func):
        yield (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()


def check_names(tree: exp.Expression, table: Audited, what: str) -> None:
    """Refuse an expression that names a column the table does not have."""
    for column in tree.find_all(exp.Column):
        if column.name.lower() not in table.column_names:
            hint = did_you_mean(column.name.lower(), table.column_names)
            msg = f"{what}: the table has no column {column.name!r}. {hint}"
            raise ContractError(msg)


@dataclass(frozen=True)
class RowCondition(Audit):
    """A condition on each row. A row for which it is null passes, as with SQL's CHECK.

    Args:
        condition: SQL that is true of a good row.
        text: The condition in words.
    """

    condition: str = ""
    text: str = ""

    def bind(self, table: Audited) -> Audit:
        """Refuse SQL that does not parse, or names a column that is not there."""
        super().bind(table)
        what = f"{table.name}: audit {self.name}"
        tree = parsed(self.condition, what)
        check_names(tree, table, what)
        if tree.find(exp.AggFunc, exp.Window, exp.Select):
            msg = f"{what}: {self.condition!r} is about many rows, not about each."
            raise ContractError(msg, next_step="use audit.sql_result for an aggregate of the day")
        return self

    @property
    def bad(self) -> exp.Expression:
        """The predicate that is true of a row at fault."""
        return exp.not_(exp.paren(parsed(self.condition, self.name)))

    @property
    def describe(self) -> str:
        """The condition in words."""
        return self.text or self.condition


@dataclass(frozen=True)
class References(Audit):
    """Each value that is not null is one of another table's.

    Args:
        table: The other table's name.
        column: The other table's column.
        contract: The other table, where the audit was given it and not only its name.
    """

    table: str = ""
    column: str = ""
    contract: Table | None = None

    def bind(self, table: Audited) -> Audit:
        """Refuse a column that is not there, here or in the other table where that is known."""
        super().bind(table)
        if self.contract is not None and self.column not in self.contract.column_names:
            hint = did_you_mean(self.column, self.contract.column_names)
            msg = f"{table.name}: audit {self.name} refers to {self.table}.{self.column}, which is not there. {hint}"
            raise ContractError(msg)
        return self

    @property
    def describe(self) -> str:
        """The condition in words."""
        return f"every {self.columns[0]} is a {self.column} of {self.table}"


@dataclass(frozen=True)
class Unique(Audit):
    """No two rows have the same values in some columns; by default, in the key."""

    def bind(self, table: Audited) -> Audit:
        """Take the table's key when no columns were given."""
        if self.columns:
            return super().bind(table)
        if not table.key:
            msg = f"{table.name}: audit.unique() needs the table's key, and it has none."
            raise ContractError(msg, next_step="declare key=[…], or name columns: audit.unique('…')")
        return replace(self, columns=tuple(table.key))

    @property
    def describe(self) -> str:
        """The condition in words."""
        return f"({', '.join(self.columns)}) is unique"


@dataclass(frozen=True)
class Measure(Audit):
    """An aggregate of the whole day lies within bounds.

    Args:
        expression: The aggregate, in SQL.
        at_least: The lowest good value; None for no bound.
        at_most: The highest good value; None for no bound.
        text: What is measured, in words.
    """

    expression: str = "count(*)"
    at_least: float | None = None
    at_most: float | None = None
    text: str = ""

    def bind(self, table: Audited) -> Audit:
        """Refuse SQL that does not parse, is no aggregate, or names a column that is not there."""
        what = f"{table.name}: audit {self.name}"
        tree = parsed(self.expression, what)
        check_names(tree, table, what)
        if tree.find(exp.Window, exp.Select):
            msg = f"{what}: {self.expression!r} looks at more than the day's own rows."
            raise ContractError(msg, next_step="write one aggregate of the day")
        if not tree.find(exp.AggFunc) and not aggregates().intersection(_called(tree)):
            msg = f"{what}: {self.expression!r} is not an aggregate."
            raise ContractError(
                msg, next_step="write one value for a whole day, such as avg(…); for rows use audit.sql"
            )
        return self

    @property
    def describe(self) -> str:
        """The condition in words."""
        bounds = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        bounds += [f"at most {self.at_most:g}"] if self.at_most is not None else []
        return f"{self.text or self.expression} {' and '.join(bounds)}"

    def accepts(self, value: float | None) -> bool:
        """Whether a value lies within the bounds; no value does not."""
        if value is None:
            return False
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True)
class Historical(Audit):
    """A day is compared with the days before it.

    Args:
        days: How many logical days before it count.
        min_history: With fewer of them published, it does not judge.
    """

    days: int = 28
    min_history: int = 7

    @property
    def needs_history(self) -> bool:
        """Whether it cannot judge the first days: it cannot."""
        return True


@dataclass(frozen=True)
class Volume(Historical):
    """The number of rows is near the median of the days before.

    Args:
        within: The share of the median by which it may differ; None where a factor says it.
        factor: How many times the median it may be, either way.
    """

    within: float | None = None
    factor: float | None = None

    @property
    def describe(self) -> str:
        """The condition in words."""
        near = f"within {self.within:.0%} of" if self.within is not None else f"within {self.factor:g} times"
        return f"rows {near} the median of the {self.days} days before"

    def accepts(self, rows: int, median: float) -> bool:
        """Whether a number of rows is near enough."""
        if self.within is not None:
            return abs(rows - median) <= self.within * median
        assert self.factor is not None  # noqa: S101 - one of the two is given
        return median / self.factor <= rows <= median * self.factor


@dataclass(frozen=True)
class Python(Audit):
    """A function judges the day's rows.

    Args:
        function: Takes the staged day and returns True, False, or the rows at fault.
    """

    function: Callable[..., Any] = bool

    @property
    def describe(self) -> str:
        """The first line of the function's docstring, or its name."""
        return str(self.function.__doc__ or getattr(self.function, "__name__", self.name)).strip().splitlines()[0]
