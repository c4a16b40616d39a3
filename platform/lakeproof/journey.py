"""A day's journey, from the gate to what became of it: what is not ready does not run, and is told."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from lakeproof import gate
from lakeproof.audit.guards import GUARDS
from lakeproof.contract import Input
from lakeproof.cost.meter import Meter
from lakeproof.errors import LakeError, LakeproofError
from lakeproof.lake.faults import BEFORE, DOWN, READERS
from lakeproof.lake.live import View
from lakeproof.lake.output import MAIN
from lakeproof.making import window_text
from lakeproof.outcome import DayOutcome, NextStep, Outcome, readers_see
from lakeproof.parts import PRE_CHECK
from lakeproof.precheck import Cleared, precheck
from lakeproof.progress import Step, report
from lakeproof.reading import Reader, TableReader
from lakeproof.reads import Reads
from lakeproof.rejects import table_of_rejects
from lakeproof.source.protocol import SourceReader, by_key
from lakeproof.storage import bucket_faults
from lakeproof.wap import write_audit_publish
from lakeproof.window import Window
from lakeproof.work import Work, base_of, beside_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lakeproof.contract import Table
    from lakeproof.engine.function import Maker
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.source.protocol import Awaited, Source
    from lakeproof.verdict import AuditResult


class Made(Reads, Protocol):
    """A table, what it reads, and what makes its rows."""

    @property
    def maker(self) -> Maker:
        """What makes its rows."""


@dataclass(frozen=True)
class Asked:
    """Who asked for days, and what of it the run has to know.

    Args:
        context: What the function gets as `context`, when it takes one.
        dagster_run: The id of the Dagster run, for the evidence.
        why_unready: Why days whose inputs are not there are run all the same; empty: they are not.
        as_table: For an output, a name for its line in this table, as a table of its own; None for a branch.
    """

    context: object = None
    dagster_run: str | None = None
    why_unready: str = ""
    as_table: str | None = None


def take(lake: Lake, made: Made, days: tuple[Day, ...], asked: Asked) -> Outcome:
    """Take days of a table through the gate, the pre-checks and the publish path, to the output that the lake is for.

    Args:
        lake: The lake.
        made: The table.
        days: The days, in order; `(None,)` for an unpartitioned table.
        asked: Who asked.

    Raises:
        LakeproofError: The run refused as a whole: nothing was published, or its text says what readers may see.
        KeyboardInterrupt: A person stopped it.
    """
    with _told(made.table, days):
        return _taken(lake, made, days, asked)


STOPPED_QUERY = "Query interrupted"
"""What DuckDB's Python client makes of a signal that comes while a query runs, as a plain `RuntimeError`."""


@contextmanager
def _told(table: Table, days: Sequence[Day]) -> Iterator[None]:
    """Let every refusal say of which table and days it is, and what readers see.

    What is refused before anything was to be committed leaves readers as they were; of a commit, its own refusal tells.
    """
    listed = [day for day in days if day is not None]
    where = window_text(table, Window.of(listed[0], listed[-1], table.timezone) if listed else None)
    try:
        with bucket_faults(f"a run of {where}"):
            yield
    except RuntimeError as error:
        if str(error) == STOPPED_QUERY:
            raise KeyboardInterrupt from None
        raise
    except LakeproofError as error:
        if isinstance(error, LakeError) and where not in error.what:
            error.what = f"{where}: {error.what}"
        if error.readers in {None, READERS}:
            error.readers = BEFORE
        elif error.readers == DOWN:
            error.readers = f"{DOWN}, and then {BEFORE}"
        raise


def _taken(lake: Lake, made: Made, days: tuple[Day, ...], asked: Asked) -> Outcome:
    meter = Meter.begin()
    table, inputs, waits = made.table, made.inputs, made.waits
    report(Step(table.name, "ready"))
    readiness = gate.check(lake, table, [*inputs.values(), *waits.values()], days)
    if asked.why_unready:
        readiness = readiness.all_the_same()
    outcome, cleared = Outcome(table.name, None, ()), Cleared(())
    if readiness.ready:
        cleared = precheck(lake, table, inputs, readiness.ready)
    if cleared.days:
        report(Step(table.name, "read"))
        # Before the table's own: whoever is between its two publishes is found out by either.
        rejects_base = base_of(lake, table_of_rejects(table), cleared.days) if table.on_reject == "split" else None
        chained = any(isinstance(how, Input) and how.kind == "previous" for how in inputs.values())
        unready = {day: tuple(lack.reason for lack in lacks) for day, lacks in readiness.ignored.items()}
        base = base_of(lake, table, cleared.days, chained=chained)
        beside = None if lake.output == MAIN else beside_of(lake, table, cleared.days, asked.as_table)
        work = Work(
            table=table,
            maker=made.maker,
            readers=open_inputs(lake, table, inputs, cleared.days, cleared.counts, readiness.states),
            days=cleared.days,
            base=base,
            sequential=any(isinstance(i, Input) and i.kind in {"last", "previous"} for i in inputs.values()),
            context=asked.context,
            dagster_run=asked.dagster_run,
            waited={name: _waited(how, readiness) for name, how in waits.items()},
            waived=readiness.waived,
            rejects_base=rejects_base,
            unready=unready,
            why_unready=asked.why_unready,
            beside=beside,
            meter=meter,
        )
        outcome = write_audit_publish(lake, work)
    return _whole(lake, table, outcome, readiness, cleared, days)


def _waited(how: Awaited, readiness: gate.Readiness) -> dict[str, Any]:
    """Return what was waited for, for the evidence."""
    states = by_key(readiness.states.get(how.name, {}))
    return {"source": how.name, "version": states, "states": states}


def _whole(
    lake: Lake, table: Table, outcome: Outcome, readiness: gate.Readiness, cleared: Cleared, days: Sequence[Any]
) -> Outcome:
    """Add the days that the gate or a pre-check did not let through, and what the pre-checks found of the others."""
    done = {
        day.day: replace(
            day,
            before=cleared.results.get(day.day, ()),
            ignored="; ".join(lack.reason for lack in readiness.ignored.get(day.day, ())),
        )
        for day in outcome.days
    }
    blocked = {day: results for day, results in cleared.results.items() if day not in done}
    if absent := [*readiness.refused, *readiness.gaps, *blocked]:
        live = View.open(lake, table, absent).days
        for day, lacks in readiness.refused.items():
            reason, steps = "; ".join(lack.reason for lack in lacks), tuple(lack.step for lack in lacks)
            done[day] = DayOutcome(day, "not-ready", reason, readers_see(live.get(day)), steps=steps)
        for day, why in readiness.gaps.items():
            done[day] = DayOutcome(day, "gap", why, readers_see(live.get(day)))
        holding = {day: [result for result in results if result.holds] for day, results in blocked.items()}
        first = next((day for day, found in holding.items() if found), None)
        for day, results in blocked.items():
            readers = readers_see(live.get(day))
            if holding[day]:
                reason = "; ".join(result.finding for result in holding[day])
                steps = tuple(_remedy(result, table) for result in holding[day])
                done[day] = DayOutcome(day, "blocked", reason, readers, before=results, steps=steps)
            else:
                why, step = f"it builds on {first}, which is blocked", NextStep(f"see {first} first")
                done[day] = DayOutcome(day, "not-ready", why, readers, before=results, steps=(step,))
    whole = replace(outcome, days=tuple(done[day] for day in days))
    report(whole)
    return whole


def _remedy(result: AuditResult, table: Table) -> NextStep:
    """Return what helps where a source was refused before it was read."""
    if result.audit == PRE_CHECK:
        return NextStep("talk to the source's owner, or change the source's fields to what is true")
    wider = f"if so many rows are right, widen audit {result.audit} of {table.name}"
    if result.audit in {guard.name for _, guard in GUARDS}:
        wider = f"if so many rows are right, declare audit.volume(factor=…) in {table.name}, in place of {result.audit}"
    return NextStep(f"talk to the source's owner; {wider}")


def open_inputs(
    lake: Lake,
    table: Table,
    inputs: Mapping[str, Input | Source],
    days: Sequence[Any],
    counts: Mapping[str, Mapping[Any, int] | None] | None = None,
    states: Mapping[str, Mapping[Any, str]] | None = None,
) -> dict[str, Reader]:
    """Open what a table reads for some days, each input at one snapshot.

    Args:
        lake: The lake.
        table: The contract.
        inputs: What it reads, by name.
        days: The days.
        counts: What sources counted before, by input.
        states: What told each day's state from any other, by source.
    """
    counted, told = counts or {}, states or {}
    windows = [Window.of(day, timezone=table.timezone) for day in days if day is not None]
    whole = Window.of(days[0], days[-1], table.timezone) if windows else None
    return {
        name: TableReader.open(lake, how, windows)
        if isinstance(how, Input)
        else SourceReader(how, whole, counted.get(name), told.get(how.name, {}))
        for name, how in inputs.items()
    }
