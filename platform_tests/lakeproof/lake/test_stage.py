"""Staged files: no reader of the table sees them, and each belongs to one day and one run."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakeproof import making as making_module
from lakeproof.engine.cast import fit
from lakeproof.errors import MakeError, RowsError
from lakeproof.lake import parquet as parquet_module
from lakeproof.lake import stage_writer as writer_module
from lakeproof.lake.stage import digest_of, verify_files
from lakeproof.lake.stage_writer import StageWriter
from lakeproof.making import stage

if TYPE_CHECKING:
    from lakeproof import Table

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


def disordered(count: int) -> pl.Series:
    """Return whole numbers in an order that no encoding makes small."""
    return pl.int_range(count, dtype=pl.Int32, eager=True).shuffle(seed=3)


def many_batches(lab: Any, table: Table, *, mixed: bool, count: int = 1000) -> list[pa.RecordBatch]:
    """Return many rows of each of two days, in small batches, the days apart or mixed."""
    values = disordered(count)
    day = [
        pl.DataFrame({"value": values}).select(
            pl.lit(lab.day(n)).alias("reading_date"), pl.lit("a").alias("sensor"), "value"
        )
        for n in (1, 2)
    ]
    rows = pl.concat(day)
    rows = rows.sample(fraction=1, shuffle=True, seed=2) if mixed else rows
    return [
        batch
        for part in rows.iter_slices(max(100, count // 200))
        for batch in fit(part.to_arrow().to_reader(), table, "")
    ]


def test_many_days_that_fill_the_memory_are_written_in_pieces(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held over all days is bounded; a day that is written in pieces loses no row."""
    monkeypatch.setattr(writer_module, "HELD_BYTES", 6_000)
    table = lab.table()
    writer = StageWriter(lab.lakehouse.lake.ensure(table), table, RUN)

    for batch in many_batches(lab, table, mixed=True):
        writer.write([batch], [lab.day(1), lab.day(2)])
        assert sum(file.held_bytes for file in writer._open.values()) < 6_000 + batch.nbytes
    found = writer.close([lab.day(1), lab.day(2)])

    assert min(len(found.files[day]) for day in found.days) > 2
    for day in found.days:
        assert sorted(pl.read_parquet(list(found.paths(day)))["value"].to_list()) == list(range(1000))


def test_a_large_day_goes_to_storage_as_it_comes(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that outgrows the memory it may fill is written while it comes, in files of the table's target size."""
    monkeypatch.setattr(writer_module, "STREAM_BYTES", 100_000)
    monkeypatch.setattr(parquet_module, "ROW_GROUP_BYTES", 50_000)
    table = lab.table(properties={"write.target-file-size-bytes": "100000"})
    writer = StageWriter(lab.lakehouse.lake.ensure(table), table, RUN)

    for batch in many_batches(lab, table, mixed=False, count=400_000):
        writer.write([batch], [lab.day(1), lab.day(2)])
        assert sum(file.held_bytes for file in writer._open.values()) < 100_000 + batch.nbytes
    found = writer.close([lab.day(1), lab.day(2)])

    for day in found.days:
        assert len(found.files[day]) > 1
        for file, path in zip(found.files[day], found.paths(day), strict=True):
            assert file.sha256 == hashlib.sha256(Path(path).read_bytes()).hexdigest()
            assert (file.bytes, file.rows) == (Path(path).stat().st_size, pq.read_metadata(path).num_rows)
        assert pl.read_parquet(list(found.paths(day)))["value"].to_list() == disordered(400_000).to_list()
    assert all(file.bytes >= 100_000 for day in found.days for file in found.files[day][:-1])
    assert pq.read_metadata(found.paths(lab.day(1))[0]).num_row_groups > 1


@pytest.mark.parametrize(
    ("sort", "files"), [(None, 2), (["value"], 1)], ids=["as the rows come", "in the contract's order"]
)
def test_a_large_day_in_memory_is_written_as_two_files(
    lab: Any, monkeypatch: pytest.MonkeyPatch, sort: Any, files: int
) -> None:
    """A day that is in memory is cut in the middle, so that two cores encode it; its rows keep their order."""
    monkeypatch.setattr(writer_module, "STREAM_BYTES", 10_000)
    monkeypatch.setattr(making_module, "STRETCH_BYTES", 10_000)
    monkeypatch.setattr(making_module, "BATCH_ROWS", 999)
    rows = pl.DataFrame({"value": disordered(50_001)}).select(
        pl.lit(lab.day(1)).alias("reading_date"), pl.lit("a").alias("sensor"), "value"
    )

    one = staged(lab, rows, 1, **({"sort": sort} if sort else {}))

    assert len(one.files[lab.day(1)]) == files
    written = pl.read_parquet(list(one.paths(lab.day(1))), hive_partitioning=False)["value"]
    assert written.to_list() == (sorted(rows["value"]) if sort else rows["value"].to_list())


def test_values_that_repeat_are_written_by_a_dictionary(lab: Any) -> None:
    """Of the first rows it is seen whether a dictionary pays; other whole numbers are written as differences."""
    rows = pl.DataFrame({"value": disordered(20_000)}).select(
        pl.lit(lab.day(1)).alias("reading_date"), (pl.col("value") % 7).cast(pl.String).alias("sensor"), "value"
    )

    (path,) = staged(lab, rows, 1).paths(lab.day(1))

    group = pq.read_metadata(path).row_group(0)
    encodings = {group.column(n).path_in_schema: set(group.column(n).encodings) for n in range(group.num_columns)}
    assert "RLE_DICTIONARY" in encodings["sensor"] & encodings["reading_date"]
    assert "DELTA_BINARY_PACKED" in encodings["value"]
    assert "RLE_DICTIONARY" not in encodings["value"]
    assert sorted(pl.read_parquet(path)["value"].to_list()) == list(range(20_000))


def test_large_days_whose_rows_come_mixed_are_not_all_open(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many large days come mixed, no more than a few files are written at once, and no row is lost."""
    monkeypatch.setattr(writer_module, "STREAM_BYTES", 2_000)
    monkeypatch.setattr(writer_module, "MOST_STREAMS", 1)
    table = lab.table()
    writer = StageWriter(lab.lakehouse.lake.ensure(table), table, RUN)

    for batch in many_batches(lab, table, mixed=True):
        writer.write([batch], [lab.day(1), lab.day(2)])
        assert sum(file.is_streaming for file in writer._open.values()) <= 1
    found = writer.close([lab.day(1), lab.day(2)])

    for day in found.days:
        assert len(found.files[day]) > 1
        assert sorted(pl.read_parquet(list(found.paths(day)))["value"].to_list()) == list(range(1000))


def test_a_large_day_that_breaks_leaves_no_file(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that breaks while its day goes to storage leaves no file, and nothing that still writes."""
    monkeypatch.setattr(writer_module, "STREAM_BYTES", 4_000)
    table = lab.table()
    schema = lab.rows(1).to_arrow().schema

    def batches() -> Any:
        for number in range(100):
            yield from lab.rows(*range(100)).to_arrow().to_batches()
            if number == 50:
                msg = "the source went away"
                raise OSError(msg)

    with pytest.raises(MakeError, match="the source went away"):
        staged(lab, lambda _: pa.RecordBatchReader.from_batches(schema, batches()), 1)

    assert list(Path(lab.lakehouse.home).rglob("*.parquet")) == []
    assert not any(thread.name == parquet_module.THREAD for thread in threading.enumerate())
    assert lab.states(table, lab.rows(1)) == ["published"]


def test_files_are_written_as_the_contract_says(lab: Any) -> None:
    """Codec, row groups and sort order are the contract's; Iceberg knows the order, and that a file has it."""
    table = lab.table(
        sort=["sensor", "value desc"],
        properties={"write.parquet.compression-codec": "gzip", "write.parquet.row-group-limit": "4"},
    )
    rows = pl.concat([lab.rows(3, 1, 2, sensor="b"), lab.rows(6, None, 5, sensor="a"), lab.rows(9, day=2)])

    lab.run(table, rows, 1, 2)

    path = lab.live()[lab.day(1)].paths[0]
    footer = pq.read_metadata(path)
    assert (footer.num_row_groups, footer.row_group(0).column(2).compression) == (2, "GZIP")
    found = pl.read_parquet(path, hive_partitioning=False)
    assert list(zip(found["sensor"], found["value"], strict=True)) == [
        ("a", None), ("a", 6), ("a", 5), ("b", 3), ("b", 2), ("b", 1),
    ]  # fmt: skip
    stored = lab.stored()
    order = [(stored.schema().find_column_name(f.source_id), f.direction.value) for f in stored.sort_order().fields]
    assert order == [("sensor", "asc"), ("value", "desc")]
    assert {task.file.sort_order_id for task in stored.scan().plan_files()} == {stored.sort_order().order_id}


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
