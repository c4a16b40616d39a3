"""The plan of the audits in Spark's SQL, for a job that asks them where its rows are; and what it reports, read."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from lakeproof.audit.collected import MissingHours
from lakeproof.audit.content import SPARK_CONTENT_KEY
from lakeproof.audit.counting import SAMPLE, Scan, by_day
from lakeproof.audit.kinds import Measure, References, RowCondition, Unique
from lakeproof.audit.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import duckdb

    from lakeproof.audit.counting import Count, Day
    from lakeproof.contract import Table
    from lakeproof.parts import Audit

UNSIGNED = 2**64


def asked_of_spark(table: Table, broken: Mapping[str, str]) -> list[Audit]:
    """Return the audits that Spark is asked, in the order of their numbers in the scan.

    Functions judge in this process, and history is judged on metadata.

    Args:
        table: The contract.
        broken: Why a reference audit has nothing to refer to, by its name.
    """
    kinds = Measure | MissingHours | Unique | RowCondition | References
    return [audit for audit in table.audits if isinstance(audit, kinds) and audit.name not in broken]


def statements(table: Table, audits: Sequence[Audit]) -> dict[str, Any]:
    """Return the statements that a job asks of its view `staged`.

    Args:
        table: The contract.
        audits: From `asked_of_spark`.

    Returns:
        `scan`, one statement for all; `bare`, the same without audits; `alone`, one for each audit, for when the scan
        breaks; and `samples`, one for each audit that tells rows at fault.
    """
    alone, samples = {}, {}
    for position, audit in enumerate(audits):
        single = Plan(table, [audit]).scan()
        if any(column.alias == "_a0" for column in single.expressions):
            alone[audit.name] = {"sql": in_spark(single), "column": f"_a{position}", "column_alone": "_a0"}
            sample = Plan(table, [audit] if isinstance(audit, References) else []).sample(audit, SAMPLE)
            if sample is not None:
                distinct = isinstance(audit, Unique)
                samples[audit.name] = {"sql": in_spark(sample), "column": f"_a{position}", "distinct": distinct}
    return {
        "scan": in_spark(Plan(table, audits).scan()),
        "bare": in_spark(Plan(table, ()).scan()),
        "alone": alone,
        "samples": samples,
    }


def in_spark(statement: exp.Expr) -> str:
    """Return a statement of the plan in Spark's SQL, with the meaning that it has in DuckDB."""
    tree = exp.Subquery(this=statement.copy())  # so that every node has a place to be replaced in
    for node in reversed(list(tree.bfs())):  # what is inside comes first
        if (other := _translated(node)) is not node:
            node.replace(other)
    return str(tree.this.sql(dialect="spark"))


def _translated(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Anonymous):
        translate = _FUNCTIONS.get(node.name.lower())
        return translate(node) if translate else node
    if isinstance(node, exp.Div) and not isinstance(node.expression, exp.Nullif):
        return _divided(node)
    if isinstance(node, exp.Cast) and node.to.is_type("int128"):
        return exp.cast(node.this.copy(), "decimal(38, 0)")
    if isinstance(node, exp.PercentileCont) and node.expression is not None:
        return exp.Anonymous(this="percentile", expressions=[node.this.copy(), node.expression.copy()])
    if isinstance(node, exp.RegexpLike) and isinstance(node.expression, exp.Literal):
        # In Java, a dollar also matches before a line feed that ends the text.
        pattern = re.sub(r"\$$", r"\\z", node.expression.name)
        return exp.RegexpLike(this=node.this.copy(), expression=exp.Literal.string(pattern))
    return node


def _divided(node: exp.Div) -> exp.Expr:
    """Division by zero is infinite, or no number, in DuckDB; Spark's ANSI mode, which is on for overflows, fails."""
    above, below = exp.cast(node.this.copy(), "double"), exp.cast(node.expression.copy(), "double")
    zero = exp.Literal.number(0)
    limits = exp.Case(
        ifs=[
            exp.If(this=exp.GT(this=above.copy(), expression=zero.copy()), true=_double("Infinity")),
            exp.If(this=exp.LT(this=above.copy(), expression=zero.copy()), true=_double("-Infinity")),
            exp.If(this=exp.EQ(this=above.copy(), expression=zero.copy()), true=_double("NaN")),
        ]
    )
    divided = exp.Div(this=above, expression=exp.Nullif(this=below, expression=zero.copy()))
    is_zero = exp.EQ(this=exp.cast(node.expression.copy(), "double"), expression=zero)
    return exp.paren(exp.Case(ifs=[exp.If(this=is_zero, true=limits)], default=divided))


def _double(text: str) -> exp.Expr:
    return exp.cast(exp.Literal.string(text), "double")


def _hash(node: exp.Anonymous) -> exp.Expr:
    """Spark's hash skips nulls, so which values are null is hashed as well: (1, null) is not (null, 1)."""
    values = [value.copy() for value in node.expressions]
    nulls = [exp.Cast(this=value.copy().is_(exp.null()), to=exp.DataType.build("boolean")) for value in values]
    return exp.Anonymous(this="xxhash64", expressions=[*values, *nulls])


def _quarters(node: exp.Anonymous) -> exp.Expr:
    instant = exp.cast(node.expressions[0].copy(), "timestamptz")
    micros = exp.Anonymous(this="unix_micros", expressions=[instant])
    return exp.paren(exp.Mul(this=micros, expression=exp.Literal.number(1000)))


def _interval(node: exp.Anonymous) -> exp.Expr:
    micros = exp.cast(node.expressions[0].copy(), "decimal(18, 0)")
    parts = [
        *(exp.Literal.number(0) for _ in range(3)),
        exp.Mul(this=micros, expression=exp.Literal.number("0.000001")),
    ]
    return exp.Anonymous(this="make_dt_interval", expressions=parts)


_FUNCTIONS: dict[str, Callable[[exp.Anonymous], exp.Expr]] = {
    "hash": _hash,
    "epoch_ns": _quarters,
    "to_microseconds": _interval,
}


@dataclass(frozen=True)
class SparkCounter:
    """What a job counted where Spark ran.

    Args:
        table: The contract.
        audits: What it was asked, from `asked_of_spark`.
        report: What it reported: `counts`, `errors` and `samples`.
        rows_of: Gives the staged rows of a day, for a function that judges them.
        broken: Why a reference audit has nothing to refer to, by its name.
    """

    table: Table
    audits: Sequence[Audit]
    report: Mapping[str, Any]
    rows_of: Callable[[Day], duckdb.DuckDBPyRelation]
    broken: Mapping[str, str]

    @property
    def algorithm(self) -> str:
        """The algorithm of its content digests."""
        return SPARK_CONTENT_KEY

    def rows(self, day: Day) -> duckdb.DuckDBPyRelation:
        """Return the staged rows of a day."""
        return self.rows_of(day)

    def scan(self, days: Sequence[Day]) -> Scan:
        """Return what the job's scan counted."""
        counts = by_day(Plan(self.table, self.audits), map(_count, self.report["counts"]))
        said = {**self.broken, **self.report["errors"]}
        return Scan(counts, {(name, day): why for name, why in said.items() for day in days})

    def samples(self, audit: Audit, days: Sequence[Day]) -> Mapping[Day, list[Count]] | None:
        """Return rows at fault, as the job sampled them."""
        if audit.name not in self.report["samples"]:
            return None
        bad: dict[Day, list[Count]] = defaultdict(list)
        for row in self.report["samples"][audit.name]:
            told = dict(row)
            if (day := _day(told.pop("_day"))) in days:
                bad[day].append(told)
        return bad


def _count(row: Mapping[str, Any]) -> Count:
    """Return a row of the scan with numbers as DuckDB has them: hashes are signed in Spark, and wide sums are text."""
    told = dict(row) | {"_day": _day(row["_day"])}
    if told["_rows"]:
        told |= {"_xor": int(told["_xor"]) % UNSIGNED, "_sum": int(told["_sum"]) % UNSIGNED**2}
    return told


def _day(value: str | None) -> Day:
    return None if value is None else date.fromisoformat(value)
