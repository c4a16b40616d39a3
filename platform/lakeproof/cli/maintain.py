"""`lakeproof maintain`: settle what killed runs left, let the past go, and make Dagster's record true."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from lakeproof.cli.lake import open_workspace, table_named
from lakeproof.cli.options import as_json, workspace
from lakeproof.cli.terminal import console, grid, print_json
from lakeproof.errors import LakeproofError, UsageError
from lakeproof.lake.catalog import is_declared
from lakeproof.lake.output import MAIN, OUTPUT_KEY, is_line
from lakeproof.lake.upkeep import Upkeep, upkeep
from lakeproof.outputs.discarding import discard_unused
from lakeproof.window import days_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@workspace
@as_json
def maintain(tables: Sequence[str], *, dry_run: bool, workspace: str, as_json: bool) -> int:
    """Remove what nobody needs of TABLES (all by default), and record what was published and not recorded.

    Whatever a snapshot, branch, tag, held day or running stage needs stays. Safe beside runs. Readers see what they saw
    before.
    """
    opened, locations = open_workspace(workspace)
    lake = opened.on(MAIN)  # upkeep is of tables, with all their outputs; Dagster's record is of the one it works on
    names = list(tables) or [name for name in lake.tables() if is_declared(table_named(lake, name))]
    for name in names:
        if is_line(table := table_named(lake, name)):
            msg = f"{name} is output {table.properties[OUTPUT_KEY]}'s, and is kept with the table that it is beside."
            raise UsageError(msg, next_step="name that table")
        if not is_declared(table):
            msg = f"{name} was not made by Lakeproof, which does not know what its files are for."
            raise UsageError(msg, next_step="use the upkeep of the engine that writes it")
    spent = [] if tables else discard_unused(lake, dry_run=dry_run)
    reports, errors = [], []
    for name in names:
        try:
            reports.append(upkeep(table_named(lake, name), dry_run=dry_run))
        except LakeproofError as error:
            error.readers = error.readers or "see what they saw before"
            errors.append(error)
    recorded, closed = _record(opened, locations, names, dry_run=dry_run)
    if as_json:
        print_json([_document(report, recorded.get(report.table, ())) for report in reports])
    else:
        _print(reports, recorded, closed, dry_run=dry_run)
        for output in spent:
            out = console()
            out.print(f"Output {output} {'would be' if dry_run else 'is'} discarded: nobody used it.")
    if errors:
        raise errors[0].with_traceback(None)
    return 0


def _record(
    lake: Lake, locations: Sequence[Any], names: Sequence[str], *, dry_run: bool
) -> tuple[dict[str, tuple[Day, ...]], list[str]]:
    """Record published days, and end killed runs; Dagster is only imported where there is a workspace."""
    if not locations:
        return {}, []
    execute, repair = import_module("lakeproof.cli.execute"), import_module("lakeproof.repair")
    alive = import_module("lakeproof.alive")
    made = [made for location in locations for made in location.tables if made.table.name in names]
    with execute.dagster_instance() as instance:
        days = {m.table.name: repair.record_published(instance, lake, m, dry_run=dry_run) for m in made}
        closed: list[str] = alive.close_killed(instance, dry_run=dry_run)
    return {name: found for name, found in days.items() if found}, closed


def _document(report: Upkeep, recorded: Sequence[Day]) -> dict[str, Any]:
    return {
        "table": report.table,
        "removed": [vars(gone) for gone in report.removed],
        "kept": {reason: vars(kept) for reason, kept in report.kept.items()},
        "snapshots_expired": report.expired,
        "killed": report.killed,
        "running": report.running,
        "recorded": [day or "all" for day in recorded],
    }


def _print(
    reports: Sequence[Upkeep], recorded: dict[str, tuple[Day, ...]], closed: Sequence[str], *, dry_run: bool
) -> None:
    out = console()
    would = "would be " if dry_run else ""
    columns = ["table", f"{would}removed", "MiB", "kept", "MiB kept", "which"]
    out.print(grid("", columns, [_row(report, would) for report in reports], right=columns[1:5]))
    for report in reports:
        if report.expired:
            out.print(f"{report.table}: {report.expired} snapshots {would}let go.")
        for run, published in report.killed.items():
            what = "had published, and its record is settled" if published else "had published nothing"
            out.print(f"{report.table}: run {run} was killed; it {what}.")
        for run in report.running:
            out.print(f"{report.table}: run {run} is at work; its files were left alone.")
    for name, days in recorded.items():
        which = days_text([day for day in days if day is not None]) or "it"
        out.print(f"{name}: {which} published but not recorded; {would}recorded in Dagster.")
    for run_id in closed:
        out.print(f"Dagster run {run_id} was killed; it {would or 'is '}recorded as failed.")
    out.print("Readers see what they saw before.")


def _row(report: Upkeep, would: str) -> list[Any]:
    """Return a table's files in numbers, and in words which they are."""
    gone = Counter(gone.reason for gone in report.removed)
    which = (
        [f"{would}removed: " + ", ".join(f"{files:,} {reason}" for reason, files in sorted(gone.items()))]
        if gone
        else []
    )
    which.append("kept: " + ", ".join(f"{kept.files:,} {reason}" for reason, kept in sorted(report.kept.items())))
    removed, kept = (sum(file.bytes for file in files) for files in (report.removed, report.kept.values()))
    return [
        report.table,
        f"{len(report.removed):,}",
        f"{removed / 2**20:,.1f}",
        f"{sum(kept.files for kept in report.kept.values()):,}",
        f"{kept / 2**20:,.1f}",
        "; ".join(which),
    ]
