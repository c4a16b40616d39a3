"""What Dagster recorded of tables in the runs that ended on some days."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakeproof.stewardship.ended import runs_ended, step_events
from lakeproof.stewardship.happened import refused_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lakeproof import Window

Event = dg.DagsterEventType
READ = {
    Event.ASSET_MATERIALIZATION_PLANNED,
    Event.ASSET_MATERIALIZATION,
    Event.ASSET_CHECK_EVALUATION,
    Event.STEP_START,
    Event.STEP_SUCCESS,
    Event.STEP_FAILURE,
    Event.STEP_SKIPPED,
}
RANK = ("error", "held", "blocked", "not-ready", "moved", "published", "unchanged")
"""Which state of its days names the outcome of a run: the first that occurred."""


@dataclass(frozen=True)
class TableRun:
    """A run, as far as it is about one table.

    Args:
        day: The day on which it ended, in UTC.
        table: The table's name.
        outcome: The state of its days that counts most; `killed` or `stopped` where Dagster knows no more; `gap` where
            nothing was to be done.
        seconds: From the start of its step to its end.
        states: How many days ended in each state.
        checks: What its audits found.
    """

    day: date
    table: str
    outcome: str
    seconds: float
    states: Counter[str]
    checks: Sequence[dg.AssetCheckEvaluation]


def tables_recorded(instance: dg.DagsterInstance) -> list[str]:
    """Return the names of the tables that Dagster was ever told of, published or not.

    Args:
        instance: Dagster's record.
    """
    return [name for key in instance.get_asset_keys() if (name := _name(key)) is not None]


def _name(key: dg.AssetKey | None) -> str | None:
    """Return the table of an asset's key: a namespace and a name; None for any other asset."""
    return ".".join(key.path) if key is not None and len(key.path) == 2 else None  # noqa: PLR2004 - as it says


def table_runs(instance: dg.DagsterInstance, window: Window) -> Iterator[TableRun]:
    """Yield the runs of tables that ended in a window.

    Args:
        instance: Dagster's record.
        window: The days, in UTC.
    """
    for run, ended in runs_ended(instance, window):
        yield from _of_run(instance, run, ended)


def _of_run(instance: dg.DagsterInstance, run: dg.DagsterRun, ended: float) -> Iterator[TableRun]:
    steps: dict[str, _Step] = {}
    table_of: dict[str, str] = {}
    for key, event, at in step_events(instance, run, READ):
        if event.event_type is not Event.ASSET_MATERIALIZATION_PLANNED:
            steps.setdefault(key, _Step()).take(event, at)
        elif (table := _name(event.asset_key)) is not None:
            table_of[key] = table
    stopped = run.status is dg.DagsterRunStatus.CANCELED
    for key, table in sorted(table_of.items(), key=lambda item: item[1]):
        step = steps.get(key, _Step())
        if step.skipped:
            continue
        outcome = step.outcome_of(table) or ("stopped" if stopped else "killed")
        seconds = 0.0 if step.started is None else (step.ended or ended) - step.started
        day = datetime.fromtimestamp(ended, UTC).date()
        yield TableRun(day, table, outcome, seconds, step.states_of(table), step.checks)


class _Step:
    """What the events of a step say."""

    def __init__(self) -> None:
        self.started: float | None = None
        self.ended: float | None = None
        self.failed = self.skipped = False
        self.made: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[str] = Counter()
        self.checks: list[dg.AssetCheckEvaluation] = []

    def take(self, event: dg.DagsterEvent, at: float) -> None:
        """Take an event, in order."""
        if event.event_type is Event.STEP_START:
            self.started = at
        elif event.event_type is Event.STEP_SKIPPED:
            self.skipped = True
        elif event.event_type is Event.ASSET_CHECK_EVALUATION:
            self.checks.append(event.asset_check_evaluation_data)
        elif event.event_type is Event.ASSET_MATERIALIZATION and event.asset_key is not None:
            said: Any = event.materialization.metadata.get("outcome")
            self.made[".".join(event.asset_key.path), "published" if said is None else str(said.value)] += 1
        elif event.event_type in {Event.STEP_SUCCESS, Event.STEP_FAILURE}:
            self.ended, self.failed = at, event.event_type is Event.STEP_FAILURE
            for cause in refused_by(event) if self.failed else ():
                self.refused[cause["state"]] += len(cause["days"])

    def states_of(self, table: str) -> Counter[str]:
        """Return how many days of the table ended in each state."""
        good = {state: days for (made, state), days in self.made.items() if made == table}
        return Counter(good) + self.refused

    def outcome_of(self, table: str) -> str:
        """Return the state of the table's days that counts most; nothing when the step never ended."""
        if self.ended is None:
            return ""
        states = self.states_of(table)
        if self.failed and not self.refused:
            return "error"
        return next((state for state in RANK if states[state]), "gap")
