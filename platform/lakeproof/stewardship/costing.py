"""A day's costs of all tables, priced and attributed downstream, as far as the rates hold on that day."""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING

import dagster as dg

from lakeproof.cost.rates import stored_rates
from lakeproof.errors import UsageError
from lakeproof.record import UPSTREAM, VALUED
from lakeproof.stewardship.spending import Usage, usage_of
from lakeproof.stewardship.spent import attributed
from lakeproof.value import Value
from lakeproof.window import Window

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date, datetime

    from lakeproof.lake.catalog import Lake
    from lakeproof.stewardship.spent import Attributed, Spent

LOOKED_BACK = 1_000
"""How many materializations are looked at for one that says what a table reads."""


@dataclass(frozen=True)
class Money:
    """What a table cost on a day.

    Args:
        spent: What was spent on the table itself.
        attributed: What it costs with all that it is made from.
        rates_of: The day of the oldest rate.
    """

    spent: Spent
    attributed: Attributed
    rates_of: date


@dataclass(frozen=True)
class Costs:
    """The costs of all tables on a day.

    Args:
        usage: What each table used, by name: of those that used anything, and those downstream of them.
        money: The same in US dollars; empty where the rates do not hold on the day.
        unpriced: Why there is no money; empty where there is.
    """

    usage: dict[str, Usage]
    money: dict[str, Money]
    unpriced: str = ""


def costs_of(instance: dg.DagsterInstance, lake: Lake, known: Collection[str], day: date) -> Costs:
    """Return the costs of tables on a day of the clock that is over.

    Rates that are older than a year by then, missing or wrong price nothing: what was used is told without them, so
    that nothing is lost while somebody looks them up.

    Args:
        instance: Dagster's record.
        lake: The lake.
        known: The names of the tables.
        day: The day, in UTC.

    Raises:
        LakeError: The storage refused.
    """
    window = Window.of(day)
    usage = {used.table: used for used in usage_of(instance, lake, known, window)}
    try:
        rates = stored_rates().of_day(day)
        spent = {name: used.spent(rates) for name, used in usage.items()}
    except UsageError as error:
        return Costs(usage, {}, str(error))
    recorded = lineage_recorded(instance, known, window.end)
    upstream = without_circles(recorded)
    ends = {name for name, told in recorded.items() if told.values}
    costs = {name: cost for name, cost in attributed(spent.values(), upstream, ends).items() if cost.full or cost.own}
    whole = {name: usage.get(name) or Usage(day, name) for name in sorted({*usage, *costs})}
    money = {name: Money(used.spent(rates), costs[name], rates.oldest) for name, used in whole.items() if name in costs}
    return Costs(whole, money)


@dataclass(frozen=True)
class Recorded:
    """What the last run of a table says of it.

    Args:
        upstream: The tables that it read or referred to.
        values: What it is worth by itself, to each of its consumers.
        at: When it said so, in seconds since 1970.
    """

    upstream: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()
    at: float = field(default=0.0, compare=False)


def without_circles(recorded: Mapping[str, Recorded]) -> dict[str, set[str]]:
    """Return what tables read by their last runs, so that none reads itself in the end.

    Code has no circles, but the record may: a table that is no longer made, or not made since, read one that reads it
    today. Of such a circle the oldest reading is left out.

    >>> old, new = Recorded(("a.new",), at=1.0), Recorded(("a.old",), at=2.0)
    >>> without_circles({"a.old": old, "a.new": new})
    {'a.old': set(), 'a.new': {'a.old'}}

    Args:
        recorded: What was recorded of each table.
    """
    upstream = {name: {*told.upstream} - {name} for name, told in recorded.items()}
    while True:
        try:
            TopologicalSorter(upstream).prepare()
        except CycleError as error:
            readings = pairwise(error.args[1])  # each is read by the next
            read, reader = min(readings, key=lambda reading: recorded[reading[1]].at)
            upstream[reader].discard(read)
        else:
            return upstream


def lineage_recorded(instance: dg.DagsterInstance, known: Collection[str], before: datetime) -> dict[str, Recorded]:
    """Return what tables were made from and are worth, by name, of those that were made.

    As the last materialization before an instant says that says anything of it: what people report in Dagster does not.

    Args:
        instance: Dagster's record.
        known: The names of the tables.
        before: The instant.
    """
    found: dict[str, Recorded] = {}
    for name in known:
        wanted = dg.AssetRecordsFilter(dg.AssetKey(name.split(".")), before_timestamp=before.timestamp())
        told: Mapping[str, dg.MetadataValue] = {}
        at = 0.0
        for limit in (1, LOOKED_BACK):
            records = instance.fetch_materializations(wanted, limit=limit).records
            said = [
                (record.asset_materialization.metadata, record.timestamp)
                for record in records
                if record.asset_materialization
            ]
            told, at = next((each for each in said if UPSTREAM in each[0]), ({}, 0.0))
            if told or len(records) < limit:
                break
        if not said:
            continue
        read, worth = (told[what].value if what in told else [] for what in (UPSTREAM, VALUED))
        if isinstance(read, list) and isinstance(worth, list):
            found[name] = Recorded(tuple(map(str, read)), tuple(Value.of(value) for value in worth), at)
    return found
