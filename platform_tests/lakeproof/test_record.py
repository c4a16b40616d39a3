"""What Dagster is told: after the publish, by partition, and never a materialization without one."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from lakeproof import Column, Lakehouse, Table, Window, audit, daily_table
from lakeproof.lake import publish as publishing
from lakeproof.markdown import markdown_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

recorded = Table(
    "lab.recorded",
    description="A row a day.",
    columns=[Column("day", "date"), Column("value", "int", "What was measured.")],
    partition="day",
    layer="collection",
    start="2024-01-01",
    end="2024-02-01",
    key=["day", "value"],
    owner="team:lab",
    gaps={"2024-01-09": "the station burnt down"},
    audits=[
        audit.between("value", 0, 100),
        audit.between("value", 0, 50, severity="warn", name="usual"),
    ],
)
whole = Table(
    "lab.whole",
    columns=[Column("value", "int")],
    layer="collection",
    owner="team:lab",
    audits=[audit.between("value", 0, 100)],
)
later = Table(
    "lab.later",
    columns=[Column("day", "date"), Column("value", "int")],
    partition="day",
    layer="analysis",
    start="2024-01-01",
    end="2024-02-01",
    owner="team:lab",
    audits=[audit.row_count(at_least=1)],
)
values: dict[date | None, int] = {}

both_stores = pytest.mark.parametrize("instance", ["memory", "sqlite"], indirect=True)
"""In SQLite a burst of events is written in one transaction, which must change nothing else."""


@daily_table(recorded)
def make_recorded(window: Window) -> pl.DataFrame:
    """Make one row a day, of what the test says."""
    rows = [(day, values.get(day, 1)) for day in window.days]
    return pl.DataFrame(rows, schema={"day": pl.Date, "value": pl.Int32}, orient="row")


@daily_table(whole)
def make_whole() -> pl.DataFrame:
    """Make one row."""
    return pl.DataFrame({"value": [values.get(None, 1)]}, schema={"value": pl.Int32})


@daily_table(later, recorded=recorded)
def make_later(recorded: pl.DataFrame) -> pl.DataFrame:
    """Take the day as it is."""
    return recorded


@pytest.fixture(autouse=True)
def no_values() -> None:
    """Start every test with good values."""
    values.clear()


@pytest.fixture
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Return a record in memory, or where a test asks for it, one in SQLite."""
    if getattr(request, "param", "memory") == "memory":
        with dg.DagsterInstance.ephemeral() as made:
            yield made
    else:
        with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
            yield made


def run(
    instance: dg.DagsterInstance, lakehouse: Lakehouse, first: str | None = None, last: str | None = None
) -> dg.ExecuteInProcessResult:
    """Run a day as its partition, several as a range, none as the unpartitioned table."""
    more: dict[str, Any] = {"partition_key": first} if first and not last else {}
    if last:
        more["tags"] = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return dg.materialize(
        [make_recorded if first else make_whole],
        instance=instance,
        resources={"lakehouse": lakehouse},
        raise_on_error=False,
        **more,
    )


def materialized(instance: dg.DagsterInstance) -> set[str]:
    """Return the partitions that Dagster counts as materialized."""
    return instance.get_materialized_partitions(make_recorded.key)


def checks(instance: dg.DagsterInstance, name: str) -> dict[str | None, Any]:
    """Return the latest record of a check by its partition."""
    key = dg.AssetCheckKey(make_recorded.key, name)
    records = instance.event_log_storage.get_asset_check_execution_history(key, limit=500)
    return {record.partition: record for record in reversed(records) if record.status is not Status.PLANNED}


def failure(result: dg.ExecuteInProcessResult) -> dg.Failure | Any:
    """Return the failure that ended a run."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data


def message(result: dg.ExecuteInProcessResult) -> str:
    """Return the error that a person sees first."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    error = event.step_failure_data.error
    while error.cause is not None:
        error = error.cause
    return str(error.message)


@both_stores
def test_good_days_are_materialized_and_a_held_one_is_not(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """A range with a held day materializes exactly the others, and the run fails with the day's name."""
    values[date(2024, 1, 3)] = -7
    result = run(instance, lakehouse, "2024-01-01", "2024-01-05")

    assert not result.success
    assert materialized(instance) == {"2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05"}
    assert failure(result).metadata["failed_partitions"].value == ["2024-01-03"]
    said = message(result)
    assert "lab.recorded 2024-01-03 held: between_value: value from 0 to 100: 1 of 1 rows" in said
    assert "Readers: see nothing of it" in said
    assert "lakeproof show lab.recorded@2024-01-03 --held" in said


@both_stores
def test_every_audit_of_every_day_hangs_on_its_partition(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """Each day has its own result of each audit, and none is left as planned."""
    values[date(2024, 1, 2)] = -7
    values[date(2024, 1, 3)] = 70
    run(instance, lakehouse, "2024-01-01", "2024-01-03")

    hard, soft = checks(instance, "between_value"), checks(instance, "usual")
    assert {day: r.status for day, r in hard.items() if day} == {
        "2024-01-01": Status.SUCCEEDED,
        "2024-01-02": Status.FAILED,
        "2024-01-03": Status.SUCCEEDED,
    }
    assert {day: r.status for day, r in soft.items() if day} == {
        "2024-01-01": Status.SUCCEEDED,
        "2024-01-02": Status.FAILED,
        "2024-01-03": Status.FAILED,
    }
    assert soft["2024-01-03"].event.dagster_event.event_specific_data.severity is dg.AssetCheckSeverity.WARN


@pytest.mark.parametrize("last", [None, "2024-01-02"])
def test_a_check_is_about_the_materialization_of_its_run(
    instance: dg.DagsterInstance, lakehouse: Lakehouse, last: str | None
) -> None:
    """A published day's results name the materialization that this run recorded, so that the UI keeps them."""
    result = run(instance, lakehouse, "2024-01-01", last)

    assert result.success
    evaluation = checks(instance, "between_value")["2024-01-01"].event.dagster_event.event_specific_data
    assert evaluation.target_materialization_data.run_id == result.run_id


def test_a_refused_rerun_leaves_the_day_materialized_and_its_check_red(
    instance: dg.DagsterInstance, lakehouse: Lakehouse
) -> None:
    """The failed check names the earlier materialization, which readers still see; otherwise the UI would forget it."""
    first = run(instance, lakehouse, "2024-01-01")
    values[date(2024, 1, 1)] = -1
    second = run(instance, lakehouse, "2024-01-01")

    assert not second.success
    assert materialized(instance) == {"2024-01-01"}
    evaluation = checks(instance, "between_value")["2024-01-01"].event.dagster_event.event_specific_data
    assert not evaluation.passed
    assert evaluation.target_materialization_data.run_id == first.run_id
    assert "still see the 1 rows" in message(second)
    assert evaluation.metadata["rows failed"].value == 1
    assert [row.data for row in evaluation.metadata["sample"].records] == [{"day": "2024-01-01", "value": "-1"}]


def test_a_day_that_was_not_ready_has_warnings_and_no_failures(
    instance: dg.DagsterInstance, lakehouse: Lakehouse
) -> None:
    """An audit that was not asked says so; one day that waits does not turn every check of its table red."""
    values[date(2024, 1, 2)] = -1
    run(instance, lakehouse, "2024-01-01", "2024-01-03")
    result = dg.materialize(
        [make_later],
        instance=instance,
        resources={"lakehouse": lakehouse},
        raise_on_error=False,
        tags={"dagster/asset_partition_range_start": "2024-01-01", "dagster/asset_partition_range_end": "2024-01-03"},
    )

    found = {e.partition: e for e in result.get_asset_check_evaluations() if e.check_name == "row_count"}
    assert {day: (e.passed, e.severity) for day, e in found.items()} == {
        "2024-01-01": (True, dg.AssetCheckSeverity.ERROR),
        "2024-01-02": (False, dg.AssetCheckSeverity.WARN),
        "2024-01-03": (True, dg.AssetCheckSeverity.ERROR),
    }
    assert found["2024-01-02"].description == (
        "not judged: lab.recorded is held for that day: between_value: value from 0 to 100: 1 of 1 rows"
    )
    assert instance.get_materialized_partitions(make_later.key) == {"2024-01-01", "2024-01-03"}
    assert instance.get_run_by_id(result.run_id).tags["lakeproof/outcome"] == "not-ready"


def test_a_run_says_in_its_tag_why_it_failed(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """A failed run carries how it ended as a tag, and is not tried again."""
    values[date(2024, 1, 1)] = -1
    result = run(instance, lakehouse, "2024-01-01")

    tags = instance.get_run_by_id(result.run_id).tags
    assert tags["lakeproof/outcome"] == "held"
    assert len([event for event in result.all_events if event.is_step_failure]) == 1


def test_a_declared_gap_is_neither_a_failure_nor_a_materialization(
    instance: dg.DagsterInstance, lakehouse: Lakehouse
) -> None:
    """A range across a gap succeeds, and the gap has no materialization."""
    result = run(instance, lakehouse, "2024-01-08", "2024-01-10")

    assert result.success
    assert materialized(instance) == {"2024-01-08", "2024-01-10"}


def test_a_rerun_with_equal_content_has_the_same_data_version(
    instance: dg.DagsterInstance, lakehouse: Lakehouse
) -> None:
    """Equal content is recorded as unchanged, with the data version it had: nothing downstream is out of date."""
    run(instance, lakehouse, "2024-01-01")
    before = instance.get_latest_data_version_record(make_recorded.key, partition_key="2024-01-01")
    run(instance, lakehouse, "2024-01-01")
    after = instance.get_latest_data_version_record(make_recorded.key, partition_key="2024-01-01")

    assert (
        before.asset_materialization.tags["dagster/data_version"]
        == (after.asset_materialization.tags["dagster/data_version"])
    )
    assert after.asset_materialization.metadata["outcome"].value == "unchanged"


def test_a_materialization_tells_what_a_person_asks(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """Rows, bytes, seconds a step, snapshot, evidence and a sample are on the partition."""
    run(instance, lakehouse, "2024-01-01")
    metadata = instance.get_latest_materialization_event(make_recorded.key).asset_materialization.metadata

    assert metadata["dagster/row_count"].value == 1
    assert metadata["bytes"].value > 0
    assert {"seconds: make", "seconds: audit", "seconds: publish"} <= set(metadata)
    assert metadata["evidence"].value.endswith(".json")
    assert "| 2024-01-01 | 1" in metadata["sample"].value


def test_an_unpartitioned_table_is_held_and_published_like_a_day(
    instance: dg.DagsterInstance, lakehouse: Lakehouse
) -> None:
    """Without days there is one result an audit, and a refusal leaves what was published."""
    assert run(instance, lakehouse).success
    values[None] = -5
    result = run(instance, lakehouse)

    assert not result.success
    assert lakehouse.read(whole)["value"].to_list() == [1]
    assert "lab.whole held: between_value" in message(result)
    (evaluation,) = [e for e in result.get_asset_check_evaluations() if e.check_name == "between_value"]
    assert not evaluation.passed


@both_stores
def test_several_hundred_days_are_all_recorded(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """A burst of events is complete: each day has its materialization and each of its checks."""
    result = run(instance, lakehouse, "2024-01-10", "2024-01-31")

    assert result.success
    assert len(materialized(instance)) == 22
    for name in ("not_empty", "between_value", "usual"):
        assert len([day for day in checks(instance, name) if day]) == 22


def test_each_day_of_a_range_has_its_own_data_version(instance: dg.DagsterInstance, lakehouse: Lakehouse) -> None:
    """A day's data version is of its content alone, so a rerun of that day by itself records the same one."""

    def versions() -> dict[str, str]:
        found = {}
        for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
            event = instance.get_latest_data_version_record(make_recorded.key, partition_key=day)
            found[day] = event.asset_materialization.tags["dagster/data_version"]
        return found

    values.update({date(2024, 1, day): day for day in (1, 2, 3)})
    run(instance, lakehouse, "2024-01-01", "2024-01-03")
    ranged = versions()
    for day in ranged:
        assert run(instance, lakehouse, day).success

    assert len(set(ranged.values())) == 3
    assert versions() == ranged


def test_a_day_that_moved_gets_no_check(
    instance: dg.DagsterInstance, lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers have another run's rows, so its checks stay: what this run found is about rows that nobody sees."""
    demand, others = publishing.demand_verdicts, []

    def another_first(*args: Any) -> None:
        monkeypatch.setattr(publishing, "demand_verdicts", demand)
        values[date(2024, 1, 1)] = 70
        others.append(run(instance, lakehouse, "2024-01-01"))
        demand(*args)

    monkeypatch.setattr(publishing, "demand_verdicts", another_first)
    result = run(instance, lakehouse, "2024-01-01")

    assert others[0].success
    assert not result.success
    assert instance.get_run_by_id(result.run_id).tags["lakeproof/outcome"] == "moved"
    assert result.get_asset_check_evaluations() == []
    assert checks(instance, "usual")["2024-01-01"].status is Status.FAILED
    assert checks(instance, "usual")["2024-01-01"].run_id == others[0].run_id
    assert lakehouse.read(recorded)["value"].to_list() == [70]


def test_a_value_stays_within_its_cell() -> None:
    """What a row holds, such as a bar or a line break, does not break the table that shows it."""
    lines = markdown_table([{"a|b": "x|y\nz", "c": 1}]).splitlines()

    assert len(lines) == 3
    assert "x\\|y z" in lines[2]
    assert "a\\|b" in lines[0]
