"""Two sensors a code location: one asks sources what they have, one asks for the days that are ready, each once.

Tables are asked for by a sensor, not by conditions of Dagster's declarative automation: that puts tables which share a
day into one run, where one refused day fails the others, and it says nowhere in words what a table waits for.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakeproof.asked import Memory
from lakeproof.asset import tables_among
from lakeproof.errors import LakeproofError
from lakeproof.lake.days import day_key, key_day
from lakeproof.lake.output import MAIN
from lakeproof.lakehouse import KEY
from lakeproof.order import upstream_first
from lakeproof.outside import SeenComplete, ask_source, source_specs
from lakeproof.reads import awaited_by
from lakeproof.spec import CAUSE_TAG, asset_key, partition_tags
from lakeproof.wanted import Watch, digest
from lakeproof.window import runs_of_days

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lakeproof.asset import TableAsset
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.wanted import Look

SHOWN_REASONS = 10

TICK_SECONDS = 20
"""How long a tick looks at tables: ten years of a table that is new to the sensor take some three seconds of it, and
Dagster breaks off a tick after a minute, whose findings would be lost."""

EVENTS_AT_ONCE = 500
"""Most days that turn green in one tick: Dagster's daemon records them one by one, some thirty a second on a laptop."""


def readiness(
    assets: Iterable[object],
    *,
    every_seconds: int = 30,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
    name: str = "lakeproof",
) -> dg.Definitions:
    """Return sensors that ask for each missing day of tables as soon as it is ready, and the tables' sources as assets.

    A day is asked for once for one content of its inputs, and again when that content changed. One request is one
    table, and consecutive days that became ready at once. To merge into a code location's definitions.

    Args:
        assets: The location's assets; those that are no tables are left alone.
        every_seconds: How often to look.
        default_status: Whether the sensors run before anyone turns them on.
        name: What the sensors' names begin with.

    Raises:
        ContractError: Tables read each other in a circle.
    """
    tables = upstream_first(tables_among(assets))
    looks = _Looks(tables)
    common: dict[str, Any] = {
        "minimum_interval_seconds": every_seconds,
        "default_status": default_status,
        "required_resource_keys": {KEY},
    }
    sensors = [
        dg.SensorDefinition(
            name=f"{name}_readiness",
            description="Asks for each day that is missing, or whose inputs changed, once all of its inputs are there.",
            evaluation_fn=_named(lambda context: _ask_for_days(context, looks)),
            asset_selection=dg.AssetSelection.assets(*(asset_key(made.table) for made in tables)),
            **common,
        )
    ]
    if any(awaited_by(made) for made in tables):
        sensors.append(
            dg.SensorDefinition(
                name=f"{name}_sources",
                description="Asks each source which days it has all of.",
                evaluation_fn=_named(lambda context: _ask_sources(context, looks)),
                **common,
            )
        )
    return dg.Definitions(assets=source_specs(tables), sensors=sensors)


class _Looks:
    """What a code server keeps from one tick to the next, for each lake."""

    def __init__(self, tables: Sequence[TableAsset]) -> None:
        self.tables = tables
        self._watches: dict[str, Watch] = {}
        self._known: dict[Any, Any] = {}
        self._refusals: dict[Any, Any] = {}
        self._bounded: set[str] = set()
        self._next = 0

    def now(self, context: dg.SensorEvaluationContext) -> Look:
        """Look at the lake and at what is known of sources."""
        lake: Lake = getattr(context.resources, KEY).lake
        watch = self._watches.setdefault(f"{lake.where} {lake.output}", Watch(lake, self.tables))
        outside = SeenComplete(context.instance, self.tables, self._known, self._refusals)
        return watch.look(datetime.now(UTC), outside)

    def in_turn(self) -> Iterator[TableAsset]:
        """Yield every table once, beginning with the one after the last that was looked at."""
        for _ in self.tables:
            made = self.tables[self._next]
            self._next = (self._next + 1) % len(self.tables)
            yield made

    def bound_pools(self, instance: dg.DagsterInstance) -> None:
        """Let the queue keep each pipeline's bound on runs, which Dagster takes from its record and not from code."""
        pipelines = [made.table.pipeline for made in self.tables if made.table.pipeline is not None]
        wanted = {p.name: p.max_active_runs for p in pipelines if p.name not in self._bounded}
        if not wanted or not instance.event_log_storage.supports_global_concurrency_limits:
            return
        limits = {limit.name: limit.limit for limit in instance.event_log_storage.get_pool_limits()}
        for name, runs in wanted.items():
            if limits.get(name) != runs:
                instance.event_log_storage.set_concurrency_slots(name, runs)
            self._bounded.add(name)


def _ask_for_days(context: dg.SensorEvaluationContext, looks: _Looks) -> dg.SensorResult:
    looks.bound_pools(context.instance)
    look = looks.now(context)
    if (output := look.watch.lake.output) != MAIN:
        return dg.SensorResult(
            skip_reason=f"This Dagster works on output {output}: its days are for people to ask for."
        )
    memories = _remembered(context.cursor)
    requests: list[dg.RunRequest] = []
    waits: list[str] = []
    until = time.monotonic() + TICK_SECONDS
    for made in looks.in_turn():
        name = made.table.name
        before = memories.get(name, Memory())
        try:
            wanted = look.wanted(made, before)
        except LakeproofError as error:
            waits.append(f"{name}: {error.what}")
            continue
        requests += _requests(made, wanted.days)
        memories[name] = wanted.memory
        if wanted.memory.waits:
            waits.append(f"{name} {wanted.memory.waits}")
        if time.monotonic() > until:
            waits.append(f"This tick ends with {name}; the next one goes on from there.")
            break
    kept = {made.table.name: asdict(memories.get(made.table.name, Memory())) for made in looks.tables}
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else _reasons(waits, f"All days of {len(looks.tables)} tables are there."),
        cursor=json.dumps(kept),
    )


def _remembered(cursor: str | None) -> dict[str, Memory]:
    """Return what a cursor says of each table; nothing when anyone wrote something else there."""
    try:
        return {name: _memory(Memory(**told)) for name, told in json.loads(cursor or "{}").items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _memory(told: Memory) -> Memory:
    """Return a memory whose days are days and whose causes are text; what is neither raises."""
    asked = {day_key(key_day(key)): tuple(map(str, causes)) for key, causes in told.asked.items()}
    return replace(told, asked=asked)


def _requests(made: TableAsset, wanted: Mapping[Day, str]) -> Iterator[dg.RunRequest]:
    """Yield a request for each stretch of days: one table, one run."""
    table, key = made.table.name, asset_key(made.table)
    if None in wanted:
        cause = wanted[None]
        yield dg.RunRequest(f"{table}:{cause}", asset_selection=[key], tags={CAUSE_TAG: cause})
    for first, last in runs_of_days(day for day in wanted if day is not None):
        causes = [cause for day, cause in wanted.items() if day is not None and first <= day <= last]
        cause = causes[0] if first == last else digest(causes)
        tags = {CAUSE_TAG: cause, **partition_tags(first, last)}
        yield dg.RunRequest(f"{table}@{first}..{last}:{cause}", asset_selection=[key], tags=tags)


def _ask_sources(context: dg.SensorEvaluationContext, looks: _Looks) -> dg.SensorResult:
    look = looks.now(context)
    events: list[dg.AssetMaterialization] = []
    lacks: list[str] = []
    for made in looks.tables:
        for name, source in awaited_by(made).items():
            try:
                seen = ask_source(look, made, name, source)
            except Exception as error:  # noqa: BLE001 - one source that breaks must not keep the others from being asked
                reason = error.what if isinstance(error, LakeproofError) else f"{type(error).__name__}: {error}"
                lacks.append(f"{made.table.name}: {source.name} cannot be asked: {reason}")
                continue
            events += seen.events[: EVENTS_AT_ONCE - len(events)]
            lacks += [f"{made.table.name}: {lack}" for lack in seen.lacks]
    return dg.SensorResult(
        asset_events=events,
        skip_reason=_reasons(lacks, "Every source has all days that are over."),
    )


def _reasons(lacks: Sequence[str], none: str) -> str:
    """Return what is waited for as a person reads it."""
    if not lacks:
        return none
    more = [f"… and {len(lacks) - SHOWN_REASONS} more"] if len(lacks) > SHOWN_REASONS else []
    return "Waiting:\n" + "\n".join([*lacks[:SHOWN_REASONS], *more])


def _named(evaluate: Callable[[dg.SensorEvaluationContext], dg.SensorResult]) -> Callable[..., dg.SensorResult]:
    """Give an evaluation the parameter by which Dagster passes its context."""

    def evaluation(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return evaluate(context)

    evaluation.__annotations__.clear()  # Dagster reads them as they stand, and they stand as text
    return evaluation
