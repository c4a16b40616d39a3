"""`lakeproof status`: what readers have, table by table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from lakeproof.cli.lake import open_lake
from lakeproof.cli.locations import find_tables, load_locations
from lakeproof.cli.options import as_json, workspace
from lakeproof.cli.outputs import show_outputs
from lakeproof.cli.terminal import console, grid, print_json
from lakeproof.lake.held import held_days
from lakeproof.lake.live import View
from lakeproof.window import ONE_DAY, days_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from lakeproof.contract import Table
    from lakeproof.lake.catalog import Lake


@dataclass(frozen=True)
class TableStatus:
    """What readers of a table have.

    Args:
        table: The contract.
        published: The published days; for an unpartitioned table, `(None,)` or nothing.
        held: The days that wait outside.
        missing: The days that are over and neither published, held nor declared a gap.
        rows: How many rows readers see.
        bytes: The size of their files.
    """

    table: Table
    published: tuple[date | None, ...]
    held: tuple[date | None, ...]
    missing: tuple[date | None, ...]
    rows: int
    bytes: int

    @classmethod
    def read(cls, lake: Lake, table: Table, now: datetime) -> TableStatus:
        """Compare what is published with what should be by now."""
        view = View.open(lake, table)
        held = held_days(view.table, view.days) if view.table is not None else {}
        due = _due(table, now)
        missing = tuple(day for day in due if day not in view.days and day not in held)
        live = view.days.values()
        order = sorted(view.days, key=str)
        return cls(
            table, tuple(order), tuple(held), missing, sum(day.rows for day in live), sum(day.bytes for day in live)
        )

    def record(self) -> dict[str, Any]:
        """Return the status as plain values."""
        return {
            "table": self.table.name,
            "layer": self.table.layer,
            "published": len(self.published),
            "held": self.held,
            "missing": self.missing,
            "rows": self.rows,
            "bytes": self.bytes,
        }


def _due(table: Table, now: datetime) -> list[date | None]:
    """Return every day that is over and not a gap."""
    if table.partition is None:
        return [None]
    today = now.astimezone(ZoneInfo(table.timezone)).date()
    until = min(today, table.until_day or today)
    days = [table.first_day + timedelta(days=n) for n in range(max(0, (until - table.first_day).days))]
    return [day for day in days if table.gap(day) is None]


@click.command()
@click.argument("tables", nargs=-1)
@click.option(
    "--output",
    is_flag=False,
    flag_value="",
    metavar="[NAME]",
    help="What outputs have; NAME for one.",
)
@workspace
@as_json
def status(tables: Sequence[str], *, output: str | None, workspace: str, as_json: bool) -> int:
    """Show which days of TABLES (all by default) are published, held or missing."""
    if output is not None:
        return show_outputs(open_lake(workspace), output or None, tables, as_json=as_json)
    now = datetime.now(UTC)
    chosen = find_tables(load_locations(workspace), tables)
    found = [TableStatus.read(location.lake, made.table, now) for location, made in chosen]
    if as_json:
        print_json([status.record() for status in found])
        return 0
    columns = ["layer", "table", "published", "held", "missing", "rows", "MiB", "days"]
    out = console()
    out.print(grid("", columns, [_row(status) for status in found], right=columns[2:7]))
    if any(status.held for status in found):
        out.print("Next: lakeproof held")
    return 0


def _row(status: TableStatus) -> list[Any]:
    days = [day for day in status.published if day is not None]
    span = days_text(days) if len(days) <= 2 or _unbroken(days) else f"{days[0]}..{days[-1]}, with holes"  # noqa: PLR2004
    return [
        status.table.layer,
        status.table.name,
        len(status.published),
        len(status.held) or "",
        len(status.missing) or "",
        f"{status.rows:,}",
        f"{status.bytes / 2**20:,.1f}",
        span,
    ]


def _unbroken(days: Sequence[date]) -> bool:
    return days[-1] - days[0] == (len(days) - 1) * ONE_DAY
