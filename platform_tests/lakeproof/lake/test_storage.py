from __future__ import annotations

import resource
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from lakeproof import audit
from lakeproof.errors import LakeError
from lakeproof.lake import stage_writer as writer_module

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 60_000


@contextmanager
def storage_for(size: int) -> Iterator[None]:
    """Let no file grow beyond a size: the system then refuses a write as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("rows", "stream_bytes"),
    [(ROWS, writer_module.STREAM_BYTES), (ROWS * 10, 10_000)],
    ids=["encoded at once", "written as it comes"],
)
def test_storage_that_refuses_a_write_leaves_readers_and_no_files(
    lab: Any, monkeypatch: pytest.MonkeyPatch, rows: int, stream_bytes: int
) -> None:
    """A data file that cannot be written is one clear refusal: main is as it was, nothing is left, a rerun works."""
    monkeypatch.setattr(writer_module, "STREAM_BYTES", stream_bytes)
    table = lab.table(audits=[audit.row_count(at_least=1)], key=[])
    lab.run(table, lab.rows(1))
    many = pl.DataFrame({"value": range(rows)}).select(
        reading_date=pl.lit(lab.day(1)), sensor=pl.lit("a"), value=pl.col("value").shuffle(seed=7).cast(pl.Int32)
    )
    before = set(Path(lab.lakehouse.home).rglob("*.parquet"))

    with storage_for(100_000), pytest.raises(LakeError, match=r"Storage refused writing a data file of lab\.readings"):
        lab.run(table, many)

    assert lab.values() == [1]
    assert set(Path(lab.lakehouse.home).rglob("*.parquet")) == before
    assert lab.states(table, many) == ["published"]


def test_a_warehouse_that_cannot_be_written_refuses(lab: Any) -> None:
    """Where the table's folder cannot be made, the refusal says what was refused, and nothing is published."""
    (Path(lab.lakehouse.home) / "warehouse").write_text("no folder")

    with pytest.raises(LakeError, match=r"Storage refused creating table lab\.readings"):
        lab.run(lab.table(), lab.rows(1))
    assert lab.lakehouse.lake.find("lab.readings") is None
