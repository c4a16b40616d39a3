"""Two sides compared: what metadata proves equal is not read, and of the rest only what differs is looked at twice.

The first pass takes a hash of each row's key and one of the whole row, on both sides. What is there once on each, with
equal hashes, is equal; that two different rows of one key have the same hash of 64 bits is left out of account: among a
billion rows that changed, it happens once in twenty. All others are then compared exactly, column by column.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import duckdb
import sqlglot
from sqlglot import exp

from lakeproof.engine.duck import connect
from lakeproof.errors import LakeError, UsageError, did_you_mean
from lakeproof.outputs.comparison import Comparison, DayChange, SchemaChange, Side
from lakeproof.outputs.matching import Matching

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lakeproof.lake.days import Day
    from lakeproof.outputs.sides import Opened
    from lakeproof.parts import Column

MEMORY = "1GiB"
"""What DuckDB may hold of both sides; beyond it, it spills. With all else, a process stays below 2 GiB."""


@dataclass(frozen=True)
class How:
    """How two sides are compared.

    Args:
        key: The columns that identify a row, in place of those that the table declares.
        ignored: Columns that are left out.
        tolerance: By how much numbers may differ and still count as equal.
        where: A SQL condition that says which rows are looked at.
        samples: How many rows of each kind are shown.
    """

    key: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    tolerance: float = 0.0
    where: str | None = None
    samples: int = 5

    @property
    def is_whole(self) -> bool:
        """Whether all there is of the rows is compared, so that it says what a promotion would do."""
        return not (self.ignored or self.where or self.tolerance)


def compare(table: str, old: Opened, new: Opened, how: How) -> Comparison:
    """Compare two sides.

    Args:
        table: What is compared, as a person calls it.
        old: The old side.
        new: The new side.
        how: What counts as equal, and what is looked at.

    Raises:
        UsageError: A column is not there, or the condition is none.
        LakeError: A side cannot be read.
    """
    old, new, how = _aligned(old, new, how)
    columns, schema = _columns(old, new, how)
    key = _key(old, new, how, columns)
    where = _condition(how.where, [name for name, _, _ in columns]) if how.where else None
    # Files have no days by themselves: then the rows say which day they are of, and all of them are read.
    whole = None in old.days or None in new.days or where is not None
    both = [] if whole else [day for day in old.days if day in new.days]
    proven = _proven(old, new, both, schema) if not how.ignored else set()
    read = [day for day in both if day not in proven]
    changes = {day: _equal(day, old, new, proven=True) for day in proven}
    if not whole:
        single = [day for day in (*old.days, *new.days) if (day in old.days) != (day in new.days)]
        changes |= {day: _single(day, old, new) for day in single}
    comparison = Comparison(
        table,
        Side(old.name, old.rows, _count(old), old.snapshot),
        Side(new.name, new.rows, _count(new), new.snapshot),
        key,
        schema=schema,
        ignored=how.ignored,
        tolerance=how.tolerance,
        where=how.where,
        notes=tuple(_notes(old, new, how, proven)),
    )
    try:
        matching = Matching(connect(MEMORY), columns, key, _day_column(old, new, columns), how.tolerance, where)
        sides = [side.relation(matching.connection, side.days if whole else read) for side in (old, new)]
        matching.read(*sides)
        found = matching.result(how.samples)
    except duckdb.Error as error:
        msg = f"{table}: the sides cannot be compared: {str(error).splitlines()[0]}"
        remedy = "see that the files are there, and that the temporary folder has room"
        raise LakeError(msg, readers="see what they saw before", next_step=remedy) from error
    told = [
        replace(side, duplicate_keys=twice, null_keys=nulls, rows=rows if whole else side.rows)
        for side, twice, nulls, rows in zip(
            (comparison.old, comparison.new), found.duplicates, found.nulls, found.rows, strict=True
        )
    ]
    changes |= {day: _equal(day, old, new) for day in read} | {change.day: change for change in found.days}
    return replace(
        comparison,
        old=told[0],
        new=told[1],
        days=tuple(changes[day] for day in sorted(changes, key=str)),
        columns=found.columns,
        samples=found.samples,
        notes=(*comparison.notes, *found.notes),
        read_rows=sum(found.rows),
    )


def _aligned(old: Opened, new: Opened, how: How) -> tuple[Opened, Opened, How]:
    """Return two different days as what they hold, without the column that tells them apart."""
    column = new.partition or old.partition
    days = (*old.days, *new.days)
    if column is None or None in days or len(old.days) != 1 or len(new.days) != 1 or len(set(days)) == 1:
        return old, new, how
    return _undated(old, column), _undated(new, column), replace(how, ignored=(*how.ignored, column))


def _undated(side: Opened, column: str) -> Opened:
    live = next(iter(side.days.values()))
    return replace(side, days={None: live}, partition=None, key=tuple(name for name in side.key if name != column))


def _equal(day: Day, old: Opened, new: Opened, *, proven: bool = False) -> DayChange:
    """Return a day as equal: it was proven, or has no row at all."""
    return DayChange(day, old.days[day].rows, new.days[day].rows, unchanged=old.days[day].rows, proven=proven)


def _single(day: Day, old: Opened, new: Opened) -> DayChange:
    if day in old.days:
        return DayChange(day, old.days[day].rows, None, removed=old.days[day].rows)
    return DayChange(day, None, new.days[day].rows, added=new.days[day].rows)


def _count(side: Opened) -> int:
    return len([day for day in side.days if day is not None])


def _proven(old: Opened, new: Opened, both: Iterable[Day], schema: Sequence[SchemaChange]) -> set[Day]:
    """Return the days that are equal by their files, or by digests of their content on record."""
    if old.lineage is None or new.lineage is None:
        return set()
    same = {day for day in both if set(old.days[day].locations) == set(new.days[day].locations)}
    if schema:
        return same if old.lineage == new.lineage else set()
    digests = ((day, old.content(day), new.content(day)) for day in both if day not in same)
    return same | {day for day, before, after in digests if before is not None and before == after}


def _columns(old: Opened, new: Opened, how: How) -> tuple[list[tuple[str, Column, Column]], tuple[SchemaChange, ...]]:
    """Return the columns that are compared, under their new names, and those that are not alike."""
    by_id = old.lineage is not None and old.lineage == new.lineage
    olds = {number if by_id else column.name: column for number, column in old.columns.items()}
    news = {number if by_id else column.name: column for number, column in new.columns.items()}
    if unknown := [name for name in how.ignored if name not in {c.name for c in (*olds.values(), *news.values())}]:
        msg = f"--ignore {unknown[0]}: neither side has such a column."
        raise UsageError(msg, next_step=did_you_mean(unknown[0], [column.name for column in news.values()]))
    shared: list[tuple[str, Column, Column]] = []
    changes: list[SchemaChange] = []
    for place, column in news.items():
        before = olds.get(place)
        if before is None:
            changes.append(SchemaChange(column.name, None, column.type))
            continue
        compared = column.name not in how.ignored
        if compared:
            shared.append((column.name, before, column))
        if (before.name, before.type) != (column.name, column.type):
            renamed = before.name if before.name != column.name else None
            changes.append(SchemaChange(column.name, before.type, column.type, renamed, compared))
    changes += [SchemaChange(c.name, c.type, None) for place, c in olds.items() if place not in news]
    if not shared:
        msg = "The sides have no column in common."
        raise UsageError(msg, next_step="compare a table with another version of itself")
    return shared, tuple(changes)


def _key(old: Opened, new: Opened, how: How, columns: Sequence[tuple[str, Column, Column]]) -> tuple[str, ...]:
    """Return the columns that rows are matched by; a row is matched within its day."""
    names = {name for name, _, _ in columns}
    if how.key:
        if unknown := [name for name in how.key if name not in names]:
            msg = f"--key {unknown[0]}: the sides do not share such a column."
            raise UsageError(msg, next_step=did_you_mean(unknown[0], names))
        return how.key
    key = new.key or old.key
    if not key or not set(key) <= names or set(key) == names:
        return ()
    day = new.partition or old.partition
    return key if day is None or day in key or day not in names else (day, *key)


def _day_column(old: Opened, new: Opened, columns: Sequence[tuple[str, Column, Column]]) -> str | None:
    day = new.partition or old.partition
    return day if day in {name for name, _, _ in columns} else None


def _condition(text: str, names: Sequence[str]) -> str:
    """Return a condition as DuckDB takes it: one expression over the columns of both sides, and nothing that reads.

    Raises:
        UsageError: It is something else.
    """
    try:
        parsed = sqlglot.parse_one(f"SELECT 1 WHERE {text}", dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        msg = f"--where {text!r} is no condition: {str(error).splitlines()[0]}"
        raise UsageError(msg) from error
    where = parsed.args.get("where") if isinstance(parsed, exp.Select) else None
    others = [name for name, value in parsed.args.items() if value and name not in {"where", "expressions", "kind"}]
    if where is None or others or any(where.find_all(exp.Query, exp.Subquery, exp.Command)):
        msg = f"--where {text!r} is more than one condition."
        remedy = "give what would stand after WHERE, without a subquery, such as carrier = 'UA'"
        raise UsageError(msg, next_step=remedy)
    for column in where.find_all(exp.Column):
        if column.name not in names:
            msg = f"--where: the sides share no column {column.name!r}. {did_you_mean(column.name, names)}"
            raise UsageError(msg)
    return str(where.this.sql(dialect="duckdb"))


def _notes(old: Opened, new: Opened, how: How, proven: set[Day]) -> Iterable[str]:
    if proven:
        most = max(_count(old), _count(new), 1)
        yield f"{len(proven)} of {most} days are equal by their metadata, and were not read."
    if how.tolerance:
        yield f"Numbers count as equal that differ by no more than {how.tolerance:g}."
    if how.where:
        yield f"Only rows where {how.where} were looked at, on both sides."
