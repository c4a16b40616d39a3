"""The forms in which rows are handed to a function and taken from it: its annotations decide, and all speak Arrow."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, get_type_hints

import duckdb
import polars as pl
import pyarrow as pa

from lakeproof.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH_ROWS = 122_880
"""Rows in a batch: DuckDB's own unit of work."""

FORMS = (pl.LazyFrame, pl.DataFrame, pa.Table, pa.RecordBatchReader, duckdb.DuckDBPyRelation)
FORM_NAMES = "pl.LazyFrame, pl.DataFrame, pa.Table, pa.RecordBatchReader or duckdb.DuckDBPyRelation"


def parameters_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotation of each parameter, resolved; an unannotated one has `inspect.Parameter.empty`.

    Raises:
        ContractError: An annotation names something that is not there when the module runs.
    """
    where = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
    try:
        hints = get_type_hints(function)
    except NameError as error:
        msg = f"{where}: annotation {error.name!r} does not exist when the module runs."
        raise ContractError(
            msg,
            next_step=f"move the import of {error.name!r} out of `if TYPE_CHECKING:`: Lakeproof reads the annotations",
        ) from None
    return {name: hints.get(name, inspect.Parameter.empty) for name in inspect.signature(function).parameters}


def hand_over(relation: duckdb.DuckDBPyRelation, form: type) -> Any:
    """Return a relation's rows in the form a parameter asks for."""
    if form is duckdb.DuckDBPyRelation:
        return relation
    if form is pa.RecordBatchReader:
        return relation.to_arrow_reader(BATCH_ROWS)
    table = relation.to_arrow_table(BATCH_ROWS)
    if form is pa.Table:
        return table
    frame = pl.DataFrame(table)
    return frame.lazy() if form is pl.LazyFrame else frame


def is_whole(result: object) -> bool:
    """Whether rows are all in memory: looking at them twice costs no more of it."""
    return isinstance(result, pl.DataFrame | pa.Table)


def take_back(result: object) -> pa.RecordBatchReader | None:
    """Return what a function made as a stream of Arrow batches, or None when it is not rows."""
    if isinstance(result, pl.LazyFrame):
        schema = pl.DataFrame(schema=result.collect_schema()).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        frames = result.collect_batches(chunk_size=BATCH_ROWS, engine="streaming")
        return pa.RecordBatchReader.from_batches(schema, (batch for frame in frames for batch in _batches(frame)))
    if isinstance(result, pl.DataFrame):
        table = result.to_arrow(compat_level=pl.CompatLevel.oldest())
        return table.to_reader(BATCH_ROWS)
    if isinstance(result, duckdb.DuckDBPyRelation):
        return result.to_arrow_reader(BATCH_ROWS)
    if hasattr(result, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(result)
    return None


def _batches(frame: pl.DataFrame) -> list[pa.RecordBatch]:
    batches: list[pa.RecordBatch] = frame.to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()
    return batches
