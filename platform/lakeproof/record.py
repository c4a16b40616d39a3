"""What Dagster is told of a run: after the publish, by partition, and never a materialization without one."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

from lakeproof.alive import at_work
from lakeproof.audit.kinds import References
from lakeproof.cost.bill import Bill
from lakeproof.cost.meter import Meter
from lakeproof.engine.duck import connect
from lakeproof.errors import LakeproofError
from lakeproof.lake.live import View
from lakeproof.lakehouse import KEY
from lakeproof.markdown import markdown_table
from lakeproof.outcome import DayOutcome, Outcome, Refusal, worst
from lakeproof.progress import Step, is_watched, report
from lakeproof.reading import read_table
from lakeproof.recording import one_transaction
from lakeproof.spec import CAUSE_TAG, DATA_VERSION_TAG, NOT_READY, OUTCOME_TAG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date

    from lakeproof.contract import Table
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.verdict import AuditResult

REFUSED = "refused"
"""The metadata of a failed step that says, as JSON, which days were refused for which cause: incidents are read from
it."""

UPSTREAM = "upstream"
"""The metadata of a materialization that names the tables that the run read or referred to: costs are attributed along
it."""

VALUED = "valued"
"""The metadata of a materialization that says what the table is worth by itself, as its contract has it."""

SAMPLE_ROWS = 5
PLOTTED_DAYS = 28
SHOWN_COLUMNS = 8
SHOWN_REASONS = 10
BARS = "▁▂▃▄▅▆▇█"
"""Eight heights of a bar, to plot in text."""


def record(context: dg.AssetExecutionContext, table: Table, run: Callable[[], Outcome]) -> Iterator[Any]:
    """Run, then tell Dagster what became of each day.

    All good: the materialization, then the checks. Some days refused: the good days' materializations, then the checks,
    then the failure. The order matters: a check that is recorded before the materialization it is about is forgotten.

    Args:
        context: Dagster's.
        table: The contract.
        run: Does the work.

    Raises:
        dagster.Failure: A day was refused, or the run as a whole. Dagster tries it again, where the asset has a retry
            policy, only after an error that may pass: after a refusal nothing would differ. Nor does it where a person
            waits for the run, who is told at once.
    """
    meter, today = Meter.begin(), datetime.now(UTC).date()
    at_work(context.instance, context.run.run_id)
    try:
        outcome = run()
    except LakeproofError as error:
        report(error)
        told = _told_error(context, table, error) | Bill(meter, {None: 0}, today).of(None)
        raise _failure(context, "error", str(error), told, again=error.may_pass and not is_watched()) from error
    report(Step(table.name, "record"))
    bill = Bill(meter, {day.day: day.rows for day in outcome.days}, today)
    refused = [day for day in outcome.days if not day.good]
    with one_transaction(context.instance, context.run.run_id):
        yield from _rejects(table, outcome)
        yield from _materializations(context, table, outcome, bill)
        if CAUSE_TAG in context.run.tags:
            yield from _not_ready(context, outcome)
    targets = _targets(context, outcome.days)
    with one_transaction(context.instance, context.run.run_id):
        for day in outcome.days:
            yield from _evaluations(context, table, day, targets.get(_key(day.day)))
    if refused:
        told = _told_refusals(outcome) | bill.of(*(day.day for day in refused))
        raise _failure(context, worst(refused), _refusal(table, outcome), told)
    for check in context.selected_asset_check_keys:
        yield dg.Output(None, output_name=context.assets_def.get_output_name_for_asset_check_key(check))


def _materializations(context: dg.AssetExecutionContext, table: Table, outcome: Outcome, bill: Bill) -> Iterator[Any]:
    """Yield the materializations of the days that readers see as this run made them.

    Each day has a data version of its own, which only an event of its own can carry. Where the run holds other assets
    too, Dagster must be given the asset's output instead, or it would skip them: the days then share a version.
    """
    good = [day for day in outcome.days if day.state in {"published", "unchanged"}]
    shown = _Shown.of(context, table, outcome, good)
    refers = {audit.table for audit in table.audits if isinstance(audit, References)}
    lineage: dict[str, Any] = {UPSTREAM: sorted(refers | {read["table"] for read in outcome.inputs if "table" in read})}
    lineage |= {VALUED: [value.record() for value in table.values]} if table.values else {}
    whole = len(good) == len(outcome.days)
    alone = len(list(context.job_def.asset_layer.executable_asset_keys)) == 1
    if whole and (len(good) == 1 or not alone):
        for day in good:
            told = shown.metadata(day) | lineage | bill.of(day.day)
            context.add_asset_metadata(told, partition_key=_key(day.day))
        yield dg.MaterializeResult(data_version=_data_version(good))
        return
    for day in good:
        yield dg.AssetMaterialization(
            asset_key=context.asset_key,
            partition=_key(day.day),
            metadata=shown.metadata(day) | lineage | bill.of(day.day),
            tags={DATA_VERSION_TAG: _data_version([day]).value},
        )


def _rejects(table: Table, outcome: Outcome) -> Iterator[dg.AssetMaterialization]:
    """Yield the materializations of the table of rejects, whose days are published with those they were split from."""
    for day in outcome.days:
        if day.rejected is not None and day.good:
            yield dg.AssetMaterialization(
                asset_key=dg.AssetKey(f"{table.name}__rejected".split(".")),
                description=f"Rows that the audits of {table.name} refused.",
                partition=_key(day.day),
                metadata={"dagster/row_count": day.rejected, "run": outcome.run},
            )


def _not_ready(context: dg.AssetExecutionContext, outcome: Outcome) -> Iterator[dg.AssetObservation]:
    """Yield the days that a sensor asked for and the gate refused: it is to ask again when they are ready again."""
    for day in outcome.days:
        if day.state == NOT_READY and not day.results:
            yield dg.AssetObservation(
                asset_key=context.asset_key,
                description=f"Not ready when its run began: {day.reason}",
                partition=_key(day.day),
                tags={OUTCOME_TAG: NOT_READY},
            )


def _evaluations(
    context: dg.AssetExecutionContext, table: Table, day: DayOutcome, target: Target | None
) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield what each audit found on a day, or that it was not asked.

    A day that moved is another run's, and so are its checks. What this run published, its checks are about; a refused
    day that readers have from an earlier run keeps that one's materialization in sight, and turns its checks red.
    """
    if day.state == "moved":
        return
    if day.good and target is not None and target.run_id != context.run.run_id:
        target = None
    for result in day.results:
        yield _evaluation(context, table, day, result, target)
    if day.state in {"not-ready", "blocked"}:
        asked = {result.audit for result in day.results}
        for check in context.selected_asset_check_keys:
            if check.name not in asked:
                yield _not_judged(context, check.name, day)


def _key(day: Day) -> str | None:
    return None if day is None else day.isoformat()


def _data_version(days: Sequence[DayOutcome]) -> dg.DataVersion:
    """Return the content of the days as Dagster's data version: equal content, equal version."""
    digests = [day.verdict.content.digest for day in days if day.verdict]
    one = digests[0] if len(digests) == 1 else hashlib.sha256("\n".join(digests).encode()).hexdigest()
    return dg.DataVersion(one)


def _targets(context: dg.AssetExecutionContext, days: Sequence[DayOutcome]) -> dict[str | None, Target]:
    """Return the latest materialization of each day: what its checks are about, and what makes them show."""
    keys = {_key(day.day) for day in days}
    if None in keys:
        event = context.instance.get_latest_materialization_event(context.asset_key)
        records = context.instance.fetch_materializations(context.asset_key, limit=1).records if event else []
    else:
        ids = context.instance.event_log_storage.get_latest_storage_id_by_partition(
            context.asset_key, dg.DagsterEventType.ASSET_MATERIALIZATION, {key for key in keys if key}
        )
        wanted = dg.AssetRecordsFilter(context.asset_key, storage_ids=list(ids.values()))
        records = context.instance.fetch_materializations(wanted, limit=len(ids)).records if ids else []
    return {r.partition_key: Target(run_id=r.run_id, storage_id=r.storage_id, timestamp=r.timestamp) for r in records}


def _evaluation(
    context: dg.AssetExecutionContext, table: Table, day: DayOutcome, result: AuditResult, target: Target | None
) -> dg.AssetCheckEvaluation:
    metadata: dict[str, Any] = {"rows": result.total}
    if result.measured is None:
        metadata["rows failed"] = result.failed
    else:
        metadata["measured"] = result.measured
    if result.error is not None:
        metadata["could not judge"] = result.error
    if result.sample:
        metadata["sample"] = sample_table(table, result)
    if not day.good:
        metadata["readers"] = day.readers
        metadata["next"] = Refusal(table.name, (day,)).next_step
    return dg.AssetCheckEvaluation(
        asset_key=context.asset_key,
        check_name=result.audit,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR
        if result.holds or result.severity == "blocking"
        else dg.AssetCheckSeverity.WARN,
        blocking=result.severity == "blocking",
        description=result.finding,
        metadata=metadata,
        partition=_key(day.day),
        target_materialization_data=target,
    )


def _not_judged(context: dg.AssetExecutionContext, check: str, day: DayOutcome) -> dg.AssetCheckEvaluation:
    """Say that an audit was not asked: otherwise Dagster takes what it planned and did not see for a failure.

    It is about no materialization, so it takes nothing from a day that was audited and published before.
    """
    return dg.AssetCheckEvaluation(
        asset_key=context.asset_key,
        check_name=check,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        blocking=False,
        description=f"not judged: {day.reason}",
        metadata={"readers": day.readers},
        partition=_key(day.day),
    )


@dataclass(frozen=True)
class _Shown:
    """What a person wants to see of published days.

    Args:
        outcome: What became of the run.
        rows: Rows of each published day of the run, and of the weeks before it.
        samples: A few rows of each day of the run.
    """

    outcome: Outcome
    rows: Mapping[Day, int]
    samples: Mapping[Day, list[dict[str, Any]]]

    @classmethod
    def of(
        cls, context: dg.AssetExecutionContext, table: Table, outcome: Outcome, good: Sequence[DayOutcome]
    ) -> _Shown:
        """Read what is shown of all days at once."""
        if not good:
            return cls(outcome, {}, {})
        lake: Lake = getattr(context.resources, KEY).lake
        days = [day.day for day in good if day.day is not None]
        before = [days[0] - timedelta(days=n) for n in range(1, PLOTTED_DAYS)] if days else []
        view = View.open(lake, table, [*before, *days] if days else None)
        rows = {day: live.rows for day, live in view.days.items()}
        return cls(outcome, rows, _samples(lake, table, days))

    def metadata(self, day: DayOutcome) -> dict[str, Any]:
        """Return one day's metadata."""
        verdict = day.verdict
        inputs = "\n".join(f"- {_input_text(record)}" for record in self.outcome.inputs)
        metadata: dict[str, Any] = {
            **({"readiness ignored": day.ignored} if day.ignored else {}),
            "dagster/row_count": day.rows,
            "bytes": day.bytes,
            "outcome": day.state,
            "run": self.outcome.run,
            "snapshot": str(self.outcome.snapshot) if day.state == "published" else "unchanged",
            "evidence": self.outcome.evidence or "",
            "content": verdict.content.digest if verdict else "",
            "inputs": dg.MetadataValue.md(inputs or "none"),
            "sample": dg.MetadataValue.md(markdown_table(self.samples.get(day.day, []))),
        }
        metadata |= {f"seconds: {step}": seconds for step, seconds in self.outcome.seconds.items()}
        metadata |= {f"engine: {what}": value for what, value in self.outcome.engine.items()}
        if warned := [result.finding for result in day.results if not result.passed]:
            metadata["warnings"] = dg.MetadataValue.md("\n".join(f"- {warning}" for warning in warned))
        if day.rejected is not None:
            metadata["rows rejected"] = day.rejected
        if day.merged is not None:
            metadata |= {f"rows {what}": rows for what, rows in vars(day.merged).items()}
        if day.day is not None:
            plotted = [day.day - timedelta(days=n) for n in range(PLOTTED_DAYS - 1, -1, -1)]
            heights = [self.rows[d] for d in plotted if d in self.rows]
            metadata["rows by day"] = f"{bars(heights)} {min(heights):,} to {max(heights):,}"
        return metadata


def _samples(lake: Lake, table: Table, days: Sequence[date]) -> dict[Day, list[dict[str, Any]]]:
    """Read a few rows of each day, in one query."""
    found: dict[Day, list[dict[str, Any]]] = {}
    for row in read_table(lake, table, list(days) or None).head(connect(), SAMPLE_ROWS).to_arrow_table().to_pylist():
        of_day = found.setdefault(row[table.partition] if table.partition else None, [])
        if len(of_day) < SAMPLE_ROWS:
            of_day.append(row)
    return found


def _input_text(record: Mapping[str, Any]) -> str:
    if "source" in record:
        return f"source {record['source']}"
    days = sorted(record["days"])
    span = "" if not days else f" {days[0]}" if len(days) == 1 else f" {days[0]}..{days[-1]}"
    return f"{record['table']}{span}, snapshot {record['snapshot']}"


def _refusal(table: Table, outcome: Outcome) -> str:
    """Return the run's error: what was refused and why, what readers see, the next command."""
    refusals = outcome.refusals()
    good = sum(day.state in {"published", "unchanged"} for day in outcome.days)
    refused = sum(len(refusal.days) for refusal in refusals)
    lines = [f"{table.name}: {refused} of {len(outcome.days)} refused, {good} published."]
    lines += [str(refusal) for refusal in refusals[:SHOWN_REASONS]]
    if len(refusals) > SHOWN_REASONS:
        lines.append(f"… and {len(refusals) - SHOWN_REASONS} more reasons, in this failure's metadata")
    return "\n".join(lines)


def _told_refusals(outcome: Outcome) -> dict[str, Any]:
    """Return what was refused: for a person, day by day, and for those who look for incidents, cause by cause."""
    causes = [
        {
            "state": refusal.days[0].state,
            "days": [_key(day.day) for day in refusal.days],
            "audits": sorted({result.audit for day in refusal.days for result in day.results if result.holds}),
            "reason": refusal.days[0].reason,
        }
        for refusal in outcome.refusals()
    ]
    return {
        "failed_partitions": [_key(day.day) for day in outcome.days if not day.good and day.day],
        **{f"{day.day or 'table'}": f"{day.state}: {day.reason}" for day in outcome.days[:366] if not day.good},
        REFUSED: dg.MetadataValue.json({"table": outcome.table, "run": outcome.run, "causes": causes}),
    }


def _told_error(context: dg.AssetExecutionContext, table: Table, error: LakeproofError) -> dict[str, Any]:
    """Return that a run was refused as a whole, in the same shape."""
    days = list(context.partition_keys) if table.partition else [None]
    cause = {"state": "error", "days": days, "audits": [], "reason": error.what, "error": type(error).__name__}
    return {REFUSED: dg.MetadataValue.json({"table": table.name, "run": None, "causes": [cause]})}


def _failure(
    context: dg.AssetExecutionContext, state: str, message: str, metadata: Mapping[str, Any], *, again: bool = False
) -> dg.Failure:
    context.instance.add_run_tags(context.run.run_id, {OUTCOME_TAG: state})
    return dg.Failure(message, metadata={**metadata, "outcome": state}, allow_retries=again)


def bars(values: Sequence[float]) -> str:
    """Return numbers as a row of bars.

    >>> bars([1, 8, 4])
    '▂█▅'
    """
    top = max(values) or 1
    return "".join(BARS[min(len(BARS) - 1, int(value / top * (len(BARS) - 1) + 0.5))] for value in values)


def sample_table(table: Table, result: AuditResult) -> dg.TableMetadataValue:
    """Return the rows at fault as a table that the UI shows at once: the day, the key and what was audited first."""
    words = set(re.findall(r"\w+", f"{result.audit} {result.describe}"))
    first = [
        name for name in result.sample[0] if name in {table.partition, *table.key} or name not in table.column_names
    ]
    audited = [name for name in result.sample[0] if name in words]
    names = list(dict.fromkeys([*first, *audited, *result.sample[0]]))[:SHOWN_COLUMNS]
    records = [dg.TableRecord({name: str(row[name]) for name in names}) for row in result.sample]
    return dg.MetadataValue.table(records)
