"""Our side: days of line items through the one path into `main`, and the audits of a staged year by themselves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jobs import lineitem

from lakeproof import Lakehouse, Table
from lakeproof.docket import Docket, audit
from lakeproof.engine.duck import connect
from lakeproof.engine.function import FunctionMaker
from lakeproof.making import stage
from lakeproof.wap import new_run_id, write_audit_publish
from lakeproof.work import Work, base_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.stage import Staged
    from lakeproof.outcome import Outcome


def run_days(lake: Lake, table: Table, days: Sequence[date], rows: Callable[[], Any]) -> Outcome:
    """Take days through stage, audit and publish, as a Dagster run of them does.

    Raises:
        RuntimeError: A day was neither published nor found unchanged.
    """
    outcome = write_audit_publish(lake, work_of(lake, table, days, rows))
    if outcome.exit_code:
        raise RuntimeError("; ".join(str(refusal) for refusal in outcome.refusals()))
    return outcome


def work_of(lake: Lake, table: Table, days: Sequence[date], rows: Callable[[], Any]) -> Work:
    """Return what a run of these days is to do."""
    base = base_of(lake, table, days)
    return Work(table=table, maker=FunctionMaker(rows, {}), readers={}, days=tuple(days), base=base)


def one_day(home: str, data: str, *, unique: bool) -> dict[str, Any]:
    """Publish one day of line items that lie in memory, into a table that exists."""
    table, rows = lineitem.contract(unique=unique), lineitem.load(data)
    lake = Lakehouse(home=home).lake
    lake.ensure(table)
    began = time.monotonic()
    outcome = run_days(lake, table, [lineitem.DAY], lambda: rows)
    seconds = time.monotonic() - began
    return {"seconds": seconds, "steps": dict(outcome.seconds), **_published(outcome, len(rows))}


def streamed_day(home: str, data: str, rows: int) -> dict[str, Any]:
    """Publish one day of line items that come a batch at a time."""
    table, lake = lineitem.contract(unique=False), Lakehouse(home=home).lake
    lake.ensure(table)
    began = time.monotonic()
    outcome = run_days(lake, table, [lineitem.DAY], lambda: lineitem.stream(data, rows))
    return {"seconds": time.monotonic() - began, **_published(outcome, rows)}


def _published(outcome: Outcome, rows: int) -> dict[str, Any]:
    published = sum(day.rows for day in outcome.of("published"))
    if published != rows:
        msg = f"published {published:,} rows of {rows:,}"
        raise RuntimeError(msg)
    return {"rows": published, "bytes": sum(day.bytes for day in outcome.days)}


def audited_year(home: str, data: str, days: int, rounds: int) -> dict[str, Any]:
    """Stage a year of line items once; audit it and scan it, in turns, in this one process."""
    lake, listed = Lakehouse(home=home).lake, lineitem.days_of(days)
    plain, keyed = lineitem.contract(unique=False), lineitem.contract(unique=True)
    work = work_of(lake, plain, listed, lambda: lineitem.spread(lineitem.load(data), days))
    iceberg = lake.ensure(plain)
    staged = stage(iceberg, work, new_run_id())
    docket = Docket.open(lake, iceberg, work.table, work.days)
    timed: dict[str, list[float]] = {name: [] for name in ("audits", "scan", "with_unique", "group_by")}
    for _ in range(rounds + 1):
        for name, job in (
            ("audits", lambda: _audit(plain, staged, docket)),
            ("scan", lambda: _checksum(staged)),
            ("with_unique", lambda: _audit(keyed, staged, docket)),
            ("group_by", lambda: _duplicates(staged)),
        ):
            began = time.monotonic()
            job()
            timed[name].append(time.monotonic() - began)
    # The first round meets files that nobody has read yet, and no other does.
    return {name: seconds[1:] for name, seconds in timed.items()} | {"files": len(_paths(staged))}


def _audit(table: Table, staged: Staged, docket: Docket) -> None:
    verdicts = audit(table, staged, docket)
    if refused := [verdict for verdict in verdicts.values() if not verdict.passed]:
        msg = f"{len(refused)} of {len(verdicts)} days did not pass: {refused[0].reason}"
        raise RuntimeError(msg)


def _paths(staged: Staged) -> list[str]:
    return [path for day in staged.days for path in staged.paths(day)]


def _checksum(staged: Staged) -> None:
    """Read every column of every row once, and no more than that is told of them."""
    row = ", ".join(column.name for column in lineitem.COLUMNS)
    checksum = f"count(*), bit_xor(hash({row})), sum(hash({row})::hugeint)"
    rows = "read_parquet($1, hive_partitioning = false)"
    connect().execute(f"SELECT {checksum} FROM {rows}", [_paths(staged)]).fetchall()  # noqa: S608 - our own names


def _duplicates(staged: Staged) -> None:
    key = ", ".join(lineitem.KEY)
    rows = f"FROM read_parquet($1, hive_partitioning = false) GROUP BY {key} HAVING count(*) > 1"
    connect().execute(f"SELECT {key} {rows}", [_paths(staged)]).fetchall()
