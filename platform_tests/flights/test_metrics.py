"""The metrics of the example: each is defined once; and on a branch that defines two of them again, both are found.

The branch is `again` below. An analyst adds to `flights.carrier_day` the share of flights that were cancelled, under
the name that `flights.departures` has for it, but of the flights that were flown or cancelled; and to
`flights.departures` the share of flights that arrived in time, which `flights.carrier_day` has under another name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from flights.definitions import TABLES
from lakeproof import Metric
from lakeproof.asset import tables_among
from lakeproof.order import upstream_first
from lakeproof.stewardship.duplicates import defined_twice

if TYPE_CHECKING:
    from lakeproof.asset import TableAsset

SPELT_ANEW = (
    "count_if(coalesce(arr_delay < 15, false)) / nullif(count(*) filter (where not (cancelled or diverted)), 0)"
)
OF_FEWER = "sum(cancelled) / nullif(sum(flown + cancelled), 0)"


@pytest.fixture(scope="module")
def tables() -> list[TableAsset]:
    """Return the tables of the example."""
    return upstream_first(tables_among(TABLES))


def again(tables: list[TableAsset]) -> list[TableAsset]:
    """Return the tables of the branch."""
    more = {
        "flights.departures": Metric(
            "arrived_in_time",
            SPELT_ANEW,
            "Share of the flights that arrived which arrived less than 15 minutes late.",
            unit="1",
            direction="higher",
            grain=["carrier"],
        ),
        "flights.carrier_day": Metric(
            "cancellation_rate",
            OF_FEWER,
            "Share of flights that never left the gate.",
            unit="1",
            direction="lower",
            grain=["carrier"],
        ),
    }
    return [
        replace(made, table=made.table._but(metrics=[*made.table.metrics, more[made.table.name]]))
        if made.table.name in more
        else made
        for made in tables
    ]


def test_the_example_defines_each_metric_once(tables: list[TableAsset]) -> None:
    """As `make check` sees it: nothing is found."""
    assert sum(len(made.table.metrics) for made in tables) >= 4
    assert defined_twice(tables) == []


def test_what_is_defined_again_is_found(tables: list[TableAsset]) -> None:
    """One name for two meanings is an error; one meaning under two names is told with the one to use."""
    conflict, duplicate = defined_twice(again(tables))

    assert conflict.is_error
    assert (conflict.keep, conflict.other) == (
        "flights.departures.cancellation_rate",
        "flights.carrier_day.cancellation_rate",
    )
    assert (duplicate.kind, duplicate.keep, duplicate.other) == (
        "duplicate",
        "flights.departures.arrived_in_time",
        "flights.carrier_day.on_time_share",
    )
