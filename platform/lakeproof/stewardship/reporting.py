"""Incidents with all that is recorded of them: in Dagster, in the lake, and in the contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeproof.lake.evidence import day_evidence, publisher, read_evidence
from lakeproof.parts import SLA_CHECK
from lakeproof.stewardship.happened import failures, published_before, publishes
from lakeproof.stewardship.impact import impact
from lakeproof.stewardship.incidents import Publish, Symptom, derive
from lakeproof.stewardship.postmortem import Background, Found
from lakeproof.stewardship.promised import promised_days
from lakeproof.window import ONE_DAY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime
    from typing import Any

    import dagster as dg

    from lakeproof.asset import TableAsset
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.days import Day
    from lakeproof.stewardship.attainment import SlaDay
    from lakeproof.stewardship.incidents import Incident


def incidents_of(instance: dg.DagsterInstance, lake: Lake, known: Collection[str], now: datetime) -> list[Incident]:
    """Return all incidents of some tables, in the order in which they opened.

    Args:
        instance: Dagster's record.
        lake: The lake.
        known: The names of the tables.
        now: The instant of the report: what happened later does not count.
    """
    late = {name: [day for day in promised_days(lake.find(name), now) if day.missed] for name in known}
    symptoms = [*failures(instance, known), *(_missed(name, day) for name, days in late.items() for day in days)]
    recorded = publishes(instance, symptoms)
    since = {(publish.table, publish.day): publish.at for publish in recorded}
    first = [
        Publish(name, day.day, day.published)
        for name, days in late.items()
        for day in days
        if day.published is not None and since.get((name, day.day), day.deadline) <= day.deadline
    ]
    return derive(symptoms, [*recorded, *first], now)


def _missed(table: str, day: SlaDay) -> Symptom:
    reason = f"it was due at {day.deadline:%Y-%m-%d %H:%M} UTC, and not published"
    return Symptom(table, "missed", frozenset({SLA_CHECK}), (day.day,), day.deadline, reason)


def background_of(
    instance: dg.DagsterInstance, lake: Lake, incident: Incident, made: Mapping[str, TableAsset], now: datetime
) -> Background:
    """Return what a post-mortem of an incident tells besides it.

    Args:
        instance: Dagster's record.
        lake: The lake.
        incident: The incident.
        made: The tables whose code is loaded, by name.
        now: The instant of the report.
    """

    def had(table: str, days: Iterable[Day]) -> Iterable[Day]:
        return published_before(instance, table, days, incident.opened)

    evidence = dict(_evidence(lake, incident))
    users = {str(record.get("publisher", "")) for record in evidence.values()} | {publisher()}
    last = (incident.closed or now).date() - ONE_DAY
    return Background(
        owner=made[incident.table].table.owner if incident.table in made else "",
        before=published_before(instance, incident.table, incident.days, incident.opened),
        found=list(_found(incident, evidence)),
        waited=impact(incident, made, last, had),
        people=frozenset(user.partition("@")[0] for user in users) - {""},
        now=now,
    )


def _evidence(lake: Lake, incident: Incident) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the evidence of each run that staged a day of an incident, as far as it is still there."""
    table = lake.find(incident.table)
    for run in dict.fromkeys(symptom.run for symptom in incident.symptoms):
        record = read_evidence(table, run) if table is not None and run is not None else None
        if run is not None and record is not None:
            yield run, record


def _found(incident: Incident, evidence: Mapping[str, dict[str, Any]]) -> Iterator[Found]:
    """Yield what the audits that held found; what a rerun found again as it was is told once."""
    told = set()
    for run, record in evidence.items():
        for day in incident.days:
            entry = day_evidence(record, day)
            for audit in entry["audits"] if entry is not None else ():
                if audit["holds"] and (day, audit["finding"]) not in told:
                    told.add((day, audit["finding"]))
                    key = record.get("contract", {}).get("key", ())
                    yield Found(day, run, audit["finding"], audit["sample"], key)
