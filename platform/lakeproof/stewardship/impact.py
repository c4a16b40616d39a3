"""Which days of which tables waited for the days of an incident, and what those tables are worth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from lakeproof.contract import Input
from lakeproof.cost.price import DAYS_A_MONTH
from lakeproof.lake.days import day_key
from lakeproof.window import ONE_DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import date

    from lakeproof.asset import TableAsset
    from lakeproof.contract import Table
    from lakeproof.lake.days import Day
    from lakeproof.stewardship.incidents import Incident

    Had = Callable[[str, Iterable[Day]], Iterable[Day]]


@dataclass(frozen=True)
class Waited:
    """Days of a table that could not be made, or were kept from readers, while an incident was open.

    Args:
        table: The contract.
        days: The days, in order.
    """

    table: Table
    days: tuple[Day, ...]

    @property
    def usd(self) -> float | None:
        """What so many days of the table are worth, in dollars; None when its contract does not say.

        A worth by the use is not counted: nobody knows of uses that were not possible.
        """
        amounts = [value.usd_per_month for value in self.table.values if value.usd_per_month is not None]
        return sum(amounts) / DAYS_A_MONTH * len(self.days) if amounts else None


def impact(incident: Incident, made: Mapping[str, TableAsset], last: date, had: Had) -> list[Waited]:
    """Return the days that waited: those of the incident's own table, and of tables downstream, nearest first.

    A day that readers had before the incident opened did not wait. Nor did a table that reads all that is published
    now: it read what there was.

    Args:
        incident: The incident.
        made: The tables whose code is loaded, by name.
        last: The last day to look at: the one that was over when the incident closed.
        had: Which of some days of a table were published before the incident opened.
    """
    if incident.table not in made:
        return []
    waited: dict[str, set[Day]] = {}
    reached: list[tuple[str, set[Day]]] = [(incident.table, set(incident.days))]
    while reached:
        name, days = reached.pop(0)
        new = days - waited.get(name, set())
        new -= set(had(name, new))
        if not new:
            continue
        waited.setdefault(name, set()).update(new)
        reached += [
            (reader.table.name, set(_readers(reader.table, how, new, last)))
            for reader in made.values()
            for how in reader.inputs.values()
            if isinstance(how, Input) and how.table.name == name
        ]
    return [Waited(made[name].table, tuple(sorted(days, key=day_key))) for name, days in waited.items()]


def _readers(table: Table, how: Input, days: Iterable[Day], last: date) -> Iterator[date]:
    """Yield the days of a table that read any of some days of an input."""
    for day in days:
        if day is not None and how.kind != "latest":
            first = day + ONE_DAY if how.kind == "previous" else day
            until = last if how.kind == "previous" else min(last, day + timedelta(days=how.days - 1))
            yield from _between(table, first, until)


def _between(table: Table, first: date, last: date) -> list[date]:
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [day for day in days if table.has_day(day) and table.gap(day) is None]
