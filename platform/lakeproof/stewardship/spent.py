"""What tables cost on a day, in US dollars, and how a cost goes downstream to the tables that are worth something."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from lakeproof.cost.price import DAYS_A_MONTH
from lakeproof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import date


@dataclass(frozen=True)
class Spent:
    """What a table cost on one day of the clock, in UTC; all in US dollars.

    >>> from datetime import date
    >>> Spent(date(2026, 11, 5), "flights.departures", compute=0.25, storage=0.5, wasted=0.125).usd
    0.875

    Args:
        day: The day of the clock on which the runs ended, and for which the files were kept; not the table's day.
        table: The table's name.
        compute: Processors and clusters, for what readers got.
        storage: Keeping the table's files for the day.
        requests: Requests to the outside, for what readers got.
        wasted: Compute and requests of which readers got nothing new: of days held, unchanged, moved or blocked, and
            of runs that failed or were killed. It is in none of the others.
    """

    day: date
    table: str
    compute: float = 0.0
    storage: float = 0.0
    requests: float = 0.0
    wasted: float = 0.0

    @property
    def usd(self) -> float:
        """All of it."""
        return self.compute + self.storage + self.requests + self.wasted


def a_month(spent: Iterable[Spent], days: int) -> dict[str, float]:
    """Return what each table costs a month, in US dollars, if all days are like these.

    >>> from datetime import date
    >>> round(a_month([Spent(date(2026, 11, 5), "flights.departures", compute=3.0)], days=30)["flights.departures"], 2)
    3.04

    Args:
        spent: What was spent on some days.
        days: How many days that were, those on which nothing was spent included.
    """
    found: dict[str, float] = {}
    for each in spent:
        found[each.table] = found.get(each.table, 0.0) + each.usd * DAYS_A_MONTH / days
    return found


@dataclass(frozen=True)
class Attributed:
    """What a table costs, with what it is made from; all in US dollars.

    Args:
        own: What was spent on the table itself.
        full: That, and its share of the full cost of each table that it reads.
        borne: What of it stays with the table: all, where nothing reads it; its own share, where it is an end that
            others read too; else nothing. Over all tables, it adds up to what was spent.
    """

    own: float
    full: float
    borne: float


def attributed(
    spent: Iterable[Spent], upstream: Mapping[str, Collection[str]], ends: Collection[str] = ()
) -> dict[str, Attributed]:
    """Return what each table costs, with all that it is made from.

    The full cost of a table goes in equal shares to the tables that read it directly, and one such share stays with it
    when it is an end. Equal shares are a rule and no measurement: a reader that takes one column pays as much as one
    that takes all. What is known of them is that no dollar is lost, or counted twice.

    >>> from datetime import date
    >>> day = date(2026, 11, 5)
    >>> spent = [Spent(day, "a.raw", 4.0), Spent(day, "a.left", 1.0), Spent(day, "a.right", storage=2.0)]
    >>> costs = attributed(spent, {"a.left": ["a.raw"], "a.right": ["a.raw"]})
    >>> costs["a.raw"]
    Attributed(own=4.0, full=4.0, borne=0.0)
    >>> costs["a.left"].full, costs["a.right"].borne
    (3.0, 4.0)

    Args:
        spent: What was spent, on any number of days.
        upstream: The tables that each table reads; itself among them counts for nothing.
        ends: The tables that are worth something by themselves, whoever else reads them. A table that nothing reads is
            an end, named or not.

    Returns:
        Every table that is named anywhere, upstream first.

    Raises:
        UsageError: Tables read each other in a circle.
    """
    own: dict[str, float] = {}
    for each in spent:
        own[each.table] = own.get(each.table, 0.0) + each.usd
    reads = {table: sorted({*names} - {table}) for table, names in upstream.items()}
    readers = Counter(name for names in reads.values() for name in names)
    everyone = sorted({*own, *reads, *readers, *ends})
    parts = {table: readers[table] + (table in ends or not readers[table]) for table in everyone}
    try:
        order = list(TopologicalSorter({table: reads.get(table, ()) for table in everyone}).static_order())
    except CycleError as error:
        msg = f"Tables read each other in a circle: {' reads '.join(reversed(error.args[1]))}."
        raise UsageError(msg, next_step="break the circle: no cost can be attributed along it") from error
    costs: dict[str, Attributed] = {}
    for table in order:
        mine = own.get(table, 0.0)
        full = mine + sum(costs[name].full / parts[name] for name in reads.get(table, ()))
        costs[table] = Attributed(mine, full, full / parts[table] if parts[table] > readers[table] else 0.0)
    return costs
