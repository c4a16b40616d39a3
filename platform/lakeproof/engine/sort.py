"""Rows in their table's sort order, however many there are: DuckDB sorts them and spills what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from lakeproof.engine.cast import arrow_schema, fit
from lakeproof.engine.duck import connect, quoted
from lakeproof.engine.stream import as_stream
from lakeproof.errors import MakeError
from lakeproof.forms import BATCH_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lakeproof.contract import Table


def in_order(rows: Iterable[pa.RecordBatch], contract: Table, where: str) -> Iterator[pa.RecordBatch]:
    """Yield rows that fit a contract day by day, each day in the contract's sort order; nulls come first.

    Args:
        rows: The rows, their columns cast to the contract's.
        contract: The table they are for; without a sort order its rows stay as they come.
        where: The table and days, for a refusal.

    Raises:
        MakeError: They could not be sorted, as when there is no room to spill.
        LakeproofError: Whatever `rows` raises while it is read.
    """
    if not contract.sort:
        yield from rows
        return
    keys = [f"{quoted(name)} {'DESC' if down else 'ASC'} NULLS FIRST" for name, down in contract.sort_columns]
    days = [] if contract.partition is None else [quoted(contract.partition)]
    with as_stream(rows, arrow_schema(contract.columns)) as stream:
        try:
            ordered = connect("256MiB").from_arrow(stream).order(", ".join([*days, *keys]))
            yield from fit(ordered.to_arrow_reader(BATCH_ROWS), contract, where)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            msg = f"{where}: the rows could not be sorted: {error}"
            raise MakeError(
                msg, next_step="see that the temporary folder has room for them, then run the days again"
            ) from error
