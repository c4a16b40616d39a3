"""A sample of a source: what its fields hold, which keys hold in it, and which columns seem to be another table's."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from lakeproof.parts import Column

EXAMPLES = 3
WIDEST_KEY = 4
FEW = 2 / 3
"""A group of columns is one that repeats when at most this share of its rows are different."""

FEWEST_VALUES = 2
"""What has fewer values than this determines nothing: it is a constant."""


@dataclass(frozen=True)
class FieldProfile:
    """What a field holds in a sample.

    Args:
        column: The field, as the contract has it.
        null_share: The share of its values that are null, from 0 to 1.
        distinct: How many different values it has, nulls aside.
        examples: A few of them, the commonest first.
    """

    column: Column
    null_share: float
    distinct: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """What a sample of a source shows. What holds in a sample need not hold in all; what does not hold there, does not.

    Args:
        rows: How many rows it has.
        fields: What each field holds.
        keys: The smallest sets of columns without nulls in which no two rows are alike; measurements are no keys.
        repeats: Columns that others determine, and that repeat with them: `(determinants, determined)`. They look as if
            they belonged to a table of their own, whose key the determinants are.
    """

    rows: int
    fields: tuple[FieldProfile, ...]
    keys: tuple[tuple[str, ...], ...]
    repeats: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


@dataclass(frozen=True)
class ForeignKey:
    """A column whose values are all among those of another source's column that tells its rows apart.

    Args:
        source: The referring source.
        column: Its column.
        to: The other source.
        to_column: Its column.
    """

    source: str
    column: str
    to: str
    to_column: str


def profile(rows: pa.Table, fields: Sequence[Column]) -> Profile:
    """Look at a sample.

    Args:
        rows: The sample, of exactly these fields.
        fields: The source's contract.
    """
    frame = _frame(rows)
    found = []
    for column in fields:
        values = frame[column.name]
        common = values.drop_nulls().value_counts(sort=True).sort(["count", column.name], descending=[True, False])
        shown = tuple(str(value) for value in common[column.name].head(EXAMPLES).to_list())
        nulls = values.null_count() / frame.height if frame.height else 0.0
        found.append(FieldProfile(column, nulls, values.drop_nulls().n_unique(), shown))
    codes = Codes(frame)
    return Profile(frame.height, tuple(found), tuple(codes.keys()), tuple(codes.repeats()))


def foreign_keys(samples: Mapping[str, pa.Table]) -> list[ForeignKey]:
    """Return which columns refer to which sources: text, of which every value, nulls aside, is one of the other's.

    Args:
        samples: A sample of each source. One that is cut short is referred to by fewer than it should.
    """
    frames = {name: _frame(rows) for name, rows in samples.items()}
    targets = [
        (name, column, frame[column])
        for name, frame in frames.items()
        for column in frame.columns
        if frame.schema[column] == pl.String and frame.height and frame[column].n_unique() == frame.height
    ]
    return [
        ForeignKey(name, column, to, to_column)
        for name, frame in frames.items()
        for column in frame.columns
        if frame.schema[column] == pl.String and frame[column].drop_nulls().n_unique() >= FEWEST_VALUES
        for to, to_column, known in targets
        if to != name and frame[column].drop_nulls().is_in(known.implode()).all()
    ]


class Codes:
    """The columns of a sample as small numbers, equal where the values are, so that many of them are compared fast.

    Args:
        frame: The sample.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        self._rows = frame.height
        self._codes = {name: frame[name].rank("dense").fill_null(0).cast(pl.UInt64) for name in frame.columns}
        self._known: dict[tuple[str, ...], int] = {}
        self._whole = [n for n in frame.columns if not frame[n].null_count() and not frame.schema[n].is_float()]

    def distinct(self, *columns: str) -> int:
        """Return how many different rows some columns have."""
        names = tuple(sorted(columns))
        if names not in self._known:
            self._known[names] = pl.DataFrame([self._codes[name] for name in names]).n_unique()
        return self._known[names]

    def keys(self) -> Iterator[tuple[str, ...]]:
        """Yield the smallest sets of columns that tell all rows apart; none when two whole rows are alike."""
        if not self._rows or self.distinct(*self._codes) < self._rows:
            return
        for width in range(1, WIDEST_KEY + 1):
            whole = [name for name in self._varying() if name in self._whole]
            found = [names for names in combinations(whole, width) if self.distinct(*names) == self._rows]
            if found:
                yield from found
                return

    def repeats(self) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Yield determinants with all that they determine, single columns before pairs; each column once."""
        taken: set[str] = set()
        for width in (1, 2):
            found = []
            for names in combinations([name for name in self._varying() if name in self._whole], width):
                values = self.distinct(*names)
                if taken & set(names) or values > FEW * self._rows:
                    continue
                others = [other for other in self._varying() if other not in names and other not in taken]
                determined = tuple(other for other in others if self.distinct(*names, other) == values)
                if determined:
                    found.append((names, determined))
            for names, determined in sorted(found, key=lambda pair: (-len(pair[1]), self.distinct(*pair[0]))):
                left = tuple(name for name in determined if name not in taken)
                if left and not taken & set(names):
                    taken |= set(left)
                    yield names, left

    def _varying(self) -> list[str]:
        return [name for name in self._codes if self.distinct(name) >= FEWEST_VALUES]


def _frame(rows: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - of a table
    return frame
