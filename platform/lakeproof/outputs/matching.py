"""The rows of two sides, matched in DuckDB: by hashes what is equal, exactly what is not.

Every name in its statements is made here: columns are called by their place, and theirs are quoted where they are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lakeproof.engine.duck import DUCK_TYPES, quoted
from lakeproof.outputs.comparison import ColumnChange, DayChange, Numbers, Pair, SampleRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from lakeproof.lake.days import Day
    from lakeproof.parts import Column

NUMBERS = ("int", "long", "float", "double", "decimal")
TIMES = ("timestamp", "timestamptz", "time")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
PAIRS = 5
"""How many of the commonest changes of a column are told."""


@dataclass(frozen=True)
class Matched:
    """What was found of the rows that were read; of two things, the first is the old side's.

    Args:
        rows: How many rows each side has.
        duplicates: How many rows of each share their key with another of it.
        nulls: How many rows of each have a null in their key.
        days: The days.
        columns: The columns.
        samples: Some rows that differ.
        notes: What a reader should know.
    """

    rows: tuple[int, int]
    duplicates: tuple[int, int]
    nulls: tuple[int, int]
    days: tuple[DayChange, ...]
    columns: tuple[ColumnChange, ...]
    samples: tuple[SampleRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Compared:
    """A column that is compared: its name, its type on the new side, and its place."""

    name: str
    type: str
    place: int
    expressions: tuple[str, str]

    @property
    def kind(self) -> str:
        """Its type without a decimal's digits."""
        return self.type.partition("(")[0]

    @property
    def is_number(self) -> bool:
        """Whether it is one."""
        return self.kind in NUMBERS


@dataclass
class _Daily:
    """What one side has on one day: its rows, and by column its values that are there, sum, least and greatest."""

    rows: int
    values: list[tuple[int, float | None, float | None, float | None]] = field(default_factory=list)


class Matching:
    """Matches the rows of two sides, in a connection of its own.

    Args:
        connection: Where.
        columns: The columns to compare: the name, the column on the old side, and on the new.
        key: The columns that identify a row; none to compare multisets.
        day: The column that says which day a row is of; None where there is none.
        tolerance: By how much numbers may differ and still count as equal.
        where: The condition on rows; None for all.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        columns: Sequence[tuple[str, Column, Column]],
        key: Sequence[str],
        day: str | None,
        tolerance: float,
        where: str | None,
    ) -> None:
        self.connection = connection
        self._columns = [_compared(place, *column) for place, column in enumerate(columns)]
        self._key = [column for column in self._columns if column.name in key]
        self._day = next((f"c{column.place}" for column in self._columns if column.name == day), "NULL::DATE")
        self._tolerance = tolerance
        self._where = where

    def read(self, old: duckdb.DuckDBPyRelation, new: duckdb.DuckDBPyRelation) -> None:
        """Find the rows of two sides that are not simply equal."""
        for side, (name, relation) in enumerate((("old", old), ("new", new))):
            relation.create_view(f"given_{name}", replace=True)
            # The condition is over the names that both sides are compared under.
            named = ", ".join(f"{column.expressions[side]} AS {quoted(column.name)}" for column in self._columns)
            source = f"(SELECT {named} FROM given_{name})"
            chosen = ", ".join(f"{quoted(column.name)} AS c{column.place}" for column in self._columns)
            where = f" WHERE {self._where}" if self._where else ""
            self._run(f"CREATE OR REPLACE TEMP VIEW {name}_rows AS SELECT {chosen} FROM {source}{where}")
        whole = f"hash({_listed(self._columns)})"
        key = f"hash({_listed(self._key)})" if self._key else whole
        equal = "count(*) FILTER (side = 0) = 1 AND count(*) FILTER (side = 1) = 1 AND min(h) = max(h)"
        if not self._key:
            equal = "count(*) FILTER (side = 0) = count(*) FILTER (side = 1)"
        hashed = " UNION ALL ".join(
            f"SELECT {key} AS k, {whole if self._key else 0} AS h, {side} AS side FROM {name}_rows"
            for side, name in enumerate(("old", "new"))
        )
        self._run(f"CREATE OR REPLACE TEMP TABLE suspects AS SELECT k FROM ({hashed}) GROUP BY k HAVING NOT ({equal})")
        for name in ("old", "new"):
            self._run(
                f"CREATE OR REPLACE TEMP TABLE {name}_left AS SELECT * FROM {name}_rows "
                f"WHERE {key} IN (SELECT k FROM suspects)"
            )

    def result(self, samples: int) -> Matched:
        """Return what was found, with so many samples of each kind."""
        daily = [self._daily(f"{name}_rows") for name in ("old", "new")]
        duplicates = (0, 0)
        if self._key:
            duplicates = self._part()
            self._pair()
        else:
            self._run("CREATE OR REPLACE TEMP TABLE old_repeated AS SELECT * FROM old_left")
            self._run("CREATE OR REPLACE TEMP TABLE new_repeated AS SELECT * FROM new_left")
        self._multiset()
        days = self._days(daily)
        nulls = tuple(self._null_keys(name) for name in ("old", "new")) if self._key else (0, 0)
        rows = tuple(sum(day.rows for day in side.values()) for side in daily)
        notes = []
        if not self._key:
            notes.append("Rows have no key, or all of them is one: they are compared as multisets.")
        elif any(duplicates):
            told = (
                f"{duplicates[0]:,} rows of the old side and {duplicates[1]:,} of the new share their key with another"
            )
            notes.append(f"{told}: these are compared as multisets, the others by their key.")
        return Matched(
            (rows[0], rows[1]),
            duplicates,
            (nulls[0], nulls[1]),
            tuple(days),
            tuple(self._column(column, daily) for column in self._columns),
            tuple(self._samples(samples)),
            tuple(notes),
        )

    def _run(self, statement: str) -> duckdb.DuckDBPyConnection:
        return self.connection.execute(statement)

    def _part(self) -> tuple[int, int]:
        """Part what is left into rows whose key is their own on both sides, and those that share it."""
        keys = _listed(self._key)
        twice = " UNION ".join(
            f"SELECT {keys} FROM {name}_left GROUP BY {keys} HAVING count(*) > 1" for name in ("old", "new")
        )
        self._run(f"CREATE OR REPLACE TEMP TABLE twice AS {twice}")
        same = " AND ".join(f"t.{c} IS NOT DISTINCT FROM r.{c}" for c in _names(self._key))
        for name in ("old", "new"):
            for table, kind in (("repeated", "SEMI"), ("own", "ANTI")):
                self._run(
                    f"CREATE OR REPLACE TEMP TABLE {name}_{table} AS SELECT r.* FROM {name}_left AS r "
                    f"{kind} JOIN twice AS t ON {same}"
                )
        counts = (
            f"(SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM {name}_repeated GROUP BY {keys}) WHERE n > 1)"
            for name in ("old", "new")
        )
        first, second = self._run(f"SELECT {', '.join(counts)}").fetchall()[0]
        return int(first), int(second)

    def _pair(self) -> None:
        """Join what is left by its key, exactly, and say of each pair what it is and which columns differ."""
        on = " AND ".join(f"o.{c} IS NOT DISTINCT FROM n.{c}" for c in _names(self._key))
        rest = [column for column in self._columns if column not in self._key]
        sides = [f"{side}.{c} AS {side}{c}" for c in _names(self._columns) for side in ("o", "n")]
        flags = [f"{self._differs(column)} AS d{column.place}" for column in rest]
        anywhere = " OR ".join(f"d{column.place}" for column in rest) or "false"
        joined = (
            f"SELECT o.there AS ot, n.there AS nt, {', '.join(sides + flags)} "
            "FROM (SELECT *, true AS there FROM old_own) AS o "
            f"FULL JOIN (SELECT *, true AS there FROM new_own) AS n ON {on}"
        )
        kind = f"CASE WHEN ot IS NULL THEN 'added' WHEN nt IS NULL THEN 'removed' WHEN {anywhere} THEN 'changed' END"
        day = self._day if not self._day.startswith("c") else f"coalesce(o{self._day}, n{self._day})"
        self._run(f"CREATE OR REPLACE TEMP TABLE pairs AS SELECT *, {day} AS day, {kind} AS kind FROM ({joined})")

    def _differs(self, column: _Compared) -> str:
        old, new = f"o.c{column.place}", f"n.c{column.place}"
        if column.is_number and self._tolerance:
            near = f"coalesce(abs({old}::DOUBLE - {new}::DOUBLE) <= {self._tolerance!r}, false)"
            return f"({old} IS DISTINCT FROM {new} AND NOT {near})"
        return f"({old} IS DISTINCT FROM {new})"

    def _multiset(self) -> None:
        """Count each row of those that share their key, or have none, on both sides."""
        both = " UNION ALL ".join(
            f"SELECT *, {side} AS side FROM {name}_repeated" for side, name in enumerate(("old", "new"))
        )
        listed = _listed(self._columns)
        self._run(
            f"CREATE OR REPLACE TEMP TABLE counted AS SELECT {listed}, {self._day} AS day, "
            f"count(*) FILTER (side = 0) AS o, count(*) FILTER (side = 1) AS n FROM ({both}) GROUP BY {listed}"
        )

    def _daily(self, rows: str) -> dict[Day, _Daily]:
        """Return what a side has, day by day."""
        told = []
        for column in self._columns:
            c = f"c{column.place}"
            told.append(f"count({c})")
            if column.is_number:
                told += [f"sum({c}::DOUBLE)", f"min({c})::DOUBLE", f"max({c})::DOUBLE"]
        by_day: dict[Day, _Daily] = {}
        query = f"SELECT {self._day} AS day, count(*), {', '.join(told)} FROM {rows} GROUP BY day"
        for day, count, *values in self._run(query).fetchall():
            found, rest = _Daily(count), iter(values)
            for column in self._columns:
                there = next(rest)
                found.values.append((there, *([next(rest) for _ in range(3)] if column.is_number else [None] * 3)))
            by_day[day] = found
        return by_day

    def _days(self, daily: Sequence[dict[Day, _Daily]]) -> Iterator[DayChange]:
        counts: dict[Day, list[int]] = {}
        query = "SELECT day, sum(greatest(n - o, 0)), sum(greatest(o - n, 0)), 0 FROM counted GROUP BY day"
        if self._key:
            kinds = ", ".join(f"count(*) FILTER (kind = '{kind}')" for kind in ("added", "removed", "changed"))
            query += f" UNION ALL SELECT day, {kinds} FROM pairs GROUP BY day"
        for day, *numbers in self._run(query).fetchall():
            counts[day] = [a + int(b) for a, b in zip(counts.get(day, [0, 0, 0]), numbers, strict=True)]
        for day in sorted({*daily[0], *daily[1]}, key=str):
            added, removed, changed = counts.get(day, [0, 0, 0])
            old, new = (side[day].rows if day in side else None for side in daily)
            yield DayChange(day, old, new, added, removed, changed, (old or 0) - removed - changed)

    def _null_keys(self, name: str) -> int:
        empty = " OR ".join(f"{c} IS NULL" for c in _names(self._key))
        return self._count(f"SELECT count(*) FROM {name}_rows WHERE {empty}")

    def _column(self, column: _Compared, daily: Sequence[dict[Day, _Daily]]) -> ColumnChange:
        """Return what is to be said of a column."""
        place = self._columns.index(column)
        rows = [sum(day.rows for day in side.values()) for side in daily]
        there = [sum(day.values[place][0] for day in side.values()) for side in daily]
        in_pairs = bool(self._key) and column not in self._key
        changed = (
            self._count(f"SELECT count(*) FROM pairs WHERE {_changed(column)}") if in_pairs else self._lacking(column)
        )
        told = ColumnChange(column.name, column.type, changed, rows[0] - there[0], rows[1] - there[1])
        if not column.is_number:
            return replace(told, pairs=tuple(self._pairs(column)) if in_pairs and changed else ())
        quantiles: list[tuple[float, ...]] = [(), ()]
        if changed and in_pairs:
            (mean, largest), quantiles = self._differences(column)
            told = replace(told, mean_difference=mean, largest_difference=largest)
        if changed:
            days = sorted({day for side in daily for day in side if day is not None})
            by_day = ((day, _mean(daily[0].get(day), place), _mean(daily[1].get(day), place)) for day in days)
            told = replace(told, by_day=tuple(by_day))
        old, new = (_numbers(side, place, of_side) for side, of_side in zip(daily, quantiles, strict=True))
        return replace(told, old=old, new=new)

    def _count(self, query: str) -> int:
        return int(self._run(query).fetchall()[0][0])

    def _lacking(self, column: _Compared) -> int:
        """Return how many values of a column one side lacks, of the rows that are counted and not matched."""
        value = f"SELECT c{column.place} AS v, sum(greatest(o - n, 0)) AS a, sum(greatest(n - o, 0)) AS b FROM counted"
        query = f"SELECT sum(greatest(a - b, 0)), sum(greatest(b - a, 0)) FROM ({value} GROUP BY v)"
        return max(int(count or 0) for count in self._run(query).fetchall()[0])

    def _differences(self, column: _Compared) -> tuple[tuple[float | None, float | None], list[tuple[float, ...]]]:
        o, n = f"oc{column.place}::DOUBLE", f"nc{column.place}::DOUBLE"
        at = list(QUANTILES)
        query = (
            f"SELECT avg({n} - {o}), arg_max({n} - {o}, abs({n} - {o})), quantile_cont({o}, {at}), "
            f"quantile_cont({n}, {at}) FROM pairs WHERE {_changed(column)}"
        )
        mean, largest, old, new = self._run(query).fetchall()[0]
        return (mean, largest), [tuple(old or ()), tuple(new or ())]

    def _pairs(self, column: _Compared) -> Iterator[Pair]:
        o, n = f"oc{column.place}", f"nc{column.place}"
        told = f"{o}::VARCHAR AS a, {n}::VARCHAR AS b"
        if column.kind in TIMES:
            told = f"CASE WHEN {o} IS NULL OR {n} IS NULL THEN {o}::VARCHAR ELSE 't' END AS a, "
            told += f"coalesce('t + ' || ({n} - {o})::VARCHAR, {n}::VARCHAR) AS b"
        query = (
            f"SELECT a, b, count(*) AS rows FROM (SELECT {told} FROM pairs WHERE {_changed(column)}) "
            f"GROUP BY a, b ORDER BY rows DESC, a, b LIMIT {PAIRS}"
        )
        yield from (Pair(*row) for row in self._run(query).fetchall())

    def _samples(self, most: int) -> Iterator[SampleRow]:
        names = {f"c{column.place}": column.name for column in self._columns}
        keys = {f"c{column.place}" for column in self._key}
        if self._key:
            order = ", ".join(f"coalesce(oc{column.place}, nc{column.place})" for column in self._key)
            for kind in ("changed", "added", "removed"):
                query = f"SELECT * FROM pairs WHERE kind = '{kind}' ORDER BY {order} LIMIT {most}"
                for row in self.connection.sql(query).to_arrow_table().to_pylist():
                    sides = ({c: row[f"{side}{c}"] for c in names} for side in ("o", "n"))
                    old, new = (s if row[f"{mark}t"] else None for mark, s in zip("on", sides, strict=True))
                    shown = [c for c in names if c not in keys and (kind != "changed" or row[f"d{c[1:]}"])]
                    yield SampleRow(
                        kind,
                        {names[c]: (old or new or {})[c] for c in names if c in keys},
                        old and {names[c]: old[c] for c in shown},
                        new and {names[c]: new[c] for c in shown},
                        row["day"],
                    )
        listed = _listed(self._columns)
        for kind, more in (("removed", "o > n"), ("added", "n > o")):
            query = f"SELECT {listed}, day FROM counted WHERE {more} ORDER BY {listed} LIMIT {most}"
            for row in self.connection.sql(query).to_arrow_table().to_pylist():
                values = {name: row[c] for c, name in names.items()}
                label = "repeated" if self._key else kind
                yield SampleRow(
                    label, {}, values if kind == "removed" else None, values if kind == "added" else None, row["day"]
                )


def _compared(place: int, name: str, old: Column, new: Column) -> _Compared:
    """Return a column with what is read of it on either side, in one type."""
    expressions = [quoted(column.name) for column in (old, new)]
    kind = new.type
    if old.type != new.type:
        numbers = all(column.type.partition("(")[0] in NUMBERS for column in (old, new))
        kind = "double" if numbers else "string"
        expressions = [f"CAST({expression} AS {DUCK_TYPES[kind]})" for expression in expressions]
    return _Compared(name, kind, place, (expressions[0], expressions[1]))


def _changed(column: _Compared) -> str:
    return f"kind = 'changed' AND d{column.place}"


def _mean(day: _Daily | None, place: int) -> float | None:
    if day is None or not day.values[place][0]:
        return None
    there, total = day.values[place][:2]
    return None if total is None else total / there


def _numbers(side: dict[Day, _Daily], place: int, quantiles: tuple[float, ...]) -> Numbers:
    there = sum(day.values[place][0] for day in side.values())
    total = sum(day.values[place][1] or 0.0 for day in side.values())
    least = [value for day in side.values() if (value := day.values[place][2]) is not None]
    most = [value for day in side.values() if (value := day.values[place][3]) is not None]
    if not there:
        return Numbers(None, None, None, None, quantiles)
    return Numbers(total / there, total, min(least, default=None), max(most, default=None), quantiles)


def _names(columns: Sequence[_Compared]) -> list[str]:
    return [f"c{column.place}" for column in columns]


def _listed(columns: Sequence[_Compared]) -> str:
    return ", ".join(_names(columns))
