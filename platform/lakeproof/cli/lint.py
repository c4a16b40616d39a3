"""`lakeproof lint`: what in the code of tables lets more than their inputs decide."""

from __future__ import annotations

import click

from lakeproof.cli.locations import find_tables, load_locations
from lakeproof.cli.options import as_json, workspace
from lakeproof.cli.terminal import echo, print_json
from lakeproof.lint import lint as findings_of


@click.command()
@click.argument("tables", nargs=-1)
@workspace
@as_json
def lint(*, tables: tuple[str, ...], workspace: str, as_json: bool) -> int:
    """Read the code of TABLES, or of all, for what lets more than their inputs decide; exits 1 when it finds any.

    Functions and what they call in their package, SQL files, and SQL in strings: clocks, chance, rows that are taken in
    any order, reads that are no input. A line that is fine says why, on it or above it: `# lakeproof: ok (reason)`, in
    SQL `-- lakeproof: ok (reason)`.
    """
    chosen = [made for _, made in find_tables(load_locations(workspace), tables)]
    found = findings_of(chosen)
    if as_json:
        print_json([vars(finding) for finding in found])
    else:
        for finding in found:
            echo(str(finding))
        ends = ["" if len(some) == 1 else "s" for some in (chosen, found)]
        echo(f"{len(chosen)} table{ends[0]}, {len(found)} finding{ends[1]}")
    return 1 if found else 0
