"""Is a published day what its inputs make? It is made again from what its evidence says was read, and compared."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from lakeproof.audit.content import digest_rows
from lakeproof.difference import Difference, compare
from lakeproof.engine.cast import arrow_schema
from lakeproof.engine.conditions import reversed_rows, set_clock
from lakeproof.engine.duck import BOUNDED, connect, files_relation, quoted
from lakeproof.errors import LakeproofError, UnknownDayError
from lakeproof.lake.catalog import columns_of
from lakeproof.lake.confirmed import last_confirmed
from lakeproof.lake.evidence import day_evidence, evidence_of
from lakeproof.lint import lint
from lakeproof.making import make
from lakeproof.merge import Merge
from lakeproof.recorded import GoneError, Recorded
from lakeproof.rejects import table_of_rejects
from lakeproof.runrecord import versions
from lakeproof.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.asset import TableAsset
    from lakeproof.engine.function import Rows
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay

State = Literal["identical", "differs", "failed", "inputs-gone"]
EXIT_CODES: dict[State, int] = {"identical": 0, "differs": 1, "failed": 1, "inputs-gone": 4}
"""What a day alone exits with: only a proof exits 0, and an input that is not there is an upstream that is not."""

ANOTHER_TIME = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
"""What DuckDB's clock tells a statement that looks at it: no table has a reason to hold it."""


@dataclass(frozen=True)
class DayVerified:
    """What became of verifying a day.

    Args:
        day: The day; None for an unpartitioned table.
        state: `identical`; `differs`; `failed`, today's code cannot make it; or `inputs-gone`.
        run: The run that published it; None when another engine did.
        reasons: Why, a line each: which inputs are gone, what failed, what makes rows differ.
        notes: What is not today what it was then: the code, the contract, versions of libraries; and what of its code
            can make a rerun differ, whether or not it did.
        difference: What differs.
    """

    day: Day
    state: State
    run: str | None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    difference: Difference | None = None


def verify(lake: Lake, made: TableAsset, days: Sequence[Day] | None = None) -> Iterator[DayVerified]:
    """Make published days again, one at a time, from the inputs that their evidence records, and compare the contents.

    Nothing is published and nothing is left behind. The rows of the inputs come in the opposite order, and DuckDB's
    clock tells another time, so that one pass proves that neither decides. Where what a day was published from is gone,
    it is made from what the run read that confirmed it last. A merge is not: it confirms itself.

    Args:
        lake: The lake.
        made: The table, with what makes it today.
        days: Only these, of those that are published; None for all.

    Yields:
        What became of each published day, in order.

    Raises:
        UnknownDayError: None of the days is published.
        LakeError: The catalog or warehouse cannot be read.
    """
    recorded = Recorded(lake, made.table)
    table, live = recorded.view(made.table).table, recorded.view(made.table).days
    chosen = [day for day in live if days is None or day in days]
    if not chosen:
        msg = f"{made.table.name}: none of the days asked for is published, so there is nothing to verify."
        raise UnknownDayError(msg, next_step=f"lakeproof show {made.table.name} lists the days that are")
    suspects = tuple(map(str, lint([made])))
    published = {day: live[day].run for day in chosen}
    confirmed = last_confirmed(table, published) if table is not None and made.table.write == "replace" else {}
    for day in chosen:
        run, told = published[day], confirmed.get(day)
        record = recorded.evidence(table, run) if table is not None and run is not None else None
        found = _Verification(recorded, made, live[day], suspects, record).verified()
        if found.state == "inputs-gone" and table is not None and told is not None:
            notes = (f"it is made from what run {told.run} read, which confirmed it", *suspects)
            record = evidence_of(table, told.run, told.sha256)
            again = _Verification(recorded, made, live[day], notes, record).verified()
            found = found if again.state == "inputs-gone" else again
        yield found


@dataclass(frozen=True)
class Merging:
    """What a run merged into.

    Args:
        table: The Iceberg table.
        base: Its files as they were before the merge.
    """

    table: IcebergTable
    base: frozenset[str]


def make_day(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    made: TableAsset,
    day: Day,
    inputs: Mapping[str, Rows],
    clock: datetime,
    merge: Merging | None = None,
) -> None:
    """Make one day as a run makes it, into a temporary table, and nowhere else.

    Args:
        connection: Where the table is made.
        name: Its name there.
        made: The table, with what makes it.
        day: The day; None for an unpartitioned table.
        inputs: What it reads, by name.
        clock: What DuckDB's clock tells.
        merge: What to merge the made rows into; None to take them as they are.

    Raises:
        MakeError: The function or SQL failed.
        RowsError: The rows do not fit the contract.
    """
    own, table = connect(), made.table  # a stream that is still read from a connection ends when it is asked again
    set_clock(own, clock)
    window = None if day is None else Window.of(day, timezone=table.timezone)
    connection.from_arrow(arrow_schema(table.columns).empty_table()).create(name)
    rows = make(table, made.maker, window, inputs, lambda: own, None)
    if merge is not None:
        rows = Merge(table, merge.base).rows(merge.table, rows, table.name)
    for batch in rows:
        connection.from_arrow(pa.Table.from_batches([batch])).insert_into(name)


def differ(
    connection: duckdb.DuckDBPyConnection,
    old: duckdb.DuckDBPyRelation,
    new: duckdb.DuckDBPyRelation,
    columns: Sequence[str],
    key: Sequence[str],
) -> Difference | None:
    """Return what tells two contents apart, or None when nothing does; see `compare` for the arguments.

    Equal content digests say so at a tenth of what matching the rows costs.
    """
    if digest_rows(columns, connection, old) == digest_rows(columns, connection, new):
        return None
    return compare(connection, old, new, columns, key) or None


@dataclass(frozen=True)
class _Verification:
    """One day, and what it is verified with."""

    recorded: Recorded
    made: TableAsset
    live: LiveDay
    suspects: tuple[str, ...]
    record: dict[str, Any] | None

    def verified(self) -> DayVerified:
        """Return what became of it."""
        day, run, record = self.live.day, self.live.run, self.record
        if record is None or day_evidence(record, day) is None:
            why = "its evidence is gone or damaged" if run else "another engine wrote it, and left no evidence"
            return DayVerified(day, "inputs-gone", run, (f"{why}, so nothing tells what it was made from",))
        notes = (*_changes(record, self.made), *self.suspects)
        inputs: dict[str, Rows] = {}
        gone = []
        for name, how in self.made.inputs.items():
            try:
                inputs[name] = self.recorded.rows(name, how, record, day)
            except GoneError as error:
                gone.append(error.what)
        try:
            self._merging()
        except GoneError as error:
            gone.append(error.what)
        if gone:
            return DayVerified(day, "inputs-gone", run, tuple(gone), notes)
        try:
            difference = self._compared(inputs, reverse=True)
            reasons = tuple(self._causes(inputs)) if difference else ()
        except LakeproofError as error:
            return DayVerified(day, "failed", run, tuple(self._failure(error, inputs)), notes)
        return DayVerified(day, "differs" if difference else "identical", run, reasons, notes, difference)

    def _merging(self) -> Merging | None:
        """Return what the run merged into, for a table that is merged."""
        table = self.recorded.view(self.made.table).table
        if self.made.table.write == "replace" or table is None or self.record is None:
            return None
        return Merging(table, self.recorded.base(self.record))

    def _compared(self, inputs: Mapping[str, Rows], *, reverse: bool) -> Difference | None:
        """Make the day, and compare it with what readers see of it."""
        connection, table = connect(BOUNDED), self.recorded.view(self.made.table).table
        assert table is not None  # noqa: S101 - a table with a live day is there
        stored = columns_of(table)
        with tempfile.TemporaryDirectory(prefix="lakeproof-verify-") as folder:
            given = {n: reversed_rows(rows, Path(folder)) for n, rows in inputs.items()} if reverse else inputs
            make_day(connection, "made", self.made, self.live.day, given, ANOTHER_TIME, self._merging())
        names = [column.name for column in stored.values() if column.name in self.made.table.column_names]
        old, new = files_relation(connection, stored, self.live.paths, table.io), connection.table("made")
        if self.made.table.on_reject == "split":
            listed = ", ".join(map(quoted, names))
            old = old.project(listed).union(self._rejects(connection).project(listed))
        return differ(connection, old, new, names, self.made.table.key)

    def _rejects(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """Return the rows that were split off the day: they were made, too."""
        contract = table_of_rejects(self.made.table)
        view = self.recorded.view(contract)
        if view.table is None or self.live.day not in view.days:
            return connection.from_arrow(arrow_schema(contract.columns).empty_table())
        return files_relation(connection, columns_of(view.table), view.days[self.live.day].paths, view.table.io)

    def _causes(self, inputs: Mapping[str, Rows]) -> Iterator[str]:
        """Yield what makes the rows differ, as far as making them again tells."""
        if not self._compared(inputs, reverse=False):
            yield "it is identical when the rows of its inputs come in the order in which they were read"
        else:
            connection = connect(BOUNDED)
            for name in ("once", "twice"):
                make_day(connection, name, self.made, self.live.day, inputs, ANOTHER_TIME)
            names, key = self.made.table.column_names, self.made.table.key
            if differ(connection, connection.table("once"), connection.table("twice"), names, key):
                yield "made twice in a row, it differs from itself: it looks at a clock or at chance"

    def _failure(self, error: LakeproofError, inputs: Mapping[str, Rows]) -> Iterator[str]:
        """Yield why today's code cannot make the day, and whether only the order of its inputs is in its way."""
        yield error.what
        with suppress(LakeproofError):
            self._compared(inputs, reverse=False)
            yield "it is made when the rows of its inputs come in the order in which they were read"
        if "context" in getattr(self.made.maker, "parameters", {}):
            yield "its function takes Dagster's context, and there is none outside of a run"


def _changes(record: Mapping[str, Any], made: TableAsset) -> Iterator[str]:
    """Yield what decides about rows and is not today what it was when the day was made."""
    if record["code"] != made.maker.code:
        yield f"the code has changed since: its digest was {record['code'][:12]}, is {made.maker.code[:12]}"
    if record["contract"] != made.table.record():
        names = [name for name, value in made.table.record().items() if record["contract"].get(name) != value]
        yield f"the contract has changed since: {', '.join(names)}"
    now = versions()
    for name, version in record["versions"].items():
        if now.get(name) != version:
            yield f"{name} was {version}, is {now.get(name)}"
