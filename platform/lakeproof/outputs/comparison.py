"""What tells two sides of a table apart, in numbers and samples: the result of a comparison."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date

    from lakeproof.lake.days import Day


@dataclass(frozen=True)
class Side:
    """One side, as it was read.

    Args:
        name: How a person names it: `main`, an output, `TABLE@DAY#SNAPSHOT`, a file.
        rows: Its rows that were looked at.
        days: How many days it has of those that were asked for; 0 where there are no days.
        snapshot: The snapshot it was read at; None for files.
        duplicate_keys: Rows that share their key with another row of this side, in the days that were read.
        null_keys: Rows with a null in their key, in the days that were read.
    """

    name: str
    rows: int
    days: int = 0
    snapshot: int | None = None
    duplicate_keys: int = 0
    null_keys: int = 0


@dataclass(frozen=True)
class SchemaChange:
    """A column that the sides do not have alike.

    Args:
        name: Its name on the new side, or on the old where the new has none.
        old_type: Its type on the old side; None where it is not there.
        new_type: The same of the new side.
        renamed_from: Its name on the old side, where that is another.
        compared: Whether its values are compared all the same.
    """

    name: str
    old_type: str | None
    new_type: str | None
    renamed_from: str | None = None
    compared: bool = False

    def __str__(self) -> str:
        """Return the change in words."""
        if self.old_type is None:
            return f"{self.name} ({self.new_type}) is only in the new"
        if self.new_type is None:
            return f"{self.name} ({self.old_type}) is only in the old"
        parts = [f"was called {self.renamed_from}"] if self.renamed_from else []
        parts += [f"was {self.old_type}, is {self.new_type}"] if self.old_type != self.new_type else []
        return f"{self.name} {' and '.join(parts)}" + ("" if self.compared else ", and is not compared")


@dataclass(frozen=True)
class DayChange:
    """A day of both sides.

    Args:
        day: The day; None for a table without days.
        old_rows: Its rows on the old side; None where the day is not there.
        new_rows: The same of the new side.
        added: Rows that only the new side has.
        removed: Rows that only the old side has.
        changed: Rows of both, by their key, with other values.
        unchanged: Rows of both with equal values.
        proven: Whether it was proven equal without reading a row: by the same files, or by equal digests.
    """

    day: Day
    old_rows: int | None
    new_rows: int | None
    added: int = 0
    removed: int = 0
    changed: int = 0
    unchanged: int = 0
    proven: bool = False

    @property
    def in_both(self) -> bool:
        """Whether both sides have it."""
        return self.old_rows is not None and self.new_rows is not None

    @property
    def differs(self) -> bool:
        """Whether anything of it does."""
        return bool(self.added or self.removed or self.changed) or not self.in_both


@dataclass(frozen=True)
class Numbers:
    """A numeric column.

    Args:
        mean: Over all rows that were read.
        total: The same.
        minimum: The same.
        maximum: The same.
        quantiles: Of the rows that changed, at 5, 25, 50, 75 and 95 percent; none where none did.
    """

    mean: float | None
    total: float | None
    minimum: float | None
    maximum: float | None
    quantiles: tuple[float, ...] = ()


@dataclass(frozen=True)
class Pair:
    """A value that became another.

    Args:
        old: The old value, as text; None is null.
        new: The new one.
        rows: In how many rows.
    """

    old: str | None
    new: str | None
    rows: int


@dataclass(frozen=True)
class ColumnChange:
    """A column that was compared.

    Args:
        name: Its name.
        type: Its type.
        changed: In how many rows of both sides its value differs.
        old_nulls: Nulls on the old side, in the days that were read.
        new_nulls: The same of the new side.
        old: Its numbers on the old side; None where it is no number.
        new: The same of the new side.
        mean_difference: The mean of new less old over the rows that changed.
        largest_difference: The largest by size of them, with its sign.
        pairs: What commonly became what; of times, what was added to them.
        by_day: The day, and the mean on either side, of each day that was read; of a number that changed.
    """

    name: str
    type: str
    changed: int = 0
    old_nulls: int = 0
    new_nulls: int = 0
    old: Numbers | None = None
    new: Numbers | None = None
    mean_difference: float | None = None
    largest_difference: float | None = None
    pairs: tuple[Pair, ...] = ()
    by_day: tuple[tuple[date, float | None, float | None], ...] = ()


@dataclass(frozen=True)
class SampleRow:
    """A row that differs.

    Args:
        kind: `added`, `removed`, `changed`, or `repeated`: its key is not its own.
        key: The values of its key; nothing where rows have none.
        old: Its values on the old side; None where it is not there. Of a changed row, only those that differ.
        new: The same of the new side.
        day: Its day.
    """

    kind: str
    key: dict[str, Any]
    old: dict[str, Any] | None
    new: dict[str, Any] | None
    day: Day = None


@dataclass(frozen=True)
class Comparison:
    """Two sides of a table, compared.

    Args:
        table: What was compared.
        old: The old side.
        new: The new side.
        key: The columns by which rows are matched; none: they were compared as multisets.
        days: The days of either side, in order.
        schema: The columns that are not alike.
        columns: The columns that were compared.
        samples: Some rows of each kind.
        ignored: The columns that were left out on request.
        tolerance: By how much numbers may differ and still count as equal.
        where: Which rows were looked at; None for all.
        notes: What a reader should know of how it was done.
        read_rows: How many rows of both sides were read.
    """

    table: str
    old: Side
    new: Side
    key: tuple[str, ...] = ()
    days: tuple[DayChange, ...] = ()
    schema: tuple[SchemaChange, ...] = ()
    columns: tuple[ColumnChange, ...] = ()
    samples: tuple[SampleRow, ...] = ()
    ignored: tuple[str, ...] = ()
    tolerance: float = 0.0
    where: str | None = None
    notes: tuple[str, ...] = ()
    read_rows: int = 0

    @cached_property
    def missing(self) -> tuple[DayChange, ...]:
        """The days that only the old side has."""
        return tuple(day for day in self.days if day.new_rows is None and day.old_rows is not None)

    @cached_property
    def extra(self) -> tuple[DayChange, ...]:
        """The days that only the new side has."""
        return tuple(day for day in self.days if day.old_rows is None and day.new_rows is not None)

    @cached_property
    def changed_columns(self) -> tuple[ColumnChange, ...]:
        """The columns that changed, the most changed first."""
        return tuple(sorted((column for column in self.columns if column.changed), key=lambda c: -c.changed))

    @property
    def added(self) -> int:
        """Rows that only the new side has."""
        return sum(day.added for day in self.days)

    @property
    def removed(self) -> int:
        """Rows that only the old side has."""
        return sum(day.removed for day in self.days)

    @property
    def changed(self) -> int:
        """Rows of both sides with other values."""
        return sum(day.changed for day in self.days)

    @property
    def unchanged(self) -> int:
        """Rows of both sides with equal values."""
        return sum(day.unchanged for day in self.days)

    @property
    def identical(self) -> bool:
        """Whether no row, day or column differs."""
        return not (self.schema or any(day.differs for day in self.days))

    def record(self) -> dict[str, Any]:
        """Return the comparison as plain values."""
        counts = ("identical", "added", "removed", "changed", "unchanged")
        told = {name: getattr(self, name) for name in counts}
        lists = {"missing_days": [d.day for d in self.missing], "extra_days": [d.day for d in self.extra]}
        return {"table": self.table} | told | lists | asdict(self)
