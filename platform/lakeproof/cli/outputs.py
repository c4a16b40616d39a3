"""`lakeproof status --output`: what lies beside `main`, whose it is no longer, and what may be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeproof.cli.options import which
from lakeproof.cli.terminal import console, grid, print_json
from lakeproof.lake.held import held_days
from lakeproof.outputs.compared import Compared, compared, sides
from lakeproof.outputs.discarding import expires
from lakeproof.outputs.listing import lines_in
from lakeproof.outputs.naming import existing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeproof.lake.catalog import Lake
    from lakeproof.outputs.listing import Line


def show_outputs(lake: Lake, output: str | None, tables: Sequence[str], *, as_json: bool) -> int:
    """Print what outputs have in each table.

    Args:
        lake: The lake.
        output: The output; None for all.
        tables: Only these tables; none for all.
        as_json: Whether to print JSON.

    Raises:
        UsageError: There is no such output.
    """
    if output is not None:
        existing(lake, output)
    lines = [line for line in lines_in(lake, output) if not tables or line.name in tables]
    found = [_record(lake, line) for line in lines]
    if as_json:
        print_json(found)
        return 0
    out = console()
    if not found:
        out.print("There is no output. Next: lakeproof run TABLE --output NAME --from … --to …")
        return 0
    columns = ["output", "table", "days", "held", "as main", "main moved", "compared", "rows", "in", "goes", "which"]
    out.print(grid("", columns, [_row(told) for told in found], right=columns[2:8]))
    if open_ := [told for told in found if len(told["as_main"]) < len(told["days"])]:
        name = open_[0]["output"]
        out.print(f"Next: lakeproof compare {open_[0]['table']} --to {name}, then lakeproof promote {name}")
    return 0


def _record(lake: Lake, line: Line) -> dict[str, Any]:
    table = line.table
    own = sorted(table.owned, key=str)
    both, seen = sides(table), compared(table)
    now = {day: Compared.now(*of_day) for day, of_day in both.items()}
    live = {day: new for day, (_, new) in both.items() if new is not None}
    changed = [day for day in own if now[day].old != now[day].new]
    return {
        "output": table.output,
        "table": line.name,
        "days": own,
        "held": sorted(held_days(table, live), key=str),
        "as_main": [day for day in own if day not in changed],
        "main_moved": [day for day in changed if table.owned[day].base != now[day].old],
        "compared": [day for day in changed if seen.get(day) == now[day]],
        "rows": sum(of_day.rows for of_day in live.values()),
        "in": f"branch {table.branch}" if table.is_branch else f"table {table.line_name}",
        "used": line.used,
        "expires": expires(lake, line.used),
    }


def _row(told: dict[str, Any]) -> list[Any]:
    counts = [len(told[name]) or "" for name in ("held", "as_main", "main_moved", "compared")]
    days, rows, goes = told["days"], f"{told['rows']:,}", f"{told['expires']:%Y-%m-%d}"
    return [told["output"], told["table"], len(days), *counts, rows, told["in"], goes, which(days)]
