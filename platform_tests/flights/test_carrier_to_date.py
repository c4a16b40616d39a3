from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from flights.analysis.carrier_day import carrier_day
from flights.analysis.carrier_to_date import build_carrier_to_date, carrier_to_date
from lakeproof.testing import given

if TYPE_CHECKING:
    from lakeproof import Lakehouse

FIRST, SECOND, THIRD = "2013-01-01", "2013-01-02", "2013-01-03"
OTHERS = ["9E", "AA", "AS", "B6", "DL", "EV", "FL", "MQ", "US", "WN"]
"""A day of fewer than ten airlines is not published."""


def flown(day: str, carrier: str, **changes: Any) -> dict[str, Any]:
    """Return a day of an airline with one flight, on time unless told otherwise."""
    counts = {"scheduled": 1, "cancelled": 0, "diverted": 0, "flown": 1, "late": 0, "arr_delay_minutes": 0}
    return {"flight_date": date.fromisoformat(day), "carrier": carrier, **counts, **changes}


def both(lakehouse: Lakehouse) -> None:
    """Publish two days: UA flies on both, HA on the first, YV on the second."""
    many = {"scheduled": 10, "cancelled": 2, "diverted": 1, "flown": 7, "late": 3, "arr_delay_minutes": 90}
    first = [flown(FIRST, "UA", **many), flown(FIRST, "HA"), *(flown(FIRST, other) for other in OTHERS)]
    second = [flown(SECOND, "UA"), flown(SECOND, "YV"), *(flown(SECOND, other) for other in OTHERS)]
    given(lakehouse, carrier_day, [*first, *second])


def totals(lakehouse: Lakehouse, day: str) -> dict[str, tuple[Any, ...]]:
    """Return what is published of the three airlines on a day."""
    rows = lakehouse.read(carrier_to_date, day).drop("flight_date").rows()
    return {carrier: counts for carrier, *counts in rows if carrier not in OTHERS}


def test_the_first_day_begins_from_nothing(lakehouse: Lakehouse) -> None:
    """Without a day before it, the totals are the day's own."""
    both(lakehouse)

    dg.materialize_to_memory([build_carrier_to_date], partition_key=FIRST, resources={"lakehouse": lakehouse})

    assert totals(lakehouse, FIRST) == {
        "UA": [date(2013, 1, 1), 1, 10, 2, 1, 7, 3, 90],
        "HA": [date(2013, 1, 1), 1, 1, 0, 0, 1, 0, 0],
    }


def test_a_day_adds_to_the_day_before(lakehouse: Lakehouse) -> None:
    """An airline that does not fly is carried forward; a new one begins."""
    both(lakehouse)

    for day in (FIRST, SECOND):
        dg.materialize_to_memory([build_carrier_to_date], partition_key=day, resources={"lakehouse": lakehouse})

    assert totals(lakehouse, SECOND) == {
        "UA": [date(2013, 1, 2), 2, 11, 2, 1, 8, 3, 90],
        "HA": [date(2013, 1, 1), 1, 1, 0, 0, 1, 0, 0],
        "YV": [date(2013, 1, 2), 1, 1, 0, 0, 1, 0, 0],
    }


def test_a_range_is_made_day_by_day(lakehouse: Lakehouse) -> None:
    """One run over both days has the totals of two runs."""
    both(lakehouse)
    tags = {"dagster/asset_partition_range_start": FIRST, "dagster/asset_partition_range_end": SECOND}

    dg.materialize_to_memory([build_carrier_to_date], tags=tags, resources={"lakehouse": lakehouse})

    assert totals(lakehouse, FIRST)["UA"] == [date(2013, 1, 1), 1, 10, 2, 1, 7, 3, 90]
    assert totals(lakehouse, SECOND)["UA"] == [date(2013, 1, 2), 2, 11, 2, 1, 8, 3, 90]


def test_a_day_waits_for_the_day_before(lakehouse: Lakehouse) -> None:
    """Totals never skip a day."""
    both(lakehouse)

    result = dg.materialize_to_memory(
        [build_carrier_to_date], partition_key=SECOND, resources={"lakehouse": lakehouse}, raise_on_error=False
    )

    assert not result.success
    assert "not-ready" in str(result.failure_data_for_node("flights__carrier_to_date"))
    assert lakehouse.read(carrier_to_date).is_empty()
