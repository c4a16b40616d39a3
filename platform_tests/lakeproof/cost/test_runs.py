from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
import pytest

from lakeproof import Column, Lakehouse, Table, Window, audit, daily_table
from lakeproof.cost.bill import share_of, used_of
from lakeproof.cost.rates import read_rates
from lakeproof.lake.evidence import read_evidence

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

shop = Table(
    "measured.shop",
    columns=[Column("day", "date"), Column("value", "int")],
    partition="day",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    owner="team:lab",
    audits=[audit.between("value", 0, 1_000)],
)
sums = Table(
    "measured.sums",
    columns=[Column("day", "date"), Column("value", "int")],
    partition="day",
    layer="analysis",
    start="2024-01-01",
    end="2024-02-01",
    owner="team:lab",
    audits=[audit.row_count(at_least=1)],
)
SCHEMA = {"day": pl.Date, "value": pl.Int32}
bad: set[int] = set()


@daily_table(shop)
def make_shop(window: Window) -> pl.DataFrame:
    """Make as many rows a day as its number says, and one that no audit lets pass on a bad day."""
    rows = [(day, n) for day in window.days for n in range(day.day)]
    rows += [(day, -1) for day in window.days if day.day in bad]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@daily_table(sums, shop=shop)
def make_sums(shop: pl.DataFrame) -> pl.DataFrame:
    """Take the day as it is."""
    return shop


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Return Dagster's record, with nothing in it."""
    bad.clear()
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(
    instance: dg.DagsterInstance, lakehouse: Lakehouse, asset: dg.AssetsDefinition, first: int, last: int
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Run January's days; return what was told of each that was published, and of the failure, if there was one."""
    tags = {
        "dagster/asset_partition_range_start": f"2024-01-{first:02}",
        "dagster/asset_partition_range_end": f"2024-01-{last:02}",
    }
    done = dg.materialize(
        [asset], instance=instance, resources={"lakehouse": lakehouse}, raise_on_error=False, tags=tags
    )
    made = [event.materialization for event in done.get_asset_materialization_events()]
    failed = [event.step_failure_data.user_failure_data for event in done.all_events if event.is_step_failure]
    return (
        {str(each.partition): {name: value.value for name, value in each.metadata.items()} for each in made},
        {name: value.value for name, value in failed[0].metadata.items()} if failed and failed[0] else {},
    )


def on_disk(lakehouse: Lakehouse, table: str) -> int:
    """Return the size of the data files that lie in a table's folder."""
    folder = Path(lakehouse.catalog.load_table(table).location().removeprefix("file://"))
    return sum(file.stat().st_size for file in folder.rglob("*.parquet"))


def test_processors_are_those_of_the_operating_system() -> None:
    """What is told of a run, a child among them, is within 2 % of what `getrusage` says from outside.

    From outside, Dagster's own start and end of a run count too: some 40 ms, twice that on a machine that does other
    things, whatever the run takes. So the run is long enough for that to be no part of the comparison.
    """
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("measured_run.py")), "8"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)

    assert found["seconds"] > 8
    assert found["told"] == pytest.approx(found["seconds"], rel=0.02)


def test_days_share_a_run_by_their_rows(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """Each has its part, the held one in the failure; bytes are those on the disk, and no server was asked."""
    bad.add(4)
    told, failed = run(instance, lakehouse, make_shop, 1, 4)

    found = {day: used_of(metadata) for day, metadata in told.items()} | {"2024-01-04": used_of(failed)}
    used = [found[f"2024-01-0{number}"] for number in range(1, 5)]
    written = [each.written for each in used if each is not None]
    assert sum(written) == on_disk(lakehouse, "measured.shop")
    whole = sum(each.cpu for each in used if each is not None)
    rows = [1, 2, 3, 5]
    for each, share in zip(used, rows, strict=True):
        assert each is not None
        assert each.cpu == pytest.approx(whole * share / sum(rows), abs=2)
        assert (each.requests, each.read) == ({}, 0)


def test_what_a_run_read_is_the_size_of_its_inputs(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """Of the days that it was given, and no others; and the run says which tables they were of."""
    run(instance, lakehouse, make_shop, 1, 3)
    files = lakehouse.catalog.load_table("measured.shop").inspect.files().to_pylist()
    told, _ = run(instance, lakehouse, make_sums, 2, 3)

    read = sum(told[day]["used: bytes read"] for day in ("2024-01-02", "2024-01-03"))
    assert read == sum(file["file_size_in_bytes"] for file in files if "=2024-01-01/" not in file["file_path"])
    assert told["2024-01-02"]["upstream"] == ["measured.shop"]


def test_a_day_is_told_with_its_price_and_the_age_of_the_rates(
    instance: dg.DagsterInstance, lakehouse: Lakehouse
) -> None:
    """A few figures, by name."""
    told, _ = run(instance, lakehouse, make_shop, 1, 1)
    day = told["2024-01-01"]
    rates = read_rates(datetime.now(UTC).date())

    seconds = day["used: processor seconds"]
    assert day["cost: USD"] == pytest.approx(seconds / 3_600 * rates.usd("vcpu"))
    assert day["cost: rates of"] == rates.oldest.isoformat()


def test_a_run_never_fails_for_a_price(
    instance: dg.DagsterInstance, lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without rates it says what was used, and why that has no price."""
    monkeypatch.setenv("LAKEPROOF_RATES", "/nowhere/rates.yaml")

    told, _ = run(instance, lakehouse, make_shop, 1, 1)

    assert told["2024-01-01"]["used: processor seconds"] > 0
    assert "cost: USD" not in told["2024-01-01"]
    assert "/nowhere/rates.yaml cannot be read" in told["2024-01-01"]["cost: not priced"]


def test_the_evidence_has_what_was_used_until_then(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """Less than what Dagster is told after the publish, and divided over the days in the same way."""
    told, _ = run(instance, lakehouse, make_shop, 1, 2)
    record = read_evidence(lakehouse.catalog.load_table("measured.shop"), told["2024-01-01"]["run"])
    assert record is not None

    first, second = share_of(record, "2024-01-01"), share_of(record, "2024-01-02")

    assert first is not None
    assert second is not None
    assert first.written + second.written == on_disk(lakehouse, "measured.shop")
    assert 0 < first.cpu / 1_000_000 <= told["2024-01-01"]["used: processor seconds"]
    assert second.cpu == pytest.approx(2 * first.cpu, abs=2)
    assert share_of(record, "2024-01-03") is None
    assert share_of({name: told for name, told in record.items() if name != "used"}, "2024-01-01") is None
