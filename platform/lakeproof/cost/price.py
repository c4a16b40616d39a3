"""What was used, in US dollars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeproof.cost.used import MILLION

if TYPE_CHECKING:
    from lakeproof.cost.rates import Rates
    from lakeproof.cost.used import Used

HOUR = 3_600 * MILLION
"""Microseconds of an hour."""

GB = 2**30
"""Bytes of a GB, as Amazon's bills for S3 count it."""

DAYS_A_MONTH = 365 / 12


@dataclass(frozen=True)
class Priced:
    """What was used, in US dollars.

    Args:
        compute: Processors and clusters.
        requests: Requests to paid APIs.
    """

    compute: float
    requests: float

    @property
    def usd(self) -> float:
        """Both."""
        return self.compute + self.requests


def priced(used: Used, rates: Rates) -> Priced:
    """Return what was used in US dollars.

    A run of which no more is known than how long it took is priced as one processor that was busy all the while.

    Args:
        used: What was used.
        rates: What things cost.

    Raises:
        UsageError: A rate is missing.
    """
    amounts = {"vcpu": (used.cpu + used.unseen) / HOUR, "cluster": used.cluster / HOUR, "glue": used.dpu / MILLION}
    compute = sum(amount * rates.usd(name) for name, amount in amounts.items() if amount)
    requests = sum(number * rates.usd_per_request(host) for host, number in used.requests.items())
    return Priced(compute, requests)


def usd_a_day(kept: int, rates: Rates) -> float:
    """Return what it costs to keep bytes for a day, in US dollars.

    Args:
        kept: The bytes.
        rates: What things cost.

    Raises:
        UsageError: The rate of storage is missing.
    """
    return kept / GB * rates.usd("storage") / DAYS_A_MONTH if kept else 0.0
