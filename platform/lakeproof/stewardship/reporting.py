"""Incidents with all that is recorded of them: in Dagster, in the lake, and in the contracts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeproof.lake.evidence import day_evidence, publisher, read_evidence
from lakeproof.stewardship.happened import failures, published_before, publishes
from lakeproof.stewardship.impact import impact
from lakeproof.stewardship.incidents import derive
from lakeproof.stewardship.postmortem import Background, Found
from lakeproof.window import ONE_DAY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime
    from typing import Any

    import dagster as dg

    from lakeproof.asset import TableAsset
    from lakeproof.lake.catalog import Lake
    from lakeproof.lake.replace import Day
    from lakeproof.stewardship.incidents import Incident


def incidents_of(
    instance: dg.DagsterInstance, known: Collection[str], *, until: datetime | None = None
) -> list[Incident]:
    """Return all incidents of some tables, in the order in which they opened.

    Args:
        instance: Dagster's record.
        known: The names of the tables.
        until: The instant before which things count; None for all.
    """
    symptoms = [symptom for symptom in failures(instance, known) if symptom.table in known]
    return derive(symptoms, publishes(instance, symptoms), until)


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
