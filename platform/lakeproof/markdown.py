"""Rows as a table in Markdown, which Dagster shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def cell(value: object) -> str:
    """Return a value as text that stays within a cell of a Markdown table."""
    return str(value).replace("\n", " ").replace("|", "\\|")


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    if not rows:
        return "no rows"
    frame = pl.DataFrame([{cell(name): cell(value) for name, value in row.items()} for row in rows])
    with pl.Config(
        tbl_formatting="ASCII_MARKDOWN",
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        tbl_cols=-1,
        tbl_rows=-1,
        fmt_str_lengths=80,
        tbl_width_chars=10_000,
    ):
        return str(frame)
