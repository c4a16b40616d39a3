"""The one path into `main`: make, stage, audit, publish what passed, and leave the evidence."""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from lakeproof.docket import Docket, audit, daily
from lakeproof.engine.cast import fit
from lakeproof.engine.duck import connect
from lakeproof.engine.function import FunctionMaker
from lakeproof.engine.sort import in_order
from lakeproof.errors import LakeError, MakeError
from lakeproof.lake.evidence import PATH_KEY, write_evidence
from lakeproof.lake.held import finish_held, keep_held
from lakeproof.lake.live import View
from lakeproof.lake.publish import Published, publish
from lakeproof.lake.running import claimed
from lakeproof.lake.stage import Staged, StagedFile, StageWriter, discard, discarded_on_failure
from lakeproof.merge import Merge
from lakeproof.outcome import EXIT_CODES, DayOutcome, Outcome, readers_see
from lakeproof.progress import Step, report
from lakeproof.reading import TableReader, content_of
from lakeproof.rejects import Sifted, days_to_split, restaged, table_of_rejects, without_rejects
from lakeproof.runrecord import run_record
from lakeproof.unchanged import without_unchanged
from lakeproof.window import ONE_DAY, Window, runs_of_days

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import duckdb
    import pyarrow as pa
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.contract import Table
    from lakeproof.engine.function import Connected, Maker, Rows
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.live import LiveDay
    from lakeproof.lake.replace import Day
    from lakeproof.reading import Reader
    from lakeproof.verdict import Verdict

    Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Work:
    """What a run is to do.

    Args:
        table: The contract.
        maker: What makes its rows.
        readers: Its inputs, opened, by name.
        days: The days, in order; `(None,)` for an unpartitioned table.
        base: The files of each day as the run began, before its inputs were opened; from `base_of`.
        sequential: Whether each day is made on its own: it reads a trailing window, or itself the day before.
        context: What the function gets as `context`, when it takes one.
        dagster_run: The id of the Dagster run, for the evidence.
        waited: What it waited for and reads no row of, by name, for the evidence.
        waived: By day, the input days that were declared never to come, each with its reason.
        rejects_base: The files of each day of the table of rejects, taken just before `base`, where rows are split off.
        unready: By day, what it lacked when it was run all the same.
        why_unready: Why it was run all the same.
    """

    table: Table
    maker: Maker
    readers: Mapping[str, Reader]
    days: tuple[Day, ...]
    base: Mapping[Day, frozenset[str]]
    sequential: bool = False
    context: object = None
    dagster_run: str | None = None
    waited: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    waived: Mapping[Day, Mapping[str, str]] = field(default_factory=dict)
    rejects_base: Mapping[Day, frozenset[str]] | None = None
    unready: Mapping[Day, tuple[str, ...]] = field(default_factory=dict)
    why_unready: str = ""

    @property
    def chain(self) -> TableReader | None:
        """The input that is the table itself the day before, when there is one."""
        for reader in self.readers.values():
            if isinstance(reader, TableReader) and reader.input.kind == "previous":
                return reader
        return None

    @cached_property
    def merge(self) -> Merge | None:
        """The merge with what was published as the run began, for a table that is not replaced."""
        return Merge(self.table, self.base[None]) if self.table.write == "merge" else None


def new_run_id() -> str:
    """Return an id for a run: it sorts by time, and is in the name of every file the run writes."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"


def base_of(lake: Lake, table: Table, days: Sequence[Day], *, chained: bool = False) -> dict[Day, frozenset[str]]:
    """Return the files of each day as they are now, to compare with at publish.

    Take it before any input is opened: what is published after that, a run has not seen, and must not replace.

    Args:
        lake: The lake.
        table: The contract.
        days: The days of the run.
        chained: Whether each day builds on the one before, so that the day before the first counts too.
    """
    listed = daily(days)
    if listed and chained and table.has_day(listed[0] - ONE_DAY):
        listed = [listed[0] - ONE_DAY, *listed]
    live = View.open(lake, table, listed).days
    keys: list[Day] = [*listed] if listed else [None]
    return {day: frozenset(live[day].locations) if day in live else frozenset() for day in keys}


def write_audit_publish(lake: Lake, work: Work) -> Outcome:
    """Make the days, stage them where no reader looks, audit them, publish those that passed, in one commit.

    Args:
        lake: The lake.
        work: What to do.

    Returns:
        What became of each day. Held days stay staged.

    Raises:
        MakeError: The function or SQL failed. Nothing was published.
        RowsError: The rows do not fit the contract. Nothing was published.
        AuditError: The stage could not be audited. Nothing was published.
        LakeError: The catalog or warehouse refused. Nothing was published, or all that passed was.
    """
    clock, run, started = Clock(work.table.name), new_run_id(), datetime.now(UTC)
    rejected: dict[Day, int] = {}
    lost: frozenset[Day] = frozenset()
    if work.table.on_reject == "split" and work.rejects_base is None:
        work = replace(work, rejects_base=base_of(lake, table_of_rejects(work.table), work.days))
    table = lake.ensure(work.table)
    with claimed(table, run, work.days) as claim:
        with clock.step("make"):
            staged = stage(table, work, run, claim.renewing)
        with ExitStack() as on_failure:
            on_failure.enter_context(discarded_on_failure(table, staged))
            with clock.step("audit"):
                docket = Docket.open(lake, table, work.table, work.days)
                verdicts = audit(work.table, staged, docket)
                if work.table.on_reject == "split":
                    staged, verdicts, rejected, lost = _split(lake, table, work, staged, verdicts, docket)
                    on_failure.enter_context(discarded_on_failure(table, staged))
                passed = [day for day in _passed(work, verdicts) if day not in lost]
                record = run_record(work, staged, verdicts, docket, run, started, rejected)
                pointer = write_evidence(table, run, record)
            claim.commit()
        with clock.step("publish"):
            held = staged.only([day for day, verdict in verdicts.items() if not verdict.passed])
            keep_held(table, held)
            done = Published()
            if passed:
                done = publish(
                    table,
                    staged.only(passed),
                    verdicts,
                    base={day: paths for day, paths in work.base.items() if day in passed or day not in staged.days},
                    content_of=lambda live: content_of(View(table, None), live, staged.columns),
                    evidence=pointer,
                    chained=work.chain is not None,
                )
            done = replace(done, moved=done.moved | lost)
            table = table.refresh()
            live = View.of(table, daily(work.days)).days
            keep = {file for day in live.values() for file in day.locations}
            discard(table, staged.only([day for day in work.days if day not in {*done.published, *held.days}]), keep)
            finish_held(table, held, done.unchanged)
    merged = work.merge.merged if work.merge else None
    days = tuple(
        replace(_outcome(day, staged, verdicts, done, live), merged=merged, rejected=rejected.get(day))
        for day in work.days
    )
    inputs = tuple(record["inputs"].values())
    return Outcome(work.table.name, run, days, done.snapshot, pointer[PATH_KEY], clock.seconds, inputs)


def _split(
    lake: Lake, table: IcebergTable, work: Work, staged: Staged, verdicts: dict[Day, Verdict], docket: Docket
) -> tuple[Staged, dict[Day, Verdict], dict[Day, int], frozenset[Day]]:
    """Stage days without the rows that audits refuse, and publish those rows as days of the table of rejects.

    That comes first, so that no row that was collected is nowhere. A day that does not pass without them either stays
    as it was.

    Returns:
        The stage, its verdicts, how many rows of each day that passes were rejected, and the days whose rejects another
        run has published since this one began: they are that run's.
    """
    days = days_to_split(work.table, verdicts)
    parts = without_rejects(table, docket, staged, days)
    with discarded_on_failure(table, parts):
        judged = audit(work.table, parts, docket) if days else {}
        again = {day: verdict for day, verdict in judged.items() if verdict.passed}
        good = tuple(day for day, verdict in verdicts.items() if verdict.passed or day in again)
        lost = publish_rejects(lake, work, staged, docket, good, list(again))
    discard(table, parts.only([day for day in days if day not in again]), keep=())
    discard(table, staged.only(list(again)), keep=())
    rejected = {day: staged.rows(day) - (parts.rows(day) if day in again else staged.rows(day)) for day in good}
    return restaged(staged, parts.only(list(again))), verdicts | again, rejected, lost


def publish_rejects(
    lake: Lake, work: Work, staged: Staged, docket: Docket, days: tuple[Day, ...], split: Sequence[Day]
) -> frozenset[Day]:
    """Publish the rows at fault of the days in `split`, and none of the other `days`, as days of the table of rejects.

    Returns:
        The days that another run has published there since this one began.

    Raises:
        LakeError: The rows at fault could not be published.
    """
    contract = table_of_rejects(work.table)

    def rejected(window: Window | None) -> duckdb.DuckDBPyRelation:
        wanted = split if window is None else [day for day in split if day in window.days]
        return Sifted.of(work.table, docket, staged.columns, staged.paths(*wanted)).rejected()

    if not days:
        return frozenset()
    base = {day: files for day, files in (work.rejects_base or {}).items() if day in days}
    maker = FunctionMaker(rejected, {"window": Window})
    done = write_audit_publish(lake, Work(table=contract, maker=maker, readers={}, days=days, base=base))
    if done.exit_code not in {0, EXIT_CODES["moved"]}:
        msg = f"{contract.name}: {'; '.join(map(str, done.refusals()))}"
        raise LakeError(msg, readers="see what they saw before", next_step="run the same days again")
    return frozenset(day.day for day in done.of("moved"))


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
    for window, days in _calls(work):
        inputs = {name: reader.rows(window) for name, reader in work.readers.items()}
        where = window_text(work.table, window)
        made, whole = make(work.table, work.maker, window, inputs, connected, work.context)
        rows = renewing(made)
        if whole and work.merge is None and work.chain is None:
            rows, same = without_unchanged(table, work.table, list(rows), {day: work.base[day] for day in days})
            for day, files in same.items():
                writer.leave(day, files)
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
) -> tuple[Batches, bool]:
    """Return the rows of a window as a table's maker makes them of its inputs, cast to the contract as they are read.

    Returns:
        The rows, and whether all of them are in memory already.

    Raises:
        MakeError: The function or SQL failed; now, or while the rows are read.
        RowsError: The rows do not fit the contract; while they are read.
    """
    where = window_text(table, window)
    with _named(where):
        made = maker.make(window, inputs, connected, context)

    def rows() -> Batches:
        with _named(where):
            yield from fit(made.rows, table, where)

    return rows(), made.whole


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Let a maker's failure say of which table and days it is."""
    try:
        yield
    except MakeError as error:
        error.what = f"{where}: {error.what}"
        raise


class Clock:
    """Times the steps of a run, and says when each begins.

    Args:
        table: The table's name.
    """

    def __init__(self, table: str) -> None:
        self._table = table
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        report(Step(self._table, name))
        begun = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - begun, 4)


def _calls(work: Work) -> Iterator[tuple[Window | None, list[Day]]]:
    """Yield each call of the maker: one a stretch of days, or one a day."""
    days = daily(work.days)
    if days is None:
        yield None, [None]
    elif work.sequential or work.maker.one_day_at_a_time:
        for day in days:
            yield Window.of(day, timezone=work.table.timezone), [day]
    else:
        for first, last in runs_of_days(days):
            window = Window.of(first, last, work.table.timezone)
            yield window, list(window.days)


def _passed(work: Work, verdicts: Mapping[Day, Verdict]) -> list[Day]:
    """Return the days to publish: those that passed, and wait for none that did not."""
    passed = [day for day in work.days if verdicts[day].passed]
    if not (work.chain or work.table.depends_on_past) or len(passed) == len(work.days):
        return passed
    first = next(place for place, day in enumerate(work.days) if not verdicts[day].passed)
    return list(work.days[:first])


def _outcome(
    day: Day,
    staged: Staged,
    verdicts: Mapping[Day, Verdict],
    done: Published,
    live: Mapping[Day, LiveDay],
) -> DayOutcome:
    verdict, rows, size = verdicts[day], staged.rows(day), staged.bytes(day)
    readers = readers_see(live.get(day))
    if day in done.published:
        return DayOutcome(day, "published", "passed", f"see the {rows:,} rows of this run", rows, size, verdict)
    if day in done.unchanged:
        return DayOutcome(day, "unchanged", "readers had this content already", readers, rows, size, verdict)
    if day in done.moved:
        why = "another run published it, or the day it builds on, since this run began"
        return DayOutcome(day, "moved", why, readers, rows, size, verdict)
    if not verdict.passed:
        return DayOutcome(day, "held", verdict.reason, readers, rows, size, verdict)
    return DayOutcome(day, "not-ready", "a day before it is held, and it waits for that", readers, rows, size, verdict)
