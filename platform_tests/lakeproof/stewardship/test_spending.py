from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.events import StepMaterializationData

from lakeproof import Column, Lakehouse, Table, Value, Window, audit, daily_table, output_jobs
from lakeproof.asset import tables_among
from lakeproof.cost.rates import Rate, Rates
from lakeproof.cost.used import PREFIX
from lakeproof.repair import record_published
from lakeproof.stewardship.costing import lineage_recorded
from lakeproof.stewardship.spending import _Step, spending, usage_of
from lakeproof.stewardship.spent import a_month

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeproof.stewardship.spending import Usage

SCHEMA = {"day": pl.Date, "value": pl.Int32}
FIELDS = [Column("day", "date"), Column("value", "int")]
values: dict[date, int] = {}
breaks: list[Exception] = []

shop = Table(
    "spent.shop",
    columns=FIELDS,
    partition="day",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    owner="team:lab",
    audits=[audit.between("value", 0, 100)],
    value=Value("the shop", 100, "what to order"),
)
sums = Table(
    "spent.sums",
    columns=FIELDS,
    partition="day",
    layer="analysis",
    start="2024-01-01",
    end="2024-02-01",
    owner="team:lab",
    audits=[audit.row_count(at_least=1)],
)


@daily_table(shop, retry_policy=dg.RetryPolicy(max_retries=1))
def make_shop(window: Window) -> pl.DataFrame:
    """Make a row a day; break as often as the test says."""
    if breaks:
        time.sleep(0.2)
        raise breaks.pop()
    return pl.DataFrame([(day, values.get(day, 1)) for day in window.days], schema=SCHEMA, orient="row")


@daily_table(sums, shop=shop)
def make_sums(shop: pl.DataFrame) -> pl.DataFrame:
    """Take the day as it is."""
    return shop


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Return Dagster's record, with nothing in it."""
    values.clear()
    breaks.clear()
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(
    instance: dg.DagsterInstance, lakehouse: Lakehouse, asset: dg.AssetsDefinition, *days: int, **said: int
) -> bool:
    """Run January's days from the first number to the last."""
    values.update({date(2024, 1, int(name.strip("_"))): value for name, value in said.items()})
    first, last = (date(2024, 1, number).isoformat() for number in (days[0], days[-1]))
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    done = dg.materialize(
        [asset], instance=instance, resources={"lakehouse": lakehouse}, raise_on_error=False, tags=tags
    )
    return done.success


def today() -> Window:
    """Return the day of the clock."""
    return Window.of(datetime.now(UTC).date())


def used(instance: dg.DagsterInstance, lakehouse: Lakehouse, table: str = "spent.shop") -> Usage:
    """Return what a table used today."""
    (found,) = usage_of(instance, lakehouse.lake, {table}, today())
    return found


def test_what_readers_got_nothing_new_of_is_apart(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """Published days are good; held, unchanged and failed ones are not, and all is there once."""
    run(instance, lakehouse, make_shop, 1, 3, _2=-1)
    first = used(instance, lakehouse)
    assert first.good.cpu == pytest.approx(2 * first.wasted.cpu, abs=3)  # of three days, one was held
    assert first.good.written + first.wasted.written == first.kept
    assert (first.good.unseen, first.wasted.unseen) == (0, 0)

    run(instance, lakehouse, make_shop, 1)
    again = used(instance, lakehouse)
    assert (again.good, again.kept) == (first.good, first.kept)
    assert again.wasted.cpu > first.wasted.cpu

    breaks.extend([ValueError("once"), ValueError("twice")])
    assert not run(instance, lakehouse, make_shop, 5)
    broken = used(instance, lakehouse)
    assert broken.good == first.good
    assert broken.wasted.cpu > again.wasted.cpu
    assert broken.wasted.unseen >= 200_000  # the first of two attempts left no measure


def test_work_that_was_repeated_is_counted(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """An attempt that was tried again is wasted by the clock; the one that did it is good."""
    breaks.append(ValueError("once"))

    assert run(instance, lakehouse, make_shop, 1)

    found = used(instance, lakehouse)
    assert found.good.cpu > 0
    assert found.wasted.unseen >= 200_000
    assert found.wasted.cpu == 0


def test_a_run_to_an_output_is_wasted_whether_it_fails_or_not(
    instance: dg.DagsterInstance, lakehouse: Lakehouse
) -> None:
    """Readers get nothing of it: each table pays its own work, and nothing is counted by the clock."""
    run(instance, lakehouse, make_shop, 1)
    good = used(instance, lakehouse).good
    assert on_output(instance, lakehouse)
    tried = used(instance, lakehouse)
    assert tried.good == good
    assert tried.wasted.cpu > 0
    sums_tried = used(instance, lakehouse, "spent.sums")

    breaks.append(ValueError("at once"))
    assert not on_output(instance, lakehouse)

    broken = used(instance, lakehouse)
    assert broken.good == good
    assert broken.wasted.wall >= tried.wasted.wall + 200_000
    assert broken.wasted.cpu > tried.wasted.cpu
    assert used(instance, lakehouse, "spent.sums").wasted.wall > sums_tried.wasted.wall  # it was made all the same
    assert broken.wasted.unseen == 0


def on_output(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> bool:
    """Run January 1 of both tables to an output, as a backfill in the UI does."""
    defs = dg.Definitions.merge(output_jobs([make_shop, make_sums]), dg.Definitions(resources={"lakehouse": lakehouse}))
    done = defs.resolve_job_def("lakeproof_output").execute_in_process(
        instance=instance, partition_key="2024-01-01", tags={"lakeproof/output": "trial"}, raise_on_error=False
    )
    return done.success


@pytest.mark.parametrize("output", [[], ["trial"]])
def test_a_killed_run_is_counted_by_the_clock(tmp_path: Path, output: list[str]) -> None:
    """From its begin to where Dagster saw it end: it left no other measure, and is said to have none."""
    home, lake = tmp_path / "dagster", tmp_path / "lake"
    home.mkdir()
    script = Path(__file__).with_name("killed_run.py")
    command = [sys.executable, str(script), str(home), str(lake), *output]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("at work"):
                break
        time.sleep(1)
        process.kill()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        (begun,) = instance.get_runs()
        instance.report_run_failed(begun)

        (found,) = usage_of(instance, Lakehouse(home=str(lake)).lake, {"spent.endless"}, today())

    assert 1_000_000 <= found.wasted.unseen < 60_000_000
    assert (found.wasted.cpu, found.good.cpu, found.good.unseen) == (0, 0, 0)


def test_spending_is_usage_priced(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """A dollar an hour, and a gigabyte for a dollar a day; a table that was not asked for is not told."""
    run(instance, lakehouse, make_shop, 1, 2, _2=-1)
    run(instance, lakehouse, make_sums, 1)
    day = date(2026, 1, 1)
    rates = Rates(
        "a test",
        {
            "vcpu": Rate("vcpu", 1.0, "vCPU-hour", "a test", day),
            "storage": Rate("storage", 365 / 12, "GB-month", "a test", day),
        },
    )
    usage = used(instance, lakehouse)

    (spent,) = spending(instance, lakehouse.lake, {"spent.shop"}, today(), rates)

    assert (spent.table, spent.day) == ("spent.shop", today().day)
    assert spent.compute == pytest.approx(usage.good.cpu / 3.6e9)
    assert spent.wasted == pytest.approx(usage.wasted.cpu / 3.6e9)
    assert spent.storage == pytest.approx(usage.kept / 2**30)
    assert a_month([spent], 1)["spent.shop"] == pytest.approx(spent.usd * 365 / 12)


def test_the_lineage_is_that_of_the_last_runs(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """Which tables were read, and which are worth something by themselves; nothing of what came later."""
    before = datetime.now(UTC)
    run(instance, lakehouse, make_shop, 1)
    run(instance, lakehouse, make_sums, 1)
    known = {"spent.shop", "spent.sums", "spent.none"}

    told = lineage_recorded(instance, known, datetime.now(UTC))

    assert {name: of.upstream for name, of in told.items()} == {"spent.shop": (), "spent.sums": ("spent.shop",)}
    assert {name: of.values for name, of in told.items()} == {"spent.shop": shop.values, "spent.sums": ()}
    assert lineage_recorded(instance, known, before) == {}


def test_what_people_report_in_dagster_takes_no_lineage_away(
    instance: dg.DagsterInstance, lakehouse: Lakehouse
) -> None:
    """A materialization that says nothing of it leaves what the last run said; one that is recorded later says it."""
    run(instance, lakehouse, make_shop, 1)
    run(instance, lakehouse, make_sums, 1)
    before = lineage_recorded(instance, {"spent.shop", "spent.sums"}, datetime.now(UTC))

    instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(["spent", "shop"]), partition="2024-01-01"))
    assert lineage_recorded(instance, {"spent.shop", "spent.sums"}, datetime.now(UTC)) == before

    with dg.DagsterInstance.ephemeral() as empty:  # as after a promotion, and after a run that was killed
        for asset in tables_among([make_shop, make_sums]):
            record_published(empty, lakehouse.lake, asset)
        assert lineage_recorded(empty, {"spent.shop", "spent.sums"}, datetime.now(UTC)) == before


def test_what_left_a_measure_is_not_counted_by_the_clock_too() -> None:
    """Of a run that was killed after it told of its days, the clock counts only what came later."""
    step = _Step()
    step.take(happened(dg.DagsterEventType.STEP_START), 100.0)
    told = StepMaterializationData(
        dg.AssetMaterialization("a", metadata={"outcome": "published", f"{PREFIX}bytes read": 7})
    )
    step.take(happened(dg.DagsterEventType.ASSET_MATERIALIZATION, told), 160.0)

    assert [used.read for _, used, _ in step.told] == [7]
    assert step.unseen(162.5) == 2_500_000


def happened(what: dg.DagsterEventType, data: Any = None) -> dg.DagsterEvent:
    """Return an event of a step."""
    return dg.DagsterEvent(what.value, "a job", event_specific_data=data)
