"""What a table is worth, to whom, and why: said where it is declared, so that a pipeline nobody needs can be told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lakeproof.errors import ContractError, UsageError
from lakeproof.window import as_day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

AMOUNTS = ("usd_per_month", "usd_per_use")

MOST_USD = 10**12
"""More than any table is worth a month: what is beyond is a slip, and sums of it would be no numbers."""


@dataclass(frozen=True)
class Value:
    """What a table is worth to one consumer: a team, a dashboard, a model, a customer. dbt calls that an exposure.

    Exactly one of the two amounts is given. An amount of 0 says that somebody needs the table, and not for money, as
    for a duty to report: such a table is never called too expensive.

    Args:
        consumer: Who acts on it.
        usd_per_month: What it makes or saves them, in US dollars a month.
        why: The decision it serves, and where the amount comes from.
        usd_per_use: What each day on which somebody reads it makes or saves them, in US dollars; counted are the uses
            that are observed.
        review_by: Until when the amount holds without being looked at again. After that day it still counts, and is
            told to be due.
        owner: Whom to ask, an address or `team:name`.
        url: Where the dashboard, model or contract is, beginning with http:// or https://.
    """

    consumer: str
    usd_per_month: float | None = None
    why: str = ""
    usd_per_use: float | None = None
    review_by: str | date | None = None
    owner: str = ""
    url: str = ""

    def bind(self, table: str) -> Value:
        """Return the value as it applies to a table, its fields in one form.

        Args:
            table: The table's name.

        Raises:
            ContractError: It says nothing, or an amount that is not one of US dollars.
        """
        for what in ("consumer", "why"):
            if not (isinstance(getattr(self, what), str) and getattr(self, what).strip()):
                self._refuse(table, f"{what} {getattr(self, what)!r} is no text", f"say {what} in words")
        given = [what for what in AMOUNTS if getattr(self, what) is not None]
        if len(given) != 1:
            why = "both usd_per_month and usd_per_use are given" if given else "it has no amount"
            remedy = "give one of usd_per_month and usd_per_use; 0 where it is needed, and not for money"
            self._refuse(table, why, remedy)
        amount = self._amount(table, given[0])
        if self.url:
            self._demand_page(table)
        try:
            review = None if self.review_by is None else as_day(self.review_by)
        except (UsageError, TypeError):
            remedy = "give a date that exists, as YYYY-MM-DD"
            self._refuse(table, f"review_by {self.review_by!r} is not a day", remedy)
        changes: dict[str, Any] = {given[0]: amount, "review_by": review}
        return replace(self, **changes)

    def _amount(self, table: str, what: str) -> float:
        given: object = getattr(self, what)
        if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
            remedy = "give a number of US dollars; convert other currencies, and say in why at which rate"
            self._refuse(table, f"{what}={given!r} is no number", remedy)
        try:
            amount = float(getattr(self, what))
        except (OverflowError, ValueError):  # a whole number beyond all floats, or a decimal that signals
            amount = inf
        if not 0 <= amount <= MOST_USD:
            shown = f"{given}"[:40]
            remedy = "say what it is worth, or 0"
            self._refuse(table, f"{what}={shown} is no amount of US dollars from 0 to {MOST_USD:,}", remedy)
        return amount

    def _demand_page(self, table: str) -> None:
        """Refuse a url that is none, or holds a password: whoever sees the report would see it."""
        try:
            parts = urlsplit(str(self.url))
        except ValueError:  # such as a bracket that is left open
            parts = urlsplit("")
        if parts.username is not None:
            remedy = "leave the user and password out; they are to be changed, if the contract was shown to anybody"
            self._refuse(table, "its url holds a user or a password", remedy)
        if parts.scheme not in {"http", "https"}:
            self._refuse(table, f"url {self.url!r} is no address of a page", "begin with https://, or leave url out")

    def _refuse(self, table: str, why: str, remedy: str) -> None:
        msg = f"{table}: its value to {self.consumer!r}: {why}."
        raise ContractError(msg, next_step=remedy)

    @property
    def review_day(self) -> date | None:
        """The day until which the amount holds without being looked at again."""
        return None if self.review_by is None else as_day(self.review_by)

    @property
    def is_money(self) -> bool:
        """Whether it is needed for money."""
        return bool(self.usd_per_month or self.usd_per_use)

    def usd(self, uses_a_month: float) -> float:
        """Return what it is worth a month, in US dollars.

        Args:
            uses_a_month: On how many days a month somebody reads the table, each reader's days counted.
        """
        return self.usd_per_month if self.usd_per_month is not None else (self.usd_per_use or 0.0) * uses_a_month

    def is_due(self, day: date) -> bool:
        """Whether it should have been looked at again before a day."""
        return self.review_day is not None and self.review_day < day

    @property
    def amount_text(self) -> str:
        """The amount in words.

        >>> Value("planning", 75_000, "why").amount_text, Value("planning", usd_per_use=2.5, why="why").amount_text
        ('$75,000 a month', '$2.50 a use')
        """
        if not self.is_money:
            return "not for money"
        amount, per = (self.usd_per_use, "use") if self.usd_per_month is None else (self.usd_per_month, "month")
        return f"${amount:,.0f} a {per}" if amount == round(amount or 0) else f"${amount:,.2f} a {per}"

    def record(self) -> dict[str, Any]:
        """Return the value as plain values, those that say something."""
        review = None if self.review_day is None else self.review_day.isoformat()
        told = {name: getattr(self, name) for name in ("consumer", *AMOUNTS, "why", "owner", "url")}
        return {name: said for name, said in (told | {"review_by": review}).items() if said not in {None, ""}}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Value:
        """Return the value that a record tells of."""
        return cls(**record)


def bound(declared: Value | Sequence[Value] | None, table: str) -> tuple[Value, ...]:
    """Return what a contract says of its table's worth, one value for each consumer.

    Args:
        declared: A value, several, or none.
        table: The table's name.

    Raises:
        ContractError: One of them is no value, or cannot be; or two are of one consumer.
    """
    if declared is None:
        return ()
    values = []
    for value in declared if isinstance(declared, list | tuple) else (declared,):
        if not isinstance(value, Value):
            msg = f"{table}: value {value!r} is no Value."
            raise ContractError(msg, next_step="write value=Value('planning', 4_000, 'which seats to sell'), or a list")
        values.append(value.bind(table))
    consumers = [value.consumer for value in values]
    if twice := sorted({consumer for consumer in consumers if consumers.count(consumer) > 1}):
        msg = f"{table}: its value to {', '.join(twice)} is declared twice."
        raise ContractError(msg, next_step="add the two up, or name the consumers apart")
    return tuple(values)
