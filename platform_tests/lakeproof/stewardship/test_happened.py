from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest

from lakeproof import Column, Lakehouse, Table, Window, audit, daily_table
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


def found(instance: dg.DagsterInstance) -> list[Incident]:
    """Return the incidents that the record has."""
    return incidents_of(instance, {"ops.levels"})


def test_a_held_day_opens_one_and_its_publish_closes_it(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """A rerun that is held again extends it; the snapshot and the rows that closed it are those of the lake."""
    run(instance, lakehouse, 1, 5, _2=-5, _4=-5)
    run(instance, lakehouse, 2, _2=-6)
    (incident,) = found(instance)
    assert incident.days == (date(2024, 1, 2), date(2024, 1, 4))
    assert incident.causes == {"between_value", "accepted_values_value"}
    assert len(incident.symptoms) == 2
    assert incident.closed is None

    run(instance, lakehouse, 2, 4)
    (closed,) = found(instance)

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
    (incident,) = found(instance)

    assert (incident.kind, incident.causes) == (kind, {cause})
    assert incident.waiting == (date(2024, 1, 1), date(2024, 1, 2))
    assert any(word in incident.symptoms[0].reason for word in ("no field value", "the pump broke"))

    run(instance, lakehouse, 1, 2)
    assert found(instance)[0].closed is not None


def test_a_day_that_is_not_ready_opens_none(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """It waits for another; that one has the incident, where there is one."""
    run(instance, lakehouse, 1, 3, _2="late")

    assert found(instance) == []


def test_a_killed_run_opens_one_for_what_it_did_not_make(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """Dagster knows nothing but that it ended: the days are those that were planned and not materialized."""
    job = dg.Definitions(
        assets=[make_levels], resources={"lakehouse": lakehouse}
    ).resolve_implicit_global_asset_job_def()
    begun = instance.create_run_for_job(
        job.get_subset(asset_selection={make_levels.key}), tags={"dagster/partition": "2024-01-02"}
    )
    instance.report_run_failed(begun)
    (incident,) = found(instance)

    assert (incident.kind, incident.causes, incident.days) == ("failed", {"killed"}, (date(2024, 1, 2),))

    run(instance, lakehouse, 1, 3)
    assert found(instance)[0].closed is not None


def test_a_run_that_a_person_stopped_opens_none(
    instance: dg.DagsterInstance, lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is wrong with the table."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Well, "read", stop)
    stopped = run(instance, lakehouse, 1)

    assert instance.get_run_by_id(stopped).status is dg.DagsterRunStatus.FAILURE
    assert found(instance) == []
