"""The daily job that keeps a code location's tables small, and Dagster's record of them true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from lakeproof.alive import close_killed
from lakeproof.asset import tables_among
from lakeproof.lake.output import MAIN
from lakeproof.lake.upkeep import upkeep
from lakeproof.lakehouse import KEY
from lakeproof.outputs.discarding import discard_unused
from lakeproof.repair import record_published

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lakeproof.lake.catalog import Lake

NAME = "lakeproof_maintenance"


def maintenance(
    assets: Iterable[object], *, cron_schedule: str = "30 3 * * *", timezone: str = "UTC", name: str = NAME
) -> dg.Definitions:
    """Return a job that does for tables what `lakeproof maintain` does, and a schedule that runs it daily.

    To merge into a code location's definitions: `dg.Definitions.merge(dg.Definitions(assets=…), maintenance(…))`.

    Args:
        assets: The location's assets; those that are no tables are left alone.
        cron_schedule: When to run.
        timezone: In which time zone.
        name: The job's name.
    """
    made = tables_among(assets)

    def keep(context: dg.OpExecutionContext) -> None:
        """Settle killed runs, let old snapshots go, remove what nobody needs, and record what was published."""
        opened: Lake = getattr(context.resources, KEY).lake
        lake = opened.on(MAIN)  # upkeep is of tables, with all their outputs
        totals: dict[str, Any] = {"tables": 0, "files removed": 0, "bytes removed": 0, "days recorded": 0}
        totals["outputs discarded"] = len(discard_unused(lake))
        for table_asset in made:
            table = lake.find(table_asset.table.name)
            if table is None:
                continue
            done, recorded = upkeep(table), record_published(context.instance, opened, table_asset)
            totals["tables"] += 1
            totals["files removed"] += len(done.removed)
            totals["bytes removed"] += sum(gone.bytes for gone in done.removed)
            totals["days recorded"] += len(recorded)
            context.log.info("%s: %d files removed, %d days recorded", done.table, len(done.removed), len(recorded))
        totals["killed runs"] = len(close_killed(context.instance))
        context.add_output_metadata(totals)

    keep.__annotations__.clear()  # Dagster reads them as they stand, and they stand as text
    op = dg.op(name=f"{name}_op", required_resource_keys={KEY}, out=dg.Out(dg.Nothing))(keep)

    @dg.job(name=name, description="Upkeep of the location's tables: lakeproof maintain.")
    def job() -> None:
        op()

    schedule = dg.ScheduleDefinition(
        job=job,
        cron_schedule=cron_schedule,
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return dg.Definitions(jobs=[job], schedules=[schedule])
