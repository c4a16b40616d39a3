"""The rows of days, made and written to files that no reader sees: one call for a stretch of days, or one a day."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import pyarrow as pa

from lakeproof.engine.cast import fit
from lakeproof.engine.duck import connect
from lakeproof.engine.sort import in_order
from lakeproof.errors import MakeError
from lakeproof.forms import BATCH_ROWS
from lakeproof.lake.stage_writer import MOST_STREAMS, StageWriter
from lakeproof.storage import bucket_faults, refuse
from lakeproof.unchanged import without_unchanged
from lakeproof.window import Window, runs_of_days

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.audit.counting import Counter
    from lakeproof.contract import Table
    from lakeproof.docket import Docket
    from lakeproof.engine.function import Connected, Made, Maker, Rows
    from lakeproof.lake.days import Day
    from lakeproof.lake.stage import Staged, StagedFile
    from lakeproof.work import Work

    Batches = Iterator[pa.RecordBatch]

STRETCH_BYTES = 128 * 2**20
"""Rows that take twice this much Arrow memory are written as two files side by side, which are of a good size still."""


@runtime_checkable
class Stager(Protocol):
    """A maker whose engine writes files by itself, and audits them where they are."""

    def stage(
        self, table: IcebergTable, work: Work, run: str, docket: Docket, beat: Callable[[], None]
    ) -> tuple[Staged, Counter, dict[str, Any]]:
        """Make the rows of the days and write them to files that no reader of the table sees; all of them, or none.

        Args:
            table: The Iceberg table.
            work: What to make.
            run: The run's id.
            docket: What the audits look at besides.
            beat: Says that the run is at work; what it raises ends the work.

        Returns:
            The stage, what was counted of it for the audits, and which engine made it, for the evidence.
        """


def stage(table: IcebergTable, work: Work, run: str, renewing: Callable[[Batches], Batches] = iter) -> Staged:
    """Make the rows of the days and write them to files that no reader of the table sees; all of them, or none.

    Args:
        table: The Iceberg table.
        work: What to make.
        run: The run's id.
        renewing: Wraps the rows as they come, to say that the run is at work.
    """
    writer = StageWriter(table, work.table, run)
    try:
        return _fill(table, writer, work, renewing)
    except BaseException:
        writer.discard()
        raise


def _fill(table: IcebergTable, writer: StageWriter, work: Work, renewing: Callable[[Batches], Batches]) -> Staged:
    done: dict[Day, tuple[StagedFile, ...]] = {}
    connected = cache(connect)
    for window, days in calls(work):
        inputs = {name: reader.rows(window) for name, reader in work.readers.items()}
        where = window_text(work.table, window)
        made = _called(work.table, work.maker, window, inputs, connected, work.context)
        fitted = partial(_fitted, work.table, where=where, renewing=renewing)
        plain = work.merge is None and work.chain is None
        if made.whole and plain and any(work.base[day] for day in days):
            with _named(where):
                again = _replayed(made.rows, fitted)
            base = {day: work.base[day] for day in days}
            rest, same = without_unchanged(table, work.table, again, base)
            for day, files in same.items():
                writer.leave(day, files)
            writer.write(in_order(rest, work.table, where), days)
        elif made.whole and plain and len(days) == 1 and not work.table.sort:
            with _named(where):
                parts = stretches(made.rows)
            writer.write_beside([fitted(part) for part in parts], days)
        else:
            rows = fitted(made.rows)
            after = rows if work.merge is None else work.merge.rows(table, rows, where)
            writer.write(in_order(after, work.table, where), days)
        if work.chain is not None:
            staged = writer.close(days)
            done |= staged.files
            work.chain.build_on(table, replace(staged, files=done))
    return writer.close(work.days)


def window_text(table: Table, window: Window | None) -> str:
    """Return a table and its days as a refusal names them."""
    return f"{table.name} {window or ''}".strip()


def make(
    table: Table,
    maker: Maker,
    window: Window | None,
    inputs: Mapping[str, Rows],
    connected: Connected,
    context: object,
) -> Batches:
    """Return the rows of a window as a table's maker makes them of its inputs, cast to the contract as they are read.

    Raises:
        MakeError: The function or SQL failed; now, or while the rows are read.
        RowsError: The rows do not fit the contract; while they are read.
    """
    made = _called(table, maker, window, inputs, connected, context)
    return _fitted(table, made.rows, where=window_text(table, window))


def _called(
    table: Table,
    maker: Maker,
    window: Window | None,
    inputs: Mapping[str, Rows],
    connected: Connected,
    context: object,
) -> Made:
    with _named(window_text(table, window)):
        return maker.make(window, inputs, connected, context)


def _fitted(
    table: Table, rows: pa.RecordBatchReader, *, where: str, renewing: Callable[[Batches], Batches] = iter
) -> Batches:
    with _named(where):
        yield from renewing(fit(rows, table, where))


def _replayed(rows: pa.RecordBatchReader, fitted: Callable[[pa.RecordBatchReader], Batches]) -> Callable[[], Batches]:
    """Return what casts rows that are in memory, as often as it is called."""
    whole = pa.Table.from_batches(rows, rows.schema)
    return lambda: fitted(whole.to_reader(BATCH_ROWS))


def stretches(rows: pa.RecordBatchReader) -> list[pa.RecordBatchReader]:
    """Return rows that are in memory as stretches, in order, which are worth writing side by side; one if they are few.

    Args:
        rows: The rows.
    """
    batches = list(rows)
    count = max(1, min(MOST_STREAMS, sum(batch.nbytes for batch in batches) // STRETCH_BYTES))
    whole = pa.Table.from_batches(batches, rows.schema)
    bounds = [len(whole) * number // count for number in range(count + 1)]
    return [whole.slice(first, last - first).to_reader(BATCH_ROWS) for first, last in pairwise(bounds)]


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Let a maker's failure say of which table and days it is."""
    try:
        with bucket_faults(f"reading what {where} is made from"):
            yield
    except MakeError as error:
        refuse(f"reading what {where} is made from", error)
        error.what = f"{where}: {error.what}"
        raise


def calls(work: Work) -> Iterator[tuple[Window | None, list[Day]]]:
    """Yield each call of the maker: one a stretch of days, or one a day."""
    days = [day for day in work.days if day is not None]
    if None in work.days:
        yield None, [None]
    elif work.sequential or work.maker.one_day_at_a_time:
        for day in days:
            yield Window.of(day, timezone=work.table.timezone), [day]
    else:
        for first, last in runs_of_days(days):
            window = Window.of(first, last, work.table.timezone)
            yield window, list(window.days)
