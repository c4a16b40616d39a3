"""`lakeproof sla`: whether days come when they were promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lakeproof.cli.locations import find_tables, load_locations
from lakeproof.cli.options import as_json, asked_instant, workspace
from lakeproof.cli.terminal import Terminal, console, grid, print_json
from lakeproof.errors import UsageError
from lakeproof.lake.output import MAIN
from lakeproof.stewardship.attainment import HISTORY, WINDOWS
from lakeproof.stewardship.publishing import LakeLineage, report_of
from lakeproof.stewardship.text import (
    HALF,
    LEGEND,
    MOST,
    bar_lines,
    day_text,
    estimate,
    path_text,
    share,
    suggested,
    summary,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from lakeproof.stewardship.attainment import Report
    from lakeproof.stewardship.critical import Arrival

    Paths = Mapping[date, Sequence[Arrival]]


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--days", default=HISTORY, show_default=True, type=click.IntRange(min=1), help="How many days to judge.")
@click.option("--as-of", metavar="INSTANT", help="Report as of then, such as 2024-01-02T06:00Z; by default, now.")
@workspace
@as_json
def sla(tables: Sequence[str], *, days: int, as_of: str | None, workspace: str, as_json: bool) -> int:
    """Show how TABLES (all that have an SLA by default) keep their SLAs.

    The first publish of a day decides. Days whose deadline lies before the SLA was declared do not count, nor those
    that are declared never to come. With one table, also the days that were missed, and whom they waited for.

    Exits 0: it is a report, and says what was missed.
    """
    now = asked_instant(as_of)
    locations = load_locations(workspace)
    chosen = find_tables(locations, tables)
    found = [
        (location, report_of(location.lake.on(MAIN), made.table, now, max(days, HISTORY))) for location, made in chosen
    ]
    reports = [(location, report) for location, report in found if report is not None]
    paths: Paths = {}
    if len(tables) == 1:
        if not reports:
            msg = f"{tables[0]} has no SLA."
            raise UsageError(msg, next_step="declare one in its contract: sla=Sla(due='06:00')")
        known = {made.table.name: made for location in locations for made in location.tables}
        location, report = reports[0]
        lineage = LakeLineage(location.lake.on(MAIN), known)
        paths = {day.day: lineage.path(report, day) for day in report.last(days) if day.missed}
    if as_json:
        print_json([_record(report, days, paths) for _, report in reports])
        return 0
    out = console()
    if not reports:
        out.print("No table has an SLA." if not tables else f"None of {', '.join(tables)} has an SLA.")
        return 0
    columns = ["table", "due", "target", *(f"{days} d" for days in WINDOWS), "may miss", "latest", "next", "suggested"]
    out.print(grid("", columns, [_row(report) for _, report in reports], right=columns[2:7]))
    if len(tables) == 1:
        _print_days(out, reports[0][1], days, paths)
    return 0


def _row(report: Report) -> list[Any]:
    sla = report.promise.sla
    return [
        report.table,
        f"{sla.due} {sla.timezone}",
        f"{sla.target:.0%}",
        *(share(report.over(days)) for days in WINDOWS),
        report.over(WINDOWS[-1]).budget,
        summary(report),
        estimate(report),
        suggested(report),
    ]


def _print_days(out: Terminal, report: Report, days: int, paths: Paths) -> None:
    for line in bar_lines(report.last(days)):
        out.print(line)
    out.print(LEGEND)
    rows = [[day.day, day_text(day), path_text(paths[day.day])] for day in reversed(report.last(days)) if day.missed]
    if rows:
        out.print(grid("", ["missed", "how", "slowest"], rows))


def _record(report: Report, days: int, paths: Paths) -> dict[str, Any]:
    """Return a report as plain values."""
    sla, pending = report.promise.sla, report.pending
    return {
        "table": report.table,
        "due": sla.due,
        "timezone": sla.timezone,
        "target": sla.target,
        "since": sla.first_promised,
        "declared": report.promise.declared,
        "as_of": report.now,
        "kept": report.kept,
        "attainment": {
            str(days): {"judged": over.judged, "met": over.met, "share": over.share, "budget": over.budget}
            for days, over in ((days, report.over(days)) for days in WINDOWS)
        },
        "next_day": None if pending is None else pending.day,
        "expected": {"p50": report.expected(HALF), "p95": report.expected(MOST)},
        "suggested_due": suggested(report) if report.suggestion else None,
        "days": [
            {
                "day": day.day,
                "deadline": day.deadline,
                "state": day.state,
                "published": day.published,
                "late_seconds": None if day.late_by is None else day.late_by.total_seconds(),
                "path": [_arrival(arrival) for arrival in paths.get(day.day, ())],
            }
            for day in report.last(days)
        ],
    }


def _arrival(arrival: Arrival) -> dict[str, Any]:
    return {
        "table": arrival.table,
        "day": arrival.day,
        "published": arrival.at,
        "seconds": None if arrival.took is None else arrival.took.total_seconds(),
        "sources": arrival.sources,
    }
