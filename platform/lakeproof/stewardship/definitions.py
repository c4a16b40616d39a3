"""What tables define and promise, as definitions that can be compared: metrics, and statements of SQL tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from lakeproof.audit.kinds import RowCondition, Unique
from lakeproof.contract import Input
from lakeproof.engine.function import SqlMaker
from lakeproof.meaning.definition import Definition, Promise, Promised, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lakeproof.asset import TableAsset
    from lakeproof.contract import Table
    from lakeproof.metric import Metric


@dataclass(frozen=True)
class Defined:
    """A metric of a table, or a table that a statement makes.

    Args:
        made: The table.
        metric: The metric; None for the table itself.
        definition: What it says.
    """

    made: TableAsset
    metric: Metric | None
    definition: Definition

    @property
    def name(self) -> str:
        """What it is called: the table's name, and the metric's behind it."""
        table = self.made.table.name
        return table if self.metric is None else f"{table}.{self.metric.name}"


def metrics(tables: Iterable[TableAsset]) -> list[Defined]:
    """Return the metrics that tables declare, in the order of the tables."""
    return [Defined(made, metric, _measured(made.table, metric)) for made in tables for metric in made.table.metrics]


def statements(tables: Iterable[TableAsset]) -> list[Defined]:
    """Return the tables that a statement makes, in their order."""
    return [
        Defined(made, None, Definition(made.maker.template, _readings(made)))
        for made in tables
        if isinstance(made.maker, SqlMaker) and all(isinstance(how, Input) for how in made.inputs.values())
    ]


def _measured(table: Table, metric: Metric) -> Definition:
    days = None if table.partition is None else metric.days
    return Definition(metric.sql, {table.name.partition(".")[2]: Reading(table.name, days)}, tuple(metric.grain))


def _readings(made: TableAsset) -> dict[str, Reading]:
    """Return what a statement reads; itself the day before is a table of its own."""
    found = {}
    for name, how in made.inputs.items():
        if isinstance(how, Input) and how.kind == "previous":
            found[name] = Reading(_before(how.table))
        elif isinstance(how, Input):
            found[name] = Reading(how.table.name, None if how.kind == "latest" else how.days)
    return found


def _before(table: Table) -> str:
    return f"{table.name} of the day before"


def promises(tables: Iterable[TableAsset]) -> dict[str, Promised]:
    """Return what tables promise of their rows: what blocking audits refuse is not there."""
    found: dict[str, Promised] = {}
    for made in tables:
        for how in made.inputs.values():
            if isinstance(how, Input):
                found.setdefault(how.table.name, _promised(how.table))
                found.setdefault(_before(how.table), Promised(found[how.table.name].columns))
        found[made.table.name] = _viewed(made) or _promised(made.table)
    return found


def _promised(table: Table) -> Promised:
    blocking = [audit for audit in table.audits if audit.severity == "blocking"]
    sure = {table.partition}.union(*(_never_null(a.condition) for a in blocking if isinstance(a, RowCondition)))
    unique = [audit.columns for audit in blocking if isinstance(audit, Unique)]
    columns = {column.name: Promise(column.type, column.name not in sure) for column in table.columns}
    return Promised(columns, min(unique, key=len, default=()), table.partition)


def _never_null(condition: str) -> set[str]:
    """Return the columns that a condition on each row keeps from being null: `x is not null`, and no other."""
    tree: exp.Expr = sqlglot.parse_one(condition, dialect="duckdb")
    parts = list(tree.flatten()) if isinstance(tree, exp.And) else [tree]
    found = set()
    for part in parts:
        told = part.this if isinstance(part, exp.Not) else None
        if isinstance(told, exp.Is) and isinstance(told.expression, exp.Null) and isinstance(told.this, exp.Column):
            found.add(told.this.name.lower())
    return found


def _viewed(made: TableAsset) -> Promised | None:
    """Return a table as a view of the one day that it is made from; None for tables that are more than that.

    A statement that reads one table's same day, and whose rows keep that day, has on several days what it has on each.
    What is stored has the declared types, and digits.
    """
    table, maker = made.table, made.maker
    if not isinstance(maker, SqlMaker) or "{{" in maker.template or "{%" in maker.template or len(made.inputs) != 1:
        return None
    ((alias, how),) = made.inputs.items()
    if table.on_reject == "split":
        return None
    if not isinstance(how, Input) or how.kind != "day" or how.table.partition is None or table.partition is None:
        return None
    tree = sqlglot.parse_one(maker.template, dialect="duckdb")
    if not isinstance(tree, exp.Select) or not _by_day(tree, table.partition, how.table.partition):
        return None
    stored = ", ".join(_stored(table, column.name) for column in table.columns)
    base = _promised(table)
    sql = f"select {stored} from ({maker.template.strip().rstrip(';')}\n) as made"  # noqa: S608 - it is never run
    return Promised(base.columns, base.key, table.partition, sql, {alias: how.table.name})


def _by_day(tree: exp.Select, partition: str, day: str) -> bool:
    """Whether a statement does with several days what it does with each, and each row keeps its day."""
    if tree.find(exp.Window, exp.Limit, exp.Qualify, exp.Distinct, exp.Subquery, exp.CTE, exp.Join, exp.SetOperation):
        return False
    kept = [each.unalias() for each in tree.expressions if each.alias_or_name == partition]
    if not any(isinstance(each, exp.Column) and each.name == day for each in kept) and not (
        tree.is_star and day == partition
    ):
        return False
    group = tree.args.get("group")
    if group is None:
        return not any(each.find(exp.AggFunc) for each in tree.expressions)
    return bool(group.args.get("all")) or any(
        isinstance(each, exp.Column) and each.name == day for each in group.expressions
    )


def _stored(table: Table, name: str) -> str:
    column = table.column(name)
    kind = {"string": "varchar", "long": "bigint"}.get(column.type, column.type)
    value = name if column.digits is None else f"stored_with_digits({name}, {column.digits})"
    return f"cast({value} as {kind}) as {name}"


def inputs_of(made: TableAsset) -> Mapping[str, tuple[str, str, int]]:
    """Return what a table is made from, by name: which table or source, how it is read, and of how many days."""
    return {
        name: (how.table.name, how.kind, how.days) if isinstance(how, Input) else (how.name, "source", 1)
        for name, how in made.inputs.items()
    }
