"""What each day of a run used and cost, as it is told to Dagster."""

from __future__ import annotations

from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

from lakeproof.cost.price import priced
from lakeproof.cost.rates import read_rates
from lakeproof.cost.used import NAMES, PREFIX, Used
from lakeproof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from lakeproof.cost.meter import Meter

    Day = date | None

USD = "cost: USD"
"""The metadata that says what a day cost to make."""

RATES_OF = "cost: rates of"
"""The metadata that says how old the rates are."""

NOT_PRICED = "cost: not priced"
"""The metadata that says why there is no price: a run never fails for one."""


class Bill:
    """What a run used, divided over its days by their rows; equally, where they have none.

    Args:
        meter: What measures the run.
        rows: How many rows each day has that was staged, or just the days where none was.
        today: The day on which the run ends, for the rates.
    """

    def __init__(self, meter: Meter, rows: Mapping[Day, int], today: date) -> None:
        self._meter = meter
        self._rows = rows
        self._today = today

    @cached_property
    def _shares(self) -> dict[Day, Used]:
        """What each day used, until this was asked for first."""
        return dict(zip(self._rows, self._meter.used().shares(list(self._rows.values())), strict=True))

    def of(self, *days: Day) -> dict[str, Any]:
        """Return what some days used and cost, together, as metadata.

        Args:
            *days: The days; those that are none of the run's used nothing.
        """
        used = reduce(Used.__add__, (self._shares[day] for day in days if day in self._shares), Used())
        none = {NAMES["cpu"][0]: 0.0}  # so that it is told at all: what has no measure is guessed
        told: dict[str, Any] = {f"{PREFIX}{name}": amount for name, amount in (none | used.as_record()).items()}
        try:
            rates = read_rates(self._today)
            return told | {USD: priced(used, rates).usd, RATES_OF: rates.oldest.isoformat()}
        except UsageError as error:
            return told | {NOT_PRICED: error.what}


def share_of(record: Mapping[str, Any], key: str) -> Used | None:
    """Return what a day used of what a run's evidence says, as a `Bill` divides it; None when it says nothing.

    Args:
        record: The evidence of a run.
        key: The day, as the evidence has it.
    """
    days = list(record["days"])
    if "used" not in record or key not in days:
        return None
    rows = [sum(file["rows"] for file in record["days"][day].get("files", ())) for day in days]
    return Used.of_record(record["used"]).shares(rows)[days.index(key)]


def used_of(metadata: Mapping[str, Any]) -> Used | None:
    """Return what metadata says was used; None when it says nothing.

    Args:
        metadata: Names and plain values, as a `Bill` gives them, among others.
    """
    told = {name.removeprefix(PREFIX): value for name, value in metadata.items() if name.startswith(PREFIX)}
    return Used.of_record(told) if told else None
