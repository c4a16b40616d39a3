"""`lakeproof run`: make days, table by table, upstream first."""

from __future__ import annotations

import functools
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lakeproof.cli.downstream import Restatement
from lakeproof.cli.execute import Beside, dagster_instance, execute
from lakeproof.cli.locations import find_tables, load_locations
from lakeproof.cli.options import as_json, asked_days, which, workspace
from lakeproof.cli.terminal import Terminal, console, echo, grid, print_json
from lakeproof.errors import LakeproofError, UsageError
from lakeproof.lake.faults import READERS
from lakeproof.outputs.naming import admitted
from lakeproof.progress import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import date

    from lakeproof.asset import TableAsset
    from lakeproof.cli.locations import Location
    from lakeproof.contract import Table
    from lakeproof.lake.days import Day
    from lakeproof.outcome import DayOutcome, Outcome, State
    from lakeproof.restate import Affected
    from lakeproof.window import Window


class InterruptedRunError(LakeproofError):
    """A person stopped the command."""

    exit_code = 130


@dataclass(frozen=True)
class TableRun:
    """What became of one table.

    Args:
        table: The contract.
        outcome: What became of its days; None when the run refused as a whole.
        error: Why it refused.
        seconds: How long it took.
    """

    table: Table
    outcome: Outcome | None
    error: LakeproofError | None
    seconds: float

    @property
    def exit_code(self) -> int:
        """The exit code of this table alone."""
        return self.error.exit_code if self.error else self.outcome.exit_code if self.outcome else 0


SHOWN_STATES: tuple[State, ...] = ("published", "unchanged", "held", "blocked", "not-ready")
"""The states that a run's table has a column for; `blocked` only where it happened."""


def how_to_run(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how days are run, and where to; the command gets them as `how`."""

    @functools.wraps(command)
    def called(
        *args: Any, ignore_readiness: str | None, output: str | None, as_table: str | None, **options: Any
    ) -> Any:
        if ignore_readiness is not None and not ignore_readiness.strip():
            msg = "--ignore-readiness needs a reason; the evidence keeps it."
            raise UsageError(msg, next_step="--ignore-readiness 'the vendor confirmed that nothing more will come'")
        if as_table is not None and (output is None or len(options["tables"]) != 1 or options["downstream"]):
            msg = "--as-table is for one table on an output, without what follows from it."
            remedy = "name the output and the one table: lakeproof run TABLE --output NAME …"
            raise UsageError(msg, next_step=remedy)
        how = ignore_readiness if output is None else Beside(output, as_table, ignore_readiness)
        return command(*args, how=how, **options)

    for option in (
        click.option("--as-table", metavar="SCHEMA.TABLE", help="Keep the output's days of the table in this one."),
        click.option("--output", metavar="NAME", help="Publish to this output beside main, which readers do not see."),
        click.option("--ignore-readiness", metavar="REASON", help="Run days whose inputs are not there, and say why."),
    ):
        called = option(called)
    return called


@click.command()
@click.argument("tables", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every table of the workspace.")
@click.option("--day", metavar="YYYY-MM-DD", help="The day to make.")
@click.option("--from", "first", metavar="YYYY-MM-DD", help="The first day to make.")
@click.option("--to", "last", metavar="YYYY-MM-DD", help="The last day to make, included.")
@click.option("--downstream", is_flag=True, help="And what follows from it; shown before it runs.")
@click.option("--plan", is_flag=True, help="Only show what would run, and what would follow from it.")
@how_to_run
@workspace
@as_json
def run(
    tables: Sequence[str], *, every: bool, how: str | Beside | None, workspace: str, as_json: bool, **given: Any
) -> int:
    """Make days of TABLES: gate, stage, audit, publish what passed.

    Each table is one Dagster run, whatever the number of days, and shows in the UI. Days that an audit refuses are held
    and the rest are published; the exit code is the smallest of 3 (held), 4 (not ready) and 5 (moved) that occurred.

    With --downstream, all published days that are made from these are made again, table by table, as far as something
    changes: windows and cumulative tables make more days than one.
    """
    if bool(tables) == every:
        msg = "Name the tables to run, or --all."
        raise UsageError(msg, next_step="lakeproof run --all --from 2013-01-01 --to 2013-01-31")
    asked = asked_days(given["day"], given["first"], given["last"])
    locations = load_locations(workspace)
    chosen = find_tables(locations, tables)
    plan = [(location, made, _days_of(made, asked, strict=not every)) for location, made in chosen]
    plan = [(location, made, days) for location, made, days in plan if days or made.table.partition is None]
    if asked is not None and not any(days for _, _, days in plan):
        msg = f"No table has any day of {asked}."
        raise UsageError(msg, next_step="lakeproof status shows which days there are")
    _admit(how, [location for location, _, _ in plan])
    outcomes: dict[str, list[Outcome]] = {}
    work: Iterable[tuple[Location, TableAsset, list[Any]]] = plan
    expected, restatement = len(plan), None
    if given["downstream"] or given["plan"]:
        asked_of: dict[str, list[Day]] = {made.table.name: [*days] or [None] for _, made, days in plan}
        lake = plan[0][0].lake if not isinstance(how, Beside) else plan[0][0].lake.on(how.output)
        restatement = Restatement(lake, find_tables(locations, ()), asked_of)
        if given["plan"]:
            return _show_plan(restatement, as_json=as_json)
        if not as_json:
            console().print(restatement.shown())
        work, expected = restatement.work(outcomes), restatement.runs
    begun = time.monotonic()
    runs = _run_all(work, outcomes, how, hide=as_json, expected=expected)
    skipped = None if restatement is None else restatement.skipped()
    _print(runs, time.monotonic() - begun, skipped, as_json=as_json)
    return _exit_code(runs)


def _show_plan(restatement: Restatement, *, as_json: bool) -> int:
    if as_json:
        asked = [{"table": name, "days": list(days)} for name, days in restatement.asked.items()]
        print_json({"asked": asked, "downstream": restatement.record()})
        return 0
    out = console()
    for name, days in restatement.asked.items():
        out.print(f"{name}: {which(days)}")
    out.print(restatement.shown())
    out.print("Nothing was run. What comes out as it is spreads no further.")
    return 0


def _run_all(
    work: Iterable[tuple[Location, TableAsset, list[Any]]],
    outcomes: dict[str, list[Outcome]],
    how: str | Beside | None,
    *,
    hide: bool,
    expected: int,
) -> list[TableRun]:
    """Run each table's days, one Dagster run each, and note what became of them before the next table is asked for."""
    runs: list[TableRun] = []
    with _progress(expected, hide=hide) as (show, advance), dagster_instance() as instance:
        for location, made, days in work:
            started, outcome, refusal = time.monotonic(), None, None
            show(made.table.name, "start")
            try:
                outcome = execute(instance, location, made, days, _teller(show), how)
            except LakeproofError as error:
                refusal = error
            except KeyboardInterrupt:
                done = ", ".join(run.table.name for run in runs) or "nothing"
                msg = f"Interrupted while {made.table.name} ran; finished before: {done}."
                remedy = "run the same command again: what is published is found unchanged"
                raise InterruptedRunError(msg, readers=READERS, next_step=remedy) from None
            runs.append(TableRun(made.table, outcome, refusal, time.monotonic() - started))
            outcomes.setdefault(made.table.name, []).extend([outcome] if outcome else [])
            advance(runs[-1])
    return runs


def _days_of(made: TableAsset, asked: Window | None, *, strict: bool) -> list[date]:
    """Return the days of a table that were asked for; with `strict`, all of them must be its days."""
    table = made.table
    if table.partition is None:
        return []
    if asked is None:
        msg = f"{table.name} is a daily table: say which days."
        again = table.name if strict else "--all"
        raise UsageError(msg, next_step=f"lakeproof run {again} --from {table.first_day} --to {table.first_day}")
    if strict:
        return list(table.window(asked.first, asked.last).days)
    return [day for day in asked.days if table.has_day(day)]


def _admit(how: str | Beside | None, locations: Sequence[Location]) -> None:
    """Refuse an output that cannot be, before anything runs."""
    if isinstance(how, Beside):
        for lake in {location.name: location.lake for location in locations}.values():
            admitted(lake, how.output)


def _exit_code(runs: Sequence[TableRun]) -> int:
    """Return 1 or 2 when a run broke, else the smallest of 3, 4 and 5 that occurred."""
    return min((run.exit_code for run in runs if run.exit_code), default=0)


def _teller(show: Callable[[str, str], None]) -> Callable[[object], None]:
    def tell(event: object) -> None:
        if isinstance(event, Step):
            show(event.table, event.name)

    return tell


@contextmanager
def _progress(tables: int, *, hide: bool) -> Iterator[tuple[Callable[[str, str], None], Callable[[TableRun], None]]]:
    """Show a bar on a terminal, a line a table in a pipe, and nothing with --json.

    Dagster captures the standard streams of a running step, so the bar writes to a copy of the error stream.
    """
    if hide or not sys.stderr.isatty():
        yield (lambda *_: None), (lambda done: None if hide else echo(_line(done), err=True))
        return
    with os.fdopen(os.dup(sys.stderr.fileno()), "w") as stream:
        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Terminal(file=stream, force_terminal=True),
            transient=True,
        )
        with bar:
            task = bar.add_task("", total=tables)

            def tell_done(done: TableRun) -> None:
                bar.console.print(_line(done))
                bar.advance(task)

            yield (
                lambda table, step: bar.update(task, description=f"{table} [dim]{step}[/]"),
                tell_done,
            )


def _line(run: TableRun) -> str:
    """Return one line on what became of a table."""
    if run.outcome is None:
        return f"  {run.table.name}: refused ({run.seconds:.1f} s)"
    states = [f"{len(days)} {state}" for state, days in _by_state(run.outcome).items()]
    states += [str(day.merged) for day in run.outcome.days if day.merged is not None]
    if rejected := sum(day.rejected or 0 for day in run.outcome.days):
        states.append(f"{rejected:,} rows rejected, in {run.table.name}__rejected")
    return f"  {run.table.name}: {', '.join(states)} ({run.seconds:.1f} s)"


def _by_state(outcome: Outcome) -> dict[str, list[DayOutcome]]:
    found: dict[str, list[DayOutcome]] = {}
    for day in outcome.days:
        found.setdefault(day.state, []).append(day)
    return found


def _print(runs: Sequence[TableRun], seconds: float, skipped: Sequence[Affected] | None, *, as_json: bool) -> None:
    if as_json:
        told = {"exit_code": _exit_code(runs), "seconds": round(seconds, 2), "tables": [_record(r) for r in runs]}
        if skipped is not None:
            told["skipped"] = [{"table": step.name, "days": list(step.days)} for step in skipped]
        print_json(told)
        return
    out = console()
    happened = {day.state for run in runs if run.outcome for day in run.outcome.days}
    states = [state for state in SHOWN_STATES if state != "blocked" or state in happened]
    named = [state.replace("-", " ") for state in states]
    columns = ["layer", "table", *named, "rows", "audits", "warned", "seconds"]
    layers = list(dict.fromkeys(run.table.layer for run in runs))
    rows = [_row(run, states) for run in sorted(runs, key=lambda run: layers.index(run.table.layer))]
    out.print(grid("", columns, rows, right=columns[2:]))
    for run in runs:
        for line in _refusals(run):
            out.print(line, soft_wrap=True)
    for step in skipped or ():
        out.print(f"{step.name} {which(step.days)}: not run again, for nothing that it reads changed.")
    tables = len({run.table.name for run in runs})
    out.print(f"{tables} table{'s' if tables != 1 else ''} in {seconds:.1f} s.")


def _row(run: TableRun, shown: Sequence[str]) -> list[Any]:
    if run.outcome is None:
        return [run.table.layer, run.table.name, "refused", *[""] * (len(shown) + 2), f"{run.seconds:.1f}"]
    states = _by_state(run.outcome)
    good = [day for day in run.outcome.days if day.state in {"published", "unchanged"}]
    results = [result for day in run.outcome.days for result in day.results]
    passed = sum(result.passed for result in results)
    warned = sum(not result.passed and not result.holds for result in results)
    return [
        run.table.layer,
        run.table.name,
        *(len(states.get(state, [])) or None for state in shown),
        f"{sum(day.rows for day in good):,}",
        f"{passed:,}/{len(results):,}",
        f"{warned:,}" if warned else None,
        f"{run.seconds:.1f}",
    ]


def _refusals(run: TableRun) -> Iterator[str]:
    """Yield what a person must know of what was refused: the days that share a reason together."""
    if run.error is not None:
        yield f"{run.table.name} refused:\n  " + str(run.error).replace("\n", "\n  ")
    if run.outcome is None:
        return
    for refusal in run.outcome.refusals():
        yield str(refusal)


def _record(run: TableRun) -> dict[str, Any]:
    days = run.outcome.days if run.outcome else ()
    return {
        "table": run.table.name,
        "layer": run.table.layer,
        "seconds": round(run.seconds, 2),
        "exit_code": run.exit_code,
        "error": str(run.error) if run.error else None,
        "run": run.outcome.run if run.outcome else None,
        "snapshot": run.outcome.snapshot if run.outcome else None,
        "evidence": run.outcome.evidence if run.outcome else None,
        "days": [
            {"day": d.day, "state": d.state, "rows": d.rows, "reason": d.reason, "readers": d.readers}
            | ({"merged": vars(d.merged)} if d.merged else {})
            | ({"rejected": d.rejected} if d.rejected is not None else {})
            for d in days
        ],
    }
