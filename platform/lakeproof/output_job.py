"""A run to an output as Dagster sees it: an op job, since a failed asset run would colour the days of `main`.

What became of each day is an observation on its asset: no materialization, which would say that readers have it, and no
evaluation of a check, which would say that theirs is good or bad.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakeproof.alive import at_work
from lakeproof.asset import tables_among, why_ignored
from lakeproof.cost.bill import Bill
from lakeproof.cost.meter import Meter
from lakeproof.errors import LakeproofError, UnknownTableError, UsageError, did_you_mean
from lakeproof.journey import Asked, take
from lakeproof.lakehouse import KEY
from lakeproof.order import upstream_first
from lakeproof.outcome import Outcome, worst
from lakeproof.outputs.beside import compare_output_of, owns_days
from lakeproof.outputs.naming import admitted, existing
from lakeproof.outputs.text import markdown, verdict
from lakeproof.progress import report
from lakeproof.recording import one_transaction
from lakeproof.spec import AT_WORK_ON_TAG, OUTCOME_TAG, asset_key
from lakeproof.window import Window, as_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from lakeproof.asset import TableAsset
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.outcome import DayOutcome

NAME = "lakeproof_output"
OP = "run_on_output"

OUTPUT_TAG = "lakeproof/output"
"""The run tag that names the output, for a backfill from the UI, which takes tags and no config."""

TABLES_TAG = "lakeproof/tables"
"""The run tag that names the tables, separated by commas, for the same."""

CONFIG = {
    "output": dg.Field(str, default_value="", description=f"The output's name; else the tag {OUTPUT_TAG} says it."),
    "tables": dg.Field(
        [str], default_value=[], description=f"Which tables; else those of the tag {TABLES_TAG}, else all of them."
    ),
    "from": dg.Field(str, is_required=False, description="The first day, in place of the partition's."),
    "to": dg.Field(str, is_required=False, description="The last day, included."),
    "as_table": dg.Field(str, is_required=False, description="For one table: a name for the output's as a table."),
}


def output_jobs(assets: Iterable[object], *, name: str = NAME) -> dg.Definitions:
    """Return the jobs that run tables of a code location to an output beside `main`, and compare it with `main`.

    From the launchpad the first takes what `lakeproof run --output` takes; as a backfill in the UI, the tags
    `lakeproof/output` and `lakeproof/tables` say which. To merge into a code location's definitions.

    Args:
        assets: The location's assets; those that are no tables are left alone.
        name: The job's name.
    """
    made = upstream_first(tables_among(assets))

    def run_on_output(context: dg.OpExecutionContext) -> None:
        """Run days of tables to an output, upstream first; what refuses keeps nothing else from being run."""
        _run(context, made)

    run_on_output.__annotations__.clear()  # Dagster reads them as they stand, and they stand as text
    op = dg.op(name=OP, required_resource_keys={KEY}, config_schema=CONFIG, out=dg.Out(dg.Nothing))(run_on_output)
    starts = [table_asset.table.first_day for table_asset in made if table_asset.table.partition is not None]
    days = dg.DailyPartitionsDefinition(start_date=min(starts).isoformat()) if starts else None

    @dg.job(name=name, partitions_def=days, description="Runs tables to an output beside main: lakeproof run --output.")
    def job() -> None:
        op()

    return dg.Definitions(jobs=[job, _compare_job(made, f"{name}_compare")])


def _compare_job(made: Sequence[TableAsset], name: str) -> dg.JobDefinition:
    """Return the job that compares an output with `main`, and shows it on the assets of the tables."""

    def compare_output(context: dg.OpExecutionContext) -> None:
        """Compare an output's days with main's, table by table; what was compared may be promoted."""
        config: dict[str, Any] = context.op_config
        lake: Lake = getattr(context.resources, KEY).lake
        try:
            chosen = _chosen(made, config["tables"])
            beside = existing(lake, config["output"])
            lines = [one for one in chosen if owns_days(beside, one.table.name)]
            for one in lines:
                found = compare_output_of(lake, config["output"], one.table.name)
                told = {"output": config["output"], "comparison": dg.MetadataValue.md(markdown(found))}
                context.log_event(dg.AssetObservation(asset_key(one.table), description=verdict(found), metadata=told))
        except LakeproofError as error:
            raise _failure(context, "error", str(error)) from error
        context.log.info("%d tables compared", len(lines))

    compare_output.__annotations__.clear()  # Dagster reads them as they stand, and they stand as text
    config = {"output": dg.Field(str, description="The output's name."), "tables": CONFIG["tables"]}
    op = dg.op(required_resource_keys={KEY}, config_schema=config, out=dg.Out(dg.Nothing))(compare_output)

    @dg.job(name=name, description="Compares an output with main: lakeproof compare --to.")
    def job() -> None:
        op()

    return job


def _run(context: dg.OpExecutionContext, made: Sequence[TableAsset]) -> None:
    at_work(context.instance, context.run.run_id)
    config: dict[str, Any] = context.op_config
    refused: list[DayOutcome] = []
    reasons: list[str] = []
    try:
        output = config["output"] or context.run.tags.get(OUTPUT_TAG, "")
        lake: Lake = admitted(getattr(context.resources, KEY).lake, output)
        chosen = _chosen(made, config["tables"] or context.run.tags.get(TABLES_TAG, "").replace(" ", "").split(","))
        asked = _asked(context, config)
        if config.get("as_table") and len(chosen) != 1:
            msg = f"as_table names one table, and {len(chosen)} are to be run."
            raise UsageError(msg, next_step="name the one table that it is for")
    except LakeproofError as error:
        report(error)
        raise _failure(context, "error", str(error)) from error
    context.instance.add_run_tags(context.run.run_id, {OUTPUT_TAG: output})
    why = Asked(context, context.run.run_id, why_ignored(context.run.tags), config.get("as_table"))
    meter = Meter.begin()
    for table_asset in chosen:
        if not (days := _days_of(table_asset, asked)):
            continue
        context.instance.add_run_tags(context.run.run_id, {AT_WORK_ON_TAG: table_asset.table.name})
        meter = Meter.begin()
        try:
            outcome = take(lake, table_asset, days, why)
        except LakeproofError as error:
            report(error)
            reasons.append(f"{table_asset.table.name}: {error}")
            context.log_event(_broken(table_asset, output, error, _whole(meter)))
            meter = Meter.begin()
            continue
        bill = Bill(meter, {day.day: day.rows for day in outcome.days}, datetime.now(UTC).date())
        with one_transaction(context.instance, context.run.run_id):
            for day in outcome.days:
                context.log_event(_observed(table_asset, output, outcome, day, bill))
        meter = Meter.begin()
        refused += [day for day in outcome.days if not day.good]
        reasons += [str(refusal) for refusal in outcome.refusals()]
    if reasons:
        raise _failure(context, worst(refused) if refused else "error", "\n".join(reasons), _whole(meter))


def _chosen(made: Sequence[TableAsset], names: Sequence[str]) -> list[TableAsset]:
    wanted = [name for name in names if name]
    known = {table_asset.table.name: table_asset for table_asset in made}
    for name in wanted:
        if name not in known:
            msg = f"There is no table {name!r} in this code location. {did_you_mean(name, known)}"
            raise UnknownTableError(msg)
    return [known[name] for name in known if not wanted or name in wanted]


def _asked(context: dg.OpExecutionContext, config: dict[str, Any]) -> Window | None:
    """Return the days that were asked for: those of the config, else the run's partition."""
    if bool(config.get("from")) != bool(config.get("to")):
        msg = "Give from and to together."
        raise UsageError(msg)
    if config.get("from"):
        return Window.of(config["from"], config["to"])
    return Window.of(as_day(context.partition_key)) if context.has_partition_key else None


def _days_of(made: TableAsset, asked: Window | None) -> tuple[Day, ...]:
    if made.table.partition is None:
        return (None,)
    days: tuple[date, ...] = asked.days if asked else ()
    return tuple(day for day in days if made.table.has_day(day))


def _observed(made: TableAsset, output: str, outcome: Outcome, day: DayOutcome, bill: Bill) -> dg.AssetObservation:
    """Return what became of a day, as an observation on the asset of its table."""
    metadata: dict[str, Any] = {
        "output": output,
        "outcome": day.state,
        "reason": day.reason,
        "readers": day.readers,
        "rows": day.rows,
        "bytes": day.bytes,
        "run": outcome.run or "",
        "evidence": outcome.evidence or "",
        "content": day.verdict.content.digest if day.verdict else "",
        **bill.of(day.day),
    }
    if found := [result.finding for result in day.results if not result.passed]:
        metadata["audits"] = dg.MetadataValue.md("\n".join(f"- {finding}" for finding in found))
    return dg.AssetObservation(
        asset_key=asset_key(made.table),
        partition=day.day.isoformat() if day.day else None,
        description=f"On output {output}: {day.state}.",
        metadata=metadata,
    )


def _broken(made: TableAsset, output: str, error: LakeproofError, used: Mapping[str, Any]) -> dg.AssetObservation:
    """Return that a table's run was refused as a whole, and what it used all the same."""
    metadata = {"output": output, "outcome": "error", "reason": str(error), **used}
    return dg.AssetObservation(asset_key(made.table), description=f"On output {output}: error.", metadata=metadata)


def _whole(meter: Meter) -> dict[str, Any]:
    """Return what was used since a meter began, and is of no day."""
    return Bill(meter, {None: 0}, datetime.now(UTC).date()).of(None)


def _failure(
    context: dg.OpExecutionContext, why: str, description: str, used: Mapping[str, Any] | None = None
) -> dg.Failure:
    context.instance.add_run_tags(context.run.run_id, {OUTCOME_TAG: why})
    return dg.Failure(description, metadata=used, allow_retries=False)
