"""An output compared with `main`: over the days between its own, with those that it lacks; and left on record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lakeproof.lake.held import held_days, holding
from lakeproof.lake.output import MAIN, OutputTable
from lakeproof.outputs.compare import How, compare
from lakeproof.outputs.compared import remember
from lakeproof.outputs.sides import open_side, own_days

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from lakeproof.lake.catalog import Lake
    from lakeproof.outputs.comparison import Comparison
    from lakeproof.outputs.sides import Opened

    Span = tuple[date, date]


def owns_days(lake: Lake, name: str) -> bool:
    """Whether an output, for which the lake is, has days of its own in a table."""
    table = lake.find(name)
    return isinstance(table, OutputTable) and bool(table.owned)


def sides_of(lake: Lake, output: str, name: str, span: Span | None = None) -> tuple[Opened, Opened]:
    """Open `main` and an output's own days of a table.

    A day between the output's own that it does not have is one that failed: `main` is opened for all days between the
    first and the last, so that it is missing.

    Args:
        lake: The lake.
        output: The output.
        name: The table; for `main` it may name a day or a snapshot.
        span: The first and the last day, in place of the output's.

    Raises:
        UsageError: The output has no day of the table.
    """
    new = own_days(open_side(lake.on(output), name.partition("#")[0], output))
    own = sorted(day for day in new.days if day is not None)
    span = span or ((own[0], own[-1]) if own else None)
    old = open_side(lake.on(MAIN), name, MAIN)
    return (old.only(*span), new.only(*span)) if span else (old, new)


def compare_output_of(
    lake: Lake, output: str, name: str, how: How | None = None, span: Span | None = None
) -> Comparison:
    """Compare an output with `main` in a table; where all there is of the days is compared, it may be promoted.

    Args:
        lake: The lake.
        output: The output.
        name: The table; it may name a day, or a snapshot of `main`.
        how: What counts as equal, and what is looked at.
        span: The first and the last day, in place of the output's.
    """
    old, new = sides_of(lake, output, name, span)
    how = how or How()
    found = compare(name.partition("#")[0], old, new, how)
    if how.is_whole and not old.pinned:
        _remember(old, new)
    return replace(found, notes=(*found.notes, *_held(new)))


def _held(side: Opened) -> Iterator[str]:
    """Yield what becomes of days that an output lacks, and why they are not there, where an audit refused them."""
    yield "Days that the output lacks stay as main has them when it is promoted."
    assert isinstance(side.table, OutputTable)  # noqa: S101 - `own_days` has looked
    for day, stage in held_days(side.table, side.days).items():
        reasons = "; ".join(holding(side.table, stage)) or "refused"
        yield f"{day or 'It'} is held on output {side.table.output}: {reasons}"


def _remember(old: Opened, new: Opened) -> None:
    """Leave on record what was compared: only that is promoted."""
    assert isinstance(new.table, OutputTable)  # noqa: S101 - as above
    days = {day: (old.days.get(day), new.days.get(day)) for day in new.table.owned if day in new.days}
    if days:
        remember(new.table, days)
