from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import dagster as dg

from flights.transformation.departures import departures
from flights.value.padding_candidates import find_padding_candidates, padding_candidates
from lakeproof.testing import given

if TYPE_CHECKING:
    from lakeproof import Lakehouse

    from .conftest import RowMaker


def until(last: int) -> list[str]:
    """Return the first days of the year."""
    return [(date(2013, 1, 1) + timedelta(days=n)).isoformat() for n in range(last)]


def test_padding_is_where_its_last_minute_still_pays(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """Of ten arrivals six are 22 late: 20 minutes save 120 late ones at 81.18, and cost 200 padded ones at 27.47."""
    days = until(10)
    delays = [-3, 0, 0, 1, *[22] * 6]
    given(lakehouse, departures, [departure(day, arr_delay=d) for day, d in zip(days, delays, strict=True)])

    result = dg.materialize_to_memory(
        [find_padding_candidates], partition_key=days[-1], resources={"lakehouse": lakehouse}
    )

    assert result.success
    assert lakehouse.read(padding_candidates).to_dicts() == [
        {
            "flight_date": date(2013, 1, 10),
            "carrier": "UA",
            "flight": 1,
            "origin": "EWR",
            "dest": "ORD",
            "scheduled_time": "08:00",
            "rank": 1,
            "scheduled": 10,
            "flown": 10,
            "late": 6,
            "median_arr_delay": 22.0,
            "median_dep_delay": 0.0,
            "median_block_overrun": 22.0,
            "pad_minutes": 20,
            "delay_minutes_saved": 121,
            "gross_saving_usd": Decimal("9822.78"),
            "pad_cost_usd": Decimal("5494.00"),
            "net_saving_usd": Decimal("4328.78"),
            "remedy": "lengthen_block",
        }
    ]


def test_only_what_flies_often_late_and_still_is_a_candidate(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """Too few flights, too few late ones, or out of the timetable for a week: none. Half an hour is the most."""
    days = until(20)
    rows = [departure(day, flight=1, dep_delay=100, arr_delay=100) for day in days]
    rows += [departure(day, flight=2, arr_delay=40) for day in days[-9:]]
    rows += [departure(day, flight=3, arr_delay=40 if n % 4 == 0 else 0) for n, day in enumerate(days)]
    rows += [departure(day, flight=4, arr_delay=40) for day in days[:13]]
    rows += [departure(day, flight=5, arr_delay=40) for day in days[:14]]
    given(lakehouse, departures, rows)

    dg.materialize_to_memory([find_padding_candidates], partition_key=days[-1], resources={"lakehouse": lakehouse})

    found = lakehouse.read(padding_candidates).sort("rank")
    assert found.select("rank", "flight", "flown", "pad_minutes", "net_saving_usd", "remedy").rows() == [
        (1, 1, 20, 30, Decimal("32226.00"), "retime_departure"),
        (2, 5, 14, 30, Decimal("22558.20"), "lengthen_block"),
    ]


def test_the_same_flight_at_another_time_is_another_departure(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """A flight that was re-timed in the window begins anew: its old delays say nothing about its new time."""
    days = until(20)
    early = [departure(day, arr_delay=40) for day in days[:10]]
    late = [departure(day, arr_delay=0) for day in days[10:]]
    for row in late:
        row["scheduled_departure"] += timedelta(minutes=35)
    given(lakehouse, departures, [*early, *late])

    result = dg.materialize_to_memory(
        [find_padding_candidates], partition_key=days[-1], resources={"lakehouse": lakehouse}
    )

    assert result.success
    assert lakehouse.read(padding_candidates, days[-1]).is_empty()


def test_the_first_nine_days_are_published_empty(lakehouse: Lakehouse, departure: RowMaker) -> None:
    """Nothing can have flown ten times by then: the day is there, with no rows, and the next day may run."""
    days = until(9)
    given(lakehouse, departures, [departure(day, arr_delay=40) for day in days])

    result = dg.materialize_to_memory(
        [find_padding_candidates], partition_key=days[-1], resources={"lakehouse": lakehouse}
    )

    (materialization,) = result.asset_materializations_for_node("flights__padding_candidates")
    assert result.success
    assert materialization.partition == days[-1]
    assert lakehouse.read(padding_candidates).is_empty()
