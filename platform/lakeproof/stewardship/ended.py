"""The runs that ended on some days, and what Dagster recorded of their steps.

A run belongs to the day of the clock, in UTC, on which it ended. So what is recorded of a day that is over never
changes: a run that is still at work belongs to a later day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from lakeproof.window import Window

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def runs_ended(instance: dg.DagsterInstance, window: Window) -> Iterator[tuple[dg.DagsterRun, float]]:
    """Yield the runs that ended in a window, each with the instant at which it ended, in seconds since 1970.

    Args:
        instance: Dagster's record.
        window: Days of the clock, in UTC.
    """
    start, end = window.start.timestamp(), window.end.timestamp()
    wanted = dg.RunsFilter(statuses=ENDED, updated_after=window.start, created_before=window.end)
    for record in instance.get_run_records(wanted, ascending=True):
        if record.end_time is not None and start <= record.end_time < end:
            yield record.dagster_run, record.end_time


def step_events(
    instance: dg.DagsterInstance, run: dg.DagsterRun, wanted: Collection[dg.DagsterEventType]
) -> Iterator[tuple[str, dg.DagsterEvent, float]]:
    """Yield the events of a run's steps in order: the step's key, the event, and its instant.

    Args:
        instance: Dagster's record.
        run: The run.
        wanted: The types of events.
    """
    for record in instance.get_records_for_run(run.run_id, of_type={*wanted}).records:
        event = record.event_log_entry.get_dagster_event()
        if event.step_key is not None:
            yield event.step_key, event, record.timestamp
