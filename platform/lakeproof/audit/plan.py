"""Many audits and many days become one SQL statement that scans the staged rows once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from lakeproof.audit.collected import MissingHours
from lakeproof.audit.kinds import DIALECT, Measure, References, RowCondition, Unique, parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeproof.contract import Table
    from lakeproof.parts import Audit

REASONS = "_reasons"
"""The column that names the audits a row breaks."""

STAGED = "staged"
"""The name under which the plan reads the staged rows of all days of a run."""


def hashed(columns: Sequence[str]) -> exp.Subquery:
    """Return the staged rows, each with the hash of its columns, in the order of their names, as `_row_hash`."""
    # DuckDB combines the hashes of several columns so that the last one's can be cancelled by `bit_xor` over rows: two
    # rows that swap its values would look the same. Hashed once more, no column is apart.
    row_hash = exp.func("hash", exp.func("hash", *(exp.column(name, quoted=True) for name in sorted(columns))))
    rows = exp.select(exp.column(exp.Star(), table=STAGED), exp.alias_(row_hash, "_row_hash")).from_(
        exp.to_table(STAGED)
    )
    return rows.subquery("hashed_rows")


def digest() -> list[exp.Expr]:
    """Return what a content digest is made of: `_rows`, `_xor` and `_sum`."""
    row_hash = exp.column("_row_hash")
    return [
        exp.alias_(exp.Count(this=exp.Star()), "_rows"),
        exp.alias_(exp.func("bit_xor", row_hash), "_xor"),
        exp.alias_(exp.Sum(this=exp.cast(row_hash, "hugeint", dialect=DIALECT)), "_sum"),
    ]


@dataclass(frozen=True)
class Plan:
    """The statements for a table's audits, as trees: `sql(dialect=…)` writes them for an engine.

    Args:
        table: The contract.
        audits: The audits that ride along; the position of each names its column in the scan.
    """

    table: Table
    audits: Sequence[Audit]

    def scan(self) -> exp.Select:
        """Return the one scan: a row for each day, with its count, its content digest and what each audit counts.

        Columns: `_day`, `_rows`, `_xor`, `_sum`, and `_a<position>` for each audit that rides along. A table's columns
        never begin with an underscore.
        """
        counts = [exp.alias_(self._day(), "_day"), *digest()]
        counts += [
            exp.alias_(tree, f"_a{position}")
            for position, audit in enumerate(self.audits)
            if (tree := self._count(audit)) is not None
        ]
        scan = self._with_references(exp.select(*counts).from_(hashed(self.table.column_names)))
        return scan.group_by("1") if self.table.partition else scan

    def reasons(self) -> exp.Select:
        """Return the staged rows, each with the names of the audits that it breaks as `_reasons`, or null."""
        names = [exp.column(name, quoted=True) for name in self.table.column_names]
        marks = []
        for position, audit in enumerate(self.audits):
            if isinstance(audit, Unique):
                keys = [exp.column(name, quoted=True) for name in audit.columns]
                parts = [self._day(), *keys]
                first, last = (
                    exp.Window(this=exp.func(f, exp.column("_row_hash")), partition_by=parts) for f in ("min", "max")
                )
                copy = exp.Window(this=exp.RowNumber(), partition_by=names)
                marks.append(
                    exp.alias_(
                        exp.or_(
                            exp.GT(this=copy, expression=exp.Literal.number(1)), exp.NEQ(this=first, expression=last)
                        ),
                        f"_m{position}",
                    )
                )
            elif isinstance(audit, RowCondition | References):
                marks.append(exp.alias_(exp.func("coalesce", self._bad(audit), exp.false()), f"_m{position}"))
        marked = self._with_references(exp.select(*names, *marks).from_(hashed(self.table.column_names)))
        said = [
            exp.If(this=exp.column(mark.alias), true=exp.Literal.string(audit.name))
            for mark, audit in zip(marks, self.audits, strict=True)
        ]
        # Anonymous, since sqlglot writes its own concat_ws so that one null makes all of it null.
        joined = exp.Anonymous(this="concat_ws", expressions=[exp.Literal.string(", "), *said])
        listed = exp.func("nullif", joined, exp.Literal.string(""))
        return exp.select(*names, exp.alias_(listed, REASONS)).from_(marked.subquery("marked"))

    def sample(self, audit: Audit, limit: int) -> exp.Select | None:
        """Return up to `limit` rows at fault a day, with the day in front; None for an audit of whole days."""
        if isinstance(audit, Unique):
            return self._duplicates(audit, limit)
        if not isinstance(audit, RowCondition | References):
            return None
        # By one value, not several: DuckDB then keeps the first few as it scans, and else sorts every row at fault.
        order = exp.Tuple(
            expressions=[exp.column(name, quoted=True) for name in self.table.key or self.table.column_names]
        )
        window = exp.Window(
            this=exp.RowNumber(),
            partition_by=[self._day()],
            order=exp.Order(expressions=[exp.Ordered(this=order)]),
        )
        listed = [exp.column(name, quoted=True) for name in self.table.column_names]
        rows = exp.select(exp.alias_(self._day(), "_day"), *listed, exp.alias_(window, "_place")).from_(
            exp.to_table(STAGED)
        )
        rows = self._with_references(rows).where(self._bad(audit))
        return exp.select("* exclude (_place)", dialect=DIALECT).from_(rows.subquery("bad")).where(f"_place <= {limit}")

    def _duplicates(self, audit: Unique, limit: int) -> exp.Select:
        """Return the values that occur more than once: the day, the values, and how many rows have them."""
        keys = [exp.column(name, quoted=True) for name in audit.columns]
        groups = (
            exp.select(exp.alias_(self._day(), "_day"), *keys, exp.alias_(exp.Count(this=exp.Star()), "_copies"))
            .from_(exp.to_table(STAGED))
            .group_by("all")
            .having("count(*) > 1")
        )
        order = [exp.Ordered(this=exp.column("_copies"), desc=True), *(exp.Ordered(this=key.copy()) for key in keys)]
        place = exp.Window(this=exp.RowNumber(), partition_by=[exp.column("_day")], order=exp.Order(expressions=order))
        total = exp.Window(this=exp.Sum(this=exp.column("_copies")), partition_by=[exp.column("_day")])
        ranked = exp.select("*", exp.alias_(total, "_failed"), exp.alias_(place, "_place")).from_(
            groups.subquery("twice")
        )
        return (
            exp.select("* exclude (_place)", dialect=DIALECT).from_(ranked.subquery("bad")).where(f"_place <= {limit}")
        )

    def _day(self) -> exp.Expression:
        return exp.column(self.table.partition, quoted=True) if self.table.partition else exp.null()

    def _count(self, audit: Audit) -> exp.Expression | None:
        """Return what an audit adds to the scan, or None when it cannot ride along."""
        if isinstance(audit, Measure | MissingHours):
            return parsed(audit.expression, audit.name)
        if isinstance(audit, Unique):
            keys = [exp.column(name, quoted=True) for name in audit.columns]
            return exp.Count(this=exp.Distinct(expressions=[exp.func("hash", *keys)]))
        if isinstance(audit, RowCondition | References):
            return exp.CountIf(this=self._bad(audit))
        return None

    def _bad(self, audit: RowCondition | References) -> exp.Expr:
        if isinstance(audit, RowCondition):
            return audit.bad
        value = exp.column(audit.columns[0], quoted=True)
        return exp.and_(exp.not_(value.is_(exp.null())), exp.column("_known", table=_alias(audit)).is_(exp.null()))

    def _with_references(self, select: exp.Select) -> exp.Select:
        """Join each referenced column once, so that a row at fault is one that met nothing."""
        for audit in self.audits:
            if not isinstance(audit, References):
                continue
            relation = exp.to_table(reference_view(audit))
            known = exp.select(exp.alias_(exp.column("_value"), "_known"), "_of_day").distinct().from_(relation)
            on = exp.EQ(
                this=exp.column("_known", table=_alias(audit)), expression=exp.column(audit.columns[0], quoted=True)
            )
            same_day = exp.or_(
                exp.column("_of_day", table=_alias(audit)).is_(exp.null()),
                exp.EQ(this=exp.column("_of_day", table=_alias(audit)), expression=self._day()),
            )
            select = select.join(known.subquery(_alias(audit)), on=exp.and_(on, same_day), join_type="left")
        return select


def reference_view(audit: References) -> str:
    """Return the name under which the plan reads what an audit refers to: columns `_value` and `_of_day`."""
    return f"values_of_{audit.name}"


def _alias(audit: References) -> str:
    return f"ref_{audit.name}"
