"""Makes Dagster's record true where a run was killed between its commit and its events: what is published is recorded.

The lake says what is published, and the evidence beside it what the audits found; both outlive the run. The next run of
the same days does the same, since it finds them unchanged and records them; this needs no run.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

from lakeproof.lake.evidence import day_evidence, evidence_location, live_content, read_evidence
from lakeproof.lake.files import run_began
from lakeproof.lake.live import View
from lakeproof.noting import noted
from lakeproof.reads import upstream_of
from lakeproof.record import UPSTREAM, VALUED
from lakeproof.spec import DATA_VERSION_TAG

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pyiceberg.table import Table as IcebergTable

    from lakeproof.asset import TableAsset
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.lake.live import LiveDay

RECENT = timedelta(days=30)
"""Days that were published longer ago are only asked whether Dagster knows of them, not of which content."""


def record_published(
    instance: dg.DagsterInstance, lake: Lake, made: TableAsset, *, dry_run: bool = False
) -> tuple[Day, ...]:
    """Record the published days that Dagster does not know of, or knows with other content: each with its audits.

    Args:
        instance: Dagster's record.
        lake: The lake.
        made: The table.
        dry_run: Whether to only say which days they are.

    Returns:
        The days.
    """
    view = View.open(lake, made.table)
    if view.table is None or not view.days:
        return ()
    missing = tuple(day.day for day in _unrecorded(instance, made.asset.key, view))
    if not dry_run:
        record_days(instance, made, view, missing, {"outcome": "recorded by maintain"}, "lakeproof_repair")
    return missing


def record_days(
    instance: dg.DagsterInstance,
    made: TableAsset,
    view: View,
    days: Collection[Day],
    cause: Mapping[str, str],
    run: str,
) -> None:
    """Record published days that no run of their table has told of: each with what its audits found.

    Args:
        instance: Dagster's record.
        made: The table.
        view: What is published of it.
        days: The days.
        cause: Why they are recorded, for the materialization's metadata. A day that is not published any more is noted
            as that: Dagster cannot forget that it was.
        run: What Dagster shall call the run that tells of them.
    """
    if view.table is None or not days:
        return
    with noted(instance, run, {}) as tell:
        for day in days:
            if day in view.days:
                _record(instance, tell, made, view.table, view.days[day], cause)
            else:
                told, partition = dict(cause), None if day is None else day.isoformat()
                gone = "No longer published."
                tell(dg.AssetObservation(made.asset.key, gone, metadata=told, partition=partition))


def _unrecorded(instance: dg.DagsterInstance, asset: dg.AssetKey, view: View) -> list[LiveDay]:
    assert view.table is not None  # noqa: S101 - the caller has looked
    known = _versions(instance, asset, view.days)
    found = []
    for day, live in view.days.items():
        if day not in known:
            found.append(live)
            continue
        recent = live.run is not None and datetime.now(UTC) - run_began(live.run) < RECENT
        content = live_content(view.table, live) if recent else None
        if content is None or known[day] in {None, content.digest}:
            continue
        # Days that shared a run with other assets share a version, which is none of theirs.
        latest, evidence = _latest(instance, asset, day), read_evidence(view.table, live.run or "")
        if latest is None or evidence is None or latest.run_id != evidence.get("dagster_run"):
            found.append(live)
    return found


def _versions(instance: dg.DagsterInstance, asset: dg.AssetKey, days: Mapping[Day, LiveDay]) -> dict[Day, str | None]:
    """Return the data version that Dagster has last recorded of each day that it knows of."""
    if None in days:
        latest = _latest(instance, asset, None)
        return {} if latest is None else {None: _tags(latest).get(DATA_VERSION_TAG)}
    recorded = instance.get_materialized_partitions(asset)
    event = dg.DagsterEventType.ASSET_MATERIALIZATION
    tags = instance.event_log_storage.get_latest_tags_by_partition(asset, event, [DATA_VERSION_TAG])
    keys = {day: day.isoformat() for day in days if day is not None}
    return {day: tags.get(key, {}).get(DATA_VERSION_TAG) for day, key in keys.items() if key in recorded}


def _latest(instance: dg.DagsterInstance, asset: dg.AssetKey, day: Day) -> dg.EventLogRecord | None:
    wanted = dg.AssetRecordsFilter(asset, asset_partitions=[day.isoformat()]) if day else asset
    records: Sequence[dg.EventLogRecord] = instance.fetch_materializations(wanted, limit=1).records
    return records[0] if records else None


def _tags(record: dg.EventLogRecord) -> Mapping[str, str]:
    materialization = record.asset_materialization
    return materialization.tags or {} if materialization else {}


def _record(
    instance: dg.DagsterInstance,
    tell: Callable[[Any], None],
    made: TableAsset,
    table: IcebergTable,
    live: LiveDay,
    cause: Mapping[str, str],
) -> None:
    """Record a day's materialization, then what its audits found, as the run would have."""
    key, partition = made.asset.key, None if live.day is None else live.day.isoformat()
    content = live_content(table, live)
    metadata: dict[str, Any] = {"dagster/row_count": live.rows, "bytes": live.bytes, **cause, **_lineage(made)}
    if live.run is not None:
        metadata |= {"run": live.run, "evidence": evidence_location(table, live.run)}
    if content is not None:
        metadata["content"] = content.digest
    tags = {} if content is None else {DATA_VERSION_TAG: content.digest}
    tell(dg.AssetMaterialization(asset_key=key, partition=partition, metadata=metadata, tags=tags))
    latest = _latest(instance, key, live.day)
    entry = day_evidence(read_evidence(table, live.run), live.day) if live.run is not None else None
    if latest is None or entry is None:
        return
    target = Target(run_id=latest.run_id, storage_id=latest.storage_id, timestamp=latest.timestamp)
    declared = {spec.name for spec in made.asset.check_specs}
    for result in entry["audits"]:
        if result["audit"] in declared:
            tell(_evaluation(key, partition, result, target))


def _evaluation(
    asset: dg.AssetKey, partition: str | None, result: Mapping[str, Any], target: Target
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=result["audit"],
        passed=result["passed"],
        severity=dg.AssetCheckSeverity.ERROR if result["severity"] == "blocking" else dg.AssetCheckSeverity.WARN,
        blocking=result["severity"] == "blocking",
        description=result["finding"],
        metadata={"rows": result["total"], "rows failed": result["failed"]},
        partition=partition,
        target_materialization_data=target,
    )


def _lineage(made: TableAsset) -> dict[str, Any]:
    """Return what the table is made from and worth: costs go by what its last materialization says of that."""
    values = [value.record() for value in made.table.values]
    return {UPSTREAM: sorted(upstream_of(made) - {made.table.name})} | ({VALUED: values} if values else {})
