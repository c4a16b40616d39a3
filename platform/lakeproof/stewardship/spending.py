"""What tables cost on some days, from Dagster's record and Iceberg's metadata: nothing is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    import dagster as dg

    from lakeproof.cost.rates import Rates
    from lakeproof.lake.catalog import Lake
    from lakeproof.stewardship.spent import Spent
    from lakeproof.window import Window


def spending(
    instance: dg.DagsterInstance, lake: Lake, known: Collection[str], window: Window, rates: Rates
) -> list[Spent]:
    """Return what tables cost on each day of a window on which they cost anything, by day and name.

    Args:
        instance: Dagster's record.
        lake: The lake.
        known: The names of the tables.
        window: Days of the clock, in UTC: a run belongs to the day on which it ended.
        rates: What things cost; from `read_rates`.
    """
    raise NotImplementedError
