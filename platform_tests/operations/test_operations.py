from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import dagster as dg
import pytest
import time_machine

from lakeproof.lake.live import View
from lakeproof.lake.used import note_use
from operations.definitions import defs

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import World


def day(number: int) -> date:
    """Return a numbered day of November 2026."""
    return date(2026, 11, number)


def test_every_column_is_described() -> None:
    """A reader of the catalog never has to guess what a column means."""
    for asset in defs.assets or ():
        assert isinstance(asset, dg.AssetsDefinition)
        (metadata,) = asset.metadata_by_key.values()
        for column in metadata["dagster/column_schema"].columns:
            assert column.description, f"{asset}.{column.name}"


def test_runs_are_counted_on_the_day_on_which_they_ended(world: World) -> None:
    """By table and outcome, with what became of their days; a day without a run is there, and has no row."""
    world.run("05T10:00", 1, 3, _2=-1)
    world.run("05T11:00", 2, _2=-1)
    world.run("05T12:00", 4, _4=-7)
    world.run("06T00:30", 2, _2=5)
    world.run("06T01:00", 2)

    rows = world.about("runs_day", "08T01:00", 5, 7)

    told = [(row["day"], row["table_name"], row["outcome"], row["runs"]) for row in rows]
    assert told == [
        (day(5), "world.till", "error", 1),
        (day(5), "world.till", "held", 2),
        (day(6), "world.till", "published", 1),
        (day(6), "world.till", "unchanged", 1),
    ]
    error, held, published, unchanged = rows
    assert (held["days_published"], held["days_held"], error["days_error"]) == (2, 2, 1)
    assert (published["days_published"], unchanged["days_unchanged"]) == (1, 1)
    assert all(row["seconds"] >= 0 for row in rows)
    stored = world.lakehouse.catalog.load_table("operations.runs_day")
    assert set(View.of(stored).days) == {day(5), day(6), day(7)}


def test_audits_are_counted_by_what_they_said(world: World) -> None:
    """Held, warned and passed days, and the rows at fault; a day that was not judged is not counted."""
    world.run("05T10:00", 1, 3, _2=-1, _3=70)
    world.run("05T11:00", 4, _4=-7)

    rows = world.about("audits_day", "06T01:00", 5)

    found = {
        row["audit"]: (row["judged"], row["passed"], row["failed"], row["warned"], row["rows_at_fault"]) for row in rows
    }
    assert found["between_value"] == (3, 2, 1, 0, 1)
    assert found["usual"][0] == 3
    assert found["usual"][3] >= 1
    assert found["not_empty"] == (3, 3, 0, 0, 0)


def test_a_day_that_is_over_does_not_change(world: World) -> None:
    """What happens later belongs to later days, so that a rerun has equal content, and says so."""
    world.run("05T05:00", 4)
    world.run("06T05:00", 5, _5=-1)
    tables = ("runs_day", "audits_day", "sla_day", "incidents", "cost_day")
    before = {table: world.about(table, "07T01:00", 6) for table in tables}
    snapshots = {table: len(world.lakehouse.catalog.load_table(f"operations.{table}").snapshots()) for table in tables}

    world.run("07T09:00", 5, _5=5)
    world.run("07T10:00", 6, _6=-1)

    assert {table: world.about(table, "09T01:00", 6) for table in tables} == before
    after = {table: len(world.lakehouse.catalog.load_table(f"operations.{table}").snapshots()) for table in tables}
    assert after == snapshots
    assert len(before["incidents"]) == 2  # held, and missed


def test_the_ledger_of_slas_has_each_day_when_it_was_due_and_when_it_came(world: World) -> None:
    """Met; missing when due, and late when it came; what was due before the SLA was declared is exempt."""
    world.run("05T07:00", 3)  # declares the SLA, an hour after the fourth was due
    world.run("06T05:00", 5)
    world.run("07T09:00", 6)
    world.run("09T03:00", 7)

    rows = world.about("sla_day", "10T01:00", 4, 9)  # on the fourth there was no SLA yet

    told = [(row["day"], row["table_day"], row["met"], row["late_minutes"], row["exempt"]) for row in rows]
    assert told == [
        (day(5), day(4), None, None, True),
        (day(6), day(5), True, None, False),
        (day(7), day(6), False, 180, False),
        (day(8), day(7), False, None, False),
        (day(9), day(7), False, 21 * 60, False),
        (day(9), day(8), False, None, False),
    ]
    assert rows[2]["deadline"] == datetime(2026, 11, 7, 6, tzinfo=UTC)
    assert rows[3]["first_published"] is None


def test_the_attainment_is_plotted_in_dagster(world: World) -> None:
    """A bar a day for each table, as Markdown on the day's materialization."""
    world.run("05T05:00", 4)
    world.run("06T09:00", 5)
    world.about("sla_day", "07T01:00", 6)

    event = world.instance.get_latest_materialization_event(dg.AssetKey(["operations", "sla_day"]))
    assert event is not None
    assert event.asset_materialization is not None
    assert "| world.till | 1 | 2 | `" in str(event.asset_materialization.metadata["attainment"].value)
    assert "█▄" in str(event.asset_materialization.metadata["attainment"].value)


def test_an_incident_has_a_row_on_each_day_on_which_it_was_open(world: World) -> None:
    """As it was when that day ended, with the same id throughout."""
    world.run("02T03:00", 1)
    world.run("05T03:00", 4, _4=-1)
    world.run("07T03:00", 2, 4, _4=1)

    rows = [row for row in world.about("incidents", "09T01:00", 4, 8) if row["kind"] == "held"]

    assert [(row["day"], row["state"], row["days_waiting"]) for row in rows] == [
        (day(5), "opened", 1),
        (day(6), "open", 1),
        (day(7), "closed", 0),
    ]
    assert len({row["incident"] for row in rows}) == 1
    assert rows[-1]["hours_open"] == 48.0


def test_costs_are_told_by_day_and_table(world: World) -> None:
    """What readers got something new of, and apart from it what they did not: held, unchanged and broken days."""
    world.run("05T10:00", 1, 2)
    world.run("06T10:00", 1, 2)  # unchanged
    world.run("06T11:00", 3, _3=-1)  # held
    world.run("06T12:00", 4, _4=-7)  # broken

    first, second = world.about("cost_day", "07T01:00", 5, 6)

    assert (first["day"], first["table_name"], second["day"]) == (day(5), "world.till", day(6))
    assert first["processor_seconds"] > 0
    assert (first["wasted_processor_seconds"], first["wasted_usd"]) == (0, 0)
    assert second["wasted_processor_seconds"] == second["processor_seconds"] > 0
    assert (second["compute_usd"], second["unmeasured_seconds"]) == (0, 0)
    assert second["wasted_usd"] > 0
    assert first["bytes_kept"] == first["bytes_written"] > 0
    assert second["bytes_kept"] == first["bytes_kept"] + second["bytes_written"]  # the held day's stage
    assert first["usd"] == first["full_usd"] == first["borne_usd"]
    assert first["rates_of"] is not None


def test_costs_go_downstream_along_the_lineage(world: World) -> None:
    """A table's full cost has what it was made from, and all that is borne is what was spent."""
    world.run("05T10:00", 1, 2)
    world.read("05T11:00", 1, 2)

    receipts, till = world.about("cost_day", "06T01:00", 5)

    assert (receipts["table_name"], till["table_name"]) == ("world.receipts", "world.till")
    assert receipts["bytes_read"] == till["bytes_written"]
    assert receipts["full_usd"] == pytest.approx(receipts["usd"] + till["usd"], abs=1e-8)
    assert (receipts["borne_usd"], till["borne_usd"]) == (receipts["full_usd"], 0)


@pytest.mark.parametrize("wrong", ["2025-11-01", "yesterday"], ids=["too old", "no day"])
def test_what_was_used_is_kept_while_the_rates_do_not_hold(
    world: World, rates_of: Callable[[str], None], wrong: str
) -> None:
    """The day is published with a warning, and no money; with rates that were looked up again, it has both."""
    world.run("05T10:00", 1)
    rates_of(wrong)

    (unpriced,) = world.about("cost_day", "06T01:00", 5)

    assert unpriced["processor_seconds"] > 0
    money = ("compute_usd", "storage_usd", "wasted_usd", "usd", "full_usd", "borne_usd", "rates_of")
    assert [unpriced[name] for name in money] == [None] * len(money)
    event = world.instance.get_latest_materialization_event(dg.AssetKey(["operations", "cost_day"]))
    assert event is not None
    assert event.asset_materialization is not None
    assert "usd" in str(event.asset_materialization.metadata["warnings"].value)

    rates_of("2026-10-01")
    (priced,) = world.about("cost_day", "06T02:00", 5)

    assert priced["rates_of"] == date(2026, 10, 1)
    assert priced["usd"] == pytest.approx(priced["processor_seconds"] + priced["storage_usd"], abs=1e-6)
    assert priced["processor_seconds"] == unpriced["processor_seconds"]


def test_ends_are_judged_by_what_was_on_record_when_the_day_ended(
    world: World, rates_of: Callable[[str], None]
) -> None:
    """What nobody needs is to be stopped once it was there for four weeks; a read counts from its day on."""
    rates_of("2026-10-01")
    world.run("02T10:00", 1)
    world.read("02T11:00", 1)
    receipts = world.lakehouse.lake.find("world.receipts")
    assert receipts is not None
    with time_machine.travel("2026-11-30T12:00Z"):
        note_use(receipts, "ada@laptop")
    world.about("cost_day", "12-01T00:10", 1, 30)

    (young,) = world.about("value_day", "12-01T00:20", 29)
    (read,) = world.about("value_day", "12-01T00:20", 30)

    assert (young["table_name"], young["owner"], young["consumers"]) == ("world.receipts", "team:shop", 0)
    assert (young["action"], young["unread_days"], young["uses"]) == ("keep", None, 0)
    assert (read["action"], read["unread_days"], read["uses"]) == ("keep", 0, 1)
    assert "ada" not in read["reason"]
    assert "reader 1" in read["reason"]
    assert young["saving_usd"] == pytest.approx(young["cost_usd"], abs=1e-5)  # nothing else needs the till
    assert young["cost_usd"] > read["cost_usd"] >= 0  # the run of the second is 28 days ago on the thirtieth
    assert read["cost_usd_before"] > young["cost_usd_before"] == 0


def test_what_nobody_reads_is_to_be_stopped(world: World, rates_of: Callable[[str], None]) -> None:
    """With a bar of what it costs in Dagster; nothing was priced on days whose rates were too old."""
    rates_of("2026-10-01")
    world.run("02T10:00", 1)
    world.about("cost_day", "12-01T00:10", 1, 29)
    rates_of("2025-11-01")
    world.about("cost_day", "12-01T00:20", 30)

    (till,) = world.about("value_day", "12-01T00:30", 30)

    assert (till["table_name"], till["action"], till["unpriced_days"]) == ("world.till", "stop", 1)
    assert till["reason"].endswith("in the 28 days that it has been there; consumers: none declared")
    event = world.instance.get_latest_materialization_event(dg.AssetKey(["operations", "value_day"]))
    assert event is not None
    assert event.asset_materialization is not None
    assert "| world.till | nobody says | " in str(event.asset_materialization.metadata["value"].value)
    assert "| stop |" in str(event.asset_materialization.metadata["value"].value)


def test_a_table_that_an_asset_depends_on_is_needed(world: World, rates_of: Callable[[str], None]) -> None:
    """An asset that is no table is known from Dagster's record, and is a consumer who was not seen."""

    @dg.asset(key=["mail", "weekly"], deps=[dg.AssetKey(["world", "till"])])
    def mail() -> None:
        """Stand for what reads a table by itself."""

    rates_of("2026-10-01")
    world.run("02T10:00", 1)
    with time_machine.travel("2026-11-02T12:00Z"):
        dg.materialize([mail], instance=world.instance)
    world.about("cost_day", "12-01T00:10", 1, 30)

    (till,) = world.about("value_day", "12-01T00:30", 30)

    assert (till["table_name"], till["action"]) == ("world.till", "keep")
    assert "needed by asset mail/weekly, without an amount" in till["reason"]
    assert till["reason"].endswith("ask asset mail/weekly")
