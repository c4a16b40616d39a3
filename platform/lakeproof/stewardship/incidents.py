"""What went wrong, told once: symptoms of one cause in one table are one incident, until its days are published.

Pure over plain values: the same symptoms and publishes give the same incidents with the same ids, in whatever order
they are told.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lakeproof.lake.days import day_key
from lakeproof.window import days_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from lakeproof.lake.days import Day

Kind = Literal["held", "blocked", "missed", "failed"]
KINDS: tuple[Kind, ...] = ("held", "blocked", "missed", "failed")
"""What opens an incident: an audit held a day, a pre-check blocked it, its SLA was missed, or its run failed."""

ID_DIGITS = 4


@dataclass(frozen=True)
class Symptom:
    """What opens an incident, or extends one that is open.

    Args:
        table: The table's name.
        kind: What happened.
        causes: What found it: the audits that hold, the class of the error, or `sla`.
        days: The days; None for an unpartitioned table.
        at: When it was found.
        reason: Why, in one line.
        began: When the run began that met it; None where no run did.
        dagster_run: Dagster's id of that run.
        run: The run's own id, whose evidence tells more; None when nothing was staged.
    """

    table: str
    kind: Kind
    causes: frozenset[str]
    days: tuple[Day, ...]
    at: datetime
    reason: str
    began: datetime | None = None
    dagster_run: str | None = None
    run: str | None = None


@dataclass(frozen=True)
class Publish:
    """A day became what readers see, or was found to be that already.

    Args:
        table: The table's name.
        day: The day; None for an unpartitioned table.
        at: When it was recorded.
        run: The run's own id; None when nobody knows.
        snapshot: The snapshot of its commit; None when there was nothing to commit, or nobody knows.
        rows: How many rows readers see since; None when nobody knows.
    """

    table: str
    day: Day
    at: datetime
    run: str | None = None
    snapshot: str | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Incident:
    """One cause in one table, with all days that it kept from readers.

    Args:
        id: Short, and the same whenever it is derived from the same record.
        symptoms: What was found, in order; the first opened it.
        published: How each of its days came to be published, of those that are.
    """

    id: str
    symptoms: tuple[Symptom, ...]
    published: Mapping[Day, Publish]

    @property
    def table(self) -> str:
        """The table's name."""
        return self.symptoms[0].table

    @property
    def kind(self) -> Kind:
        """What happened."""
        return self.symptoms[0].kind

    @property
    def causes(self) -> frozenset[str]:
        """What found it."""
        return frozenset[str]().union(*(symptom.causes for symptom in self.symptoms))

    @property
    def days(self) -> tuple[Day, ...]:
        """Its days, in order."""
        return tuple(sorted({day for symptom in self.symptoms for day in symptom.days}, key=day_key))

    @property
    def waiting(self) -> tuple[Day, ...]:
        """Its days that are not published yet."""
        return tuple(day for day in self.days if day not in self.published)

    @property
    def opened(self) -> datetime:
        """When it was found first."""
        return self.symptoms[0].at

    @property
    def closed(self) -> datetime | None:
        """When the last of its days was published; None while one waits."""
        return None if self.waiting else max(publish.at for publish in self.published.values())

    @property
    def duration(self) -> timedelta | None:
        """How long it was open; None while it is."""
        return None if self.closed is None else self.closed - self.opened

    @property
    def days_text(self) -> str:
        """Its days as a person writes them; nothing for an unpartitioned table."""
        return days_text([day for day in self.days if day is not None])


@dataclass
class _Open:
    """An incident as it grows."""

    symptoms: list[Symptom]
    waiting: set[Day]
    published: dict[Day, Publish] = field(default_factory=dict)

    def takes(self, symptom: Symptom) -> bool:
        """Whether a symptom is of the same cause in the same table."""
        first = self.symptoms[0]
        same = (first.table, first.kind) == (symptom.table, symptom.kind)
        return same and any(known.causes & symptom.causes for known in self.symptoms)

    def extend(self, symptom: Symptom) -> None:
        self.symptoms.append(symptom)
        self.waiting |= set(symptom.days)
        for day in symptom.days:
            self.published.pop(day, None)

    def done(self) -> Incident:
        return Incident(_id_of(self.symptoms[0]), tuple(self.symptoms), dict(self.published))


def derive(symptoms: Iterable[Symptom], publishes: Iterable[Publish], until: datetime | None = None) -> list[Incident]:
    """Return the incidents of a record, in the order in which they opened.

    A symptom extends the oldest open incident of its table and kind that shares a cause with it; it opens one where
    there is none. A publish takes its day off every open incident of its table.

    Args:
        symptoms: What was found.
        publishes: The publishes of the days that symptoms are about; others are left alone.
        until: The instant before which things count; None for all.
    """
    happened: list[Symptom | Publish] = sorted([*publishes, *symptoms], key=_order)
    open_of: dict[str, list[_Open]] = {}
    every: list[_Open] = []
    for what in happened:
        if until is not None and what.at >= until:
            break
        growing = open_of.setdefault(what.table, [])
        if isinstance(what, Publish):
            for incident in growing:
                if what.day in incident.waiting:
                    incident.waiting.remove(what.day)
                    incident.published[what.day] = what
            open_of[what.table] = [incident for incident in growing if incident.waiting]
        elif (known := next((incident for incident in growing if incident.takes(what)), None)) is not None:
            known.extend(what)
        else:
            growing.append(_Open([what], set(what.days)))
            every.append(growing[-1])
    return [incident.done() for incident in every]


def _order(what: Symptom | Publish) -> tuple[object, ...]:
    """Order by instant. At the same one, publishes come first: a run tells of its good days before it fails."""
    if isinstance(what, Publish):
        return what.at, 0, what.table, day_key(what.day), what.run or "", ()
    return what.at, 1, what.table, what.kind, what.dagster_run or "", (sorted(what.causes), _first(what.days))


def _first(days: Iterable[Day]) -> str:
    return min(map(day_key, days))


def _id_of(opener: Symptom) -> str:
    """Return what to call the incident that a symptom opens: table, first day, kind, and four digits of its own."""
    first = _first(opener.days)
    told = [opener.table, first, opener.kind, sorted(opener.causes), opener.at.isoformat(), opener.dagster_run]
    digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    return f"{opener.table}-{first}-{opener.kind}-{digest[:ID_DIGITS]}"
