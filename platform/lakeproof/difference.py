"""Two contents of one day, side by side: how many rows differ, in which columns, and the first of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakeproof.engine.duck import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

SAMPLES = 5
"""How many rows that differ are shown."""


@dataclass(frozen=True)
class Sample:
    """A row that differs.

    Args:
        key: The values of its key; nothing where rows are compared as a multiset.
        old: Its values in the old content; None when it is not there. Of a changed row, only those that differ.
        new: The same in the new content.
    """

    key: Mapping[str, Any]
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None

    def __str__(self) -> str:
        """Return where it is, and both values of each column that differs."""
        at = ", ".join(f"{name} {value}" for name, value in self.key.items())
        where = f"at {at}: " if at else ""
        if self.old is None or self.new is None:
            row = ", ".join(f"{name} {value!r}" for name, value in (self.old or self.new or {}).items())
            return f"{where}{'only the new has' if self.old is None else 'only the old has'} {row or 'it'}"
        return where + ", ".join(f"{name} was {self.old[name]!r}, is {self.new[name]!r}" for name in self.old)


@dataclass(frozen=True)
class Difference:
    """What tells two contents apart; false when nothing does.

    Args:
        old: Rows of the old content.
        new: Rows of the new content.
        only_old: Rows that only the old content has.
        only_new: Rows that only the new content has.
        changed: Rows that both have by their key, with other values.
        columns: For each column that differs, in how many rows of those in both; of multisets, how many of its values
            one side lacks.
        samples: Some of the rows, in the order of their key.
    """

    old: int
    new: int
    only_old: int
    only_new: int
    changed: int
    columns: Mapping[str, int]
    samples: tuple[Sample, ...]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.only_old or self.only_new or self.changed)

    def describe(self, old: str = "only in the old", new: str = "only in the new") -> str:
        """Return the counts in one line.

        Args:
            old: What to say of rows that only the old content has.
            new: What to say of rows that only the new content has.
        """
        counts = {"changed": self.changed, old: self.only_old, new: self.only_new}
        rows = ", ".join(f"{count:,} row{'s' * (count != 1)} {what}" for what, count in counts.items() if count)
        columns = ", ".join(f"{name} ({count:,})" for name, count in self.columns.items())
        return (rows or "no row differs") + (f"; by column: {columns}" if columns else "")


def compare(
    connection: duckdb.DuckDBPyConnection,
    old: duckdb.DuckDBPyRelation,
    new: duckdb.DuckDBPyRelation,
    columns: Sequence[str],
    key: Sequence[str],
) -> Difference:
    """Compare two contents, whatever the order of their rows; null equals null, and NaN equals NaN.

    Rows are matched by their key where it identifies them on both sides and is not all there is to them; else the
    contents are compared as multisets of rows.

    Args:
        connection: Where both relations live; nothing of it but two views and two temporary tables is touched.
        old: The one content.
        new: The other.
        columns: The columns to compare; both have them.
        key: Columns that identify a row; may be none.
    """
    old.create_view("old_content", replace=True)
    new.create_view("new_content", replace=True)
    rest = [name for name in columns if name not in key]
    if key and rest and all(_identifies(connection, side, key) for side in ("old_content", "new_content")):
        return _by_key(connection, list(key), rest)
    return _as_multisets(connection, list(columns))


def _identifies(connection: duckdb.DuckDBPyConnection, side: str, key: Sequence[str]) -> bool:
    repeated = f"SELECT 1 FROM {side} GROUP BY {_listed(key)} HAVING count(*) > 1 LIMIT 1"  # noqa: S608 - quoted
    return connection.execute(repeated).fetchone() is None


def _by_key(connection: duckdb.DuckDBPyConnection, key: list[str], rest: list[str]) -> Difference:
    on = " AND ".join(f"o.{quoted(name)} IS NOT DISTINCT FROM n.{quoted(name)}" for name in key)
    both = "o._there AND n._there"
    differs = {name: f"o.{quoted(name)} IS DISTINCT FROM n.{quoted(name)}" for name in rest}
    anywhere = " OR ".join(differs.values())
    joined = (
        "(SELECT *, true AS _there FROM old_content) AS o FULL JOIN "  # noqa: S608 - quoted
        f"(SELECT *, true AS _there FROM new_content) AS n ON {on}"
    )
    counts = ", ".join(
        [
            "count(o._there)",
            "count(n._there)",
            "count(*) FILTER (n._there IS NULL)",
            "count(*) FILTER (o._there IS NULL)",
            f"count(*) FILTER ({both} AND ({anywhere}))",
            *(f"count(*) FILTER ({both} AND {differ})" for differ in differs.values()),
        ]
    )
    numbers = connection.execute(f"SELECT {counts} FROM {joined}").fetchall()[0]  # noqa: S608 - quoted
    total_old, total_new, only_old, only_new, changed, *by_column = numbers
    samples = connection.execute(
        f"SELECT o._there AS in_old, n._there AS in_new, struct_pack({_packed('o', key + rest)}) AS old, "  # noqa: S608 - quoted
        f"struct_pack({_packed('n', key + rest)}) AS new, [{', '.join(differs.values())}] AS differ FROM {joined} "
        f"WHERE o._there IS NULL OR n._there IS NULL OR {anywhere} "
        f"ORDER BY {', '.join(f'coalesce(o.{quoted(name)}, n.{quoted(name)})' for name in key)} LIMIT {SAMPLES}"
    )
    columns = {name: count for name, count in zip(rest, by_column, strict=True) if count}
    found = tuple(_keyed(row, key, rest) for row in samples.fetchall())
    return Difference(total_old, total_new, only_old, only_new, changed, columns, found)


def _keyed(row: tuple[Any, ...], key: list[str], rest: list[str]) -> Sample:
    in_old, in_new, old, new, differ = row
    at = {name: (old if in_old else new)[name] for name in key}
    names = [name for name, differs in zip(rest, differ, strict=True) if differs] if in_old and in_new else rest
    sides = ({name: side[name] for name in names} if there else None for there, side in ((in_old, old), (in_new, new)))
    return Sample(at, *sides)


def _as_multisets(connection: duckdb.DuckDBPyConnection, columns: list[str]) -> Difference:
    listed, sides = _listed(columns), {"only_old": ("old", "new"), "only_new": ("new", "old")}
    for name, (one, other) in sides.items():
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS "  # noqa: S608 - quoted
            f"SELECT {listed} FROM {one}_content EXCEPT ALL SELECT {listed} FROM {other}_content"
        )
    total_old, total_new = (_count(connection, side) for side in ("old_content", "new_content"))
    only_old, only_new = (_count(connection, side) for side in sides)
    differing = {}
    for name in columns:
        lacking = f"(SELECT {quoted(name)} FROM only_old EXCEPT ALL SELECT {quoted(name)} FROM only_new)"  # noqa: S608 - quoted
        extra = f"(SELECT {quoted(name)} FROM only_new EXCEPT ALL SELECT {quoted(name)} FROM only_old)"  # noqa: S608 - quoted
        if count := max(_count(connection, lacking), _count(connection, extra)):
            differing[name] = count
    samples = []
    for side in sides:
        rows = connection.execute(f"SELECT {listed} FROM {side} ORDER BY ALL LIMIT {SAMPLES}").fetchall()  # noqa: S608 - quoted
        for row in rows:
            values = dict(zip(columns, row, strict=True))
            samples.append(Sample({}, values, None) if side == "only_old" else Sample({}, None, values))
    return Difference(total_old, total_new, only_old, only_new, 0, differing, tuple(samples))


def _count(connection: duckdb.DuckDBPyConnection, side: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {side}").fetchall()[0][0])  # noqa: S608 - quoted


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in columns)


def _packed(side: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{quoted(name)} := {side}.{quoted(name)}" for name in columns)
