"""What Dagster's record says went wrong, and what was published since: nothing else is asked, and nothing is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from lakeproof.lake.days import day_key
from lakeproof.outcome import EXIT_CODES
from lakeproof.record import REFUSED
from lakeproof.spec import OUTCOME_TAG
from lakeproof.stewardship.incidents import Publish, Symptom
from lakeproof.window import as_day

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from lakeproof.lake.days import Day
    from lakeproof.stewardship.incidents import Kind

Event = dg.DagsterEventType

KIND_OF: Mapping[str, Kind] = {"held": "held", "blocked": "blocked", "error": "failed"}
"""What opens an incident, of what becomes of days. Days that are not ready, or moved, wait for another."""

STOPPED = {"DagsterExecutionInterruptedError", "KeyboardInterrupt"}
"""What Dagster records where a person stopped a run: that is no incident."""

AT_ONCE = 500
"""How many events, or partitions, are asked for at once: SQLite takes no more than a thousand parameters."""

_SEEN: dict[str, tuple[Symptom, ...]] = {}
"""What runs that failed said, by their ids: it never changes, and reading it is what takes time."""

MOST_SEEN = 20_000

KILLED = "killed"
"""The cause of a run of which Dagster only knows that it ended."""


def failures(instance: dg.DagsterInstance, known: Collection[str]) -> list[Symptom]:
    """Return the symptoms of every run that failed, oldest first.

    Args:
        instance: Dagster's record.
        known: The names of the tables.
    """
    found: list[Symptom] = []
    for run in instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), ascending=True):
        if not _waits(run.dagster_run):
            run_id = run.dagster_run.run_id
            if run_id not in _SEEN:
                if len(_SEEN) >= MOST_SEEN:
                    _SEEN.clear()
                _SEEN[run_id] = tuple(_symptoms(instance, run))
            found += (symptom for symptom in _SEEN[run_id] if symptom.table in known)
    return found


def publishes(instance: dg.DagsterInstance, symptoms: Iterable[Symptom]) -> list[Publish]:
    """Return the publishes of the days that symptoms are about, since the first of them.

    Args:
        instance: Dagster's record.
        symptoms: The symptoms.
    """
    days: dict[str, set[Day]] = {}
    first: dict[str, datetime] = {}
    for symptom in symptoms:
        days.setdefault(symptom.table, set()).update(symptom.days)
        first[symptom.table] = min(first.get(symptom.table, symptom.at), symptom.at)
    return [
        _publish(table, record)
        for table, wanted in days.items()
        for record in materializations(instance, table, wanted, after=first[table])
    ]


def published_before(instance: dg.DagsterInstance, table: str, days: Iterable[Day], at: datetime) -> dict[Day, Publish]:
    """Return what readers of some days had before an instant, as Dagster's record has it.

    Args:
        instance: Dagster's record.
        table: The table's name.
        days: The days.
        at: The instant.
    """
    found = [_publish(table, record) for record in materializations(instance, table, days, before=at)]
    return {publish.day: publish for publish in sorted(found, key=lambda publish: publish.at)}


def materializations(
    instance: dg.DagsterInstance,
    table: str,
    days: Iterable[Day],
    *,
    after: datetime | None = None,
    before: datetime | None = None,
) -> Iterator[dg.EventLogRecord]:
    """Yield the materializations of some days of a table, by asset and partition, oldest first.

    Args:
        instance: Dagster's record.
        table: The table's name.
        days: The days; None among them: those without a partition.
        after: Only those after this instant.
        before: Only those before this instant.
    """
    listed = set(days)
    keys = [day.isoformat() for day in sorted(day for day in listed if day is not None)]
    asked: list[list[str] | None] = [keys[n : n + AT_ONCE] for n in range(0, len(keys), AT_ONCE)]
    for partitions in [*asked, *([None] if None in listed else [])]:
        wanted = dg.AssetRecordsFilter(
            dg.AssetKey(table.split(".")),
            asset_partitions=partitions,
            after_timestamp=None if after is None else after.timestamp(),
            before_timestamp=None if before is None else before.timestamp(),
        )
        cursor, more = None, True
        while more:
            page = instance.fetch_materializations(wanted, limit=AT_ONCE, cursor=cursor, ascending=True)
            yield from (record for record in page.records if partitions or record.partition_key is None)
            cursor, more = page.cursor, page.has_more


def _waits(run: dg.DagsterRun) -> bool:
    """Whether the days of a run that failed only wait for others, so that nothing more needs to be read."""
    alone = run.asset_selection is not None and len(run.asset_selection) == 1
    outcome = run.tags.get(OUTCOME_TAG)
    return alone and outcome in EXIT_CODES and outcome not in KIND_OF


def _symptoms(instance: dg.DagsterInstance, run: dg.RunRecord) -> Iterator[Symptom]:
    run_id = run.dagster_run.run_id
    began = datetime.fromtimestamp(run.start_time, UTC) if run.start_time else run.create_timestamp
    steps = instance.get_records_for_run(run_id, of_type=Event.STEP_FAILURE, limit=AT_ONCE).records
    broke: list[tuple[float, str, str]] = []
    for record in steps:
        failure = record.event_log_entry.get_dagster_event().step_failure_data
        if (refused := _refused(failure)) is not None:
            yield from _refusals(refused, _instant(record.timestamp), began, run_id)
            continue
        errors = list(_chain(failure.error))
        if not any(error.cls_name in STOPPED for error in errors):
            inner = errors[-1]
            broke.append((record.timestamp, inner.cls_name or KILLED, inner.message.strip()))
    if not steps:
        ended = run.end_time or run.update_timestamp.timestamp()
        broke.append((ended, KILLED, "the run ended before it said why; its process may have been killed"))
    if broke:
        at, name, reason = min(broke)
        for table, days in _unmade(instance, run_id).items():
            line = reason.splitlines()[0] if reason else name
            yield Symptom(table, "failed", frozenset([name]), days, _instant(at), line, began, run_id)


def _chain(error: Any) -> Iterator[Any]:
    """Yield an error and what caused it, the innermost last."""
    while error is not None:
        yield error
        error = error.cause


def _refused(failure: Any) -> Mapping[str, Any] | None:
    """Return what a step that refused said of its days; None when it broke in another way."""
    said = failure.user_failure_data
    told = said.metadata.get(REFUSED) if said is not None else None
    return None if told is None else told.value


def refused_by(event: dg.DagsterEvent) -> Sequence[Mapping[str, Any]]:
    """Return what a step that failed refused, cause by cause, each with its `state` and `days`.

    Args:
        event: The failure.
    """
    refused = _refused(event.step_failure_data)
    return [] if refused is None else refused["causes"]


def _refusals(refused: Mapping[str, Any], at: datetime, began: datetime, run_id: str) -> Iterator[Symptom]:
    for cause in refused["causes"]:
        if (kind := KIND_OF.get(cause["state"])) is not None:
            found = cause["audits"] or [cause.get("error", cause["state"])]
            days = tuple(None if key is None else as_day(key) for key in cause["days"])
            yield Symptom(
                refused["table"], kind, frozenset(found), days, at, cause["reason"], began, run_id, refused["run"]
            )


def _unmade(instance: dg.DagsterInstance, run_id: str) -> dict[str, tuple[Day, ...]]:
    """Return what a run was to make of each asset, and did not."""
    told = {Event.ASSET_MATERIALIZATION_PLANNED, Event.ASSET_MATERIALIZATION}
    planned: dict[str, set[Day]] = {}
    made: set[tuple[str, Day]] = set()
    for record in instance.get_records_for_run(run_id, of_type=told).records:
        event = record.event_log_entry.get_dagster_event()
        table = ".".join(event.asset_key.path) if event.asset_key is not None else ""
        day = None if event.partition is None else as_day(event.partition)
        if event.event_type is Event.ASSET_MATERIALIZATION_PLANNED:
            planned.setdefault(table, set()).add(day)
        else:
            made.add((table, day))
    left = {table: {day for day in days if (table, day) not in made} for table, days in planned.items()}
    return {table: tuple(sorted(days, key=day_key)) for table, days in left.items() if days}


def _publish(table: str, record: dg.EventLogRecord) -> Publish:
    said = record.asset_materialization
    metadata: dict[str, Any] = {} if said is None else {name: value.value for name, value in said.metadata.items()}
    snapshot = metadata.get("snapshot")
    return Publish(
        table,
        None if record.partition_key is None else as_day(record.partition_key),
        _instant(record.timestamp),
        metadata.get("run"),
        snapshot if snapshot and str(snapshot).isdigit() else None,
        metadata.get("dagster/row_count"),
    )


def _instant(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
