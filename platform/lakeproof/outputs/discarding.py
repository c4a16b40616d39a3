"""Letting outputs go: on request, or when nobody used them for a time. Readers of `main` notice nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lakeproof.errors import LakeError
from lakeproof.lake.beside import discard_line
from lakeproof.lake.output import OutputTable
from lakeproof.lake.running import runs_at_work
from lakeproof.outputs.listing import last_used, lines_by_output, tables_of_outputs
from lakeproof.outputs.naming import checked_name, unknown

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day

KEPT_KEY = "lakeproof.output-days"
"""Property of a catalog: for how many days an output is kept that nobody wrote to or compared."""

KEPT_DAYS = 14
"""For how many, where the catalog does not say: two working weeks."""


@dataclass(frozen=True)
class LetGo:
    """What an output had in a table.

    Args:
        name: The table's name.
        days: The days that it owned there; None where its ledger is gone or damaged.
    """

    name: str
    days: tuple[Day, ...] | None


def discard(lake: Lake, output: str) -> list[LetGo]:
    """Let an output go in every table, and return what it had there. One that is half gone, or damaged, is finished.

    Its files stay as long as replaced ones do, for whoever reads them just now.

    Args:
        lake: The lake.
        output: The output.

    Raises:
        UsageError: There is no such output.
        LakeError: A run is writing to it.
    """
    name, known = checked_name(output), tables_of_outputs(lake)
    mains = known.get(name, [])
    if not mains:
        raise unknown(name, known)
    for main in mains:
        if at_work := sorted(set(runs_at_work(main, name).values())):
            msg = f"{'.'.join(main.name())}: run {at_work[0]} is writing to output {name}; nothing was discarded."
            remedy = "wait for the run, or stop it, then discard again"
            raise LakeError(msg, readers="see what they saw before", next_step=remedy)
    gone = [LetGo(".".join(main.name()), _owned(main, name)) for main in mains]
    for main in mains:
        discard_line(main, name)
    return gone


def _owned(main: IcebergTable, output: str) -> tuple[Day, ...] | None:
    try:
        return tuple(sorted(OutputTable.of(main, output).owned, key=str))
    except LakeError:
        return None


def expires(lake: Lake, used: datetime) -> datetime:
    """Return when an output goes that was last used at an instant."""
    return used + timedelta(days=float(lake.catalog.properties.get(KEPT_KEY, KEPT_DAYS)))


def discard_unused(lake: Lake, now: datetime | None = None, *, dry_run: bool = False) -> list[str]:
    """Let the outputs go that nobody wrote to or compared for as long as outputs are kept, and return their names.

    Args:
        lake: The lake.
        now: The instant to judge by; by default the clock's.
        dry_run: Whether to only say which they are.

    Raises:
        LakeError: The catalog or the storage refused.
    """
    instant = now or datetime.now(UTC)
    spent = []
    for output, lines in lines_by_output(lake).items():
        if expires(lake, last_used(lines)) > instant or any(runs_at_work(line.table) for line in lines):
            continue
        spent.append(output)
        for line in () if dry_run else lines:
            discard_line(line.table.main, output)
    return spent
