"""`lakeproof duplicates`: metrics and tables that are there twice, or under one name for two things."""

from __future__ import annotations

import click

from lakeproof.cli.locations import find_tables, load_locations
from lakeproof.cli.options import as_json, console, grid, print_json, workspace
from lakeproof.stewardship.duplicates import defined_twice
from lakeproof.stewardship.fingerprints import held_twice

SHOWN = {
    "conflict": "✗ one name, two meanings",
    "duplicate": "twice",
    "near": "nearly the same",
    "alike": "look alike",
    "content": "same rows",
}


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--published", is_flag=True, help="Compare what is published too, by its digests; no row is read.")
@workspace
@as_json
def duplicates(*, tables: tuple[str, ...], published: bool, workspace: str, as_json: bool) -> int:
    """Compare the metrics and statements of TABLES, or of all in all code locations, by what they mean.

    One name for two meanings is an error, and exits 1. One meaning under two names is told with the one to use; nearly
    the same, with what sets them apart. Two definitions are called the same only where that is proved for whatever the
    tables may hold.
    """
    chosen = find_tables(load_locations(workspace), tables)
    found = defined_twice([made for _, made in chosen])
    if published:
        found += held_twice([(location.lake, made) for location, made in chosen])
    if as_json:
        print_json([vars(each) for each in found])
    else:
        rows = [[SHOWN[each.kind], each.keep, each.other, each.words, _cost(each.usd_per_month)] for each in found]
        if rows:
            console().print(grid("", ["", "use", "and", "what there is to say", "USD a month"], rows, ["USD a month"]))
        measured = sum(len(made.table.metrics) for _, made in chosen)
        errors = sum(each.is_error for each in found)
        click.echo(f"{len(chosen)} tables, {measured} metrics, {len(found)} findings, {errors} of them errors")
    return 1 if any(each.is_error for each in found) else 0


def _cost(usd: float | None) -> str:
    return "" if usd is None else f"{usd:,.2f}"
