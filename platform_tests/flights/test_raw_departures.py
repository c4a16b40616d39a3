from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
import pytest

from flights.collection.airlines import collect_airlines
from flights.collection.airports import collect_airports
from flights.collection.planes import collect_planes
from flights.collection.raw_departures import collect_departures, raw_departures

if TYPE_CHECKING:
    from lakeproof import Lakehouse


@pytest.fixture
def _references(lakehouse: Lakehouse) -> None:
    """Publish what the audits refer to."""
    dg.materialize_to_memory([collect_airlines, collect_airports, collect_planes], resources={"lakehouse": lakehouse})


@pytest.mark.usefixtures("_references")
def test_a_day_is_published_as_delivered(lakehouse: Lakehouse) -> None:
    """The first day's 842 departures are there as the file has them, each with its local date."""
    result = dg.materialize_to_memory(
        [collect_departures], partition_key="2013-01-01", resources={"lakehouse": lakehouse}
    )

    rows = lakehouse.read(raw_departures, "2013-01-01")

    assert result.success
    assert rows.height == 842
    assert rows.row(by_predicate=(pl.col("carrier") == "UA") & (pl.col("flight") == 1545), named=True) == {
        "flight_date": date(2013, 1, 1),
        "year": 2013,
        "month": 1,
        "day": 1,
        "dep_time": 517,
        "sched_dep_time": 515,
        "dep_delay": 2,
        "arr_time": 830,
        "sched_arr_time": 819,
        "arr_delay": 11,
        "carrier": "UA",
        "flight": 1545,
        "tailnum": "N14228",
        "origin": "EWR",
        "dest": "IAH",
        "air_time": 227,
        "distance": 1400,
        "hour": 5,
        "minute": 15,
        "time_hour": datetime(2013, 1, 1, 10, tzinfo=UTC),
    }


@pytest.mark.usefixtures("_references")
def test_a_snowstorm_is_no_defect(lakehouse: Lakehouse) -> None:
    """On 8 February half of the 930 departures were cancelled, and nothing holds the day."""
    result = dg.materialize_to_memory(
        [collect_departures], partition_key="2013-02-08", resources={"lakehouse": lakehouse}
    )

    rows = lakehouse.read(raw_departures, "2013-02-08")

    assert result.success
    assert (rows.height, rows["dep_time"].null_count(), rows["tailnum"].null_count()) == (930, 472, 161)


@pytest.mark.usefixtures("_references")
def test_what_the_references_lack_is_warned_of(lakehouse: Lakehouse) -> None:
    """Destinations and aircraft that no table knows are counted, and hold nothing."""
    result = dg.materialize_to_memory(
        [collect_departures], partition_key="2013-01-01", resources={"lakehouse": lakehouse}
    )

    failed = {
        check.check_name: check.metadata["rows failed"].value
        for check in result.get_asset_check_evaluations()
        if not check.passed
    }

    assert failed == {"references_dest": 26, "references_tailnum": 146}


def test_a_day_waits_for_what_its_audits_refer_to(lakehouse: Lakehouse) -> None:
    """Without the airlines, the day does not run."""
    result = dg.materialize_to_memory(
        [collect_departures], partition_key="2013-01-01", resources={"lakehouse": lakehouse}, raise_on_error=False
    )

    assert not result.success
    assert lakehouse.read(raw_departures).is_empty()
