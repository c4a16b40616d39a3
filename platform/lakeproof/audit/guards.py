"""What every collected day is asked, also where nobody thought of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeproof.audit.collected import Duplicates, NewNulls, duplicates, new_nulls
from lakeproof.audit.kinds import Unique, Volume
from lakeproof.audit.vocabulary import volume

if TYPE_CHECKING:
    from lakeproof.contract import Table
    from lakeproof.parts import Audit

GUARDS: tuple[tuple[tuple[type[Audit], ...], Audit], ...] = (
    ((Volume,), volume(factor=10, name="guard_volume")),
    ((NewNulls,), new_nulls(above=0.9, name="guard_nulls")),
    ((Duplicates, Unique), duplicates(at_most=0.01, severity="warn", name="guard_duplicates")),
)
"""The guards, each after the kinds of audits that a table declares in its place.

What they judge cannot be known when a contract is written, so they are wide: a day with a tenth or ten times the usual
rows; a column that was always there and is null in nine of ten (on the day of a blizzard, more than half of New York's
departures had no departure time, and that was true); and, as a warning, one doubled row in a hundred.
"""


def guarded(table: Table) -> Table:
    """Return a collected table with the guards that it has no audit of its own in the place of."""
    declared = {type(audit) for audit in table.audits}
    missing = [guard for instead, guard in GUARDS if not declared & set(instead)]
    return table.with_audits([*table.audits, *missing]) if missing else table
