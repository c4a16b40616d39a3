"""The one path into `main`: make, stage, audit, publish what passed, and leave the evidence."""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lakeproof.docket import Docket, audit
from lakeproof.engine.function import FunctionMaker
from lakeproof.errors import LakeError
from lakeproof.lake.beside import publish_beside
from lakeproof.lake.confirmed import confirm
from lakeproof.lake.evidence import PATH_KEY, write_evidence
from lakeproof.lake.faults import lake_faults
from lakeproof.lake.held import finish_held, keep_held
from lakeproof.lake.live import View
from lakeproof.lake.output import MAIN, OutputTable
from lakeproof.lake.publish import Published, publish
from lakeproof.lake.running import claimed
from lakeproof.lake.stage import Staged, discard, discarded_on_failure
from lakeproof.making import Stager, stage
from lakeproof.outcome import EXIT_CODES, DayOutcome, Outcome, readers_see
from lakeproof.progress import Step, report
from lakeproof.reading import content_beside
from lakeproof.rejects import Sifted, days_to_split, restaged, table_of_rejects, without_rejects
from lakeproof.runrecord import run_record
from lakeproof.window import Window
from lakeproof.work import Work, base_of, beside_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import duckdb
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay
    from lakeproof.verdict import Verdict


def new_run_id() -> str:
    """Return an id for a run: it sorts by time, and is in the name of every file the run writes."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"


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
    if lake.output != MAIN and work.beside is None:
        work = replace(work, beside=beside_of(lake, work.table, work.days))
    table = lake.ensure(work.table)
    with claimed(table, run, work.days) as claim:
        docket, counter = None, None
        engine: dict[str, Any] = {}
        with clock.step("make"):
            if isinstance(work.maker, Stager):
                docket = Docket.open(lake, table, work.table, work.days)
                staged, counter, engine = work.maker.stage(table, work, run, docket, claim.beat)
            else:
                staged = stage(table, work, run, claim.renewing)
        with ExitStack() as on_failure:
            on_failure.enter_context(discarded_on_failure(table, staged))
            with clock.step("audit"):
                docket = docket or Docket.open(lake, table, work.table, work.days)
                verdicts = audit(work.table, staged, docket, counter)
                if work.table.on_reject == "split":
                    staged, verdicts, rejected, lost = _split(lake, table, work, staged, verdicts, docket)
                    on_failure.enter_context(discarded_on_failure(table, staged))
                passed = [day for day in _passed(work, verdicts) if day not in lost]
                record = run_record(work, staged, verdicts, docket, run, started, rejected, engine)
                pointer = write_evidence(table, run, record)
            claim.commit()
        with clock.step("publish"):
            held = staged.only([day for day, verdict in verdicts.items() if not verdict.passed])
            keep_held(table, held)
            done = Published()
            if passed:
                done = _publish(table, work, staged.only(passed), verdicts, pointer)
            done = replace(done, moved=done.moved | lost)
            live = _settled(table, work, staged, held=held, done=done, evidence=pointer)
    merged = work.merge.merged if work.merge else None
    days = tuple(
        replace(
            _outcome(day, staged, verdicts, done, readers_see(live.get(day)), lake.output),
            merged=merged,
            rejected=rejected.get(day),
        )
        for day in work.days
    )
    inputs = tuple(record["inputs"].values())
    return Outcome(work.table.name, run, days, done.snapshot, pointer[PATH_KEY], clock.seconds, inputs, engine)


def _settled(
    table: IcebergTable, work: Work, staged: Staged, *, held: Staged, done: Published, evidence: dict[str, str]
) -> Mapping[Day, LiveDay]:
    """Put away what the run staged and nobody needs, keep what is held, and return the days that readers have now.

    Raises:
        LakeError: The catalog or the storage refused. Readers have what was published; the run refuses all the same,
            since nobody is told of its days. Or the catalog has lost the commit.
    """
    try:
        with lake_faults(f"looking at what was published of {work.table.name}"):
            table = table.refresh()
            lost = done.snapshot is not None and not isinstance(table, OutputTable) and not _has(table, done.snapshot)
            live = View.of(table, work.days).days
            keep = {file for day in live.values() for file in day.locations}
            needed = {*done.published, *held.days}
            discard(table, staged.only([day for day in work.days if day not in needed]), keep)
            finish_held(table, held, done.unchanged)
            with suppress(LakeError):  # readers have their days: without it, a sensor asks for them once more
                confirm(table, staged.run, done.standing, evidence)
            if isinstance(table, OutputTable):
                live = View.of(table.main, work.days).days
    except LakeError as error:
        error.readers = "see the days that passed as this run made them, and the others as they were"
        error.next_step = "run the same command again: what is published is found unchanged, and recorded then"
        raise
    if lost:
        msg = (
            f"{work.table.name}: the catalog took the commit of run {staged.run}, and does not have it a moment later."
        )
        remedy = "see which catalog this is: it lets writers undo each other; then run the same command again"
        raise LakeError(msg, readers="see what another writer left", next_step=remedy)
    return live


def _has(table: IcebergTable, snapshot: int) -> bool:
    return table.metadata.snapshot_by_id(snapshot) is not None


def _publish(
    table: IcebergTable, work: Work, staged: Staged, verdicts: Mapping[Day, Verdict], evidence: dict[str, str]
) -> Published:
    """Publish the days that passed, to `main` or to the output that the table was opened for."""
    days = set(work.days)
    options: dict[str, Any] = {
        "base": {day: paths for day, paths in work.base.items() if day in staged.files or day not in days},
        "content_of": lambda live: content_beside(View(table, None), live, staged, verdicts[live.day].content),
        "evidence": evidence,
        "chained": work.chain is not None,
    }
    if isinstance(table, OutputTable) and work.beside is not None:
        return publish_beside(table, staged, verdicts, beside=work.beside, **options)
    return publish(table, staged, verdicts, **options)


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
    readers: str,
    output: str,
) -> DayOutcome:
    verdict, rows, size = verdicts[day], staged.rows(day), staged.bytes(day)
    if day in done.published:
        seen = f"see the {rows:,} rows of this run"
        if output != MAIN:
            seen = f"{readers}; output {output} has the {rows:,} rows of this run"
        return DayOutcome(day, "published", "passed", seen, rows, size, verdict)
    if day in done.unchanged:
        had = "readers had this content already" if output == MAIN else f"output {output} had this content already"
        return DayOutcome(day, "unchanged", had, readers, rows, size, verdict)
    if day in done.moved:
        why = "another run published it, or the day it builds on, since this run began"
        return DayOutcome(day, "moved", why, readers, rows, size, verdict)
    if not verdict.passed:
        return DayOutcome(day, "held", verdict.reason, readers, rows, size, verdict)
    return DayOutcome(day, "not-ready", "a day before it is held, and it waits for that", readers, rows, size, verdict)
