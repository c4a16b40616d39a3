"""Two sides compared: what differs is counted exactly, whatever is repeated, null, renamed or missing."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
import sqlglot

from lakeproof import Column, audit
from lakeproof.engine.duck import connect
from lakeproof.errors import UnknownTableError, UsageError
from lakeproof.outputs.beside import sides_of
from lakeproof.outputs.compare import How, compare
from lakeproof.outputs.sides import Opened, open_files, open_side, own_days
from lakeproof.outputs.statement import union_of
from lakeproof.outputs.text import markdown, verdict

if TYPE_CHECKING:
    from pathlib import Path

    from lakeproof.outputs.comparison import Comparison

FIRST = date(2024, 1, 1)


def of_files(folder: Path, old: pl.DataFrame, new: pl.DataFrame, **how: Any) -> Comparison:
    """Compare two frames as files."""
    sides = []
    for name, frame in (("old", old), ("new", new)):
        frame.write_parquet(folder / f"{name}.parquet")
        sides.append(open_files(str(folder / f"{name}.parquet")))
    return compare("rows", *sides, How(**how))


def people(**columns: Any) -> pl.DataFrame:
    """Return some rows with an id, a name and a height."""
    rows: dict[str, Any] = {"id": [1, 2, 3], "name": ["a", "b", None], "height": [1.5, float("nan"), None]}
    return pl.DataFrame(rows | columns)


def test_equal_rows_in_another_order_are_identical(tmp_path: Path) -> None:
    """Null equals null, and NaN equals NaN."""
    found = of_files(tmp_path, people(), people().reverse(), key=("id",))

    assert found.identical
    assert found.unchanged == 3
    assert verdict(found).endswith("are identical: 3 rows.")


def test_each_kind_of_difference_is_counted_by_key_and_column(tmp_path: Path) -> None:
    """Added, removed, changed, and what became what."""
    old = people(id=[1, 2, 3])
    new = people(id=[1, 2, 4], name=["a", "c", None], height=[2.0, float("nan"), None])

    found = of_files(tmp_path, old, new, key=("id",))

    assert (found.added, found.removed, found.changed, found.unchanged) == (1, 1, 2, 0)
    changed = {column.name: column for column in found.columns if column.changed}
    assert {name: column.changed for name, column in changed.items()} == {"name": 1, "height": 1}
    assert [(pair.old, pair.new, pair.rows) for pair in changed["name"].pairs] == [("b", "c", 1)]
    assert changed["height"].largest_difference == 0.5
    kinds = Counter(row.kind for row in found.samples)
    assert kinds == {"changed": 2, "added": 1, "removed": 1}
    sample = next(row for row in found.samples if row.kind == "changed")
    assert (sample.key, sample.old, sample.new) == ({"id": 1}, {"height": 1.5}, {"height": 2.0})


def test_repeated_and_null_keys_are_told_and_their_rows_compared_as_multisets(tmp_path: Path) -> None:
    """No row is dropped because its key is not its own."""
    old = pl.DataFrame({"id": [1, 1, 2, None, 5], "v": [1, 2, 3, 4, 5]})
    new = pl.DataFrame({"id": [1, 1, 2, None, None], "v": [1, 9, 3, 4, 4]})

    found = of_files(tmp_path, old, new, key=("id",))

    assert (found.old.duplicate_keys, found.new.duplicate_keys) == (2, 4)
    assert (found.old.null_keys, found.new.null_keys) == (1, 2)
    assert (found.added, found.removed, found.changed) == (2, 2, 0)
    assert found.unchanged == 3
    assert any("share their key" in note for note in found.notes)


def test_without_a_key_rows_are_compared_as_multisets(tmp_path: Path) -> None:
    """How often a row is there counts."""
    old, new = (
        pl.DataFrame({"a": [1, 1, 2], "b": ["x", "x", "y"]}),
        pl.DataFrame({"a": [1, 2, 2], "b": ["x", "y", "z"]}),
    )

    found = of_files(tmp_path, old, new)

    assert found.key == ()
    assert (found.added, found.removed, found.unchanged) == (1, 1, 2)
    assert {column.name: column.changed for column in found.columns} == {"a": 1, "b": 1}


def test_a_tolerance_an_ignored_column_and_a_condition_change_what_counts(tmp_path: Path) -> None:
    """And they are told."""
    old = pl.DataFrame({"id": [1, 2, 3], "x": [1.0, 2.0, 3.0], "run": ["a", "a", "a"]})
    new = pl.DataFrame({"id": [1, 2, 3], "x": [1.001, 2.5, 3.0], "run": ["b", "b", "b"]})

    assert of_files(tmp_path, old, new, key=("id",), ignored=("run",)).changed == 2
    assert of_files(tmp_path, old, new, key=("id",), ignored=("run",), tolerance=0.01).changed == 1
    found = of_files(tmp_path, old, new, key=("id",), ignored=("run",), where="id > 2 and x < 9")
    assert (found.identical, found.unchanged, found.old.rows) == (True, 1, 1)
    assert "id > 2" in " ".join(found.notes)


@pytest.mark.parametrize(
    "where", ["id in (select 1)", "1 = 1; drop table x", "1 = 1 union select 1", "id >", "nothing = 1", "true limit 1"]
)
def test_a_condition_that_is_none_is_refused(tmp_path: Path, where: str) -> None:
    """No file is read, and nothing is run, that the sides do not have."""
    with pytest.raises(UsageError):
        of_files(tmp_path, people(), people(), key=("id",), where=where)


def test_columns_that_are_not_alike_are_told_and_compared_as_far_as_they_can_be(tmp_path: Path) -> None:
    """New, dropped, and of another type."""
    old, new = people(n=[1, 2, 3], gone=["x"] * 3), people(n=["1", "2", "x"], more=[1, 2, 3])

    found = of_files(tmp_path, old, new, key=("id",))

    assert sorted(map(str, found.schema)) == [
        "gone (string) is only in the old",
        "more (long) is only in the new",
        "n was long, is string",
    ]
    assert found.changed == 1
    assert not found.identical


def test_many_random_changes_are_counted_as_python_counts_them(tmp_path: Path) -> None:
    """The hashes take nothing from what is exact."""
    chance = random.Random(7)  # noqa: S311 - no secret
    old = [(n, chance.choice("abc"), chance.randrange(5)) for n in range(3000)]
    new = [row if chance.random() > 0.05 else (row[0], row[1], row[2] + chance.randrange(2)) for row in old]
    new = [row for row in new if chance.random() > 0.02] + [(n, "z", 1) for n in range(5000, 5040)]
    chance.shuffle(new)
    frames = (pl.DataFrame(rows, schema=["id", "t", "v"], orient="row") for rows in (old, new))

    found = of_files(tmp_path, *frames, key=("id",))

    olds, news = {row[0]: row for row in old}, {row[0]: row for row in new}
    both = olds.keys() & news.keys()
    assert found.added == len(news.keys() - olds.keys())
    assert found.removed == len(olds.keys() - news.keys())
    assert found.changed == sum(olds[n] != news[n] for n in both)
    assert found.unchanged == sum(olds[n] == news[n] for n in both)


def test_a_shift_of_times_is_told_as_what_was_added(tmp_path: Path) -> None:
    """The usual bug is a zone, and then all times move by the same."""
    at = [datetime(2024, 1, 1, n, tzinfo=UTC).replace(tzinfo=None) for n in range(3)]
    old, new = pl.DataFrame({"id": [1, 2, 3], "at": at}), pl.DataFrame({"id": [1, 2, 3], "at": at})
    new = new.with_columns(pl.col("at") + timedelta(hours=5))

    found = of_files(tmp_path, old, new, key=("id",))

    assert [(pair.new, pair.rows) for pair in found.columns[1].pairs] == [("t + 05:00:00", 3)]


def both_sides(lab: Any, beside: Any, table: str = "lab.readings") -> tuple[Opened, Opened]:
    """Open a table on main, and an output's own days of it."""
    new = own_days(open_side(beside.lakehouse.lake, table, "fix-units"))
    return open_side(lab.lakehouse.lake, table, "main"), new


def test_a_missing_day_comes_first_and_days_with_the_same_files_are_not_read(lab: Any, beside: Any) -> None:
    """An output of days 1 to 4 without day 3, of which only day 2 is another."""
    table = lab.table(key=["reading_date", "sensor"], audits=lab.table().audits)
    lab.run(table, lab.days(4, 1), 1, 2, 3, 4)
    for day, value in ((1, 1), (2, 7), (4, 1)):
        beside.run(table, lab.rows(value, day=day), day)

    old, new = both_sides(lab, beside)
    found = compare(table.name, old, new, How())

    assert verdict(found).startswith("2024-01-03 is missing in fix-units; 1 row changed in value on 2024-01-02")
    assert [day.day for day in found.days if day.proven] == [lab.day(1), lab.day(4)]
    assert found.read_rows == 2
    assert found.key == ("reading_date", "sensor")
    shown = markdown(found)
    assert shown.index("2024-01-03") < shown.index("2024-01-02")


def test_equal_rows_in_other_files_are_proven_equal_by_their_digests(lab: Any, beside: Any) -> None:
    """What evidence says need not be read."""
    table = lab.table()
    beside.run(table, lab.rows(7), 1)
    lab.run(table, lab.rows(7), 1)

    found = compare(table.name, *both_sides(lab, beside), How())

    assert found.identical
    assert found.read_rows == 0


def test_a_renamed_column_is_matched_by_its_id(lab: Any, beside: Any) -> None:
    """It is one column, under two names."""
    table = lab.table()
    lab.run(table, lab.rows(1), 1)
    columns = [*table.columns[:2], Column("reading", "int", renamed_from="value")]
    renamed = lab.table(columns=columns, key=["reading_date", "sensor"], audits=[lab_audit("reading")])
    beside.run(renamed, lab.rows(2).rename({"value": "reading"}), 1)

    found = compare(table.name, *both_sides(lab, beside), How(key=("reading_date", "sensor")))

    assert list(map(str, found.schema)) == ["reading was called value"]
    assert found.changed == 1


def lab_audit(column: str) -> Any:
    """Return the readings' audit of another column."""
    return audit.between(column, 0, 100)


def test_two_days_are_compared_by_what_they_hold(lab: Any) -> None:
    """A day and the one before it, without the date that tells them apart."""
    table = lab.table(key=["reading_date", "sensor"])
    lab.run(table, pl.concat([lab.rows(1, day=1), lab.rows(5, day=2)]), 1, 2)
    sides = [open_side(lab.lakehouse.lake, f"lab.readings@2024-01-0{day}", None) for day in (1, 2)]

    found = compare("days", sides[0], sides[1], How())

    assert (found.changed, found.added, found.removed) == (1, 0, 0)


def test_a_snapshot_is_a_side_and_one_that_is_gone_says_which_there_are(lab: Any) -> None:
    """A table is compared with what it was."""
    table = lab.table(key=["reading_date", "sensor"])
    lab.run(table, lab.rows(1), 1)
    before = lab.lakehouse.lake.find(table.name).current_snapshot().snapshot_id
    lab.run(table, lab.rows(5), 1)
    lake = lab.lakehouse.lake

    old, new = open_side(lake, f"{table.name}#{before}", None), open_side(lake, table.name, None)

    assert compare(table.name, old, new, How()).changed == 1
    with pytest.raises(UsageError, match=str(before)):
        open_side(lake, f"{table.name}#12", None)
    with pytest.raises(UnknownTableError, match=r"Did you mean lab\.readings"):
        open_side(lake, "lab.reading", None)


def test_the_statement_unions_both_sides_in_duckdb_and_names_versions_for_others(lab: Any, beside: Any) -> None:
    """One's own questions, in any engine."""
    table = lab.table()
    lab.run(table, lab.rows(1), 1)
    beside.run(table, lab.rows(7), 1)
    sides = both_sides(lab, beside)

    rows = connect().execute(union_of(sides, "duckdb")).fetchall()
    assert sorted((row[0], row[3]) for row in rows) == [("new", 7), ("old", 1)]
    assert "FOR VERSION AS OF 'fix-units'" in union_of(sides, "trino")
    assert "VERSION AS OF 'fix-units'" in union_of(sides, "spark")


def test_the_statement_reads_files_as_the_comparison_does(tmp_path: Path) -> None:
    """A column that the first of several files lacks is there."""
    people().write_parquet(tmp_path / "1.parquet")
    people(more=[1, 2, 3]).write_parquet(tmp_path / "2.parquet")
    side = open_files(f"{tmp_path}/*.parquet")

    rows = connect().sql(union_of((side, side), "duckdb"))

    assert rows.sum("more").fetchall() == [(12,)]


def test_the_statement_finds_a_renamed_column_in_the_files_of_before(lab: Any) -> None:
    """DuckDB is told columns by their ids: the names in older files are older."""
    table = lab.table()
    lab.run(table, lab.days(2, 1), 1, 2)
    columns = [*table.columns[:2], Column("reading", "int", renamed_from="value")]
    renamed = lab.table(columns=columns, key=["reading_date", "sensor"], audits=[lab_audit("reading")])
    lab.run(renamed, lab.rows(5, day=2).rename({"value": "reading"}), 2)
    side = open_side(lab.lakehouse.lake, table.name, None)

    rows = connect().sql(union_of((side, side), "duckdb")).project("table_type, reading").fetchall()

    assert sorted(rows) == [("new", 1), ("new", 5), ("old", 1), ("old", 5)]


def executed(statement: str, engine: str, versions: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Execute a statement of another engine in DuckDB, over what stock PyIceberg reads of each version."""
    connection, tree = connect(), sqlglot.parse_one(statement, dialect=engine)
    for number, table in enumerate(tree.find_all(sqlglot.exp.Table)):
        version = table.args["version"].expression.this
        connection.register(f"version_{number}", versions[version])
        table.replace(sqlglot.exp.to_table(f"version_{number}"))
    return connection.execute(tree.sql(dialect="duckdb")).fetchall()


@pytest.mark.parametrize("engine", ["spark", "trino"])
def test_the_statement_has_no_day_that_a_side_does_not_have(lab: Any, beside: Any, engine: str) -> None:
    """The branch has all days of main as of the fork, and the output's side is its own days alone."""
    table = lab.table()
    lab.run(table, lab.days(6, 1), *range(1, 7))
    for day in (1, 2, 4, 8):
        beside.run(table, lab.rows(7, day=day), day)
    lake, last = lab.lakehouse.lake, lab.day(8)
    main = lake.find(table.name)
    versions = {name: main.scan(snapshot_id=ref.snapshot_id).to_arrow() for name, ref in main.metadata.refs.items()}

    rows = executed(union_of(sides_of(lake, "fix-units", table.name), engine), engine, versions)
    of_new_day = executed(union_of(sides_of(lake, "fix-units", table.name, (last, last)), engine), engine, versions)

    assert versions["fix-units"].num_rows == 7
    assert sorted((kind, day, value) for kind, day, _, value in rows) == [
        *(("new", lab.day(number), 7) for number in (1, 2, 4, 8)),
        *(("old", lab.day(number), 1) for number in range(1, 7)),
    ]
    assert [(kind, day) for kind, day, *_ in of_new_day] == [("new", last)]
