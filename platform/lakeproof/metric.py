"""Metrics: what is measured of a table, defined once, beside its columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from lakeproof.errors import ContractError, did_you_mean
from lakeproof.parts import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlglot import exp

DIRECTIONS = ("higher", "lower", "neither")

NEVER_ZERO = ("nullif", "count(*)")
"""What a metric may divide by, beside a number: what cannot be 0."""


class Measured(Protocol):
    """What a metric must know of the table it is declared on."""

    @property
    def name(self) -> str:
        """The table's name."""

    @property
    def column_names(self) -> Sequence[str]:
        """The names of its columns."""

    @property
    def partition(self) -> str | None:
        """The column that says which day a row belongs to."""


@dataclass(frozen=True)
class Metric:
    """An aggregate over the rows of a table: for each day, one value for each group of its grain.

    Args:
        name: Lower-case letters, digits and underscores; one name means one thing in all tables.
        sql: The aggregate in DuckDB's dialect, such as `count(*) filter (where cancelled) / count(*)`. It divides by
            nothing that can be 0: `nullif(…, 0)` says that there is no value then.
        description: What a value tells, in a sentence.
        unit: What a value counts, such as `flights`, `minutes` or `USD`; `1` for a share.
        direction: Which values are better: `higher`, `lower`, or `neither`.
        grain: The columns of whose values each has a value of its own; none, one value for all rows.
        days: Of how many days the rows are: those that end with the day.
    """

    name: str
    sql: str
    description: str
    unit: str
    direction: Literal["higher", "lower", "neither"]
    grain: Sequence[str] = ()
    days: int = 1

    def __post_init__(self) -> None:
        """Refuse what no metric can have."""
        object.__setattr__(self, "grain", (self.grain,) if isinstance(self.grain, str) else tuple(self.grain))
        if not NAME.fullmatch(self.name):
            msg = f"Metric name {self.name!r} is not lower-case letters, digits and underscores."
            raise ContractError(msg)
        for what in ("sql", "description", "unit"):
            if not str(getattr(self, what)).strip():
                msg = f"Metric {self.name} has no {what}."
                raise ContractError(msg, next_step=f"give {what}=…")
        if self.direction not in DIRECTIONS:
            hint = did_you_mean(self.direction, DIRECTIONS)
            msg = f"Metric {self.name}: direction {self.direction!r} is not known. {hint}"
            raise ContractError(msg, next_step="say which values are better: 'higher', 'lower' or 'neither'")
        if self.days < 1:
            msg = f"Metric {self.name}: days={self.days} looks at nothing."
            raise ContractError(msg)

    def bind(self, table: Measured) -> Metric:
        """Return the metric as it applies to a table.

        Raises:
            ContractError: Its SQL does not parse, names what is not there, divides by what can be 0, or is no single
                value for each group of its grain.
        """
        for column in self.grain:
            if column not in table.column_names:
                hint = did_you_mean(column, table.column_names)
                self._refuse(table, f"grain column {column!r} is no column. {hint}".rstrip(".?"), None)
        if len(set(self.grain)) < len(self.grain):
            self._refuse(table, "its grain names a column twice", "name each once")
        if self.days > 1 and table.partition is None:
            self._refuse(
                table, f"days={self.days} needs a daily table, and it has no partition column", "leave out days"
            )
        tree = self._parsed(table)
        self._check_columns(table, tree)
        self._check_grain(table, tree)
        self._check_divisors(table, tree)
        return replace(self, grain=tuple(self.grain))

    def _refuse(self, table: Measured, why: str, remedy: str | None) -> None:
        msg = f"{table.name}: metric {self.name}: {why}."
        raise ContractError(msg, next_step=remedy)

    def _parsed(self, table: Measured) -> exp.Expr:
        import sqlglot  # noqa: PLC0415 - only a table with metrics pays for it
        from sqlglot import exp  # noqa: PLC0415
        from sqlglot.errors import SqlglotError  # noqa: PLC0415

        try:
            trees = sqlglot.parse(f"select {self.sql}", dialect="duckdb")
        except SqlglotError as error:
            reason = str(error).splitlines()[0].rstrip(".")
            self._refuse(table, f"{self.sql!r} does not parse: {reason}", "write one aggregate in DuckDB's dialect")
        (tree,) = trees if len(trees) == 1 else (None,)
        items = tree.expressions if isinstance(tree, exp.Select) else []
        clauses = {name for name, value in tree.args.items() if value} if tree is not None else set()
        if len(items) != 1 or isinstance(items[0], exp.Alias | exp.Star) or clauses - {"kind", "expressions"}:
            remedy = "write one aggregate over the table's columns, without a name; the rows are the table's"
            self._refuse(table, f"{self.sql!r} is not one expression", remedy)
        found: exp.Expr = items[0]
        if found.find(exp.Select, exp.Window) is not None:
            self._refuse(
                table, f"{self.sql!r} has a subquery or a window", "aggregate the table's rows, and nothing else"
            )
        return found

    def _check_columns(self, table: Measured, tree: exp.Expr) -> None:
        from sqlglot import exp  # noqa: PLC0415

        for column in tree.find_all(exp.Column):
            if column.name.lower() not in table.column_names or column.table not in {"", table.name.partition(".")[2]}:
                hint = did_you_mean(column.name.lower(), table.column_names)
                msg = f"the table has no column {column.sql(dialect='duckdb')!r}. {hint}".rstrip(".?")
                self._refuse(table, msg, "use the columns of the table that the metric is declared on")

    def _check_grain(self, table: Measured, tree: exp.Expr) -> None:
        from sqlglot import exp  # noqa: PLC0415

        aggregates = list(_outermost(tree))
        if not aggregates:
            remedy = "aggregate: sum(…), avg(…), count(*) filter (where …)"
            self._refuse(table, f"{self.sql!r} aggregates nothing, so it is no value for a group of rows", remedy)
        within = {id(node) for aggregate in aggregates for node in aggregate.walk()}
        for aggregate in aggregates:
            inner = [n for part in aggregate.iter_expressions() for n in _outermost(part) if not _wraps(aggregate, n)]
            if inner:
                self._refuse(
                    table,
                    f"{inner[0].sql(dialect='duckdb')} is within another aggregate, which mixes two grains",
                    "aggregate once, or declare a table of the inner one and the metric there",
                )
        for column in tree.find_all(exp.Column):
            if id(column) not in within and column.name.lower() not in self.grain:
                self._refuse(
                    table,
                    f"{column.name} is of a row, beside aggregates of many, and not in its grain",
                    f"aggregate {column.name}, or add it to the grain",
                )

    def _check_divisors(self, table: Measured, tree: exp.Expr) -> None:
        from sqlglot import exp  # noqa: PLC0415

        for node in tree.find_all(exp.Div, exp.IntDiv, exp.Mod):
            by = node.expression.unnest()
            if isinstance(by, exp.Literal) and not by.is_string and float(by.name) != 0:
                continue
            if isinstance(by, exp.Nullif) and isinstance(by.expression, exp.Literal) and by.expression.name == "0":
                continue
            if isinstance(by, exp.Count) and isinstance(by.this, exp.Star) and node.find_ancestor(exp.AggFunc) is None:
                continue  # a group has a row
            told = by.sql(dialect="duckdb")
            what = "0" if told == "0" else f"{told}, which can be 0"
            self._refuse(table, f"it divides by {what}", f"write nullif({told}, 0): no value, where it is 0")


def _outermost(tree: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the aggregates that are within no other."""
    from sqlglot import exp  # noqa: PLC0415

    if isinstance(tree, exp.AggFunc | exp.Filter | exp.WithinGroup | exp.IgnoreNulls):
        yield tree
        return
    for part in tree.iter_expressions():
        yield from _outermost(part)


def _wraps(outer: exp.Expr, inner: exp.Expr) -> bool:
    """Whether one is the other's filter or order, and not an aggregate of it."""
    from sqlglot import exp  # noqa: PLC0415

    return isinstance(outer, exp.Filter | exp.WithinGroup | exp.IgnoreNulls) and outer.this is inner
