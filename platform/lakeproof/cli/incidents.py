"""`lakeproof incidents`: what keeps days from readers, or did."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from lakeproof.cli.execute import dagster_instance
from lakeproof.cli.lake import open_workspace
from lakeproof.cli.options import as_json, workspace
from lakeproof.cli.terminal import console, grid, print_json
from lakeproof.errors import UnknownTableError, did_you_mean
from lakeproof.stewardship.reporting import incidents_of
from lakeproof.stewardship.text import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeproof.cli.locations import Location
    from lakeproof.lake.catalog import Lake
    from lakeproof.stewardship.incidents import Incident


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--all/--open", "every", default=False, help="Those that are closed, too; by default, the open ones.")
@workspace
@as_json
def incidents(tables: Sequence[str], *, every: bool, workspace: str, as_json: bool) -> int:
    """List the incidents of TABLES (all by default): held days, failed pre-checks, missed SLAs, failed runs.

    One per table and cause, with its days. It closes when they are published. It is read from Dagster's record and the
    lake, so there is nothing to open or close by hand.
    """
    lake, locations = open_workspace(workspace)
    known = known_tables(lake, locations)
    for name in tables:
        if name not in known:
            msg = f"There is no table {name!r}. {did_you_mean(name, known)}"
            raise UnknownTableError(msg, next_step="lakeproof status lists every table")
    now = datetime.now(UTC)
    with dagster_instance() as instance:
        found = incidents_of(instance, lake, tables or known, now)
    shown = [incident for incident in found if every or incident.closed is None]
    if as_json:
        print_json([as_record(incident) for incident in shown])
        return 0
    out = console()
    if not shown:
        of = f" of {', '.join(tables)}" if tables else ""
        out.print(f"There never was an incident{of}." if every else f"No incident{of} is open.")
        return 0
    rows = [_row(incident, now) for incident in shown]
    out.print(grid("", ["incident", "opened (UTC)", "open for", "days", "waiting", "cause"], rows, right=["waiting"]))
    out.print(f"Next: lakeproof postmortem {shown[-1].id}")
    return 0


def known_tables(lake: Lake, locations: Sequence[Location]) -> set[str]:
    """Return the names of the tables that are declared, or in the lake."""
    return {made.table.name for location in locations for made in location.tables} | set(lake.tables())


def _row(incident: Incident, now: datetime) -> list[Any]:
    length = duration(incident.duration or now - incident.opened)
    return [
        incident.id,
        f"{incident.opened:%Y-%m-%d %H:%M}",
        f"{length}, closed" if incident.closed else length,
        incident.days_text,
        len(incident.waiting) or "",
        f"{incident.kind}: {incident.symptoms[-1].reason}",
    ]


def as_record(incident: Incident) -> dict[str, Any]:
    """Return an incident as plain values."""
    return {
        "id": incident.id,
        "table": incident.table,
        "kind": incident.kind,
        "causes": sorted(incident.causes),
        "days": incident.days,
        "waiting": incident.waiting,
        "opened": incident.opened,
        "closed": incident.closed,
        "seconds": None if incident.duration is None else incident.duration.total_seconds(),
        "symptoms": [
            {"at": s.at, "days": s.days, "reason": s.reason, "run": s.run, "dagster_run": s.dagster_run}
            for s in incident.symptoms
        ],
        "published": [
            {"day": p.day, "at": p.at, "run": p.run, "snapshot": p.snapshot, "rows": p.rows}
            for p in incident.published.values()
        ],
    }
