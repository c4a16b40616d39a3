"""The `sla` check of each table, in Dagster: it fails while the latest day that is due is missing, or was late.

A sensor evaluates it, not a run: a day that does not come has none. What is to be evaluated is read from Dagster's own
record, so no tick is lost: a deadline that passed since the last evaluation, a materialization that hides it, a day
that was still missing then. Materializing an old day changes nothing about what the check says.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from zoneinfo import ZoneInfo

import dagster as dg

from lakeproof.asset import tables_among
from lakeproof.lake.heads import Heads, heads
from lakeproof.lake.output import MAIN
from lakeproof.lakehouse import KEY
from lakeproof.parts import SLA_CHECK, Sla
from lakeproof.stewardship.attainment import WINDOWS
from lakeproof.stewardship.publishing import LakeLineage, report_of
from lakeproof.stewardship.text import estimate, markdown, suggested, summary
from lakeproof.window import ONE_DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
    from pyiceberg.table import Table as IcebergTable

    from lakeproof.asset import TableAsset
    from lakeproof.contract import Table
    from lakeproof.stewardship.attainment import Report
    from lakeproof.stewardship.publishing import Finds

NAME = "lakeproof_sla"
JUDGED_AT = "judged at"
STATE = "latest day due"
DUE, ZONE = "due", "time zone"
READ_AHEAD_SECONDS = 0.25
"""How long a tick reads what nobody asks for yet. Most days are due at the same few times, and a commit takes some
milliseconds to read: read as they come, two hundred do not have to be when two hundred days fall due."""

NEVER = datetime.max.replace(tzinfo=UTC)


def slas(assets: Iterable[object], *, every_seconds: int = 60, name: str = NAME) -> dg.Definitions:
    """Return the `sla` check of each table with an SLA, and a sensor that evaluates them as days fall due.

    To merge into a code location's definitions: `dg.Definitions.merge(dg.Definitions(assets=…), slas(…))`.

    Args:
        assets: The location's assets; tables without an SLA, and those that are no tables, are left alone.
        every_seconds: How often the sensor looks whether a day fell due.
        name: The sensor's name.
    """
    made = tables_among(assets)
    known = {one.table.name: one for one in made}
    promised = {one.asset.key: one for one in made if one.table.sla is not None}
    loaded: dict[str, dict[str, tuple[str, IcebergTable]]] = {}
    if not promised:
        return dg.Definitions()

    def check(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        lake, now = getattr(context.resources, KEY).lake.on(MAIN), datetime.now(UTC)
        lineage = LakeLineage(lake, known)
        for key in sorted(selected.asset_key for selected in context.selected_asset_check_keys):
            found = _found(lineage, _report(lake, promised[key].table, now))
            yield dg.AssetCheckResult(asset_key=key, check_name=SLA_CHECK, **found)

    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        lake, now = getattr(context.resources, KEY).lake.on(MAIN), datetime.now(UTC)
        tables = Heads(lake, heads(lake, known), loaded.setdefault(lake.where, {}))
        events = list(_evaluations(context.instance, tables, known, now))
        _read_ahead(tables, (one.table for one in promised.values()), now)
        at, table = min(
            (next_deadline(one.table, sla, now), one.table.name)
            for one in promised.values()
            if (sla := one.table.sla) is not None
        )
        ahead = f"{table} is due next, at {at:%Y-%m-%d %H:%M} UTC" if at < NEVER else "no day will fall due"
        return dg.SensorResult(asset_events=events, skip_reason=f"{len(events)} checks evaluated; {ahead}")

    for function in (check, look):
        function.__annotations__.clear()  # Dagster reads them as they stand, and they stand as text
    checks = dg.multi_asset_check(
        name=f"{name}_check",
        specs=[
            dg.AssetCheckSpec(SLA_CHECK, asset=key, description="the latest day that is due was there in time")
            for key in promised
        ],
        can_subset=True,
        required_resource_keys={KEY},
    )(check)
    sensor = dg.sensor(
        name=name,
        description="Evaluates the sla checks as days fall due.",
        minimum_interval_seconds=every_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={KEY},
    )(look)
    return dg.Definitions(asset_checks=[checks], sensors=[sensor])


def _evaluations(
    instance: dg.DagsterInstance, tables: Finds, known: Mapping[str, TableAsset], now: datetime
) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield what is to be said of tables that Dagster's record does not say yet."""
    made = [one for one in known.values() if one.table.sla is not None]
    keys = [dg.AssetCheckKey(one.asset.key, SLA_CHECK) for one in made]
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    entries = [record.asset_entry for record in instance.get_asset_records([key.asset_key for key in keys])]
    lineage = LakeLineage(tables, known)
    hidden_since = {e.asset_key: e.last_materialization_record for e in entries}
    for one, key in zip(made, keys, strict=True):
        said = _Said.of(records.get(key))
        published = hidden_since.get(key.asset_key)
        if said is not None and published is not None and published.timestamp > said.at.timestamp():
            said = None  # the UI hides what was said before
        if said is not None and not said.may_change(one.table, now):
            continue
        report = _report(tables, one.table, now)
        if said is not None and said.summary == summary(report) and not said.fell_due(one.table, now):
            continue
        found = _found(lineage, report)
        yield dg.AssetCheckEvaluation(asset_key=key.asset_key, check_name=SLA_CHECK, blocking=False, **found)


def _read_ahead(tables: Heads, promised: Iterable[Table], now: datetime) -> None:
    """Read what was published of tables since they were looked at, so that it is known when their days fall due."""
    until = time.monotonic() + READ_AHEAD_SECONDS
    for table in promised:
        if not tables.is_loaded(table.name):
            _report(tables, table, now)
        if time.monotonic() > until:
            return


@dataclass(frozen=True)
class _Said:
    """What the check said last.

    Args:
        at: When.
        summary: In words.
        state: What had become of the latest day that was due.
        sla: The due time and zone that were in force: the stored ones, until a publish stores what the contract says.
    """

    at: datetime
    summary: str
    state: str
    sla: Sla

    @classmethod
    def of(cls, record: AssetCheckExecutionRecord | None) -> _Said | None:
        """Return it; None when it never did, or Dagster planned it since and a run that failed skipped it."""
        evaluation = None if record is None else record.evaluation
        if not isinstance(evaluation, dg.AssetCheckEvaluation):
            return None
        at, state, due, zone = (evaluation.metadata[name].value for name in (JUDGED_AT, STATE, DUE, ZONE))
        sla = Sla(str(due), timezone=str(zone))
        return cls(datetime.fromtimestamp(cast("float", at), UTC), evaluation.description or "", str(state), sla)

    def fell_due(self, table: Table, now: datetime) -> bool:
        """Whether a day fell due since."""
        return next_deadline(table, self.sla, self.at) <= now

    def may_change(self, table: Table, now: datetime) -> bool:
        """Whether it may be otherwise by now: a day fell due since, or one that was missing may have come."""
        return self.state == "missing" or self.fell_due(table, now)


def next_deadline(table: Table, sla: Sla, now: datetime) -> datetime:
    """Return when the next day of a table falls due by an SLA; the end of time when none will."""
    today = now.astimezone(ZoneInfo(sla.timezone)).date()
    days = (today - 2 * ONE_DAY, today - ONE_DAY, today)
    ahead = [at for day in days if table.has_day(day) and (at := sla.deadline(day)) > now]
    return min(ahead, default=NEVER)


def _report(tables: Finds, table: Table, now: datetime) -> Report:
    report = report_of(tables, table, now)
    assert report is not None  # noqa: S101 - only tables with an SLA have the check
    return report


def _found(lineage: LakeLineage, report: Report) -> dict[str, Any]:
    """Return what the check says of a report, with whom the latest day waited for when it was missed."""
    due = report.due
    paths = {}
    if due is not None and due.missed:
        paths[due.day] = lineage.path(report, due)
    metadata: dict[str, Any] = {
        DUE: report.promise.sla.due,
        ZONE: report.promise.sla.timezone,
        STATE: "nothing due" if due is None else due.state,
        JUDGED_AT: dg.MetadataValue.timestamp(report.now),
        "report": dg.MetadataValue.md(markdown(report, paths)),
        "days it may still miss": report.over(WINDOWS[-1]).budget,
        "next day": estimate(report),
        "suggested due time": suggested(report),
    }
    for days in WINDOWS:
        if (share := report.over(days).share) is not None:
            metadata[f"share in time, {days} days"] = share
    return {
        "passed": report.kept,
        "severity": dg.AssetCheckSeverity.WARN,
        "description": summary(report),
        "metadata": metadata,
    }
