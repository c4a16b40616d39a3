"""`lakeproof discard`: let an output go."""

from __future__ import annotations

import click

from lakeproof.cli.lake import open_lake
from lakeproof.cli.options import as_json, workspace
from lakeproof.cli.terminal import console, print_json
from lakeproof.outputs.discarding import discard as let_go


@click.command()
@click.argument("output")
@workspace
@as_json
def discard(output: str, *, workspace: str, as_json: bool) -> int:
    """Let OUTPUT go, in every table that it has days of. What was promoted of it stays."""
    lines = let_go(open_lake(workspace), output)
    if as_json:
        print_json([{"table": line.name, "days": line.days} for line in lines])
        return 0
    out = console()
    for line in lines:
        days = "what was left of" if line.days is None else f"{len(line.days)} days of"
        out.print(f"{line.name}: {days} output {output} {'is' if line.days is None else 'are'} gone.")
    out.print("Readers see what they saw before. lakeproof maintain removes the files, in time.")
    return 0
