"""`lakeproof verify`: whether published days are what their recorded inputs make."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from rich.progress import track

from lakeproof.cli.locations import find_tables, load_locations
from lakeproof.cli.options import as_json, asked_days, parse_target, workspace
from lakeproof.cli.terminal import Terminal, console, grid, print_json
from lakeproof.errors import UsageError
from lakeproof.lake.live import View
from lakeproof.verify import EXIT_CODES
from lakeproof.verify import verify as verify_days
from lakeproof.window import Window, days_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lakeproof.verify import DayVerified

SHOWN = 5
"""How many days of a kind are told in full; --json has all."""


@click.command()
@click.argument("target", metavar="TABLE[@DAY]")
@click.option("--day", metavar="YYYY-MM-DD", help="The day to verify.")
@click.option("--from", "first", metavar="YYYY-MM-DD", help="The first day to verify.")
@click.option("--to", "last", metavar="YYYY-MM-DD", help="The last day to verify, included.")
@workspace
@as_json
def verify(target: str, *, day: str | None, first: str | None, last: str | None, workspace: str, as_json: bool) -> int:
    """Make published days of TABLE again from the inputs that their evidence records, and compare the contents.

    All published days, or those that are named. Nothing is published and nothing is left behind. An input is found
    again by its content, as long as that is live, or its files are kept. Its rows come in the opposite order, and
    DuckDB's clock tells another time: a day that depends on either differs.

    Exits 0 when every day is identical; 1 when one differs, or cannot be made; else 4 when the inputs of one are gone,
    for then nothing is known of it.
    """
    name, at = parse_target(target)
    if at is not None and (day or first or last):
        msg = "Give TABLE@DAY, or --day, or --from and --to, not several of them."
        raise UsageError(msg, next_step="lakeproof verify --help")
    asked = Window.of(at) if at is not None else asked_days(day, first, last)
    ((location, made),) = find_tables(load_locations(workspace), [name])
    if asked is not None and made.table.partition is None:
        msg = f"{name} has no days; it is verified as a whole."
        raise UsageError(msg, next_step=f"lakeproof verify {name}")
    days = None if asked is None else made.table.window(asked.first, asked.last).days
    total = len(View.open(location.lake, made.table, days).days)
    found = list(_shown(verify_days(location.lake, made, days), name, total, hide=as_json))
    code = min((EXIT_CODES[verified.state] for verified in found if EXIT_CODES[verified.state]), default=0)
    if as_json:
        print_json({"table": name, "exit_code": code, "days": [_record(verified) for verified in found]})
    else:
        _print(name, found)
    return code


def _shown(days: Iterable[DayVerified], name: str, total: int, *, hide: bool) -> Iterator[DayVerified]:
    """Show a bar on a terminal while days are verified."""
    if hide or not sys.stderr.isatty():
        yield from days
    else:
        yield from track(days, name, total, console=Terminal(stderr=True), transient=True)


def _record(verified: DayVerified) -> dict[str, Any]:
    record = {key: value for key, value in vars(verified).items() if key != "difference"}
    return record | {"difference": None if verified.difference is None else asdict(verified.difference)}


def _print(name: str, found: Sequence[DayVerified]) -> None:
    out = console()
    for state in EXIT_CODES:
        days = [verified for verified in found if verified.state == state]
        if not days:
            continue
        listed = days_text([v.day for v in days if v.day is not None])
        out.print(f"{name} {listed}".strip() + f": {state.replace('-', ' ')}", soft_wrap=True)
        if state == "identical":
            continue
        for verified in days[:SHOWN]:
            _print_day(out, verified)
        if len(days) > SHOWN:
            out.print(f"  … and {len(days) - SHOWN} more days; --json has them all")
    for note in dict.fromkeys(note for verified in found for note in verified.notes):
        concerned = [v for v in found if note in v.notes]
        out.print(f"{len(concerned)} of {len(found)}: {note}", soft_wrap=True)


def _print_day(out: Terminal, verified: DayVerified) -> None:
    at = f"{verified.day}: " if verified.day else ""
    if verified.difference is not None:
        out.print(f"  {at}{verified.difference.describe('only published', 'only made again')}", soft_wrap=True)
    for reason in verified.reasons:
        out.print(f"  {at}{reason}", soft_wrap=True)
    if verified.difference is None:
        return
    rows = [
        [", ".join(f"{n} {v}" for n, v in sample.key.items()), name, _value(sample.old, name), _value(sample.new, name)]
        for sample in verified.difference.samples
        for name in (sample.old or sample.new or {})
    ]
    out.print(grid("", ["key", "column", "published", "made again"], rows))


def _value(side: Any, name: str) -> str:
    return "(no row)" if side is None else str(side[name])
