from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from flights.collection.raw_weather import collect_weather, raw_weather

if TYPE_CHECKING:
    from lakeproof import Lakehouse


def failed(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    """Return the audits that failed, each with what it measured, or how many rows failed."""
    return {
        check.check_name: check.metadata["measured" if "measured" in check.metadata else "rows failed"].value
        for check in result.get_asset_check_evaluations()
        if not check.passed
    }


def test_an_impossible_wind_is_kept_and_warned_of(lakehouse: Lakehouse) -> None:
    """What was delivered is what is published, a wind of 1,048 miles an hour included."""
    result = dg.materialize_to_memory([collect_weather], partition_key="2013-02-12", resources={"lakehouse": lakehouse})

    rows = lakehouse.read(raw_weather, "2013-02-12")

    assert failed(result) == {"between_wind_speed": 1}
    assert rows.height == 72
    assert rows.filter(pl.col("wind_speed") > 150).select("origin", "hour", "wind_speed").rows() == [
        ("EWR", 3, 1048.36058)
    ]


def test_a_day_of_23_hours_is_complete(lakehouse: Lakehouse) -> None:
    """On 10 March the clock skips an hour: 69 rows are all there are."""
    result = dg.materialize_to_memory([collect_weather], partition_key="2013-03-10", resources={"lakehouse": lakehouse})

    rows = lakehouse.read(raw_weather, "2013-03-10")

    assert failed(result) == {}
    assert rows.height == 69
    assert 2 not in rows["hour"]


def test_a_day_of_25_hours_that_has_24_is_warned_of(lakehouse: Lakehouse) -> None:
    """On 3 November hour 1 is there twice, as two instants, and the first hour of the day is missing."""
    result = dg.materialize_to_memory([collect_weather], partition_key="2013-11-03", resources={"lakehouse": lakehouse})

    rows = lakehouse.read(raw_weather, "2013-11-03").filter(pl.col("origin") == "JFK")

    assert failed(result) == {"every_hour_is_there": 72 / 75}
    assert rows.height == 24
    assert rows.filter(pl.col("hour") == 1)["time_hour"].sort().to_list() == [
        datetime(2013, 11, 3, 5, tzinfo=UTC),
        datetime(2013, 11, 3, 6, tzinfo=UTC),
    ]
    assert 0 not in rows["hour"]


def test_a_day_that_was_never_delivered_is_not_ready(lakehouse: Lakehouse) -> None:
    """The last day of the year stops, and says that its source has nothing."""
    result = dg.materialize_to_memory(
        [collect_weather], partition_key="2013-12-31", resources={"lakehouse": lakehouse}, raise_on_error=False
    )

    message = str(result.failure_data_for_node("flights__raw_weather"))

    assert not result.success
    assert "not-ready" in message
    assert "2013-12-31: _SUCCESS is not there" in message
    assert lakehouse.read(raw_weather).is_empty()
