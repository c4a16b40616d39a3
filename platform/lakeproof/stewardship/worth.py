"""Whether ends pay: what each is worth, costs and is used for, beside each other; those that lose most first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lakeproof.cost.price import DAYS_A_MONTH
from lakeproof.stewardship.advice import ENOUGH_DAYS, READ_DAYS, Advice, Cluster, Facts, advise
from lakeproof.stewardship.ends import ends_of, needed_by, only_for
from lakeproof.stewardship.spent import attributed
from lakeproof.window import ONE_DAY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import date

    from lakeproof.lake.used import Use
    from lakeproof.stewardship.attainment import Attainment
    from lakeproof.stewardship.spent import Spent
    from lakeproof.value import Value

A_MONTH = DAYS_A_MONTH / ENOUGH_DAYS
"""What turns the last days into a month: amounts are of a month of 365 / 12 days, as the last 28 were."""

REJECTED = "__rejected"


@dataclass(frozen=True)
class Known:
    """A table, as far as it matters whether it pays.

    Args:
        name: Its name.
        upstream: The tables that it reads or refers to.
        values: What it is worth, to each of its declared consumers.
        assets: The Dagster assets that depend on it, and are no tables.
        owner: Who owns it.
    """

    name: str
    upstream: frozenset[str] = frozenset()
    values: tuple[Value, ...] = ()
    assets: tuple[str, ...] = ()
    owner: str = ""


@dataclass(frozen=True)
class Made:
    """How a table is made.

    Args:
        since: The day of the clock on which it was first published, in UTC; None when it never was.
        cluster: What is known of the cluster that makes it; None when none does, or nobody knows.
        attained: How it kept its SLA in the last `ENOUGH_DAYS` days; None when it has none.
    """

    since: date | None = None
    cluster: Cluster | None = None
    attained: Attainment | None = None


@dataclass(frozen=True)
class Worth:
    """An end, with all it needs; money in US dollars a month.

    Args:
        table: What is known of it.
        needs: It, and all the tables that it needs.
        alone: What of these nothing else needs.
        usd: What it is worth.
        cost: What it costs, with its share of what it needs.
        cost_before: The same, of the `ENOUGH_DAYS` days before the last.
        saving: What would be saved if it stopped, with what nothing else needs.
        uses: On how many days somebody read it in the last `ENOUGH_DAYS`, each reader's days counted.
        uses_before: The same, of as many days before.
        last_use: When somebody was last seen to read it.
        unread_days: How many days ago that was.
        readers: Who was, in the last `READ_DAYS` days.
        made: How it is made.
        due: Whose value was to be looked at again by now.
        advice: What to do about it.
    """

    table: Known
    needs: tuple[str, ...]
    alone: tuple[str, ...]
    usd: float
    cost: float
    cost_before: float
    saving: float
    uses: int
    uses_before: int
    last_use: date | None
    unread_days: int | None
    readers: tuple[str, ...]
    made: Made
    due: tuple[str, ...]
    advice: Advice

    @property
    def name(self) -> str:
        """The end's name."""
        return self.table.name

    @property
    def lost(self) -> float:
        """What it costs beyond its worth; below zero, what it gains."""
        return self.cost - self.usd

    @property
    def ratio(self) -> float | None:
        """How many times its cost it is worth; None where it costs nothing."""
        return self.usd / self.cost if self.cost else None

    @property
    def consumers(self) -> tuple[str, ...]:
        """Who is declared to need it."""
        return (*(value.consumer for value in self.table.values), *self.table.assets)

    @property
    def is_declared(self) -> bool:
        """Whether anybody says who needs it."""
        return bool(self.consumers)

    @property
    def would_notice(self) -> tuple[str, ...]:
        """Who would notice if it stopped, with whom to ask: those who are declared, and those who were seen."""
        told = (f"{v.consumer} ({v.owner})" if v.owner else v.consumer for v in self.table.values)
        return tuple(dict.fromkeys((*told, *self.table.assets, *self.readers)))


def worths(
    known: Sequence[Known],
    *,
    spent: Collection[Spent],
    uses: Iterable[Use],
    made: Mapping[str, Made],
    last: date,
) -> list[Worth]:
    """Return the ends among tables, those first that lose most.

    Args:
        known: The tables.
        spent: What was spent on them, in `2 * ENOUGH_DAYS` days at least.
        uses: Who read them when. What tables read of each other counts for nothing.
        made: How they are made; one that is not there is not made yet.
        last: The last day that counts, a day of the clock in UTC.
    """
    names = {table.name: table for table in known}
    upstream = {table.name: table.upstream & names.keys() for table in known}
    ends = ends_of(upstream, [table.name for table in known if table.values or table.assets])
    read = _read(uses, upstream, last)
    lately = [name for name, days in read.items() if any(use.day > last - READ_DAYS * ONE_DAY for use in days)]
    alone = only_for(upstream, ends, lately)
    costs = [
        _costs(spent, upstream, ends, until - ENOUGH_DAYS * ONE_DAY, until)
        for until in (last, last - ENOUGH_DAYS * ONE_DAY)
    ]
    feeds = Counter(name for table, reads in upstream.items() for name in reads if name != table)
    found = [
        _worth(names[end], needed_by(upstream, end), alone[end], feeds[end], read.get(end, []), made, costs, last)
        for end in ends
    ]
    return sorted(found, key=lambda worth: (-worth.lost, worth.name))


@dataclass(frozen=True)
class _Costs:
    """What tables cost over some days, as a month of such days would.

    Args:
        own: What was spent on each table itself.
        borne: What each end costs, with its share of what it needs.
        days: On which days each table was made.
    """

    own: Mapping[str, float]
    borne: Mapping[str, float]
    days: Mapping[str, set[date]]


def _costs(
    spent: Iterable[Spent], upstream: Mapping[str, Collection[str]], ends: Collection[str], after: date, last: date
) -> _Costs:
    of = [each for each in (_whole(one, upstream) for one in spent) if after < each.day <= last]
    costs = attributed([each for each in of if each.table in upstream], upstream, ends)
    days: dict[str, set[date]] = {}
    for each in of:
        if each.compute or each.wasted:
            days.setdefault(each.table, set()).add(each.day)
    own, borne = ({name: getattr(cost, kind) * A_MONTH for name, cost in costs.items()} for kind in ("own", "borne"))
    return _Costs(own, borne, days)


def _whole(spent: Spent, known: Collection[str]) -> Spent:
    """Return what was spent on a table's rejects as spent on the table: the one is not there without the other."""
    table = spent.table.removesuffix(REJECTED)
    return replace(spent, table=table) if spent.table not in known and table in known else spent


def _read(uses: Iterable[Use], upstream: Mapping[str, Collection[str]], last: date) -> dict[str, list[Use]]:
    """Return the uses of each table, up to a day; not by itself, nor by tables that say that they read it."""
    own = {(name, f"asset {by.replace('.', '/')}") for by, reads in upstream.items() for name in (by, *reads)}
    read: dict[str, list[Use]] = {}
    for use in sorted(set(uses)):
        if use.table in upstream and (use.table, use.who) not in own and use.day <= last:
            read.setdefault(use.table, []).append(use)
    return read


def _worth(
    table: Known,
    needs: frozenset[str],
    alone: frozenset[str],
    feeds: int,
    uses: Sequence[Use],
    made: Mapping[str, Made],
    costs: Sequence[_Costs],
    last: date,
) -> Worth:
    (now, before), own = costs, made.get(table.name, Made())
    since = last - ENOUGH_DAYS * ONE_DAY
    used = [use for use in uses if use.day > since]
    looked_at = [use for use in uses if use.day > last - READ_DAYS * ONE_DAY]
    usd = sum(value.usd(len(used) * A_MONTH) for value in table.values)
    saving = sum(now.own.get(name, 0.0) for name in alone)
    readers = tuple(dict.fromkeys(use.who for use in looked_at))
    due = tuple(value.consumer for value in table.values if value.is_due(last))
    last_use = uses[-1].day if uses else None
    unread = None if last_use is None else (last - last_use).days
    advice = advise(
        Facts(
            consumers=(*(value.consumer for value in table.values), *table.assets),
            readers=readers,
            read_on=sorted({use.day for use in looked_at}),
            unread_days=unread,
            there_days=None if own.since is None else (last - own.since).days,
            usd=usd,
            for_money=any(value.is_money for value in table.values),
            by_use=any(value.usd_per_use for value in table.values),
            feeds=feeds,
            cost=now.borne.get(table.name, 0.0),
            saving=saving,
            made_days=len(now.days.get(table.name, ())),
            clusters=[cluster for name in sorted(needs & made.keys()) if (cluster := made[name].cluster) is not None],
            due=due,
        )
    )
    return Worth(
        table,
        needs=tuple(sorted(needs)),
        alone=tuple(sorted(alone)),
        usd=usd,
        cost=now.borne.get(table.name, 0.0),
        cost_before=before.borne.get(table.name, 0.0),
        saving=saving,
        uses=len(used),
        uses_before=sum(since - ENOUGH_DAYS * ONE_DAY < use.day <= since for use in uses),
        last_use=last_use,
        unread_days=unread,
        readers=readers,
        made=own,
        due=due,
        advice=advice,
    )
