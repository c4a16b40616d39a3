"""How a contract looks to Dagster: partitions, checks, freshness, dependencies, columns."""

from __future__ import annotations

import warnings
import zlib
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakeproof.audit.kinds import References
from lakeproof.contract import Input, Table
from lakeproof.parts import NOT_EMPTY, PRE_CHECK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from lakeproof.source.protocol import Source


DATA_VERSION_TAG = "dagster/data_version"
"""The tag of a materialization that tells its content from any other."""

CAUSE_TAG = "lakeproof/cause"
"""The run tag that tells why a sensor asked: equal causes are the same content of all inputs."""

OUTCOME_TAG = "lakeproof/outcome"
"""The run tag that says why a run failed: `held`, `blocked`, `not-ready`, `moved` or `error`; of several, as exit codes
rank. On an observation, what became of a day."""

AT_WORK_ON_TAG = "lakeproof/at-work-on"
"""The run tag that names the table that a run to an output is making, or made last: should the run be killed, nothing
else says whose work was lost."""

NOT_READY = "not-ready"


def asset_key(table: Table) -> dg.AssetKey:
    """Return a table's asset key: its name, split at the dot."""
    return dg.AssetKey(table.name.split("."))


def source_key(table: Table, name: str) -> dg.AssetKey:
    """Return the key of the external asset that stands for what a table collects from.

    Args:
        table: The contract.
        name: The input.
    """
    return dg.AssetKey(["sources", *table.name.split("."), name])


def partition_tags(first: date, last: date) -> dict[str, str]:
    """Return the tags by which a run is one of those days, in one run."""
    if first == last:
        return {"dagster/partition": first.isoformat()}
    return {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": last.isoformat(),
    }


def asset_options(
    table: Table, inputs: Mapping[str, Input | Source], deps: Sequence[Any], options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what `dagster.asset` is told of a table.

    Args:
        table: The contract.
        inputs: What it reads, by name.
        deps: Further assets it depends on.
        options: Dagster's own, as the user gave them.
    """
    partitions = partitions_of(table)
    rest = {name: value for name, value in options.items() if name not in {"group_name", "tags", "metadata"}}
    return {
        "key": asset_key(table),
        "description": table.description or None,
        "group_name": options.get("group_name", table.layer),
        "owners": [table.owner],
        "tags": {**table.tags, **options.get("tags", {})},
        "metadata": {**_metadata(table), **options.get("metadata", {})},
        "partitions_def": partitions,
        "backfill_policy": None if partitions is None else _policy(table),
        "freshness_policy": _freshness(table),
        "check_specs": list(_checks(table, inputs, partitions)),
        "deps": [*deps, *_deps(table, inputs)],
        **_shared(table),
        **rest,
    }


def _shared(table: Table) -> dict[str, Any]:
    """Return what a table has of its pipeline: the pool that bounds its runs, and how often they are tried again."""
    common = table.pipeline
    if common is None:
        return {}
    backoff = None if common.retry_backoff is None else dg.Backoff(common.retry_backoff.upper())
    retries = dg.RetryPolicy(common.retries, common.delay.total_seconds(), backoff) if common.retries else None
    return {"pool": common.name, "retry_policy": retries}


def partitions_of(table: Table) -> dg.DailyPartitionsDefinition | None:
    """Return a table's days as Dagster partitions."""
    if table.partition is None:
        return None
    return dg.DailyPartitionsDefinition(
        start_date=table.first_day.isoformat(),
        end_date=None if table.until_day is None else table.until_day.isoformat(),
        timezone=table.timezone,
    )


def _policy(table: Table) -> dg.BackfillPolicy:
    """Backfill all days in one run, and one table in one run.

    Dagster puts assets with equal policies into one run, where a held day of one fails every day of the next. A run of
    ten thousand days is never cut, and a number of its own keeps each table in a run of its own.
    """
    return dg.BackfillPolicy.multi_run(10_000 + (zlib.crc32(table.name.encode()) >> 2))


def _freshness(table: Table) -> dg.FreshnessPolicy | None:
    if table.sla is None:
        return None
    due = table.sla.due_time
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{due.minute} {due.hour} * * *",
        lower_bound_delta=timedelta(days=1),
        timezone=table.sla.timezone,
    )


def _checks(
    table: Table, inputs: Mapping[str, Input | Source], partitions: dg.DailyPartitionsDefinition | None
) -> Iterator[dg.AssetCheckSpec]:
    key = asset_key(table)
    if any(not isinstance(how, Input) for how in inputs.values()):
        yield dg.AssetCheckSpec(
            PRE_CHECK,
            asset=key,
            blocking=True,
            description="each source looks as its contract says, before a row is read",
            partitions_def=partitions,
        )
    if not table.allow_empty:
        yield dg.AssetCheckSpec(
            NOT_EMPTY, asset=key, blocking=True, description="there are rows", partitions_def=partitions
        )
    for audit in table.audits:
        blocking = audit.severity == "blocking"
        yield dg.AssetCheckSpec(
            audit.name,
            asset=key,
            blocking=blocking,
            description=audit.describe,
            partitions_def=partitions,
            metadata={"severity": audit.severity},
        )


def _deps(table: Table, inputs: Mapping[str, Input | Source]) -> Iterator[dg.AssetDep]:
    """Yield what must be there first: inputs, and what audits refer to.

    A trailing window is the same day to Dagster, which would otherwise take a backfill of some days for a request of
    the days after it too; the gate asks for the whole window.
    """
    read = {how.table.name for how in inputs.values() if isinstance(how, Input)}
    refers = {audit.table for audit in table.audits if isinstance(audit, References)}
    for name in sorted(refers - read - {table.name}):
        yield dg.AssetDep(dg.AssetKey(name.split(".")))
    for input_name, how in inputs.items():
        if not isinstance(how, Input):
            yield dg.AssetDep(source_key(table, input_name))
            continue
        key = asset_key(how.table)
        if how.kind == "previous":
            yield dg.AssetDep(key, partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1))
        else:
            yield dg.AssetDep(key)


def _metadata(table: Table) -> dict[str, Any]:
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                column.description,
                constraints=dg.TableColumnConstraints(
                    other=[
                        *(["partition"] if column.name == table.partition else []),
                        *(["key"] if column.name in table.key else []),
                    ]
                ),
            )
            for column in table.columns
        ]
    )
    metadata: dict[str, Any] = {
        "dagster/column_schema": schema,
        "dagster/table_name": table.name,
    }
    if table.values:
        metadata["value"] = "; ".join(f"{value.amount_text} to {value.consumer}: {value.why}" for value in table.values)
    return metadata


@contextmanager
def without_preview_warnings() -> Iterator[None]:
    """Silence the warnings that Lakeproof has decided to live with, and no other.

    Checks by partition are a preview of Dagster 1.13 and backfill policies a beta: the reason for the bound on Dagster
    in pyproject.toml.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*partitions_def on an AssetCheckSpec", dg.PreviewWarning)
        warnings.filterwarnings("ignore", ".*`backfill_policy`", dg.BetaWarning)
        yield
