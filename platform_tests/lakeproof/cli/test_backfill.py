"""A backfill as the UI launches it: Dagster's own mutation, daemons and launcher, with real runs."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster_graphql.schema import create_schema

from lakeproof.cli.execute import dagster_instance

if TYPE_CHECKING:
    from platform_tests.lakeproof.cli.conftest import Shell

LAUNCH = """
mutation($backfill: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfill) {
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
DEADLINE_SECONDS = 180


def backfill(instance: dg.DagsterInstance, assets: list[str], days: list[str]) -> list[dg.DagsterRun]:
    """Launch a backfill, turn the daemons' cranks until it ends, and return its runs, oldest first."""
    chosen = [{"path": ["small", asset]} for asset in assets]
    variables = {"backfill": {"assetSelection": chosen, "partitionNames": days}}
    with WorkspaceProcessContext(instance, WorkspaceFileTarget(["workspace.yaml"])) as workspace:
        answer = asyncio.run(
            create_schema().execute_async(
                LAUNCH, variable_values=variables, context_value=workspace.create_request_context()
            )
        )
        assert "backfillId" in answer.data["launchPartitionBackfill"], answer
        made = answer.data["launchPartitionBackfill"]["backfillId"]
        queue = QueuedRunCoordinatorDaemon(interval_seconds=1)
        until = time.monotonic() + DEADLINE_SECONDS
        while instance.get_backfill(made).status.value == "REQUESTED" and time.monotonic() < until:
            list(execute_backfill_iteration(workspace, logging.getLogger("backfill")))
            list(queue.run_iteration(workspace))
            time.sleep(0.5)
    return list(reversed(instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": made}))))


@pytest.mark.filterwarnings("default")  # Dagster's own webserver code runs in this process, and warns of itself
def test_a_backfill_is_one_run_a_table_and_a_bad_day_holds_only_itself(shell: Shell) -> None:
    """Ten days of two tables, one day bad: the other nine are there in both, in a run a table and stretch."""
    shell.values(_2024_01_04=-1)
    shell("run", "small.sensors")
    days = [f"2024-01-{number:02d}" for number in range(1, 11)]

    with dagster_instance() as instance:
        runs = backfill(instance, ["readings", "totals"], days)
        materialized = {
            name: instance.get_materialized_partitions(dg.AssetKey(["small", name])) for name in ("readings", "totals")
        }

    of = [next(iter(run.asset_selection)).path[-1] for run in runs]
    good = set(days) - {"2024-01-04"}
    assert all(len(run.asset_selection) == 1 for run in runs)
    assert of.count("readings") == 1
    assert of.count("totals") == 2
    assert materialized == {"readings": good, "totals": good}
