"""Where the lake is, and what it says when it cannot be used."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.types import StringType

from lakeproof import Column, Lakehouse, audit
from lakeproof.errors import LakeError
from lakeproof.lake import catalog as catalog_module
from lakeproof.lake.catalog import Lake


def test_a_lake_for_tests_is_never_a_configured_one(tmp_path: Path) -> None:
    """`Lakehouse.in_memory()` is a private folder, also where PyIceberg is configured with a real catalog."""
    real = {
        "PYICEBERG_CATALOG__DEFAULT__TYPE": "sql",
        "PYICEBERG_CATALOG__DEFAULT__URI": f"sqlite:///{tmp_path}/real.db",
        "PYICEBERG_CATALOG__DEFAULT__WAREHOUSE": tmp_path.as_uri(),
    }
    code = "from lakeproof import Lakehouse; print(Lakehouse.in_memory().lake.where)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | real, capture_output=True, text=True, check=True
    )

    assert "catalog default" not in done.stdout
    assert not (tmp_path / "real.db").exists()


def test_a_configured_catalog_is_used(tmp_path: Path) -> None:
    """Without a test's wish, PyIceberg's own configuration decides."""
    real = {
        "PYICEBERG_CATALOG__DEFAULT__TYPE": "sql",
        "PYICEBERG_CATALOG__DEFAULT__URI": f"sqlite:///{tmp_path}/real.db",
        "PYICEBERG_CATALOG__DEFAULT__WAREHOUSE": tmp_path.as_uri(),
    }
    code = "from lakeproof import Lakehouse; l = Lakehouse(); print(l.lake.where, l.is_temporary)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | real, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["catalog", "default", "False"]


def test_two_lakes_for_tests_are_apart() -> None:
    """Each test's lake is its own, and its folder goes with it."""
    one, two = Lakehouse.in_memory(), Lakehouse.in_memory()
    folder = Path(one.home or "")
    assert one.home != two.home
    assert folder.is_dir()

    del one
    assert not folder.exists()


def test_a_corrupt_catalog_is_told_as_that(tmp_path: Path) -> None:
    """A file that is no database says so, and that only a backup helps."""
    (tmp_path / "catalog.db").write_bytes(b"not a database" * 100)

    with pytest.raises(LakeError, match="not a database") as refusal:
        Lakehouse(home=str(tmp_path)).lake.find("lab.readings")
    assert "backup" in str(refusal.value)


@pytest.mark.parametrize("lock", ["EXCLUSIVE", "IMMEDIATE"])
def test_a_locked_catalog_is_told_as_that(lab: Any, monkeypatch: pytest.MonkeyPatch, lock: str) -> None:
    """Another process that holds the catalog is waited for, once, and then named; nothing was published."""
    monkeypatch.setattr(catalog_module, "LOCK_SECONDS", 0)
    table = lab.table()
    lab.run(table, lab.rows(1))
    fresh = type(lab)(Lakehouse(home=lab.lakehouse.home))
    monkeypatch.setattr("lakeproof.lake.attempts.ATTEMPTS", 3)

    def make(_: Any) -> pl.DataFrame:
        other.execute(f"BEGIN {lock}")
        return lab.rows(2)

    with closing(sqlite3.connect(Path(lab.lakehouse.home) / "catalog.db", isolation_level=None)) as other:
        with pytest.raises(LakeError, match="locked") as refusal:
            fresh.run(table, make)
        other.execute("ROLLBACK")
    assert "lab.readings" in str(refusal.value)
    assert lab.values() == [1]


def test_a_metadata_file_that_is_gone_is_told_as_that(lab: Any) -> None:
    """A catalog that names what the warehouse lost asks for a backup."""
    lab.run(lab.table(), lab.rows(1))
    Path(lab.stored().metadata_location.removeprefix("file://")).unlink()

    with pytest.raises(LakeError, match=r"lab\.readings") as refusal:
        lab.run(lab.table(), lab.rows(2))
    assert "backup" in str(refusal.value)


def test_a_warehouse_that_cannot_be_written_is_told_as_that(lab: Any) -> None:
    """Storage that refuses a data file is named, and readers see what they saw."""
    lab.run(lab.table(), lab.rows(1))
    data = Path(lab.stored().location().removeprefix("file://")) / "data"
    (data / "reading_date=2024-01-02").write_text("a file where a folder has to be")

    with pytest.raises(LakeError, match=r"Storage refused writing a data file of lab\.readings"):
        lab.run(lab.table(), lab.rows(2, day=2), 2)
    assert lab.values() == [1]


def test_a_full_disk_is_told_as_that(lab: Any) -> None:
    """A file that may not grow fails the stage with the remedy, and readers see what they saw."""
    lab.run(lab.table(), lab.rows(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    rows = pl.concat([lab.rows(*range(60_000), sensor=f"s{n}") for n in range(2)]).sample(
        fraction=1, shuffle=True, seed=1
    )

    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
        with pytest.raises(LakeError, match=r"lab\.readings") as refusal:
            lab.run(lab.table(), rows)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "Next:" in str(refusal.value)
    assert lab.values() == [1]


def test_columns_in_another_order_are_never_mixed_up(lab: Any) -> None:
    """A contract whose columns were sorted anew reads each value under its own name, and readers get the new order."""
    columns = [Column("reading_date", "date"), Column("low", "int"), Column("high", "int")]
    rows = lab.rows(1).select("reading_date", low=pl.lit(1, pl.Int32), high=pl.lit(9, pl.Int32))
    sane = {"key": [], "audits": [audit.sql("sane", "low < high")]}
    lab.run(lab.table(columns=columns, **sane), rows)
    sorted_anew = lab.table(columns=[columns[0], columns[2], columns[1]], **sane)

    assert lab.lakehouse.read(sorted_anew).to_dicts() == rows.to_dicts()
    assert lab.states(sorted_anew, rows.with_columns(reading_date=pl.lit(lab.day(2))), 2) == ["published"]
    stored = pl.DataFrame(lab.stored().scan().to_arrow())
    assert stored.columns == ["reading_date", "high", "low"]
    assert stored.select("low", "high").unique().rows() == [(1, 9)]


def test_columns_in_another_order_are_the_same_content(lab: Any) -> None:
    """A contract whose columns were sorted anew makes no new snapshot of the rows that are there."""
    table = lab.table()
    lab.run(table, lab.rows(1, 2))
    sorted_anew = table._but(columns=list(reversed(table.columns)))

    assert lab.states(sorted_anew, lab.rows(1, 2)) == ["unchanged"]


def test_columns_that_another_engine_changed_are_matched_by_id(lab: Any) -> None:
    """A column that another engine dropped and added again is a new one: old values do not come back, nor shift."""
    table = lab.table(key=[])
    lab.run(table, lab.rows(1))
    with lab.stored().update_schema() as update:
        update.delete_column("sensor")
    with lab.stored().update_schema() as update:
        update.add_column("sensor", StringType())
    evolved = table._but(columns=[table.columns[0], table.columns[2], table.columns[1]])

    assert lab.states(evolved, lab.rows(2, day=2), 2) == ["published"]
    rows = lab.lakehouse.read(evolved).select("sensor", "value").rows()
    assert sorted(rows, key=str) == [("a", 2), (None, 1)]


@pytest.mark.parametrize("partition", ["loaded_date", None], ids=["another column", "none"])
def test_a_contract_with_other_days_is_refused(lab: Any, partition: str | None) -> None:
    """A table keeps its partition column: under another one, or none, a run would not know which rows are a day's."""
    columns = [Column("reading_date", "date"), Column("loaded_date", "date"), Column("value", "int")]
    rows = lab.rows(1).select("reading_date", "value", loaded_date=pl.lit(lab.day(5)))
    lab.run(lab.table(columns=columns, key=["value"]), rows)
    other = lab.table(columns=columns, key=["value"], partition=partition)

    for use in (lambda: lab.run(other, rows, 5), lambda: lab.lakehouse.read(other)):
        with pytest.raises(LakeError, match=r"lab\.readings") as refusal:
            use()
        assert f"it was partitioned by reading_date, is now by {partition or 'nothing'}" in str(refusal.value)
    assert lab.values() == [1]


def test_a_contract_that_gives_days_to_a_table_without_is_refused(lab: Any) -> None:
    """A table that is replaced as a whole does not turn into a daily one."""
    lab.run(lab.table(partition=None), lab.rows(1))

    with pytest.raises(LakeError, match="it was partitioned by nothing, is now by reading_date"):
        lab.run(lab.table(), lab.rows(2))
    assert lab.values() == [1]


@pytest.mark.parametrize("name", ["a b", "a%20b", "a+b", "é"])
def test_a_home_of_any_name_keeps_its_data_below_it(lab: Any, tmp_path: Path, name: str) -> None:
    """A space, or what looks like an escape, in the path of the home sends no file to another folder."""
    here = type(lab)(Lakehouse(home=str(tmp_path / name)))

    assert here.states(here.table(), here.rows(1)) == ["published"]
    assert here.states(here.table(), here.rows(1)) == ["unchanged"]
    assert here.states(here.table(), here.rows(-1)) == ["held"]
    assert here.values() == [1]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert list((tmp_path / name / "warehouse").rglob("*.parquet"))


def test_a_catalog_is_opened_by_many_at_once(tmp_path: Path) -> None:
    """Those that open a lake that is not there yet at the same time all get it."""
    for number in range(5):
        with ThreadPoolExecutor(8) as pool:
            opened = list(pool.map(lambda _: Lake.local(tmp_path / str(number)), range(8)))  # noqa: B023 - mapped at once

        assert [lake.find("lab.readings") for lake in opened] == [None] * 8
