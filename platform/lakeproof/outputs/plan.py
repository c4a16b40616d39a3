"""What an output's days would change in `main`, and what stands against it, before anything is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeproof.errors import UsageError
from lakeproof.lake.held import held_days, holding
from lakeproof.lake.live import View
from lakeproof.lake.promotion import audited_days
from lakeproof.lake.publish import paths_of
from lakeproof.outputs.compared import Compared, compared
from lakeproof.outputs.listing import lines_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from lakeproof.contract import Table
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay
    from lakeproof.lake.output import OutputTable


@dataclass(frozen=True)
class DayPlan:
    """A day that a promotion is to change.

    Args:
        day: The day.
        old_rows: How many rows readers see; None where the day is not there.
        new_rows: How many they will see.
        same: Whether readers have these very files already.
        refused: Why it may not be promoted; empty when it may.
        exit_code: How a command ends that is refused for it: 3 held, 5 moved, 1 without a verdict.
    """

    day: Day
    old_rows: int | None
    new_rows: int
    same: bool
    refused: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class TablePlan:
    """What a promotion is to do to a table.

    Args:
        contract: The table's contract.
        table: The table as the output has it.
        days: The days.
        sides: The files of both sides of each day, as they are planned on.
        compared: The days that were compared just as they are now.
    """

    contract: Table
    table: OutputTable
    days: tuple[DayPlan, ...]
    sides: Mapping[Day, Compared]
    compared: frozenset[Day]

    @property
    def refused(self) -> tuple[DayPlan, ...]:
        """The days that may not be promoted."""
        return tuple(day for day in self.days if day.refused)


@dataclass(frozen=True)
class Plan:
    """A promotion, before it is begun.

    Args:
        output: The output.
        tables: What is to be done to each table, upstream first.
    """

    output: str
    tables: tuple[TablePlan, ...]

    @property
    def exit_code(self) -> int:
        """How a command ends that is refused: the smallest of 3 and 5, else 1; 0 when nothing stands against it."""
        codes = {day.exit_code for table in self.tables for day in table.refused}
        return min(codes - {1}, default=max(codes, default=0))


def plan(
    lake: Lake, output: str, tables: Sequence[Table], names: Collection[str] = (), days: Collection[Day] | None = None
) -> Plan:
    """Look at what an output's days would change, and what stands against it.

    Args:
        lake: The lake.
        output: The output.
        tables: The contracts of all tables, upstream first.
        names: Only these tables; none for all that the output has days of.
        days: Only these days; None for all that are the output's own.

    Raises:
        UsageError: The output has no such day, or has a table whose contract is not known here.
    """
    contracts = {table.name: table for table in tables}
    lines = {line.name: line.table for line in lines_in(lake, output) if line.table.owned}
    chosen = [name for name in contracts if name in lines and (not names or name in names)]
    if strange := sorted(set(names or lines) - set(chosen)):
        known = ", ".join(sorted(lines)) or "none"
        msg = f"Output {output} has no day of {strange[0]}, or its code is not loaded here. It has days of: {known}."
        raise UsageError(msg, next_step=f"lakeproof status --output {output}")
    plans = [_plan_table(contracts[name], lines[name], days) for name in chosen]
    found = tuple(table for table in plans if table.days)
    if not found:
        msg = f"Output {output} has no day of its own" + (" among those." if days is not None else ".")
        raise UsageError(msg, next_step=f"lakeproof status --output {output}")
    return Plan(output, found)


def _plan_table(contract: Table, table: OutputTable, days: Collection[Day] | None) -> TablePlan:
    own = [day for day in table.owned if days is None or day in days]
    new, seen = View.of(table, own).days, compared(table)
    held = {day: stage for day, stage in held_days(table, new).items() if days is None or day in days}
    asked = {*own, *held}
    old = View.of(table.main, asked).days
    now = {day: Compared.now(old.get(day), new.get(day)) for day in own}
    _, verdicts = audited_days(table, contract, own, "")
    planned = []
    for day in sorted(asked, key=str):
        if day in held:
            why = "; ".join(holding(table, held[day])) or "an audit refused it"
            planned.append(
                DayPlan(day, _rows(old, day), held[day].rows, same=False, refused=f"held: {why}", exit_code=3)
            )
            continue
        same = paths_of(old, day) == paths_of(new, day)
        refused, code = "", 0
        if not same:
            refused, code = _moved(table, day, now[day], seen.get(day)), 5
            if not refused and (day not in verdicts or not verdicts[day].passed):
                refused, code = "no verdict of its files is on record", 1
        planned.append(DayPlan(day, _rows(old, day), new[day].rows, same, refused, code if refused else 0))
    return TablePlan(contract, table, tuple(planned), now, frozenset(d for d in own if seen.get(d) == now[d]))


def _rows(live: Mapping[Day, LiveDay], day: Day) -> int | None:
    return live[day].rows if day in live else None


def _moved(table: OutputTable, day: Day, now: Compared, seen: Compared | None) -> str:
    """Return what moved since a day was compared, or since it was made where it never was."""
    if seen is not None:
        if seen.new != now.new:
            return "the output's day was made again since it was compared"
        return "" if seen.old == now.old else "main was published again since it was compared"
    return "" if table.owned[day].base == now.old else "main was published again since the output's day was made"
