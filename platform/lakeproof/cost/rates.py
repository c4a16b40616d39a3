"""What things cost, from a small file: each rate with its source and date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date


@dataclass(frozen=True)
class Rate:
    """What one unit of something costs.

    Args:
        name: What it is of, such as `vcpu` or `storage`.
        usd: US dollars a unit.
        unit: The unit, such as `vCPU-hour`.
        source: Where the figure is from.
        date: The day on which it was so.
    """

    name: str
    usd: float
    unit: str
    source: str
    date: date


@dataclass(frozen=True)
class Rates:
    """What things cost.

    Args:
        file: Where the rates are from.
        rates: The rates, by name; those of requests by `request to HOST`.
    """

    file: str
    rates: Mapping[str, Rate]


def read_rates(today: date) -> Rates:
    """Return the rates of the file that `LAKEPROOF_RATES` names, or of the one that comes with this package.

    Args:
        today: The day on which they are to hold: a rate older than a year is no rate.

    Raises:
        UsageError: There is no such file, or a rate is missing, negative, no number, in another currency than US
            dollars, of an unknown unit, without a source, or older than a year.
    """
    raise NotImplementedError
