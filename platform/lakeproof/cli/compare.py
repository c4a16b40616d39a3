"""`lakeproof compare`: what differs between an output and `main`, or any two sides."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lakeproof.cli.lake import open_lake
from lakeproof.cli.options import as_json, asked_days, workspace, writing
from lakeproof.cli.terminal import console, echo, grid, print_json
from lakeproof.errors import UsageError
from lakeproof.lake.output import MAIN
from lakeproof.outputs import text
from lakeproof.outputs.beside import compare_output_of, sides_of
from lakeproof.outputs.compare import How
from lakeproof.outputs.compare import compare as compare_sides
from lakeproof.outputs.naming import existing
from lakeproof.outputs.page import page
from lakeproof.outputs.sides import open_side
from lakeproof.outputs.statement import ENGINES, union_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from lakeproof.lake.catalog import Lake
    from lakeproof.outputs.comparison import Comparison
    from lakeproof.outputs.sides import Opened

SHOWN_DAYS = 20
DIFFERENT = 1
"""How the command ends with --exit-code where something differs."""


@click.command()
@click.argument("old")
@click.argument("new", required=False)
@click.option("--base", default=MAIN, show_default=True, metavar="OUTPUT", help="The old side of a table.")
@click.option("--to", "ends", multiple=True, metavar="OUTPUT|DAY", help="The new side's output; or the last day.")
@click.option("--from", "first", metavar="YYYY-MM-DD", help="The first day to compare.")
@click.option("--day", metavar="YYYY-MM-DD", help="The only day to compare.")
@click.option("--key", help="Columns that identify a row, separated by commas, in place of the table's.")
@click.option("--ignore", "ignored", multiple=True, metavar="COLUMN", help="A column to leave out.")
@click.option("--tolerance", default=0.0, show_default=True, help="By how much numbers may differ and be equal.")
@click.option("--where", metavar="CONDITION", help="Only rows of which this holds, on both sides.")
@click.option("--samples", default=5, show_default=True, help="How many rows of each kind to show.")
@click.option("--html", metavar="FILE", help="Write the comparison as a page that needs nothing else.")
@click.option("--markdown", is_flag=True, help="Print Markdown.")
@click.option("--sql", type=click.Choice(ENGINES), help="Print a query over both sides instead, with table_type.")
@click.option("--exit-code", is_flag=True, help="End with 1 where something differs, as git diff does.")
@workspace
@as_json
def compare(old: str, new: str | None, *, workspace: str, **options: object) -> int:
    """Show what differs between OLD and NEW: rows by day, by key, by column, and the days that only one has.

    `compare TABLE --to OUTPUT` compares an output with main, and leaves on record that it did, for promote. Either side
    can be TABLE, TABLE@DAY, TABLE@DAY#SNAPSHOT, or Parquet or CSV files. Ends with 0 also where something differs.
    """
    given = _Given(options)
    lake = open_lake(workspace)
    if new is None and given.output is None and "#" not in old:
        msg = "There is one side only."
        raise UsageError(msg, next_step=f"lakeproof compare {old} --to OUTPUT, or name another table, snapshot or file")
    if new is None and given.output not in {None, MAIN} and given.base == MAIN:
        lake_of, output = lake.on(MAIN), existing(lake, str(given.output)).output
        if given.sql:
            echo(union_of(sides_of(lake_of, output, old, given.span), given.sql))
            return 0
        found = compare_output_of(lake_of, output, old, given.how, given.span)
    else:
        sides = _sides(lake, old, new, given)
        if given.sql:
            echo(union_of(sides, given.sql))
            return 0
        found = compare_sides(old.partition("#")[0] if new is None else f"{old} and {new}", *sides, given.how)
    if given.html:
        with writing(given.html, "--html"):
            Path(given.html).write_text(page(found), encoding="utf-8")
    if given.json:
        print_json(found.record())
    elif given.markdown:
        echo(text.markdown(found))
    else:
        _print(found, given)
    return DIFFERENT if given.exit_code and not found.identical else 0


class _Given:
    """The options, as they are meant."""

    def __init__(self, options: dict[str, object]) -> None:
        ends = [str(end) for end in _listed(options["ends"])]
        outputs, days = [end for end in ends if not end[:1].isdigit()], [end for end in ends if end[:1].isdigit()]
        if len(outputs) > 1 or len(days) > 1:
            msg = f"--to is given too often: {', '.join(ends)}."
            raise UsageError(msg, next_step="--to OUTPUT once, and --to DAY once with --from DAY")
        self.output = outputs[0] if outputs else None
        self.base = str(options["base"])
        self.days = asked_days(_text(options["day"]), _text(options["first"]), days[0] if days else None)
        self.sql, self.html = _text(options["sql"]), _text(options["html"])
        self.json, self.markdown = bool(options["as_json"]), bool(options["markdown"])
        self.exit_code = bool(options["exit_code"])
        key = tuple(name.strip() for name in str(options["key"] or "").split(",") if name.strip())
        ignored, where = tuple(map(str, _listed(options["ignored"]))), _text(options["where"])
        tolerance, samples = float(str(options["tolerance"])), int(str(options["samples"]))
        if not tolerance >= 0:
            msg = f"--tolerance {tolerance:g} is less than nothing."
            raise UsageError(msg)
        self.how = How(key, ignored, tolerance, where, samples)

    @property
    def span(self) -> tuple[date, date] | None:
        """The first and the last day that were asked for."""
        return (self.days.first, self.days.last) if self.days else None


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, tuple) else ()


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _sides(lake: Lake, old: str, new: str | None, given: _Given) -> tuple[Opened, Opened]:
    """Open any two sides as they are named."""
    base = _on(lake, given.base)
    to = base if given.output is None else _on(lake, given.output)
    named = new is None and given.output is not None
    left = open_side(base, old, given.base if named else None)
    right = open_side(to, old.partition("#")[0] if new is None else new, given.output if named else None)
    return (left.only(*given.span), right.only(*given.span)) if given.span else (left, right)


def _on(lake: Lake, output: str) -> Lake:
    return lake.on(MAIN) if output == MAIN else existing(lake, output)


def _print(found: Comparison, given: _Given) -> None:
    out = console()
    out.print(f"{found.table}: {text.verdict(found)}", soft_wrap=True)
    for change in found.schema:
        out.print(f"  column {change}", soft_wrap=True)
    if rows := text.day_rows(found):
        out.print(grid("", text.DAY_COLUMNS, rows[:SHOWN_DAYS], right=text.DAY_COLUMNS[1:7]))
        if len(rows) > SHOWN_DAYS:
            out.print(f"… and {len(rows) - SHOWN_DAYS} more days; --json has them all.")
    if rows := text.column_rows(found):
        out.print(grid("", text.COLUMN_COLUMNS, rows, right=text.COLUMN_COLUMNS[2:5]))
    for row in found.samples:
        out.print(text.sample_text(row), soft_wrap=True)
    for line in text.how_lines(found):
        out.print(line, style="dim", soft_wrap=True)
    if given.html:
        out.print(f"Written: {given.html}")
    if given.output and not found.identical:
        out.print(f"Next: lakeproof promote {given.output}")
