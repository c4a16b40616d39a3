"""What Dagster is told of a run: after the publish, by partition, and never a materialization without one."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as Target,
)

from lakeproof.engine.duck import connect
from lakeproof.errors import HeldError, LakeproofError, NotReadyError
from lakeproof.lakehouse import KEY
from lakeproof.outcome import DayOutcome, Outcome, Refusal, worst
from lakeproof.progress import Step, report
from lakeproof.reading import read_table
from lakeproof.recording import one_transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lakeproof.contract import Table
    from lakeproof.lake.replace import Day
    from lakeproof.verdict import AuditResult

OUTCOME_TAG = "lakeproof/outcome"
"""The run tag that says why a run failed: `held`, `not-ready`, `moved` or `error`; of several, as exit codes rank."""

SAMPLE_ROWS = 5
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
        dagster.Failure: A day was refused, or the run as a whole; it is not tried again, since nothing would differ.
    """
    try:
        outcome = run()
    except LakeproofError as error:
        report(error)
        raise _failure(context, _outcome_of(error), str(error), {}) from error
    report(Step(table.name, "record"))
    refused = [day for day in outcome.days if not day.good]
    with one_transaction(context.instance, context.run.run_id):
        yield from _materializations(context, table, outcome)
    targets = _targets(context, outcome.days)
    with one_transaction(context.instance, context.run.run_id):
        # The UI shows the last one of a check: a refused day, where there is one.
        for day in sorted(outcome.days, key=lambda day: not day.good):
            yield from _evaluations(context, table, day, targets.get(_key(day.day)))
    if refused:
        raise _failure(context, worst(refused), _refusal(table, outcome), _refusal_metadata(outcome))
    for check in context.selected_asset_check_keys:
        yield dg.Output(None, output_name=context.assets_def.get_output_name_for_asset_check_key(check))


def _materializations(context: dg.AssetExecutionContext, table: Table, outcome: Outcome) -> Iterator[Any]:
    """Yield the materializations of the days that readers see as this run made them."""
    good = [day for day in outcome.days if day.state in {"published", "unchanged"}]
    if len(good) == len(outcome.days):
        for day in good:
            context.add_asset_metadata(_metadata(context, table, outcome, day), partition_key=_key(day.day))
        yield dg.MaterializeResult(data_version=_data_version(good))
        return
    for day in good:
        yield dg.AssetMaterialization(
            asset_key=context.asset_key,
            partition=_key(day.day),
            metadata=_metadata(context, table, outcome, day),
            tags={"dagster/data_version": _data_version([day]).value},
        )


def _evaluations(
    context: dg.AssetExecutionContext, table: Table, day: DayOutcome, target: Target | None
) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield what each audit found on a day, or that it was not asked."""
    if day.verdict:
        for result in day.verdict.results:
            yield _evaluation(context, table, day, result, target)
    elif day.state == "not-ready":
        for check in context.selected_asset_check_keys:
            yield _not_judged(context, check.name, day, target)


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


def _not_judged(
    context: dg.AssetExecutionContext, check: str, day: DayOutcome, target: Target | None
) -> dg.AssetCheckEvaluation:
    """Say that an audit was not asked: otherwise Dagster takes what it planned and did not see for a failure."""
    return dg.AssetCheckEvaluation(
        asset_key=context.asset_key,
        check_name=check,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN,
        blocking=False,
        description=f"not judged: {day.reason}",
        metadata={"readers": day.readers},
        partition=_key(day.day),
        target_materialization_data=target,
    )


def _metadata(context: dg.AssetExecutionContext, table: Table, outcome: Outcome, day: DayOutcome) -> dict[str, Any]:
    """Return what a person wants to see of a published day."""
    rows = {d.day: d.rows for d in outcome.days if d.good and d.day is not None}
    warnings = [r.finding for r in day.verdict.results if not r.passed] if day.verdict else []
    metadata: dict[str, Any] = {
        "dagster/row_count": day.rows,
        "bytes": day.bytes,
        "outcome": day.state,
        "run": outcome.run,
        "snapshot": str(outcome.snapshot) if day.state == "published" else "unchanged",
        "evidence": outcome.evidence or "",
        "content": day.verdict.content.digest if day.verdict else "",
        "inputs": dg.MetadataValue.md("\n".join(f"- {_input_text(record)}" for record in outcome.inputs) or "none"),
    }
    metadata |= {f"seconds: {step}": seconds for step, seconds in outcome.seconds.items()}
    if warnings:
        metadata["warnings"] = dg.MetadataValue.md("\n".join(f"- {warning}" for warning in warnings))
    if len(rows) > 1:
        metadata["rows by day"] = f"{bars(list(rows.values()))} {min(rows.values()):,} to {max(rows.values()):,}"
    if len(outcome.days) == 1:
        lake = getattr(context.resources, KEY).lake
        sample = read_table(lake, table, [day.day]).relation(connect()).limit(SAMPLE_ROWS).to_arrow_table().to_pylist()
        metadata["sample"] = dg.MetadataValue.md(markdown_table(sample))
    return metadata


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


def _refusal_metadata(outcome: Outcome) -> dict[str, Any]:
    return {
        "failed_partitions": [_key(day.day) for day in outcome.days if not day.good and day.day],
        **{f"{day.day or 'table'}": f"{day.state}: {day.reason}" for day in outcome.days[:366] if not day.good},
    }


def _outcome_of(error: LakeproofError) -> str:
    if isinstance(error, HeldError):
        return "held"
    return "not-ready" if isinstance(error, NotReadyError) else "error"


def _failure(context: dg.AssetExecutionContext, state: str, message: str, metadata: Mapping[str, Any]) -> dg.Failure:
    context.instance.add_run_tags(context.run.run_id, {OUTCOME_TAG: state})
    return dg.Failure(message, metadata={**metadata, "outcome": state}, allow_retries=False)


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


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    frame = pl.DataFrame([{name: str(value) for name, value in row.items()} for row in rows])
    with pl.Config(
        tbl_formatting="ASCII_MARKDOWN",
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        tbl_cols=-1,
        tbl_rows=-1,
        fmt_str_lengths=80,
        tbl_width_chars=10_000,
    ):
        return str(frame)
