from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest
import time_machine

from lakeproof import Column, Lakehouse, Sla, Table, Window, audit, daily_table
from lakeproof.source import Completeness, Delivery, Precheck
from lakeproof.stewardship.reporting import incidents_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lakeproof.stewardship.incidents import Incident

FIELDS = [Column("day", "date"), Column("value", "int")]
values: dict[date, int | str] = {}


class Well:
    """A source that a test can poison."""

    name = "the well"
    fields = FIELDS

    def precheck(self, window: Window | None) -> Precheck:
        """Look as the test says."""
        assert window is not None
        return Precheck(("no field value",) if any(values.get(day) == "blocked" for day in window.days) else ())

    def complete(self, window: Window | None) -> dict[date | None, Completeness]:
        """Have all of a day, unless the test says otherwise."""
        assert window is not None
        return {day: Completeness(values.get(day) != "late", "not yet") for day in window.days}

    def count(self, window: Window | None) -> None:
        """Count nothing."""

    def version(self, window: Window | None) -> dict[str, str]:
        """Have one version."""
        del window
        return {}

    def read(self, window: Window | None) -> Delivery:
        """Deliver a row a day."""
        assert window is not None
        rows = [(day, values.get(day, 1)) for day in window.days]
        if any(value == "broken" for _, value in rows):
            message = "the pump broke"
            raise RuntimeError(message)
        table = pl.DataFrame(rows, schema={"day": pl.Date, "value": pl.Int32}, orient="row").to_arrow()
        return Delivery(table.to_reader())


levels = Table(
    "ops.levels",
    columns=FIELDS,
    partition="day",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    owner="team:wells",
    audits=[audit.between("value", 0, 100), audit.accepted_values("value", [1, 2, -1])],
)


@daily_table(levels, well=Well())
def make_levels(well: pl.DataFrame) -> pl.DataFrame:
    """Take what the well has."""
    return well


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Return Dagster's record, with nothing in it."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(instance: dg.DagsterInstance, lakehouse: Lakehouse, *days: int, **said: Any) -> str:
    """Run January's days from the first number to the last, with what the well has; return Dagster's run."""
    values.clear()
    values.update({date(2024, 1, int(name.strip("_"))): value for name, value in said.items()})
    first, last = (date(2024, 1, number).isoformat() for number in (days[0], days[-1]))
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    done = dg.materialize(
        [make_levels], instance=instance, resources={"lakehouse": lakehouse}, raise_on_error=False, tags=tags
    )
    return done.run_id


def found(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> list[Incident]:
    """Return the incidents that the record has."""
    return incidents_of(instance, lakehouse.lake, {"ops.levels"}, datetime.now(UTC))


def test_a_held_day_opens_one_and_its_publish_closes_it(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """A rerun that is held again extends it; the snapshot and the rows that closed it are those of the lake."""
    run(instance, lakehouse, 1, 5, _2=-5, _4=-5)
    run(instance, lakehouse, 2, _2=-6)
    (incident,) = found(instance, lakehouse)
    assert incident.days == (date(2024, 1, 2), date(2024, 1, 4))
    assert incident.causes == {"between_value", "accepted_values_value"}
    assert len(incident.symptoms) == 2
    assert incident.closed is None

    run(instance, lakehouse, 2, 4)
    (closed,) = found(instance, lakehouse)

    assert closed.id == incident.id
    assert closed.closed is not None
    snapshots = {str(snapshot.snapshot_id) for snapshot in lakehouse.catalog.load_table("ops.levels").snapshots()}
    assert {publish.snapshot for publish in closed.published.values()} <= snapshots
    assert [publish.rows for publish in closed.published.values()] == [1, 1]


@pytest.mark.parametrize(
    ("said", "kind", "cause"),
    [("blocked", "blocked", "pre_check"), ("broken", "failed", "SourceError")],
)
def test_a_failed_pre_check_and_a_failed_run_open_one(
    instance: dg.DagsterInstance, lakehouse: Lakehouse, said: str, kind: str, cause: str
) -> None:
    """With what found it and why, and with all days of the run; a good rerun closes it."""
    run(instance, lakehouse, 1, 2, _2=said)
    run(instance, lakehouse, 1, 2, _2=said)
    (incident,) = found(instance, lakehouse)

    assert (incident.kind, incident.causes) == (kind, {cause})
    assert incident.waiting == (date(2024, 1, 1), date(2024, 1, 2))
    assert any(word in incident.symptoms[0].reason for word in ("no field value", "the pump broke"))

    run(instance, lakehouse, 1, 2)
    assert found(instance, lakehouse)[0].closed is not None


def test_a_day_that_is_not_ready_opens_none(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """It waits for another; that one has the incident, where there is one."""
    run(instance, lakehouse, 1, 3, _2="late")

    assert found(instance, lakehouse) == []


def test_a_killed_run_opens_one_for_what_it_did_not_make(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """Dagster knows nothing but that it ended: the days are those that were planned and not materialized."""
    job = dg.Definitions(
        assets=[make_levels], resources={"lakehouse": lakehouse}
    ).resolve_implicit_global_asset_job_def()
    begun = instance.create_run_for_job(
        job.get_subset(asset_selection={make_levels.key}), tags={"dagster/partition": "2024-01-02"}
    )
    instance.report_run_failed(begun)
    (incident,) = found(instance, lakehouse)

    assert (incident.kind, incident.causes, incident.days) == ("failed", {"killed"}, (date(2024, 1, 2),))

    run(instance, lakehouse, 1, 3)
    assert found(instance, lakehouse)[0].closed is not None


def test_a_run_that_a_person_stopped_opens_none(
    instance: dg.DagsterInstance, lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is wrong with the table."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Well, "read", stop)
    stopped = run(instance, lakehouse, 1)

    assert instance.get_run_by_id(stopped).status is dg.DagsterRunStatus.FAILURE
    assert found(instance, lakehouse) == []


gauges = Table(
    "ops.gauges",
    columns=FIELDS,
    partition="day",
    layer="collection",
    start="2024-01-01",
    gaps={"2024-01-04": "the gauge froze"},
    owner="team:wells",
    audits=[audit.row_count(at_least=1)],
    sla=Sla("06:00"),
)


@daily_table(gauges)
def read_gauges(window: Window) -> pl.DataFrame:
    """Make a row a day."""
    return pl.DataFrame([(day, 1) for day in window.days], schema={"day": pl.Date, "value": pl.Int32}, orient="row")


def gauge(instance: dg.DagsterInstance, lakehouse: Lakehouse, clock: str, day: str) -> None:
    """Publish a day of the gauges at an instant of January 2024."""
    with time_machine.travel(f"2024-01-{clock}Z", tick=True):
        resources = {"lakehouse": lakehouse}
        dg.materialize([read_gauges], instance=instance, resources=resources, partition_key=f"2024-01-{day}")


def missed(instance: dg.DagsterInstance, lakehouse: Lakehouse, clock: str) -> list[Incident]:
    """Return the incidents of the gauges at an instant of January 2024."""
    now = datetime.fromisoformat(f"2024-01-{clock}Z")
    return incidents_of(instance, lakehouse.lake, {"ops.gauges"}, now)


def test_a_missed_sla_opens_one_at_the_deadline(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """It closes when the day is published, and stays as it was; a gap opens none, nor what was due before it."""
    gauge(instance, lakehouse, "02T05:00", "01")
    gauge(instance, lakehouse, "03T08:00", "02")

    (late,) = missed(instance, lakehouse, "04T05:59")
    late_still, missing = missed(instance, lakehouse, "05T07:00")
    gauge(instance, lakehouse, "05T09:00", "03")
    gauge(instance, lakehouse, "06T05:00", "05")
    last = missed(instance, lakehouse, "07T05:00")

    assert (late.kind, late.days) == ("missed", (date(2024, 1, 2),))
    assert late.opened == datetime(2024, 1, 3, 6, tzinfo=UTC)
    assert late.duration is not None
    assert late.duration.total_seconds() == pytest.approx(2 * 3_600, abs=60)
    assert late.published[date(2024, 1, 2)].run is not None
    assert late == late_still
    assert missing.waiting == (date(2024, 1, 3),)
    assert [one.id for one in last] == [late.id, missing.id]
    assert last[1].closed is not None


def test_a_late_day_that_dagster_knows_nothing_of_is_closed_by_the_lake(
    instance: dg.DagsterInstance, lakehouse: Lakehouse
) -> None:
    """A run that was killed after its commit left no event, but the first publish is known."""
    gauge(instance, lakehouse, "02T05:00", "01")
    with dg.DagsterInstance.ephemeral() as elsewhere:
        gauge(elsewhere, lakehouse, "03T08:00", "02")

    (late,) = missed(instance, lakehouse, "03T09:00")

    assert late.closed is not None
