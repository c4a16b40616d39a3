"""`lakeproof value`: what pipelines are worth, cost and are used for, and what to do about each."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import dagster as dg

from lakeproof.cli.execute import dagster_instance, has_record
from lakeproof.cli.locations import find_tables, load_locations
from lakeproof.cli.options import as_json, asked_instant, workspace, writing
from lakeproof.cli.terminal import console, grid, print_json
from lakeproof.cost.rates import read_rates
from lakeproof.lake.output import MAIN
from lakeproof.stewardship.advice import ENOUGH_DAYS, money
from lakeproof.stewardship.querylogs import LOGS, configured_logs
from lakeproof.stewardship.spending import spending
from lakeproof.stewardship.valuing import (
    assets_downstream,
    declared,
    looked_at,
    made_on_record,
    recorded,
    uses_on_record,
)
from lakeproof.stewardship.worth import REJECTED, worths
from lakeproof.stewardship.worthpage import page
from lakeproof.stewardship.worthtext import (
    Totals,
    change,
    ratio_text,
    read_text,
    sla_text,
    stop_lines,
    verdict,
    worth_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from lakeproof.cli.locations import Location
    from lakeproof.stewardship.worth import Worth

COLUMNS = ("end", "worth", "costs", "ratio", "trend", "last read", "SLA", "to do", "because")


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--html", metavar="FILE", help="Write a page to open in a browser; it needs nothing else.")
@click.option("--as-of", metavar="INSTANT", help="Report as of then, such as 2024-01-02T06:00Z; by default, now.")
@workspace
@as_json
def value(tables: Sequence[str], *, html: str | None, as_of: str | None, workspace: str, as_json: bool) -> int:
    """Show what pipelines are worth and cost: those that need any of TABLES (all by default), the costliest loss first.

    A pipeline is an end, a table that is worth something or that no other reads, and all it needs. Amounts are US
    dollars a month, as the last 28 days were; the trend is beside the 28 days before. What to do about each is said
    with its reason; for what is to be stopped, also what that saves, and who would notice.

    Exits 0: it is a report.
    """
    now = asked_instant(as_of)
    locations = load_locations(workspace)
    chosen = {made.table.name for _, made in find_tables(locations, tables)}
    found = [worth for worth in _worths(locations, now) if not tables or chosen & {*worth.needs}]
    if html is not None:
        with writing(html, "--html"):
            Path(html).write_text(page(found, now.date()), encoding="utf-8")
    if as_json:
        print_json(_document(found, now))
        return 0
    out = console()
    if found:
        out.print(grid("", COLUMNS, [_row(worth) for worth in found], right=COLUMNS[1:5]))
    out.print(verdict(found))
    for line in stop_lines(found):
        out.print(line)
    if any(worth.advice.action == "stop" for worth in found):
        out.print(f"{_not_seen()}: ask before you stop anything.")
    if undeclared := [worth.name for worth in found if not worth.is_declared]:
        out.print(f"Nobody declares a need for {', '.join(undeclared)}.")
        out.print("Next: say it in the contract, value=Value(consumer, usd_per_month, why), or stop it.")
    if html is not None:
        out.print(f"Written to {html}.")
    return 0


def _worths(locations: Sequence[Location], now: datetime) -> list[Worth]:
    """Return the ends of all code locations, and of what else is in the lake: by the record, where there is no code."""
    made = [one for _, one in find_tables(locations, [])]
    names = {one.table.name for one in made}
    if not names:
        return []
    rates, lake = read_rates(now.date()), locations[0].lake.on(MAIN)
    assets = assets_downstream((location.definitions for location in locations), names)
    with dagster_instance() if has_record() else dg.DagsterInstance.ephemeral() as instance:
        others = recorded(instance, lake, {*lake.tables()} - names, now)
        names |= {one.name for one in others}
        counted = names | {f"{name}{REJECTED}" for name in names}
        return worths(
            [*declared(made, assets), *others],
            spent=spending(instance, lake, counted, looked_at(now.date()), rates),
            uses=uses_on_record(lake, names),
            made=made_on_record(instance, lake, names, now),
            last=now.date(),
        )


def _not_seen() -> str:
    """Return who may read all the same."""
    logs = "" if configured_logs() else f", nor by Trino and Postgres, since {LOGS} is not set"
    return f"Not seen are reads by DuckDB, Polars, PyIceberg and Spark alone{logs}"


def _row(worth: Worth) -> list[Any]:
    return [
        worth.name,
        worth_text(worth),
        money(worth.cost),
        ratio_text(worth),
        change(worth.cost, worth.cost_before),
        read_text(worth),
        sla_text(worth),
        worth.advice.action,
        worth.advice.reason,
    ]


def _document(found: Sequence[Worth], now: datetime) -> dict[str, Any]:
    """Return the report as plain values."""
    return {
        "as_of": now,
        "first_day": now.date() - timedelta(days=ENOUGH_DAYS - 1),
        "last_day": now.date(),
        "not_seen": _not_seen(),
        "totals": vars(Totals.of(found)),
        "ends": [_record(worth) for worth in found],
    }


def _record(worth: Worth) -> dict[str, Any]:
    attained = worth.made.attained
    return {
        "end": worth.name,
        "owner": worth.table.owner,
        "values": [value.record() for value in worth.table.values],
        "assets": worth.table.assets,
        "declared": worth.is_declared,
        "needs": worth.needs,
        "only_it_needs": worth.alone,
        "worth_usd": worth.usd,
        "cost_usd": worth.cost,
        "cost_usd_before": worth.cost_before,
        "ratio": worth.ratio,
        "lost_usd": worth.lost,
        "saving_usd": worth.saving,
        "uses": worth.uses,
        "uses_before": worth.uses_before,
        "last_use": worth.last_use,
        "unread_days": worth.unread_days,
        "readers": worth.readers,
        "first_published": worth.made.since,
        "sla": None if attained is None else vars(attained) | {"share": attained.share},
        "review_due": worth.due,
        "action": worth.advice.action,
        "reason": worth.advice.reason,
        "would_notice": worth.would_notice,
    }
