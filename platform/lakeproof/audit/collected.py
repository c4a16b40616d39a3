"""How logging goes wrong: doubled rows, hours and numbers left out, columns that fall silent, events that come late."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from lakeproof.audit.kinds import Historical, Measure, quote
from lakeproof.errors import ContractError
from lakeproof.parts import Audit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from lakeproof.parts import Audited, Severity

HOURS = 24
SLOT_SECONDS = 900
"""Every time zone's hours begin on a quarter of an hour of UTC."""


def duplicates(*columns: str, at_most: float = 0.0, severity: Severity = "blocking", name: str = "duplicates") -> Audit:
    """The share of rows that repeat another is within a bound.

    Args:
        columns: Rows are the same when these are; none means the whole row.
        at_most: The highest good share, from 0 to 1.
        severity: `blocking` or `warn`.
        name: The audit's name.
    """
    _share(name, at_most)
    return Duplicates(name, severity, columns, "count(*)", None, at_most, "share of rows that repeat another")


def missing_numbers(
    column: str, *, at_most: float = 0.0, severity: Severity = "blocking", name: str | None = None
) -> Audit:
    """The share of whole numbers that are missing between a column's lowest and highest is within a bound.

    Args:
        column: A sequence number, such as one that a logger counts up.
        at_most: The highest good share, from 0 to 1.
        severity: `blocking` or `warn`.
        name: Defaults to `missing_numbers_` and the column.
    """
    name = name or f"missing_numbers_{column}"
    _share(name, at_most)
    number = quote(column)
    expected = f"(max({number}) - min({number}) + 1)"
    share = f"coalesce(1 - count(DISTINCT {number}) / {expected}, 0)"
    return Measure(name, severity, (column,), share, None, at_most, f"share of numbers that {column} leaves out")


def late(
    event: str,
    received: str,
    *,
    after: timedelta,
    at_most: float = 0.0,
    severity: Severity = "blocking",
    name: str | None = None,
) -> Audit:
    """The share of events that were received long after they happened is within a bound.

    Args:
        event: The column that says when something happened.
        received: The column that says when it was received.
        after: How much later is late.
        at_most: The highest good share, from 0 to 1.
        severity: `blocking` or `warn`.
        name: Defaults to `late_` and the event's column.
    """
    name = name or f"late_{event}"
    _share(name, at_most)
    limit = f"to_microseconds({int(after / timedelta(microseconds=1))})"
    share = f"coalesce(count(*) FILTER (WHERE {quote(received)} - {quote(event)} > {limit}) / count(*), 0)"
    text = f"share of events that were received more than {after} after they happened"
    return Measure(name, severity, (event, received), share, None, at_most, text)


def missing_hours(
    column: str,
    *,
    first: int = 0,
    last: int = 23,
    at_most: float = 0.0,
    severity: Severity = "blocking",
    name: str | None = None,
) -> Audit:
    """The share of the day's hours without any row is within a bound; the hours are those that the day has.

    Args:
        column: The column that says when; a `timestamptz` is an instant, a `timestamp` a local time.
        first: The first hour, local to the table, in which rows are expected.
        last: The last one, included.
        at_most: The highest good share, from 0 to 1.
        severity: `blocking` or `warn`.
        name: Defaults to `missing_hours_` and the column.
    """
    name = name or f"missing_hours_{column}"
    _share(name, at_most)
    if not 0 <= first <= last < HOURS:
        msg = f"Audit {name}: hours {first} to {last} are no hours of a day."
        raise ContractError(msg, next_step="give hours from 0 to 23")
    return MissingHours(name, severity, (column,), first, last, at_most)


def new_nulls(
    *columns: str,
    above: float = 0.5,
    usual: float = 0.05,
    days: int = 28,
    min_history: int = 7,
    severity: Severity = "blocking",
    name: str = "new_nulls",
) -> Audit:
    """No column that is seldom null is suddenly null: judged on what Iceberg counts in each file, not on a scan.

    Args:
        columns: The columns; none means all.
        above: A share of nulls above this is sudden ...
        usual: ... for a column whose median share of the days before was at most this.
        days: How many logical days before it count.
        min_history: With fewer of them there, it passes and says so.
        severity: `blocking` or `warn`.
        name: The audit's name.
    """
    if not 0 <= usual < above <= 1 or days < 1 or not 1 <= min_history <= days:
        msg = (
            f"Audit {name}: usual={usual} and above={above} must be shares in that order, and min_history within days."
        )
        raise ContractError(msg)
    return NewNulls(name, severity, columns, days, min_history, above, usual)


@dataclass(frozen=True)
class Duplicates(Measure):
    """The share of rows that repeat another; by whole rows, or by some columns."""

    def bind(self, table: Audited) -> Audit:
        """Refuse columns that are not there."""
        Audit.bind(self, table)
        same = f"hash({', '.join(map(quote, self.columns))})" if self.columns else "_row_hash"
        return replace(self, expression=f"coalesce(1 - count(DISTINCT {same}) / count(*), 0)")


@dataclass(frozen=True)
class MissingHours(Audit):
    """Which hours of a day have no row.

    Args:
        first: The first hour in which rows are expected, local to the table.
        last: The last one, included.
        at_most: The highest good share of hours without rows.
        timezone: The table's, when the audit is bound; None for local times.
    """

    first: int = 0
    last: int = 23
    at_most: float = 0.0
    timezone: str | None = None

    def bind(self, table: Audited) -> Audit:
        """Take the table's time zone; refuse a column that is no time, and a table without days."""
        super().bind(table)
        kind = table.column(self.columns[0]).type
        if kind not in {"timestamp", "timestamptz"}:
            msg = f"{table.name}: audit {self.name} asks {self.columns[0]} for hours, and it is {kind}."
            raise ContractError(msg, next_step="name a timestamp or timestamptz column")
        if table.partition is None:
            msg = f"{table.name}: audit {self.name} asks for the hours of a day, and the table has no days."
            raise ContractError(msg, next_step="give the table a partition column, or drop the audit")
        return replace(self, timezone=table.timezone if kind == "timestamptz" else None)

    @property
    def expression(self) -> str:
        """The quarters of an hour that have rows, in SQL, as numbers of them since 1970."""
        time = quote(self.columns[0])
        return f"list(DISTINCT epoch_ns({time}) // {SLOT_SECONDS * 10**9}) FILTER (WHERE {time} IS NOT NULL)"

    @property
    def describe(self) -> str:
        """The condition in words."""
        return f"share of hours {self.first} to {self.last} without any {self.columns[0]} at most {self.at_most:.0%}"

    def missing(self, day: date, slots: Iterable[int]) -> tuple[list[str], int]:
        """Return the hours of a day without rows, and how many hours it has.

        A day on which the clocks change has 23 or 25.

        Args:
            day: The day.
            slots: The quarters of an hour that have rows, since 1970.
        """
        zone = UTC if self.timezone is None else ZoneInfo(self.timezone)
        begin = int(datetime.combine(day, time.min, zone).timestamp())
        end = int(datetime.combine(day + timedelta(days=1), time.min, zone).timestamp())
        hours = range(begin, end, 3600)
        expected = [h for h in hours if self.first <= datetime.fromtimestamp(h, zone).hour <= self.last]
        here = {(slot * SLOT_SECONDS - begin) // 3600 for slot in slots}
        absent = [f"{datetime.fromtimestamp(h, zone):%H:%M}" for h in expected if (h - begin) // 3600 not in here]
        return absent, len(expected)


@dataclass(frozen=True)
class NewNulls(Historical):
    """A column that was seldom null is suddenly null.

    Args:
        above: A share of nulls above this is sudden.
        usual: The highest share before of a column that it looks at.
    """

    above: float = 0.5
    usual: float = 0.05

    @property
    def describe(self) -> str:
        """The condition in words."""
        which = ", ".join(self.columns) or "no column"
        return f"{which} that was null in at most {self.usual:.0%} of rows is null in more than {self.above:.0%}"


def _share(name: str, at_most: float) -> None:
    if not 0 <= at_most < 1:
        msg = f"Audit {name}: at_most={at_most} is no share in [0, 1), so it could never fail."
        raise ContractError(msg, next_step="give a share, such as 0.01 for one of a hundred")
