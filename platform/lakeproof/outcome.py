"""What becomes of a run, day by day: the state, why, what readers see, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from lakeproof.window import days_options, days_text, runs_of_days

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeproof.lake.live import LiveDay
    from lakeproof.merge import Merged
    from lakeproof.verdict import AuditResult, Verdict

Day = date | None

State = Literal["published", "unchanged", "held", "blocked", "moved", "not-ready", "gap"]
EXIT_CODES: dict[State, int] = {
    "published": 0,
    "unchanged": 0,
    "gap": 0,
    "held": 3,
    "blocked": 3,
    "not-ready": 4,
    "moved": 5,
}


@dataclass(frozen=True)
class NextStep:
    """What a person does next about some days.

    Args:
        text: A command or an advice; `{days}` stands for the options that name the days, `{day}` for the first of them.
        days: The days it is about.
    """

    text: str
    days: tuple[date, ...] = ()

    def commands(self) -> list[str]:
        """Return it as a person would type it: once for each unbroken stretch of its days."""
        if "{day}" in self.text:
            return [self.text.replace("{day}", str(min(self.days)))]
        if "{days}" not in self.text:
            return [self.text]
        stretches = [days_options(first, last) for first, last in runs_of_days(self.days)]
        more = ["…"] if len(stretches) > SHOWN_STRETCHES else []
        return [self.text.replace("{days}", options) for options in stretches[:SHOWN_STRETCHES]] + more


SHOWN_STRETCHES = 3
"""More commands than this are not read."""


@dataclass(frozen=True)
class DayOutcome:
    """What became of one day of a run.

    Args:
        day: The day; None for an unpartitioned table.
        state: `published`; `unchanged`, readers had this content already; `held` by an audit; `blocked` before a row
            was read, by a pre-check of its source; `moved`, another run published it meanwhile; `not-ready`; or `gap`,
            declared never to come.
        reason: Why, in one line.
        readers: What readers see now.
        rows: How many rows were staged.
        bytes: The size of the staged files.
        verdict: What the audits said, when they were asked.
        before: What was asked before a row was read: the pre-check, and audits that a source's count can answer.
        steps: What to do before the day is run again.
        merged: What the merge does to the table, for one that is merged.
        rejected: How many rows went to the table of rejects, for one whose days are split.
        ignored: What it lacked when it was run all the same, and why it was.
    """

    day: Day
    state: State
    reason: str
    readers: str
    rows: int = 0
    bytes: int = 0
    verdict: Verdict | None = None
    before: tuple[AuditResult, ...] = ()
    steps: tuple[NextStep, ...] = ()
    merged: Merged | None = None
    rejected: int | None = None
    ignored: str = ""

    @property
    def results(self) -> tuple[AuditResult, ...]:
        """All that was found of it, in the order in which it was asked."""
        return (*self.before, *(self.verdict.results if self.verdict else ()))

    @property
    def good(self) -> bool:
        """Whether readers now see what this run made, or nothing was to be done."""
        return EXIT_CODES[self.state] == 0


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Args:
        table: The table's name.
        run: The run's id; None when nothing was staged.
        days: What became of each day, in order.
        snapshot: The snapshot that holds the published days; None when nothing was committed.
        evidence: Where the run's evidence lies; None when nothing was staged.
        seconds: How long each step took.
        inputs: What was read: table and snapshot, or source.
        engine: Which engine made the rows, where that is not this process.
    """

    table: str
    run: str | None
    days: tuple[DayOutcome, ...]
    snapshot: int | None = None
    evidence: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    inputs: Sequence[Mapping[str, Any]] = ()
    engine: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """The smallest of 3, 4 and 5 that occurred, else 0."""
        return min((EXIT_CODES[day.state] for day in self.days if not day.good), default=0)

    def of(self, state: State) -> tuple[DayOutcome, ...]:
        """Return the days that ended in a state."""
        return tuple(day for day in self.days if day.state == state)

    def refusals(self) -> list[Refusal]:
        """Return what was refused: days of one state and reason together."""
        found: dict[tuple[State, str], list[DayOutcome]] = {}
        for day in self.days:
            if not day.good:
                found.setdefault((day.state, day.reason), []).append(day)
        return [Refusal(self.table, tuple(days)) for days in found.values()]


@dataclass(frozen=True)
class Refusal:
    """Days of a run that were refused for the same reason.

    Args:
        table: The table's name.
        days: The days, at least one.
    """

    table: str
    days: tuple[DayOutcome, ...]

    @property
    def days_text(self) -> str:
        """The days, as a person writes them; nothing for an unpartitioned table."""
        return days_text([day.day for day in self.days if day.day])

    @property
    def next_step(self) -> str:
        """The command that helps."""
        first = self.days[0]
        steps: dict[str, set[date]] = {}
        for day in self.days:
            for step in day.steps:
                steps.setdefault(step.text, set()).update(step.days)
        commands = [c for text, days in steps.items() for c in NextStep(text, tuple(days)).commands()]
        if first.state in {"held", "moved"}:
            at = f"@{first.day}" if first.day else ""
            commands.append(f"lakeproof show {self.table}{at}" + (" --held" if first.state == "held" else ""))
        listed = tuple(day.day for day in self.days if day.day)
        again = NextStep(f"lakeproof run {self.table}" + (" {days}" if listed else ""), listed)
        return "; then ".join([*commands, *again.commands()])

    def __str__(self) -> str:
        """Return what, what readers see now, and what next, each on a line."""
        first = self.days[0]
        more = f" ({first.day}; {len(self.days)} days are like it)" if len(self.days) > 1 else ""
        return (
            f"{self.table} {self.days_text} {first.state}: {first.reason}".replace("  ", " ")
            + f"\n  Readers: {first.readers}{more}\n  Next: {self.next_step}"
        )


def worst(days: Sequence[DayOutcome]) -> State:
    """Return the state that decides how a run with these days ends: that of the smallest exit code but 0."""
    return min((day.state for day in days if not day.good), key=EXIT_CODES.__getitem__)


def readers_see(live: LiveDay | None) -> str:
    """Return what readers of a day see now, in words."""
    if live is None:
        return "see nothing of it; it was never published"
    return f"still see the {live.rows:,} rows that run {live.run or 'of another engine'} published"
