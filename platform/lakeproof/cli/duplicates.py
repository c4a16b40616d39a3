"""`lakeproof duplicates`: metrics and tables that are there twice, or under one name for two things."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from lakeproof.cli.execute import dagster_instance, has_record
from lakeproof.cli.locations import find_tables, load_locations
from lakeproof.cli.options import as_json, workspace
from lakeproof.cli.terminal import console, echo, grid, print_json
from lakeproof.cost.rates import read_rates
from lakeproof.errors import UsageError
from lakeproof.stewardship.duplicates import defined_twice
from lakeproof.stewardship.fingerprints import held_twice
from lakeproof.stewardship.spending import spending
from lakeproof.stewardship.spent import a_month
from lakeproof.window import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeproof.asset import TableAsset
    from lakeproof.cli.locations import Location

DAYS = 30
"""By how many days it is judged what a table costs a month."""

SHOWN = {
    "conflict": "✗ one name, two meanings",
    "duplicate": "twice",
    "near": "nearly the same",
    "alike": "look alike",
    "content": "same rows",
}


@click.command()
@click.argument("tables", nargs=-1)
@click.option(
    "--published", is_flag=True, help="Compare what is published too, by its digests, and tell what it costs."
)
@workspace
@as_json
def duplicates(*, tables: tuple[str, ...], published: bool, workspace: str, as_json: bool) -> int:
    """Compare the metrics and statements of TABLES, or of all in all code locations, by what they mean.

    One name for two meanings is an error, and exits 1. One meaning under two names is told with the one to use; nearly
    the same, with what sets them apart. Two definitions are called the same only where that is proved for whatever the
    tables may hold.
    """
    chosen = find_tables(load_locations(workspace), tables)
    costs = _costs(chosen) if published else {}
    found = defined_twice([made for _, made in chosen], costs)
    if published:
        found += held_twice([(location.lake, made) for location, made in chosen], costs)
    if as_json:
        print_json([vars(each) for each in found])
    else:
        rows = [[SHOWN[each.kind], each.keep, each.other, each.words, _cost(each.usd_per_month)] for each in found]
        if rows:
            console().print(grid("", ["", "use", "and", "what there is to say", "USD a month"], rows, ["USD a month"]))
        measured = sum(len(made.table.metrics) for _, made in chosen)
        errors = sum(each.is_error for each in found)
        echo(f"{len(chosen)} tables, {measured} metrics, {len(found)} findings, {errors} of them errors")
    return 1 if any(each.is_error for each in found) else 0


def _costs(chosen: Sequence[tuple[Location, TableAsset]]) -> dict[str, float]:
    """Return what tables cost a month, by the last thirty days; nothing where that is not recorded, or not priced."""
    today = datetime.now(UTC).date()
    if not chosen or not has_record():
        return {}
    try:
        rates = read_rates(today)
    except UsageError as error:
        echo(f"{error}\nWhat tables cost is left out.", err=True)
        return {}
    window = Window.of(today - timedelta(days=DAYS - 1), today)
    with dagster_instance() as instance:
        lake, known = chosen[0][0].lake, {made.table.name for _, made in chosen}
        return a_month(spending(instance, lake, known, window, rates), DAYS)


def _cost(usd: float | None) -> str:
    return "" if usd is None else f"{usd:,.2f}"
