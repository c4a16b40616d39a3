"""`lakeproof held`: the days that audits refused, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lakeproof.cli.lake import open_lake, table_named
from lakeproof.cli.options import as_json, workspace
from lakeproof.cli.terminal import console, grid, print_json
from lakeproof.lake.held import held_days, holding
from lakeproof.lake.live import View
from lakeproof.lake.output import is_line
from lakeproof.outputs.naming import existing

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--output", metavar="NAME", help="Those of an output beside main.")
@workspace
@as_json
def held(tables: Sequence[str], *, output: str | None, workspace: str, as_json: bool) -> int:
    """List the held days of TABLES (all by default), each with the audit that refused it."""
    lake = open_lake(workspace)
    lake = lake if output is None else existing(lake, output)
    found = []
    for name in tables or lake.tables():
        table = table_named(lake, name)
        if is_line(table):
            continue
        view = View.of(table)
        for day, stage in held_days(table, view.days).items():
            readers = f"{view.days[day].rows:,} rows" if day in view.days else "nothing"
            found.append({"table": name, "day": day, "run": stage.run, "rows": stage.rows, "readers": readers})
            found[-1]["reason"] = "; ".join(holding(table, stage))
            found[-1]["candidate"] = stage.candidate
    if as_json:
        print_json(found)
        return 0
    out = console()
    if not found:
        out.print("No day is held.")
        return 0
    columns = ["table", "day", "rows", "readers see", "held by"]
    rows = [[f["table"], f["day"] or "", f"{f['rows']:,}", f["readers"], f["reason"]] for f in found]
    out.print(grid("", columns, rows, right=["rows"]))
    at = f"@{found[0]['day']}" if found[0]["day"] else ""
    on = f"@{output}" if output else ""
    out.print(f"Next: lakeproof show {found[0]['table']}{at}{on} --held")
    return 0
