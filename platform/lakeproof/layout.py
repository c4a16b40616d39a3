"""How a table's data files are written: Iceberg's own property names, checked when the table is declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from lakeproof.errors import ContractError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

Codec = Literal["zstd", "snappy", "gzip", "lz4", "brotli", "uncompressed"]

CODEC = "write.parquet.compression-codec"
LEVEL = "write.parquet.compression-level"
ROW_GROUP_ROWS = "write.parquet.row-group-limit"
PAGE_BYTES = "write.parquet.page-size-bytes"
FILE_BYTES = "write.target-file-size-bytes"

LEVELS: dict[str, tuple[int, int] | None] = {
    "zstd": (1, 22),
    "gzip": (0, 9),
    "brotli": (0, 11),
    "snappy": None,
    "lz4": None,
    "uncompressed": None,
}
"""The compression levels each codec has."""

HONOURED = (CODEC, LEVEL, ROW_GROUP_ROWS, PAGE_BYTES, FILE_BYTES)
PREFIX = "write.parquet."


@dataclass(frozen=True)
class FileLayout:
    """How data files are written; build one with `FileLayout.of`.

    Args:
        codec: The compression codec.
        level: Its level; None for the codec's own default.
        row_group_rows: The most rows in a row group; wide rows make smaller ones.
        page_bytes: The size of a data page, in bytes; None for the writer's default.
        file_bytes: The size at which a file is closed and the next one begun, in bytes.
    """

    codec: Codec = "zstd"
    level: int | None = None
    row_group_rows: int = 1_048_576  # PyIceberg's own default
    page_bytes: int | None = None
    file_bytes: int = 128 * 2**20

    @classmethod
    def of(cls, properties: Mapping[str, str]) -> FileLayout:
        """Read a table's properties.

        Raises:
            ContractError: One of them is about Parquet and not honoured, or has a value that cannot be.
        """
        for name in properties:
            if name.startswith(PREFIX) and name not in HONOURED:
                hint = did_you_mean(name, HONOURED)
                msg = f"property {name} is not honoured when files are written. {hint}"
                raise ContractError(msg, next_step="leave it out")
        codec = properties.get(CODEC, cls.codec).lower()
        if codec not in LEVELS:
            msg = f"property {CODEC}: {codec!r} is no codec. {did_you_mean(codec, LEVELS)}"
            raise ContractError(msg)
        level = None
        if LEVEL in properties:
            levels = LEVELS[codec]
            if levels is None:
                msg = f"property {LEVEL}: {codec} has no levels."
                raise ContractError(msg, next_step=f"leave it out, or choose another {CODEC}")
            level = _whole(properties, LEVEL, *levels)
        return cls(
            codec=cast("Codec", codec),
            level=level,
            row_group_rows=_whole(properties, ROW_GROUP_ROWS, 1)
            if ROW_GROUP_ROWS in properties
            else cls.row_group_rows,
            page_bytes=_whole(properties, PAGE_BYTES, 1) if PAGE_BYTES in properties else None,
            file_bytes=_whole(properties, FILE_BYTES, 1) if FILE_BYTES in properties else cls.file_bytes,
        )


def _whole(properties: Mapping[str, str], name: str, low: int, high: int | None = None) -> int:
    """Return a property that is a whole number from `low` to `high`."""
    text = properties[name]
    bounds = f"{low} or more" if high is None else f"{low} to {high}"
    if not text.isdecimal() or int(text) < low or (high is not None and int(text) > high):
        msg = f"property {name}: {text!r} is not a whole number, {bounds}."
        raise ContractError(msg)
    return int(text)
