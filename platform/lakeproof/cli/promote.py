"""`lakeproof promote`: make an output's days those of `main`, or take that back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from lakeproof.cli.execute import dagster_instance
from lakeproof.cli.locations import find_tables, load_locations
from lakeproof.cli.options import as_json, asked_days, which, workspace
from lakeproof.cli.terminal import confirmed, console, echo, grid, print_json
from lakeproof.errors import LakeproofError, UsageError
from lakeproof.lake.live import View
from lakeproof.lake.output import MAIN
from lakeproof.outputs.naming import checked_name
from lakeproof.outputs.plan import plan
from lakeproof.outputs.promoting import begin, go_on, promotions, undo
from lakeproof.repair import record_days

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from lakeproof.asset import TableAsset
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.outputs.compared import Compared
    from lakeproof.outputs.plan import DayPlan, Plan
    from lakeproof.outputs.promoting import Promotion

SHOWN_REASONS = 10
MOVED = 5
"""How a promotion ends under which a day moved."""


class DeclinedError(LakeproofError):
    """A person was asked and said no."""


@click.command()
@click.argument("output")
@click.option("--tables", help="Only these tables, separated by commas.")
@click.option("--day", metavar="YYYY-MM-DD", help="Only this day.")
@click.option("--from", "first", metavar="YYYY-MM-DD", help="Only days from this one.")
@click.option("--to", "last", metavar="YYYY-MM-DD", help="Only days up to this one, included.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--undo", "back", is_flag=True, help="Take the output's last promotion back.")
@workspace
@as_json
def promote(output: str, *, yes: bool, back: bool, workspace: str, as_json: bool, **selection: str | None) -> int:
    """Make the days of OUTPUT those of main: exactly those that were compared, or made beside what main still has.

    Shows what would change, and asks. Nothing is promoted when a day is held (exit 3) or either side of one moved
    (exit 5). Each table is one commit of metadata, upstream first; one that was interrupted is gone on with.
    """
    checked_name(output)
    chosen = find_tables(load_locations(workspace), ())
    if not chosen:
        msg = "The workspace has no table."
        raise UsageError(msg)
    run = _Run(
        output, chosen[0][0].lake.on(MAIN), {made.table.name: made for _, made in chosen}, yes=yes, as_json=as_json
    )
    if back:
        return run.undo()
    asked = asked_days(selection["day"], selection["first"], selection["last"])
    names = [name.strip() for name in (selection["tables"] or "").split(",") if name.strip()]
    return run.promote(names, None if asked is None else set(asked.days))


class _Run:
    """One call of the command."""

    def __init__(self, output: str, lake: Lake, made: Mapping[str, TableAsset], *, yes: bool, as_json: bool) -> None:
        self._output, self._lake, self._made = output, lake, made
        self._yes, self._as_json = yes, as_json
        self._out = console()

    def promote(self, names: Collection[str], days: set[Any] | None) -> int:
        """Go on with a promotion that was interrupted, or begin one."""
        contracts = [made.table for made in self._made.values()]
        begun = [promotion for promotion, state in self._promotions() if state == "begun"]
        if begun:
            promotion = begun[-1]
            self._say(f"Promotion {promotion.id} was interrupted; it is gone on with, as it was planned.")
            self._ask(f"Promote {self._days_text(promotion.tables)}?")
        else:
            planned = plan(self._lake, self._output, contracts, names, days)
            if planned.exit_code:
                return self._refuse(planned)
            if not any(not day.same for table in planned.tables for day in table.days):
                self._say(f"main has all days of output {self._output} already. Nothing to do.")
                return self._done("unchanged", {}, 0)
            self._show(planned)
            self._ask(f"Promote output {self._output} to main?")
            promotion = begin(self._lake, planned)
        landed: dict[str, Mapping[Day, Compared]] = {}
        moved = None
        for table, gone in go_on(self._lake, promotion, contracts):
            if gone:
                moved = table.name
                self._say(f"{moved}: {which(gone)} moved meanwhile; nothing of this table was promoted.")
            else:
                landed[table.name] = promotion.tables[table.name]
                self._say(f"{table.name}: {which(landed[table.name])} promoted.")
        self._record(promotion, landed, "promoted")
        if moved:
            self._say(f"Next: compare {moved} again and promote the rest, or take back what was:")
            self._say(f"  lakeproof promote {self._output} --undo")
            return self._done("moved", landed, MOVED)
        self._say(f"Readers see them now. To take it back: lakeproof promote {self._output} --undo")
        return self._done("promoted", landed, 0)

    def undo(self) -> int:
        """Take the last promotion back."""
        known = [promotion for promotion, state in self._promotions() if state != "undone"]
        if not known:
            msg = f"No promotion of output {self._output} is on record that was not taken back."
            raise UsageError(msg, next_step="what was promoted long ago is no longer kept: run the days again")
        promotion = known[-1]
        self._ask(f"Give main back what it had before promotion {promotion.id} of {self._days_text(promotion.tables)}?")
        back: dict[str, Mapping[Day, Compared]] = {}
        for name, gone in undo(self._lake, promotion):
            if gone:
                self._say(f"{name}: {which(gone)} was published again since; it stays, and so does all upstream of it.")
                self._record(promotion, back, "restored")
                return self._done("moved", back, MOVED)
            back[name] = promotion.tables[name]
            self._say(f"{name}: {which(back[name])} is as it was before.")
        self._record(promotion, back, "restored")
        return self._done("restored", back, 0)

    def _promotions(self) -> list[tuple[Promotion, str]]:
        return promotions(self._lake, self._output, self._made)

    def _show(self, planned: Plan) -> None:
        """Print what would change."""
        rows = []
        for table in planned.tables:
            changed = [day for day in table.days if not day.same]
            old, new = sum(day.old_rows or 0 for day in changed), sum(day.new_rows for day in changed)
            added = [day for day in changed if day.old_rows is None]
            rows.append(
                [
                    table.contract.name,
                    len(changed),
                    len(added) or None,
                    len(table.days) - len(changed) or None,
                    f"{old:,}",
                    f"{new:,}",
                    f"{sum(day.day in table.compared for day in changed)} of {len(changed)}",
                    which([day.day for day in changed]),
                ]
            )
        columns = ["table", "days", "new", "as they are", "rows now", "rows then", "compared", "which"]
        if not self._as_json:
            self._out.print(grid(f"{self._output} → main", columns, rows, right=columns[1:7]))
        for table in planned.tables:
            if any(day.day not in table.compared for day in table.days if not day.same):
                self._say(f"Not compared yet: lakeproof compare {table.contract.name} --to {self._output}")

    def _refuse(self, planned: Plan) -> int:
        """Print what stands against it."""
        for table in planned.tables:
            reasons: dict[str, list[DayPlan]] = {}
            for day in table.refused:
                reasons.setdefault(day.refused, []).append(day)
            for reason, days in list(reasons.items())[:SHOWN_REASONS]:
                name = table.contract.name
                self._say(f"{name} {which([day.day for day in days])}: {reason}", err=True)
                self._say(f"  Next: {_remedy(name, self._output, days)}", err=True)
        self._say("Nothing was promoted. Readers see what they saw before.", err=True)
        refused = {table.contract.name: table.refused for table in planned.tables if table.refused}
        if self._as_json:
            told = {name: [vars(day) for day in days] for name, days in refused.items()}
            print_json({"state": "refused", "exit_code": planned.exit_code, "refused": told})
        return planned.exit_code

    def _ask(self, question: str) -> None:
        if self._yes:
            return
        if self._as_json or not sys.stdin.isatty():
            msg = "Nobody is there to be asked."
            raise UsageError(msg, readers="see what they saw before", next_step="add --yes")
        if not confirmed(question):
            msg = "Nothing was done."
            raise DeclinedError(msg, readers="see what they saw before")

    def _record(self, promotion: Promotion, tables: Mapping[str, Mapping[Day, Compared]], what: str) -> None:
        """Tell Dagster, with the promotion as the cause."""
        if not tables:
            return
        cause = {"outcome": what, "promotion": promotion.id, "output": promotion.output}
        with dagster_instance(MAIN) as instance:
            for name, days in tables.items():
                view = View.open(self._lake, self._made[name].table)
                record_days(instance, self._made[name], view, list(days), cause, "lakeproof_promotion")
                if gone := [day for day in days if day not in view.days]:
                    self._say(f"{name}: {which(gone)} is no longer published; Dagster cannot forget that it was.")

    def _say(self, text: str, *, err: bool = False) -> None:
        if err or not self._as_json:
            echo(text, err=err)

    def _done(self, state: str, tables: Mapping[str, Collection[Day]], code: int) -> int:
        if self._as_json:
            told = {name: sorted(days, key=str) for name, days in tables.items()}
            print_json({"state": state, "exit_code": code, "tables": told})
        return code

    @staticmethod
    def _days_text(tables: Mapping[str, Collection[Day]]) -> str:
        return "; ".join(f"{name} {which(days)}" for name, days in tables.items())


def _remedy(name: str, output: str, days: Sequence[DayPlan]) -> str:
    """Return what helps against a refusal."""
    first = days[0]
    at = f"@{first.day}" if first.day else ""
    again = f"lakeproof run {name} --output {output}" + (f" --day {first.day}" if first.day else "")
    if first.refused.startswith("held"):
        return f"lakeproof show {name}{at}@{output} --held, mend the cause, then {again}; or leave the day out"
    if "verdict" in first.refused:
        return again
    return f"lakeproof compare {name} --to {output}, and look at what it says; then promote again"
