from __future__ import annotations

from typing import Any

import pytest

from lakeproof.errors import ContractError
from lakeproof.layout import FileLayout


def test_properties_decide_how_files_are_written() -> None:
    """Iceberg's own property names are honoured; what is not said has a default."""
    layout = FileLayout.of(
        {
            "write.parquet.compression-codec": "GZIP",
            "write.parquet.compression-level": "6",
            "write.parquet.row-group-limit": "1000",
            "write.parquet.page-size-bytes": "4096",
            "write.target-file-size-bytes": "1000000",
            "comment": "not about files",
        }
    )

    assert layout == FileLayout("gzip", 6, 1000, 4096, 1_000_000)
    assert FileLayout.of({}) == FileLayout("zstd", None, 1_048_576, None, 128 * 2**20)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("write.parquet.compression-codec", "zst", "Did you mean zstd?"),
        ("write.parquet.compression-level", "23", "'23' is not a whole number, 1 to 22"),
        ("write.parquet.row-group-limit", "0", "'0' is not a whole number, 1 or more"),
        ("write.target-file-size-bytes", "1GB", "'1GB' is not a whole number"),
        ("write.parquet.row-group-size-bytes", "1", "is not honoured"),
        ("write.parquet.bloom-filter-enabled.column.a", "true", "is not honoured"),
    ],
)
def test_a_property_that_cannot_be_kept_is_refused_when_declared(lab: Any, name: str, value: str, said: str) -> None:
    """A table does not promise files that would not be written: the property and its fault are named."""
    with pytest.raises(ContractError) as refusal:
        lab.table(properties={name: value})

    for words in ("lab.readings", name, said):
        assert words in str(refusal.value)


def test_a_codec_without_levels_takes_none() -> None:
    """A level that the codec does not have is refused."""
    with pytest.raises(ContractError, match="snappy has no levels"):
        FileLayout.of({"write.parquet.compression-codec": "snappy", "write.parquet.compression-level": "1"})


@pytest.mark.parametrize("text", ["sensr", "value  desc", "value down", "Value", ""])
def test_a_sort_order_names_columns(lab: Any, text: str) -> None:
    """A sort order is of the table's columns, each from the lowest up or with `desc`."""
    with pytest.raises(ContractError, match=r"lab\.readings: sort .* is no column"):
        lab.table(sort=[text])


def test_a_sort_order_goes_up_unless_it_says_desc(lab: Any) -> None:
    """`asc` may be said, and is what a column alone means."""
    assert lab.table(sort=["sensor", "value desc"]).sort_columns == (("sensor", False), ("value", True))
    assert lab.table(name="lab.other", sort=["sensor asc"]).sort_columns == (("sensor", False),)
