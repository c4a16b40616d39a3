"""A contract and a function become a Dagster asset."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakeproof.audit.guards import guarded
from lakeproof.contract import Input, Table, as_input
from lakeproof.engine.function import Maker, function_maker, sql_maker
from lakeproof.errors import ContractError, UsageError
from lakeproof.journey import Asked, take
from lakeproof.lakehouse import KEY
from lakeproof.record import record
from lakeproof.source.protocol import Awaited, Source
from lakeproof.spark.maker import LONGEST, spark_maker
from lakeproof.spec import asset_options, source_key, without_preview_warnings
from lakeproof.window import as_day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from lakeproof.lake.catalog import Lake
    from lakeproof.outcome import Outcome
    from lakeproof.spark.launcher import Launcher


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


def spark_table(
    table: Table,
    job: str,
    *,
    search_path: Sequence[str | Path] = (),
    conf: Mapping[str, str] | None = None,
    timeout: timedelta = LONGEST,
    launcher: Launcher | None = None,
    deps: Sequence[Any] = (),
    **options: Any,
) -> dg.AssetsDefinition:
    """Turn a PySpark script into the asset of a table.

    The script ends with `lakeproof_job.run(function)`; the function takes `window` and the inputs as DataFrames, and
    returns one. One job makes all days of a run, writes them to a folder that is the run's own, and audits them there.

    Args:
        table: The contract.
        job: The script, relative to a folder of the search path.
        search_path: Folders, the first match wins; then those of the table's pipeline; by default a folder `jobs`
            beside the calling file or above it.
        conf: Settings of Spark for this job, such as `spark.executor.memory`.
        timeout: How long the job may take before it is stopped.
        launcher: Where Spark runs; by default where `LAKEPROOF_SPARK` says.
        deps: Further assets it depends on, as Dagster's.
        **options: As for `daily_table`, without sources.

    Raises:
        ContractError: The script is not there, or the table is none that a Spark job can make.
    """
    caller = Path(sys._getframe(1).f_code.co_filename)  # noqa: SLF001 - inspect.stack() reads every caller's source
    given = _sort(table, options)
    named = [*search_path, *(table.pipeline.search_path if table.pipeline else ())]
    folders = [Path(folder) for folder in named] or [at / "jobs" for at in caller.parents]
    maker = spark_maker(table, job, folders, caller, given.inputs, conf=conf or {}, timeout=timeout, launcher=launcher)
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
        yield from record(context, table, lambda: run(made, context))

    with without_preview_warnings():
        asset: dg.AssetsDefinition = dg.asset(
            **asset_options(table, inputs, deps, given.options),
            kinds={"iceberg", maker.kind},
            code_version=maker.code,
            required_resource_keys={KEY},
            output_required=False,  # a declared gap is neither a failure nor a materialization
        )(_named(body, table))
    made = _MADE[asset.key] = TableAsset(table, maker, inputs, waits, asset)
    return asset


def run(made: TableAsset, context: dg.AssetExecutionContext) -> Outcome:
    """Take the days of a Dagster run on their journey.

    Raises:
        LakeproofError: The run refused as a whole; nothing was published.
    """
    lake: Lake = getattr(context.resources, KEY).lake
    days = tuple(as_day(key) for key in context.partition_keys) if made.table.partition else (None,)
    return take(lake, made, days, Asked(context, context.run.run_id, why_ignored(context.run.tags)))


def why_ignored(tags: Mapping[str, str]) -> str:
    """Return why a run goes on with days that are not ready, as its tags say; nothing when it does not.

    Raises:
        UsageError: It is asked to, and nobody says why.
    """
    if IGNORE_READINESS_TAG not in tags:
        return ""
    if reason := tags[IGNORE_READINESS_TAG].strip():
        return reason
    msg = f"The run's tag {IGNORE_READINESS_TAG} is empty: readiness is ignored for a reason."
    raise UsageError(msg, next_step="say why, in the tag; the evidence keeps it")


def _named(body: Callable[..., Any], table: Table) -> Callable[..., Any]:
    """Give the op a name a person recognises in a run."""
    body.__name__ = table.name.replace(".", "__")
    body.__annotations__.clear()  # Dagster reads them as they stand, and they stand as text
    return body
