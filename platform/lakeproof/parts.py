"""The parts a contract is made of: columns, audits, a deadline."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from typing import TYPE_CHECKING, Literal, Protocol
from zoneinfo import ZoneInfo, available_timezones

from lakeproof.errors import ContractError, UsageError, did_you_mean
from lakeproof.window import ONE_DAY, as_day

if TYPE_CHECKING:
    from collections.abc import Sequence

TYPES = (
    "boolean",
    "int",
    "long",
    "float",
    "double",
    "decimal(p, s)",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "string",
    "uuid",
    "binary",
)
DECIMAL = re.compile(r"decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
NAME = re.compile(r"[a-z][a-z0-9_]*")
MAX_DECIMAL_DIGITS = 38  # Iceberg spec, primitive types

Severity = Literal["blocking", "warn"]

NOT_EMPTY = "not_empty"
"""The audit that every table has unless it declares `allow_empty=True`."""

PRE_CHECK = "pre_check"
"""The asset check of every table that collects from a source."""

SLA_CHECK = "sla"
"""The asset check of every table with an SLA."""

TAKEN = {
    NOT_EMPTY: "every table has that audit unless it declares allow_empty=True",
    PRE_CHECK: "it is what every table is asked that collects from a source",
    SLA_CHECK: "it is what every table with an SLA is asked when a day is due",
}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        name: Lower-case letters, digits and underscores.
        type: One of Iceberg's primitive types by its Iceberg name, such as `long`, `timestamptz` or `decimal(10, 2)`.
        description: What a value means, with its unit.
        digits: Decimal places a `double` or `float` is rounded to as it is stored. Declare it on every aggregate of
            doubles: sums in parallel engines differ in the last places from run to run.
        renamed_from: What the column was called before; the stored column of that name becomes this one, with its data.
    """

    name: str
    type: str
    description: str = ""
    digits: int | None = None
    renamed_from: str | None = None

    def __post_init__(self) -> None:
        """Refuse a name or type that Iceberg does not have."""
        if not NAME.fullmatch(self.name):
            msg = f"Column name {self.name!r} is not lower-case letters, digits and underscores."
            raise ContractError(msg)
        if decimal := DECIMAL.fullmatch(self.type):
            precision, scale = int(decimal[1]), int(decimal[2])
            if not (1 <= precision <= MAX_DECIMAL_DIGITS and scale <= precision):
                limits = f"1 to {MAX_DECIMAL_DIGITS} digits, and no more after the point"
                msg = f"Column {self.name}: {self.type} needs {limits}."
                raise ContractError(msg)
        elif self.type not in TYPES:
            msg = f"Column {self.name}: unknown type {self.type!r}. {did_you_mean(self.type, TYPES)}"
            raise ContractError(msg, next_step="use an Iceberg type name")
        if self.digits is not None and self.type not in {"double", "float"}:
            msg = f"Column {self.name}: digits are for double and float, not for {self.type}."
            raise ContractError(msg)
        if self.renamed_from == self.name:
            msg = f"Column {self.name} is renamed from itself."
            raise ContractError(msg)


class Audited(Protocol):
    """What an audit must know of the table it is declared on."""

    @property
    def name(self) -> str:
        """The table's name."""

    @property
    def column_names(self) -> Sequence[str]:
        """The names of its columns."""

    @property
    def key(self) -> Sequence[str]:
        """The columns that identify a row."""

    @property
    def partition(self) -> str | None:
        """The column that says which day a row belongs to."""

    @property
    def timezone(self) -> str:
        """The zone in which its days begin and end."""

    def column(self, name: str) -> Column:
        """Return the column of that name."""


@dataclass(frozen=True)
class Audit:
    """A named condition on a staged day. Build one with the functions of `lakeproof.audit`.

    Args:
        name: Unique in its table; the name of the asset check.
        severity: `blocking` holds the day; `warn` is only reported.
        columns: The columns it looks at, which must be the table's.
    """

    name: str
    severity: Severity
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a name that cannot be an asset check's, and a severity that is none."""
        if not NAME.fullmatch(self.name):
            msg = f"Audit name {self.name!r} is not lower-case letters, digits and underscores."
            raise ContractError(msg)
        if self.name in TAKEN:
            msg = f"Audit name {self.name} is taken: {TAKEN[self.name]}."
            raise ContractError(msg)
        if self.severity not in {"blocking", "warn"}:
            msg = f"Audit {self.name}: severity {self.severity!r} is neither 'blocking' nor 'warn'."
            raise ContractError(msg)

    def bind(self, table: Audited) -> Audit:
        """Return the audit as it applies to `table`; refuse it when it cannot."""
        for column in self.columns:
            if column not in table.column_names:
                msg = (
                    f"{table.name}: audit {self.name} looks at column {column!r}, which the table does not have. "
                    f"{did_you_mean(column, table.column_names)}"
                )
                raise ContractError(msg)
        return self

    @property
    def describe(self) -> str:
        """The condition in words."""
        return self.name

    @property
    def needs_history(self) -> bool:
        """Whether it cannot judge the first days of a table."""
        return False


@dataclass(frozen=True)
class Sla:
    """By when a day is promised to be published, and how often the promise is kept.

    Args:
        due: Local time `HH:MM` on the day after the logical day.
        target: Share of days that are published in time, in (0, 1].
        timezone: The zone of `due`.
        since: The first logical day that is promised. Without it, days are promised whose deadline lies after the
            instant at which the platform first stored the SLA.
    """

    due: str
    target: float = 0.95
    timezone: str = "UTC"
    since: str | date | None = None

    def __post_init__(self) -> None:
        """Refuse a time, target, zone or first day that does not exist."""
        try:
            known = time.fromisoformat(self.due) == time.fromisoformat(self.due[:5])
        except ValueError:
            known = False
        if not known:
            msg = f"Sla: due {self.due!r} is not a time of day; write HH:MM."
            raise ContractError(msg)
        if not 0 < self.target <= 1:
            msg = f"Sla: target {self.target} is not a share in (0, 1]; 0.95 means 95 days of 100."
            raise ContractError(msg)
        check_timezone("Sla", self.timezone)
        self._check_since()

    def _check_since(self) -> None:
        try:
            first = self.first_promised
        except UsageError as error:
            msg = f"Sla: since {error}"
            raise ContractError(msg) from None
        today = datetime.now(ZoneInfo(self.timezone)).date()
        if first is not None and first > today:
            msg = f"Sla: since {first} lies after today, {today}; a day that was not promised yet cannot be judged."
            raise ContractError(msg, next_step="give the first day that is promised, or leave since out")

    @property
    def due_time(self) -> time:
        """The time of day at which a day is due."""
        return time.fromisoformat(self.due)

    @property
    def first_promised(self) -> date | None:
        """The first logical day that is promised, where the contract says so."""
        return None if self.since is None else as_day(self.since)

    def deadline(self, day: date) -> datetime:
        """Return the instant, in UTC, by which `day` is due.

        Where the clocks change, `due` is counted from midnight as if they had not yet: a time that occurs twice is the
        first of the two, and one that is skipped lies as long after midnight as on any other day.
        """
        return datetime.combine(day + ONE_DAY, self.due_time, ZoneInfo(self.timezone)).astimezone(UTC)


def check_timezone(where: str, name: str) -> None:
    """Refuse a time zone that does not exist."""
    if name not in _timezones():
        msg = f"{where}: unknown time zone {name!r}. {did_you_mean(name, _timezones())}"
        raise ContractError(msg)


@cache
def _timezones() -> set[str]:
    """Return the names of all time zones; finding them reads a thousand files."""
    return available_timezones()
