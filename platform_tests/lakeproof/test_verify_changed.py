"""Verify, and the checks of evidence, over merges and over tables whose columns changed since."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakeproof import Column, Table, Window, audit, daily_table
from lakeproof.asset import TableAsset, table_assets
from lakeproof.cli.app import main
from lakeproof.lake.catalog import local_path
from lakeproof.verify import verify


def test_a_merge_is_made_again_on_what_it_built_on(lab: Any, publish: Any) -> None:
    """The rows that were merged into are an input: kept, they prove the table; collected, they are told as gone."""
    columns = [Column("sensor", "string"), Column("value", "int")]
    merged = lab.table("lab.latest", columns=columns, partition=None, key=["sensor"], write="merge")
    made: list[tuple[str, int]] = [("a", 1), ("b", 2)]

    @daily_table(merged)
    def merge_latest() -> pl.DataFrame:
        return pl.DataFrame(made, {"sensor": pl.String, "value": pl.Int32}, orient="row")

    asset = table_assets([merge_latest.key])[0]
    publish(lab.lakehouse, asset, [None])
    first = lab.live("lab.latest")[None]
    made[:] = [("b", 3), ("c", 4)]
    publish(lab.lakehouse, asset, [None])

    def state() -> tuple[str, tuple[str, ...]]:
        (found,) = verify(lab.lakehouse.lake, asset)
        return found.state, found.reasons

    assert state() == ("identical", ())
    made[:] = [("b", 3), ("c", 5)]
    assert state()[0] == "differs"
    made[:] = [("b", 3), ("c", 4)]
    Path(local_path(first.locations[0])).unlink()
    assert state()[0] == "inputs-gone"
    assert "lab.latest" in state()[1][0]


def test_a_day_whose_input_got_new_columns_is_identical(lab: Any, publish: Any) -> None:
    """The content that was read is found again under the columns that it was recorded with."""
    raw = lab.table()
    lab.run(raw, lab.days(2, 1), 1, 2)
    copied = lab.table("lab.copied")

    def copy(window: Window, readings: pl.LazyFrame) -> pl.LazyFrame:
        del window
        return readings.select("reading_date", "sensor", "value")

    def asset_of(readings: Table) -> TableAsset:
        return table_assets([daily_table(copied, readings=readings)(copy).key])[0]

    publish(lab.lakehouse, asset_of(raw), [lab.day(1), lab.day(2)])
    wide = raw._but(columns=[*raw.columns[:2], Column("value", "long"), Column("unit", "string")])
    lab.run(wide, lab.rows(5, day=3).with_columns(unit=pl.lit("m")), 3)

    assert [found.state for found in verify(lab.lakehouse.lake, asset_of(wide))] == ["identical"] * 2


def test_evidence_of_an_old_day_is_checked_by_the_columns_of_then(
    lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The content digest of a day from before a change is computed again, and agrees, as does that of a merge."""
    first = lab.table(columns=[Column("reading_date", "date"), Column("value", "int")], key=[])
    lab.run(first, lab.rows(1).drop("sensor"), 1)
    renamed = [Column("day", "date", renamed_from="reading_date"), Column("value", "long"), Column("unit", "string")]
    later = lab.table(columns=renamed, key=[], partition="day", audits=[audit.row_count(at_least=1)])
    lab.run(later, pl.DataFrame({"day": [lab.day(2)], "value": [2], "unit": ["m"]}), 2)
    merged = lab.table("lab.merged", partition=None, write="merge")
    lab.run(merged, lab.rows(1))
    lab.run(merged, lab.rows(2))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAKEPROOF_HOME", lab.lakehouse.home)

    for target in ("lab.readings@2024-01-01", "lab.readings@2024-01-02", "lab.merged"):
        for form in ([], ["--json"]):
            monkeypatch.setattr("sys.argv", ["lakeproof", "show", target, "--evidence", *form])
            with pytest.raises(SystemExit) as ended:
                main()
            assert not ended.value.code
            told = capsys.readouterr().out
        checks = {check["what"]: check["good"] for check in json.loads(told)["checks"]}
        assert checks["content digest, computed from the rows again"] is True
