"""Is every input's day there? Nothing is read, made or written before this says so."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from lakeproof.audit.kinds import References
from lakeproof.contract import Input, Table, in_order
from lakeproof.lake.held import held_days, holding
from lakeproof.lake.live import View
from lakeproof.lake.running import runs_at_work
from lakeproof.outcome import NextStep
from lakeproof.source.protocol import Source
from lakeproof.window import ONE_DAY, Window, runs_of_days

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.source.protocol import Awaited, Completeness

    Ask = Callable[[Awaited, Window | None], Mapping[Day, Completeness]]


@dataclass(frozen=True)
class Lack:
    """Why a day may not run.

    Args:
        reason: What is missing, in words that fit every day that lacks the same.
        step: What to do about it.
        final: Whether the day cannot be run all the same: there is nothing that it could be made of, or built on.
    """

    reason: str
    step: NextStep
    final: bool = False


@dataclass(frozen=True)
class Readiness:
    """Which days of a table may run.

    Args:
        ready: The days that may, in order.
        refused: The days that may not, each with what it lacks.
        gaps: The days that are declared never to come, each with its reason.
        waived: By day, the input days that are declared never to come, as `table@day`, each with its reason.
        states: By source, what told the state of each day from any other.
        ignored: Of the ready days, those that lack something and may run all the same, each with what it lacks.
    """

    ready: tuple[Day, ...]
    refused: Mapping[Day, tuple[Lack, ...]] = field(default_factory=dict)
    gaps: Mapping[Day, str] = field(default_factory=dict)
    waived: Mapping[Day, Mapping[str, str]] = field(default_factory=dict)
    states: Mapping[str, Mapping[Day, str]] = field(default_factory=dict)
    ignored: Mapping[Day, tuple[Lack, ...]] = field(default_factory=dict)

    def all_the_same(self) -> Readiness:
        """Return the same, but that days which only lack inputs are ready, too."""
        lacking = {day: lacks for day, lacks in self.refused.items() if not any(lack.final for lack in lacks)}
        return replace(
            self,
            ready=tuple(sorted((*self.ready, *lacking), key=str)),
            refused={day: lacks for day, lacks in self.refused.items() if day not in lacking},
            ignored=lacking,
        )


def check(
    lake: Lake,
    table: Table,
    inputs: Sequence[Input | Awaited],
    days: Sequence[Day],
    now: datetime | None = None,
    ask: Ask | None = None,
) -> Readiness:
    """Find out which days have every input they need.

    A table's day is there when it is published, or declared a gap; a source's when the source says that it is complete.
    What reference audits refer to counts as an input. Where days wait for one another, all end at the first day that is
    not ready.

    Args:
        lake: The lake.
        table: The contract.
        inputs: What it reads, and what it waits for.
        days: The days that were asked for; `(None,)` for an unpartitioned table.
        now: The instant at which to judge whether a day is over; the clock's by default.
        ask: Says which days of a source are complete; by default the source is asked itself.
    """
    gate = _Gate(lake, table, now or datetime.now(UTC))
    for how in inputs:
        if isinstance(how, Input):
            gate.ask_table(how, days, builds=how.kind == "previous")
        else:
            gate.ask_source(how, days, ask or (lambda source, window: source.complete(window)))
    if table.depends_on_past:
        gate.ask_table(Input(table, "previous"), days, builds=False)
    for audit in table.audits:
        if isinstance(audit, References):
            gate.ask_referred(audit, days)
    return gate.sum_up(days, waiting=in_order(table, inputs))


class _Gate:
    """Collects, per day, what is missing."""

    def __init__(self, lake: Lake, table: Table, now: datetime) -> None:
        self._lake = lake
        self._table = table
        self._today = now.astimezone(ZoneInfo(table.timezone)).date()
        self._missing: dict[Day, list[Lack]] = defaultdict(list)
        self._waived: dict[Day, dict[str, str]] = defaultdict(dict)
        self._has_source_rows: set[Day] = set()
        self._states: dict[str, dict[Day, str]] = defaultdict(dict)

    def ask_table(self, how: Input, days: Sequence[Day], *, builds: bool) -> None:
        """Look for the days of a table that each day needs; with `builds`, nothing can be made without them."""
        if how.kind == "latest":
            self._ask_latest(how.table, days)
            return
        in_this_run = set(days) if how.kind == "previous" else set()
        needed = {day: [d for d in self._days_of(how, day) if d not in in_this_run] for day in days if day is not None}
        everything = {d for listed in needed.values() for d in listed}
        view = View.open(self._lake, how.table, everything)
        missing = _Missing.of(view) if everything - set(view.days) else _Missing()
        for day, listed in needed.items():
            absent = []
            for d in listed:
                if d in view.days:
                    continue
                if (reason := how.table.gap(d)) is not None:
                    self._waived[day][f"{how.table.name}@{d}"] = reason
                else:
                    absent.append(d)
            if absent:
                self._missing[day] += _absent(how, absent, missing, builds=builds)

    def _days_of(self, how: Input, day: date) -> list[date]:
        window = how.window(Window.of(day, timezone=self._table.timezone))
        return list(window.days) if window else []

    def _ask_latest(self, table: Table, days: Sequence[Day]) -> None:
        if View.open(self._lake, table).snapshot is None:
            lack = Lack(f"{table.name} was never published", NextStep(f"lakeproof run {table.name}"))
            for day in days:
                self._missing[day].append(lack)

    def ask_source(self, source: Awaited, days: Sequence[Day], ask: Ask) -> None:
        """Ask whether a source has each day."""
        asked: list[Window | None] = [None]
        if listed := [day for day in days if day is not None]:
            asked = [Window.of(first, last, self._table.timezone) for first, last in runs_of_days(listed)]
        answers = {day: found for window in asked for day, found in ask(source, window).items()}
        for day in days:
            # A source without days is all of one state.
            found = answers.get(day) or answers[None]
            if found.version is not None:
                self._states[source.name][day] = found.version
            if found.complete:
                if isinstance(source, Source):
                    self._has_source_rows.add(day)
            elif day is None or self._table.gap(day) is None:
                wait = "wait for the source, or declare the day in gaps= and say why it will never come"
                step = NextStep(found.next_step or wait)
                self._missing[day].append(Lack(f"its source is not complete: {found.reason}", step))

    def ask_referred(self, audit: References, days: Sequence[Day]) -> None:
        """Look for what a reference audit refers to."""
        if audit.table == self._table.name:
            return
        table = self._lake.find(audit.table)
        live = {} if table is None else View.of(table).days
        daily = table is not None and bool(table.spec().fields)
        for day in days:
            if not live or (daily and day not in live):
                reason = f"{audit.table}, which audit {audit.name} refers to, is not published"
                days_of_it = (day,) if daily and day is not None else ()
                step = NextStep(f"lakeproof run {audit.table}" + (" {days}" if days_of_it else ""), days_of_it)
                self._missing[day].append(Lack(reason, step))

    def sum_up(self, days: Sequence[Day], *, waiting: bool) -> Readiness:
        """Return the days that may run, and why the others may not."""
        ready: list[Day] = []
        refused: dict[Day, tuple[Lack, ...]] = {}
        gaps: dict[Day, str] = {}
        for day in days:
            gap = None if day is None else self._table.gap(day)
            if gap is not None and day in self._has_source_rows:
                why = f"it is declared a gap ({gap}), but its source has it"
                refused[day] = (Lack(why, NextStep("take the day out of gaps="), final=True),)
            elif gap is not None:
                gaps[day] = gap
            elif day is not None and day >= self._today:
                remedy = f"run it after midnight, {self._table.timezone}"
                refused[day] = (Lack("the day is not over", NextStep(remedy), final=True),)
            elif self._missing[day]:
                refused[day] = tuple(self._missing[day])
            elif waiting and refused:
                first = min(str(d) for d in refused)
                final = any(lack.final for lacks in refused.values() for lack in lacks)
                why, step = f"it waits for {first}, which is not ready", NextStep(f"see {first} first")
                refused[day] = (Lack(why, step, final),)
            else:
                ready.append(day)
        return Readiness(tuple(ready), refused, gaps, self._waived, self._states)


@dataclass(frozen=True)
class _Missing:
    """Why days of a table are not published.

    Args:
        held: Days that were audited and refused, each with what the audits found.
        at_work: Days that a run is making now, each with the run.
    """

    held: Mapping[Day, str] = field(default_factory=dict)
    at_work: Mapping[Day, str] = field(default_factory=dict)

    @classmethod
    def of(cls, view: View) -> _Missing:
        """Look at what lies beside a table."""
        if view.table is None:
            return cls()
        held = {day: "; ".join(holding(view.table, stage)) for day, stage in held_days(view.table, view.days).items()}
        return cls(held, runs_at_work(view.table))


def _absent(how: Input, days: list[date], missing: _Missing, *, builds: bool) -> list[Lack]:
    """Say which days of an input are missing, why, and the command that helps.

    Args:
        how: The input.
        days: Its days that are missing.
        missing: Why days of it are.
        builds: Whether nothing can be made without them.
    """
    name = how.table.name
    needed = {"day": "that day", "previous": "the day before"}.get(how.kind, "some days of its window")
    lacks = []
    for run in sorted({missing.at_work[day] for day in days if day in missing.at_work}):
        step = NextStep(f"wait for run {run}")
        lacks.append(Lack(f"{name} is being made for {needed}, by run {run}", step, builds))
    waiting = tuple(day for day in days if day not in missing.held and day not in missing.at_work)
    if waiting:
        if how.kind == "previous":
            # A chain is made from its start; days that are there already are found unchanged.
            waiting = Window(how.table.first_day, max(waiting) + ONE_DAY).days
        step = NextStep(f"lakeproof run {name} {{days}}", waiting)
        lacks.append(Lack(f"{name} is not published for {needed}", step, builds))
    refused: dict[str, list[date]] = {}
    for day in days:
        if day in missing.held and day not in missing.at_work:
            refused.setdefault(missing.held[day], []).append(day)
    for why, held in refused.items():
        step = NextStep(f"lakeproof show {name}@{{day}} --held", tuple(held))
        lacks.append(Lack(f"{name} is held for {needed}: {why}", step, builds))
    return lacks
