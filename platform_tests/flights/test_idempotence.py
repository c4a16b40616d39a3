"""Every table of the example depends on its inputs alone, on real days."""

from __future__ import annotations

from typing import Any

import pytest

from flights.definitions import defs
from lakeproof import Lakehouse
from lakeproof.asset import table_assets
from lakeproof.testing import assert_idempotent
from lakeproof.verify import verify

FIRST, LAST = "2013-01-01", "2013-01-12"
"""Enough days for a departure that has flown ten times, which is what the candidates for padding ask for."""

MADE = {made.table.name: made for made in table_assets(defs.resolve_all_asset_keys())}
ORDER = (
    "airlines",
    "airports",
    "planes",
    "raw_weather",
    "raw_departures",
    "departures",
    "carrier_day",
    "carrier_to_date",
)
PUBLISHED = [f"flights.{name}" for name in ORDER]


@pytest.fixture(scope="module")
def january(publish: Any) -> Lakehouse:
    """Return a lake in which the first days of 2013 are published, of every table that another one reads."""
    lakehouse = Lakehouse.in_memory()
    for name in PUBLISHED:
        table = MADE[name].table
        publish(lakehouse, MADE[name], table.window(FIRST, LAST).days if table.partition else [None])
    return lakehouse


@pytest.mark.parametrize("name", sorted(MADE))
def test_a_table_depends_on_its_inputs_alone(january: Lakehouse, name: str) -> None:
    """Clocks, zones, chance and the order of rows decide nothing, and what is published is what its inputs make."""
    made = MADE[name]
    last = made.table.window(LAST).day if made.table.partition else None

    assert_idempotent(made.asset, last, lakehouse=january)
    if name in PUBLISHED:
        (day,) = verify(january.lake, made, [last])
        assert (day.state, day.reasons, day.notes) == ("identical", (), ())
