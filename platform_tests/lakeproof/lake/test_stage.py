"""Staged files: no reader of the table sees them, and each belongs to one day and one run."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakeproof.engine.cast import fit
from lakeproof.errors import RowsError
from lakeproof.lake import stage as stage_module
from lakeproof.lake.stage import StageWriter, digest_of, verify_files
from lakeproof.wap import stage

RUN = "20240101T000000-00000000"


def staged(lab: Any, rows: Any, *days: int, **changes: Any) -> Any:
    """Stage days, and stop there."""
    work = lab.work(lab.table(**changes), rows, *days)
    return stage(lab.lakehouse.lake.ensure(work.table), work, RUN)


def test_staging_commits_nothing(lab: Any) -> None:
    """A stage leaves the table's metadata as it was: no snapshot, no branch, no new metadata file."""
    lab.run(lab.table(), lab.rows(1), 1)
    before = lab.stored().metadata_location

    staged(lab, lab.rows(-5), 1)

    assert lab.stored().metadata_location == before
    assert lab.values() == [1]


def test_rows_are_split_by_day(lab: Any) -> None:
    """Rows of several days, in any order, end in files of their own day, named by the run, remembered by digest."""
    rows = pl.concat([lab.rows(1), lab.rows(2, day=2), lab.rows(3), lab.rows(4, day=3)]).sample(
        fraction=1, shuffle=True, seed=1
    )

    found = staged(lab, rows, 1, 2, 3)

    assert {day: found.rows(day) for day in found.days} == {lab.day(1): 2, lab.day(2): 1, lab.day(3): 1}
    for day in found.days:
        for file, path in zip(found.files[day], found.paths(day), strict=True):
            assert RUN in Path(path).name
            assert file.sha256 == hashlib.sha256(Path(path).read_bytes()).hexdigest()
            assert file.bytes == Path(path).stat().st_size
            assert pl.read_parquet(path, hive_partitioning=False)["reading_date"].unique().to_list() == [day]


def test_a_day_without_rows_is_a_file_without_rows(lab: Any) -> None:
    """A day that got no row among others that did has one file, with the columns and no row."""
    found = staged(lab, lab.rows(1), 1, 2)

    assert (found.rows(lab.day(2)), len(found.files[lab.day(2)])) == (0, 1)
    assert pl.read_parquet(found.paths(lab.day(2))[0]).columns == ["reading_date", "sensor", "value"]


@pytest.mark.parametrize(
    ("stray", "said"),
    [(8, "77"), (None, "None")],
    ids=["another day", "no day"],
)
def test_rows_outside_the_window_are_refused(lab: Any, stray: int | None, said: str) -> None:
    """A row of another day, or of none, is refused with how many there are, the window, and a sample."""
    rows = lab.rows(1, 2)
    bad = lab.rows(77, day=stray or 1)
    bad = bad if stray else bad.with_columns(reading_date=pl.lit(None, pl.Date))

    with pytest.raises(RowsError) as refusal:
        staged(lab, lambda _: pl.concat([rows, bad]), 1, 2)
    for words in ("lab.readings", "1 rows", "2024-01-01..2024-01-02", "reading_date", "77", said):
        assert words in str(refusal.value)


def test_many_rows_are_several_files_of_bounded_memory(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that is larger than what is held in memory is written in pieces, and none of it is lost."""
    monkeypatch.setattr(stage_module, "FILE_BYTES", 4_000)
    monkeypatch.setattr(stage_module, "STAGE_BYTES", 6_000)
    table = lab.table()
    writer = StageWriter(lab.lakehouse.lake.ensure(table), table, RUN)
    rows = pl.concat([lab.rows(*range(1000)), lab.rows(*range(1000), day=2)]).sample(fraction=1, shuffle=True, seed=2)
    batches = [batch for part in rows.iter_slices(100) for batch in fit(part.to_arrow().to_reader(), table, "")]

    for batch in batches:
        writer.write([batch], [lab.day(1), lab.day(2)])
        assert sum(writer._bytes.values()) < 6_000 + batch.nbytes
    found = writer.close([lab.day(1), lab.day(2)])

    assert min(len(found.files[day]) for day in found.days) > 2
    for day in found.days:
        assert sorted(pl.read_parquet(list(found.paths(day)))["value"].to_list()) == list(range(1000))


def test_a_stage_knows_its_files(lab: Any) -> None:
    """The digest of a day is of its files' names and bytes, whatever their order; `only` keeps days as they are."""
    found = staged(lab, lab.days(3, 1), 1, 2, 3)
    some = found.only([lab.day(2)])

    assert digest_of({"a": "1", "b": "2"}) == digest_of({"b": "2", "a": "1"}) != digest_of({"a": "2", "b": "1"})
    assert some.days == (lab.day(2),)
    assert some.digest(lab.day(2)) == found.digest(lab.day(2)) != found.digest(lab.day(1))
    verify_files(lab.stored(), found)


def test_equal_rows_are_equal_bytes(lab: Any) -> None:
    """Staging is a function of the rows: the same rows give files of the same digest."""
    one, two = (staged(lab, lab.rows(*range(500)), 1, name=f"lab.r{n}") for n in range(2))

    assert [f.sha256 for f in one.files[lab.day(1)]] == [f.sha256 for f in two.files[lab.day(1)]]
