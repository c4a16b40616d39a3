"""What to do about an end: keep it, make it less often, on a cheaper engine, or not at all; and why, with the numbers.

Each rule is a function of plain values, and says nothing where it does not apply. The first that says something is
heard. None says more than is known: what nobody was seen to read may be read where nobody looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

Action = Literal["keep", "less often", "cheaper engine", "stop"]
ACTIONS = get_args(Action)

ENOUGH_DAYS = 28
"""For how many days a table has been there, at least, before anything but to keep it is said: one month and its end."""

READ_DAYS = 84
"""Over how many days reads are looked at: three of such months, so that what is read monthly shows."""

LATE = 1.5
"""How many times as long as the longest gap between two reads nobody must have read before it is a stop: a month's
reader is late by half a month then."""

FEWEST_READS = 3
"""From how many days on which somebody read it is said how far apart they are."""

APART_DAYS = 7
"""Reads that are always this far apart, or farther, do not need a table that is made every day."""

PROCESS_ROWS = 5_000_000
"""So many rows a day one process publishes within seconds: B1 in docs/benchmarks.md. Of fewer, a cluster is no help."""


@dataclass(frozen=True)
class Cluster:
    """A table that a cluster makes, of which it is known how many rows that takes.

    Args:
        table: Its name.
        engine: The engine that its evidence names, such as `spark`.
        rows: How many rows a day are made, or read to make them, whichever are more.
    """

    table: str
    engine: str
    rows: int


@dataclass(frozen=True)
class Facts:
    """What is known of an end; money in US dollars a month.

    Args:
        consumers: Who needs it, as is declared.
        readers: Who was seen to read it in the last `READ_DAYS` days.
        read_on: The days of these on which somebody was, in order.
        unread_days: For how many days nobody was; None when nobody ever was.
        there_days: For how many days it has been there; None when it was never published.
        usd: What it is worth, as is declared.
        for_money: Whether it is needed for money.
        by_use: Whether some of that is by the use, and so no more than what was seen.
        feeds: How many tables read it directly.
        cost: What it costs, with its share of all that it needs.
        saving: What would be saved if it stopped, with all that nothing else needs.
        made_days: On how many of the last `ENOUGH_DAYS` days it was made.
        clusters: The tables, of all that it needs, that clusters make.
        due: Whose value was to be looked at again by now.
    """

    consumers: Sequence[str] = ()
    readers: Sequence[str] = ()
    read_on: Sequence[date] = ()
    unread_days: int | None = None
    there_days: int | None = None
    usd: float = 0.0
    for_money: bool = False
    by_use: bool = False
    feeds: int = 0
    cost: float = 0.0
    saving: float = 0.0
    made_days: int = 0
    clusters: Sequence[Cluster] = ()
    due: Sequence[str] = ()

    @property
    def is_unread(self) -> bool:
        """Whether it was there long enough, and nobody was seen to read it for as long."""
        long = self.unread_days is None or self.unread_days >= ENOUGH_DAYS
        return long and self.is_settled

    @property
    def apart_days(self) -> int | None:
        """The longest time between two reads of the last `READ_DAYS` days; None of fewer than two."""
        return max(((after - before).days for before, after in pairwise(self.read_on)), default=None)

    @property
    def is_awaited(self) -> bool:
        """Whether the next read may still come, as far apart as those before were."""
        read, apart = self.unread_days, self.apart_days
        return read is not None and apart is not None and read <= LATE * apart

    @property
    def is_settled(self) -> bool:
        """Whether it has been there for long enough to say anything but to keep it."""
        return self.there_days is not None and self.there_days >= ENOUGH_DAYS


@dataclass(frozen=True)
class Advice:
    """What to do, and why.

    Args:
        action: What to do.
        reason: Why, in words.
    """

    action: Action
    reason: str


def advise(facts: Facts) -> Advice:
    """Return what to do about an end.

    >>> advise(Facts(cost=41.2, saving=30, unread_days=63, there_days=200)).reason
    'costs $41.20 a month, nobody was seen to read it for 63 days; consumers: none declared'

    Args:
        facts: What is known of it.
    """
    return next(advice for rule in RULES if (advice := rule(facts)) is not None)


def unused(facts: Facts) -> Advice | None:
    """Stop what nobody declared a need for, and nobody was seen to read, clearly longer than between reads before.

    >>> unused(Facts(unread_days=27, there_days=90)), unused(Facts(there_days=27))
    (None, None)
    >>> unused(Facts(there_days=28)).action, unused(Facts(consumers=["planning"], there_days=28))
    ('stop', None)
    >>> from datetime import date
    >>> monthly = (date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1))
    >>> unused(Facts(read_on=monthly, unread_days=29, there_days=200)) is None
    True
    >>> unused(Facts(read_on=monthly[1:], unread_days=46, there_days=200)) is None
    True
    >>> unused(Facts(read_on=monthly[1:], unread_days=47, there_days=200)).reason
    'costs $0.00 a month, nobody was seen to read it for 47 days, reads before were at most 31 days apart; \
consumers: none declared'
    """
    if facts.consumers or not facts.is_unread or facts.is_awaited:
        return None
    before = "" if facts.apart_days is None else f", reads before were at most {_days(facts.apart_days)} apart"
    return Advice("stop", f"costs {money(facts.cost)} a month, {_unread(facts)}{before}; consumers: none declared")


def oversized(facts: Facts) -> Advice | None:
    """Make in the process what is small, and made by a cluster.

    >>> oversized(Facts(clusters=[Cluster("a.big", "spark", 5_000_000), Cluster("a.small", "spark", 4_000)])).reason
    'a.small is made by spark of 4,000 rows a day; one process publishes 5,000,000 within seconds'
    >>> oversized(Facts(clusters=[Cluster("a.big", "spark", 5_000_000)])), oversized(Facts())
    (None, None)
    """
    small = [
        f"{made.table} is made by {made.engine} of {made.rows:,} rows a day"
        for made in facts.clusters
        if made.rows < PROCESS_ROWS
    ]
    if not small:
        return None
    return Advice("cheaper engine", f"{'; '.join(small)}; one process publishes {PROCESS_ROWS:,} within seconds")


def too_often(facts: Facts) -> Advice | None:
    """Make less often what is read seldom: what nobody reads in between can be made together. Not what tables read.

    >>> from datetime import date
    >>> fortnightly = (date(2026, 10, 1), date(2026, 10, 15), date(2026, 10, 29))
    >>> too_often(Facts(read_on=fortnightly, readers=["ada"], made_days=28)).reason
    'made on 28 of the last 28 days, read on 3 of the last 84, never less than 14 days apart; readers: ada'
    >>> too_often(Facts(read_on=fortnightly, made_days=4)), too_often(Facts(read_on=fortnightly[:2], made_days=28))
    (None, None)
    """
    if len(facts.read_on) < FEWEST_READS or facts.feeds:
        return None
    apart = min((after - before).days for before, after in pairwise(facts.read_on))
    if apart < APART_DAYS or facts.made_days * apart <= 2 * ENOUGH_DAYS:
        return None
    made = f"made on {facts.made_days} of the last {ENOUGH_DAYS} days"
    read = f"read on {len(facts.read_on)} of the last {READ_DAYS}, never less than {apart} days apart"
    unseen = [consumer for consumer in facts.consumers if consumer not in facts.readers]
    ask = f"; ask {', '.join(unseen)} first" if unseen else ""
    return Advice("less often", f"{made}, {read}; readers: {', '.join(facts.readers)}{ask}")


def not_worth_it(facts: Facts) -> Advice | None:
    """Stop what saves more by stopping than it is worth; not what is needed for other reasons than money.

    Nor what is worth something by the use, and was not seen to be used: it may be used where nobody looks.

    >>> read = Facts(["planning"], usd=100, for_money=True, cost=400, saving=300.5, there_days=60, unread_days=1)
    >>> not_worth_it(read).reason
    'stopping it saves $300.50 a month, and it is worth $100.00 to planning'
    >>> not_worth_it(Facts(["planning"], usd=100, for_money=True, cost=400, saving=99, there_days=60)) is None
    True
    >>> not_worth_it(Facts(["the regulator"], cost=400, saving=300, there_days=60)) is None
    True
    """
    if not facts.for_money or facts.saving <= facts.usd or not facts.is_settled:
        return None
    if facts.by_use and facts.is_unread:
        return None
    worth = f"it is worth {money(facts.usd)} to {', '.join(facts.consumers)}"
    return Advice("stop", f"stopping it saves {money(facts.saving)} a month, and {worth}{_asides(facts)}")


def worth_keeping(facts: Facts) -> Advice:
    """Keep the rest, and say what is not known of it.

    >>> worth_keeping(Facts(["planning"], usd=75, for_money=True, cost=5, there_days=60, unread_days=3)).reason
    'worth $75.00 a month to planning, costs $5.00'
    >>> worth_keeping(Facts(["planning"], usd=75, for_money=True, cost=90, there_days=60)).reason
    'worth $75.00 a month to planning, costs $90.00, of which stopping it would save $0.00; \
nobody was seen to read it in the 60 days that it has been there: ask planning'
    >>> worth_keeping(Facts(["the regulator"], cost=5, there_days=3, due=["the regulator"])).reason
    'needed by the regulator, without an amount, costs $5.00 a month; \
its value to the regulator was to be looked at again by now'
    >>> worth_keeping(Facts(cost=5, there_days=3)).reason
    'costs $5.00 a month, first published 3 days ago: nothing is said before 28 days; consumers: none declared'
    >>> worth_keeping(Facts()).reason
    'costs $0.00 a month, and was never published; consumers: none declared'
    >>> from datetime import date
    >>> monthly = (date(2026, 10, 1), date(2026, 11, 1))
    >>> worth_keeping(Facts(readers=["ada"], read_on=monthly, unread_days=29, cost=5, there_days=90)).reason
    'costs $5.00 a month, read 29 days ago, reads before were up to 31 days apart; readers: ada; \
consumers: none declared, so nobody says what it is worth'
    >>> worth_keeping(Facts(readers=["ada"], unread_days=2, cost=5, there_days=90)).reason
    'costs $5.00 a month, read 2 days ago; readers: ada; consumers: none declared, so nobody says what it is worth'
    """
    if not facts.consumers:
        return Advice("keep", _undeclared(facts))
    who = ", ".join(facts.consumers)
    if not facts.for_money:
        return Advice("keep", f"needed by {who}, without an amount, costs {money(facts.cost)} a month{_asides(facts)}")
    costs = f"worth {money(facts.usd)} a month to {who}, costs {money(facts.cost)}"
    if facts.cost > facts.usd:
        costs += f", of which stopping it would save {money(facts.saving)}"
    return Advice("keep", costs + _asides(facts))


RULES: tuple[Callable[[Facts], Advice | None], ...] = (unused, oversized, too_often, not_worth_it, worth_keeping)
"""In the order in which they are heard; the last always says something."""


def _undeclared(facts: Facts) -> str:
    costs = f"costs {money(facts.cost)} a month"
    if facts.unread_days is not None:
        readers = f"; readers: {', '.join(facts.readers)}" if facts.readers else ""
        unknown = "consumers: none declared, so nobody says what it is worth"
        awaited = facts.is_unread and facts.apart_days is not None
        before = f", reads before were up to {_days(facts.apart_days or 0)} apart" if awaited else ""
        return f"{costs}, read {_ago(facts.unread_days)}{before}{readers}; {unknown}"
    if facts.there_days is None:
        return f"{costs}, and was never published; consumers: none declared"
    young = f"first published {_ago(facts.there_days)}: nothing is said before {ENOUGH_DAYS} days"
    return f"{costs}, {young}; consumers: none declared"


def _asides(facts: Facts) -> str:
    """Return what else is to be known, of an end that somebody needs."""
    said = []
    if facts.is_unread:
        said.append(f"{_unread(facts)}: ask {', '.join(facts.consumers)}")
    if facts.due:
        said.append(f"its value to {', '.join(facts.due)} was to be looked at again by now")
    return "".join(f"; {each}" for each in said)


def _unread(facts: Facts) -> str:
    if facts.unread_days is None:
        return f"nobody was seen to read it in the {_days(facts.there_days or 0)} that it has been there"
    return f"nobody was seen to read it for {_days(facts.unread_days)}"


def _ago(days: int) -> str:
    return f"{_days(days)} ago" if days else "today"


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number:,} days"


def money(usd: float) -> str:
    """Return an amount of US dollars as it is written; one that is there, and less than a cent, is not nothing.

    >>> money(1234.5), money(0), money(0.004)
    ('$1,234.50', '$0.00', '< $0.01')
    """
    return "< $0.01" if 0 < usd < 0.01 else f"${usd:,.2f}"  # noqa: PLR2004 - a cent
