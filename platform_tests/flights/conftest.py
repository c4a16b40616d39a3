"""Rows that differ from an ordinary one only where a test says so."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from flights.collection.airlines import airlines
from flights.collection.airports import airports
from flights.collection.planes import planes
from lakeproof.testing import given

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeproof import Lakehouse

    RowMaker = Callable[..., dict[str, Any]]

NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture(autouse=True, scope="session")
def collected_from(flights_outside: dict[str, str]) -> dict[str, str]:
    """Let every test of the example collect from the real thing."""
    return flights_outside


@pytest.fixture
def known(lakehouse: Lakehouse) -> None:
    """Publish a few airlines, airports and aircraft."""
    given(lakehouse, airlines, [{"carrier": c, "name": c} for c in ("UA", "B6", "VX", "HA")])
    zones = {
        "EWR": "America/New_York",
        "PBI": "America/New_York",
        "ORD": "America/Chicago",
        "PHX": "America/Phoenix",
        "LAX": "America/Los_Angeles",
        "HNL": "Pacific/Honolulu",
        "EEN": None,
    }
    given(lakehouse, airports, [{"faa": faa, "name": faa, "tzone": zone} for faa, zone in zones.items()])
    given(lakehouse, planes, [{"tailnum": "N1"}])


@pytest.fixture
def raw_row() -> RowMaker:
    """Return a maker of rows of `raw_departures`: Newark to Chicago at 08:00, on time, unless told otherwise."""

    def make(day: str, **changes: Any) -> dict[str, Any]:
        at = date.fromisoformat(day)
        row = {
            "flight_date": at,
            "dep_time": 800,
            "sched_dep_time": 800,
            "dep_delay": 0,
            "arr_time": 930,
            "sched_arr_time": 930,
            "arr_delay": 0,
            "carrier": "UA",
            "flight": 1,
            "tailnum": "N1",
            "origin": "EWR",
            "dest": "ORD",
            "air_time": 120,
            "distance": 719,
        } | changes
        hour, minute = divmod(row["sched_dep_time"], 100)
        local = datetime(at.year, at.month, at.day, hour, tzinfo=NEW_YORK)
        clock = {"year": at.year, "month": at.month, "day": at.day, "hour": hour, "minute": minute}
        return row | clock | {"time_hour": local.astimezone(UTC)}

    return make


@pytest.fixture
def departure() -> RowMaker:
    """Return a maker of rows of `departures`, flown from Newark to Chicago.

    It is scheduled at 13:00 UTC for 150 minutes; `dep_delay` and `arr_delay` move its times. With `dep_delay=None` it
    is cancelled, with `arr_delay=None` alone diverted.
    """

    def make(day: str, **changes: Any) -> dict[str, Any]:
        row: dict[str, Any] = {
            "flight_date": date.fromisoformat(day),
            "carrier": "UA",
            "flight": 1,
            "origin": "EWR",
            "dest": "ORD",
            "tailnum": "N1",
            "distance": 719,
            "scheduled_departure_utc": datetime.fromisoformat(f"{day}T13:00:00Z"),
            "scheduled_block_minutes": 150,
            "dep_delay": 0,
            "arr_delay": 0,
            "air_time": 120,
            "weather_found": True,
        } | changes
        scheduled, block = row["scheduled_departure_utc"], row["scheduled_block_minutes"]
        row["cancelled"] = row["dep_delay"] is None
        row["arr_delay"] = None if row["cancelled"] else row["arr_delay"]
        row["air_time"] = None if row["arr_delay"] is None else row["air_time"]
        row["diverted"] = not row["cancelled"] and row["arr_delay"] is None
        row["scheduled_departure"] = scheduled.astimezone(NEW_YORK).replace(tzinfo=None)
        row["weather_hour_utc"] = scheduled.replace(minute=0)
        if not row["cancelled"]:
            row["departure_utc"] = scheduled + timedelta(minutes=row["dep_delay"])
        if not row["cancelled"] and not row["diverted"]:
            row["arrival_utc"] = scheduled + timedelta(minutes=block + row["arr_delay"])
            row["block_minutes"] = block + row["arr_delay"] - row["dep_delay"]
        return row

    return make
