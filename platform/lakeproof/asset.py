"""A contract and a function become a Dagster asset."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakeproof import gate
from lakeproof.audit.guards import GUARDS, guarded
from lakeproof.contract import Input, Table, as_input
from lakeproof.engine.function import Maker, function_maker, sql_maker
from lakeproof.errors import ContractError, LakeproofError, UsageError
from lakeproof.lake.live import View
from lakeproof.lakehouse import KEY
from lakeproof.outcome import DayOutcome, NextStep, Outcome, readers_see
from lakeproof.parts import PRE_CHECK
from lakeproof.precheck import Cleared, precheck
from lakeproof.progress import Step, report
from lakeproof.reading import Reader, TableReader
from lakeproof.record import record
from lakeproof.rejects import table_of_rejects
from lakeproof.source.protocol import Awaited, Source, SourceReader, by_key
from lakeproof.spec import asset_options, source_key, without_preview_warnings
from lakeproof.wap import Work, base_of, write_audit_publish
from lakeproof.window import Window, as_day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lakeproof.lake.catalog import Lake
    from lakeproof.verdict import AuditResult


IGNORE_READINESS_TAG = "lakeproof/ignore-readiness"
"""The run tag that lets days run without their inputs; its value says why."""


@dataclass(frozen=True)
class TableAsset:
    """What an asset was made from.

    Args:
        table: The contract.
        maker: What makes its rows.
        inputs: What it reads, by name.
        waits: What it only waits for, by name.
        asset: The Dagster asset.
    """

    table: Table
    maker: Maker
    inputs: Mapping[str, Input | Source]
    waits: Mapping[str, Awaited]
    asset: dg.AssetsDefinition


_MADE: dict[dg.AssetKey, TableAsset] = {}


def tables_among(assets: Iterable[object]) -> list[TableAsset]:
    """Return, of a location's assets, those that are tables; all else is left alone, assets with several keys too."""
    return table_assets(key for asset in assets if isinstance(asset, dg.AssetsDefinition) for key in asset.keys)


def table_assets(assets: Iterable[dg.AssetKey]) -> list[TableAsset]:
    """Return, of some assets, those that are tables, as they were made in this process."""
    return [_MADE[key] for key in assets if key in _MADE]


def daily_table(table: Table, *, deps: Sequence[Any] = (), **options: Any) -> Callable[..., dg.AssetsDefinition]:
    """Turn a function that makes rows into the asset of a table.

    The function takes `window` (and `context`, Dagster's, if it wants), and a parameter for each input; the parameter's
    annotation says in which form it gets the rows. It returns anything that speaks Arrow.

    Args:
        table: The contract.
        deps: Further assets it depends on, as Dagster's.
        **options: Inputs by name: a table, `table.last(days=…)`, `table.previous()`, `table.latest()`, a source.
            Without a parameter of the function: what is only waited for, such as an `AirflowTask`, and an ordinary
            Dagster asset. And Dagster's own `tags`, `pool`, `retry_policy`, `automation_condition`, `metadata`
            and `group_name`.

    Raises:
        ContractError: The function does not take its inputs, or an input is none.
    """

    def decorate(function: Callable[..., Any]) -> dg.AssetsDefinition:
        given = _sort(table, options)
        maker = function_maker(table, function, given.inputs)
        return _asset(table, maker, given, deps)

    return decorate


def sql_table(
    table: Table,
    file: str,
    *,
    search_path: Sequence[str | Path] = (),
    deps: Sequence[Any] = (),
    **options: Any,
) -> dg.AssetsDefinition:
    """Turn a SQL file into the asset of a table.

    The statement is DuckDB's; inputs are views under their names. `{{ ds }}`, `{{ window.start }}` and
    `{{ window.end }}` are filled in; a statement that uses `ds` runs once a day, another once a range.

    Args:
        table: The contract.
        file: The file, relative to a folder of the search path.
        search_path: Folders, the first match wins; then those of the table's pipeline; by default the folder of the
            calling file.
        deps: Further assets it depends on, as Dagster's.
        **options: As for `daily_table`.

    Raises:
        ContractError: The file is not there, does not parse, or uses a template variable that is not known.
    """
    caller = Path(sys._getframe(1).f_code.co_filename)  # noqa: SLF001 - inspect.stack() reads every caller's source
    given = _sort(table, options)
    folders = [*search_path, *(table.pipeline.search_path if table.pipeline else ())] or [caller.parent]
    maker = sql_maker(table, file, [Path(folder) for folder in folders], caller, given.inputs)
    return _asset(table, maker, given, deps)


DAGSTER_OPTIONS = ("tags", "pool", "retry_policy", "automation_condition", "metadata", "group_name")


@dataclass(frozen=True)
class _Given:
    """What a decorator was given by name.

    Args:
        inputs: What is read.
        waits: What is only waited for.
        deps: What is a dependency to Dagster alone.
        options: Dagster's own options.
    """

    inputs: dict[str, Input | Source] = field(default_factory=dict)
    waits: dict[str, Awaited] = field(default_factory=dict)
    deps: list[Any] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


def _sort(table: Table, options: Mapping[str, Any]) -> _Given:
    """Tell apart what a decorator was given."""
    given = _Given()
    for name, value in options.items():
        if name in DAGSTER_OPTIONS:
            given.options[name] = value
        elif isinstance(value, Table | Input):
            given.inputs[name] = _checked(table, as_input(value))
        elif isinstance(value, dg.AssetsDefinition | dg.AssetSpec | dg.AssetKey):
            given.deps.append(value)
        elif isinstance(value, Source):
            given.inputs[name] = value
        elif isinstance(value, Awaited):
            if table.partition is None:
                msg = f"{table.name} has no days, so it cannot wait for those of {value.name}."
                raise ContractError(msg, next_step="give the table a partition column, or do not wait")
            given.waits[name] = value
        else:
            msg = f"{table.name}: input {name} is {type(value).__name__}, which is no table, source or asset."
            raise ContractError(msg, next_step="pass a Table, table.last(days=…), a source or an asset")
    return given


def _checked(table: Table, how: Input) -> Input:
    if how.kind == "previous" and table.on_reject == "split":
        msg = f"{table.name}: each day builds on the whole of the day before, so no row of it can be split off."
        raise ContractError(msg, next_step="use on_reject='hold'")
    if how.kind == "previous" and (how.table is not table or table.gaps):
        why = "previous() is for a table that reads itself" if how.table is not table else "a chain has no gaps"
        msg = f"{table.name}: {why}."
        raise ContractError(msg, next_step="use last(days=…) for another table")
    if how.table is table and how.kind != "previous":
        msg = f"{table.name} reads itself on the same day."
        raise ContractError(msg, next_step=f"use {table.name.split('.')[1]}.previous()")
    if table.partition is None and how.kind != "latest":
        msg = f"{table.name} has no days, so it cannot read days of {how.table.name}."
        raise ContractError(msg, next_step="use latest(), or give the table a partition column")
    return how


def _asset(table: Table, maker: Maker, given: _Given, deps: Sequence[Any]) -> dg.AssetsDefinition:
    inputs, waits = given.inputs, given.waits
    if any(isinstance(how, Source) for how in inputs.values()):
        table = guarded(table)
    deps = [*deps, *given.deps, *(source_key(table, name) for name in waits)]

    def body(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield from record(context, table, lambda: run(table, maker, inputs, waits, context))

    with without_preview_warnings():
        asset: dg.AssetsDefinition = dg.asset(
            **asset_options(table, inputs, deps, given.options),
            kinds={"iceberg", maker.kind},
            code_version=maker.code,
            required_resource_keys={KEY},
            output_required=False,  # a declared gap is neither a failure nor a materialization
        )(_named(body, table))
    _MADE[asset.key] = TableAsset(table, maker, inputs, waits, asset)
    return asset


def run(
    table: Table,
    maker: Maker,
    inputs: Mapping[str, Input | Source],
    waits: Mapping[str, Awaited],
    context: dg.AssetExecutionContext,
) -> Outcome:
    """Take the days of a Dagster run through the gate and the publish path.

    Raises:
        LakeproofError: The run refused as a whole; nothing was published.
    """
    report(Step(table.name, "ready"))
    lake: Lake = getattr(context.resources, KEY).lake
    days = tuple(as_day(key) for key in context.partition_keys) if table.partition else (None,)
    readiness = gate.check(lake, table, [*inputs.values(), *waits.values()], days)
    if why_unready := _why_ignored(context):
        readiness = readiness.all_the_same()
    outcome, cleared = Outcome(table.name, None, ()), Cleared(())
    if readiness.ready:
        cleared = precheck(lake, table, inputs, readiness.ready)
    if cleared.days:
        report(Step(table.name, "read"))
        # Before the table's own: whoever is between its two publishes is found out by either.
        rejects_base = base_of(lake, table_of_rejects(table), cleared.days) if table.on_reject == "split" else None
        chained = any(isinstance(how, Input) and how.kind == "previous" for how in inputs.values())
        unready = {day: tuple(lack.reason for lack in lacks) for day, lacks in readiness.ignored.items()}
        base = base_of(lake, table, cleared.days, chained=chained)
        work = Work(
            table=table,
            maker=maker,
            readers=open_inputs(lake, table, inputs, cleared.days, cleared.counts, readiness.states),
            days=cleared.days,
            base=base,
            sequential=any(isinstance(i, Input) and i.kind in {"last", "previous"} for i in inputs.values()),
            context=context,
            dagster_run=context.run.run_id,
            waited={name: _waited(how, readiness) for name, how in waits.items()},
            waived=readiness.waived,
            rejects_base=rejects_base,
            unready=unready,
            why_unready=why_unready,
        )
        try:
            outcome = write_audit_publish(lake, work)
        except LakeproofError as error:
            error.readers = error.readers or "see what they saw before this run"
            raise
    return _whole(lake, table, outcome, readiness, cleared, days)


def _waited(how: Awaited, readiness: gate.Readiness) -> dict[str, Any]:
    """Return what was waited for, for the evidence."""
    states = by_key(readiness.states.get(how.name, {}))
    return {"source": how.name, "version": states, "states": states}


def _why_ignored(context: dg.AssetExecutionContext) -> str:
    """Return why a run goes on with days that are not ready; nothing when it does not.

    Raises:
        UsageError: It is asked to, and nobody says why.
    """
    if IGNORE_READINESS_TAG not in context.run.tags:
        return ""
    if reason := context.run.tags[IGNORE_READINESS_TAG].strip():
        return reason
    msg = f"The run's tag {IGNORE_READINESS_TAG} is empty: readiness is ignored for a reason."
    raise UsageError(msg, next_step="say why, in the tag; the evidence keeps it")


def _whole(
    lake: Lake, table: Table, outcome: Outcome, readiness: gate.Readiness, cleared: Cleared, days: Sequence[Any]
) -> Outcome:
    """Add the days that the gate or a pre-check did not let through, and what the pre-checks found of the others."""
    done = {
        day.day: replace(
            day,
            before=cleared.results.get(day.day, ()),
            ignored="; ".join(lack.reason for lack in readiness.ignored.get(day.day, ())),
        )
        for day in outcome.days
    }
    blocked = {day: results for day, results in cleared.results.items() if day not in done}
    if absent := [*readiness.refused, *readiness.gaps, *blocked]:
        live = View.open(lake, table, [day for day in absent if day is not None] if table.partition else None).days
        for day, lacks in readiness.refused.items():
            reason, steps = "; ".join(lack.reason for lack in lacks), tuple(lack.step for lack in lacks)
            done[day] = DayOutcome(day, "not-ready", reason, readers_see(live.get(day)), steps=steps)
        for day, why in readiness.gaps.items():
            done[day] = DayOutcome(day, "gap", why, readers_see(live.get(day)))
        holding = {day: [result for result in results if result.holds] for day, results in blocked.items()}
        first = next((day for day, found in holding.items() if found), None)
        for day, results in blocked.items():
            readers = readers_see(live.get(day))
            if holding[day]:
                reason = "; ".join(result.finding for result in holding[day])
                steps = tuple(_remedy(result, table) for result in holding[day])
                done[day] = DayOutcome(day, "blocked", reason, readers, before=results, steps=steps)
            else:
                why, step = f"it builds on {first}, which is blocked", NextStep(f"see {first} first")
                done[day] = DayOutcome(day, "not-ready", why, readers, before=results, steps=(step,))
    whole = replace(outcome, days=tuple(done[day] for day in days))
    report(whole)
    return whole


def _remedy(result: AuditResult, table: Table) -> NextStep:
    """Return what helps where a source was refused before it was read."""
    if result.audit == PRE_CHECK:
        return NextStep("talk to the source's owner, or change the source's fields to what is true")
    wider = f"if so many rows are right, widen audit {result.audit} of {table.name}"
    if result.audit in {guard.name for _, guard in GUARDS}:
        wider = f"if so many rows are right, declare audit.volume(factor=…) in {table.name}, in place of {result.audit}"
    return NextStep(f"talk to the source's owner; {wider}")


def open_inputs(
    lake: Lake,
    table: Table,
    inputs: Mapping[str, Input | Source],
    days: Sequence[Any],
    counts: Mapping[str, Mapping[Any, int] | None] | None = None,
    states: Mapping[str, Mapping[Any, str]] | None = None,
) -> dict[str, Reader]:
    """Open what a table reads for some days, each input at one snapshot.

    Args:
        lake: The lake.
        table: The contract.
        inputs: What it reads, by name.
        days: The days.
        counts: What sources counted before, by input.
        states: What told each day's state from any other, by source.
    """
    counted, told = counts or {}, states or {}
    windows = [Window.of(day, timezone=table.timezone) for day in days if day is not None]
    whole = Window.of(days[0], days[-1], table.timezone) if windows else None
    return {
        name: TableReader.open(lake, how, windows)
        if isinstance(how, Input)
        else SourceReader(how, whole, counted.get(name), told.get(how.name, {}))
        for name, how in inputs.items()
    }


def _named(body: Callable[..., Any], table: Table) -> Callable[..., Any]:
    """Give the op a name a person recognises in a run."""
    body.__name__ = table.name.replace(".", "__")
    body.__annotations__.clear()  # Dagster reads them as they stand, and they stand as text
    return body
