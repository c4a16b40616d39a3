"""What is told to Dagster by a command and not by a step, in a run of its own.

Events that belong to no run would do for materializations, but of a check Dagster takes one evaluation for each run and
partition: the second that belongs to none would be refused.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.events import AssetObservationData, DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.utils import make_new_run_id

from lakeproof.recording import one_transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dagster._core.events import EventSpecificData

    Event = dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation


@contextmanager
def noted(instance: dg.DagsterInstance, name: str, tags: Mapping[str, str]) -> Iterator[Callable[[Event], None]]:
    """Yield what tells Dagster an event; all of the block are of one run, which shows in the UI under this name.

    Args:
        instance: Dagster's record.
        name: What the run is called.
        tags: Its tags.
    """
    run = instance.add_run(dg.DagsterRun(job_name=name, run_id=make_new_run_id(), tags=dict(tags)))

    def report(kind: DagsterEventType, data: EventSpecificData | None = None) -> None:
        event = DagsterEvent(event_type_value=kind.value, job_name=name, event_specific_data=data)
        instance.report_dagster_event(event, run.run_id)

    def tell(event: Event) -> None:
        if isinstance(event, dg.AssetMaterialization):
            report(DagsterEventType.ASSET_MATERIALIZATION, StepMaterializationData(event))
        elif isinstance(event, dg.AssetObservation):
            report(DagsterEventType.ASSET_OBSERVATION, AssetObservationData(event))
        else:
            report(DagsterEventType.ASSET_CHECK_EVALUATION, event)

    report(DagsterEventType.RUN_START)
    try:
        with one_transaction(instance, run.run_id):
            yield tell
    except BaseException:
        report(DagsterEventType.RUN_FAILURE)
        raise
    report(DagsterEventType.RUN_SUCCESS)
