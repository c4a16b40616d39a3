"""One snapshot replaces exactly some days, and stays an ordinary Iceberg table for every other reader."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyiceberg.manifest import ManifestEntryStatus
from pyiceberg.table import Transaction
from pyiceberg.table import update as pyiceberg_update
from pyiceberg.table.update import snapshot as pyiceberg_snapshot

from lakeproof import Lakehouse

pytestmark = pytest.mark.filterwarnings(
    "ignore:Iceberg scan planning"
)  # Polars would like a plugin that is no need here


def files(lab: Any) -> dict[Any, tuple[str, ...]]:
    """Return the data files of each published day."""
    return {day: live.locations for day, live in lab.live().items()}


def manifests(lab: Any) -> list[Any]:
    """Return the manifests of the head."""
    table = lab.stored()
    return table.current_snapshot().manifests(table.io)


def seen_by_all(lab: Any) -> list[tuple[Any, ...]]:
    """Return what stock PyIceberg, Polars and DuckDB read, after making sure that it is the same."""
    stored = lab.stored()
    columns = ["reading_date", "sensor", "value"]
    arrow = sorted(pl.DataFrame(stored.scan().to_arrow()).select(columns).rows())
    polars = sorted(pl.scan_iceberg(stored).select(columns).collect().rows())
    paths = [task.file.file_path.removeprefix("file://") for task in stored.scan().plan_files()]
    listed = ", ".join(f"'{path}'" for path in paths)
    query = f"SELECT {', '.join(columns)} FROM read_parquet([{listed}])"  # noqa: S608 - our own paths
    duck = sorted(duckdb.connect().execute(query).fetchall()) if paths else []
    assert arrow == polars == duck
    return arrow


def test_exactly_the_days_given_are_replaced(lab: Any) -> None:
    """The files of other days stay as they are, by path; the rows of the replaced day are the new ones alone."""
    table = lab.table()
    lab.run(table, lab.days(5, 1, 2), 1, 2, 3, 4, 5)
    before = files(lab)

    lab.run(table, lab.rows(9, day=3), 3)
    after = files(lab)

    assert {day for day in before if before[day] != after[day]} == {lab.day(3)}
    assert (lab.values(3), lab.values(2)) == ([9], [1, 2])
    assert {day: live.rows for day, live in lab.live().items()} == {lab.day(n): 1 if n == 3 else 2 for n in range(1, 6)}
    assert len(seen_by_all(lab)) == 9


def test_a_publish_is_one_snapshot(lab: Any) -> None:
    """However many days a run publishes or replaces, readers see one step, whose summary counts it."""
    table = lab.table()
    lab.run(table, lab.days(40, 1), *range(1, 41))
    lab.run(table, lab.days(30, 2, 3), *range(1, 31))

    snapshots = lab.stored().metadata.snapshots
    summary = snapshots[-1].summary
    assert len(snapshots) == 2
    assert snapshots[1].parent_snapshot_id == snapshots[0].snapshot_id
    assert (summary["added-data-files"], summary["deleted-data-files"]) == ("30", "30")
    assert (summary["total-data-files"], summary["total-records"]) == ("40", "70")


def test_an_empty_day_is_not_a_missing_day(lab: Any) -> None:
    """A day without rows is a file without rows: published, and still readable by every engine."""
    table = lab.table(allow_empty=True)
    lab.run(table, lab.rows(1, 2), 1)
    lab.run(table, lab.rows(), 2)

    live = lab.live()
    assert (live[lab.day(2)].rows, len(live[lab.day(2)].locations)) == (0, 1)
    assert lab.day(3) not in live
    assert [value for _, _, value in seen_by_all(lab)] == [1, 2]


def test_a_day_can_be_replaced_by_an_empty_one_and_back(lab: Any) -> None:
    """Rows go when a day becomes empty, and come when it is filled again."""
    table = lab.table(allow_empty=True)
    lab.run(table, lab.days(2, 1), 1, 2)
    lab.run(table, lab.rows(), 1)
    assert (lab.values(1), lab.values(2), lab.live()[lab.day(1)].rows) == ([], [1], 0)

    lab.run(table, lab.rows(7), 1)
    assert (lab.values(1), len(files(lab)[lab.day(1)])) == ([7], 1)


def test_manifests_stay_as_few_as_months(lab: Any) -> None:
    """A hundred days published one by one are folded: no more manifests than months, and nothing dead carried on."""
    run = lab.attempt(lab.days(100, 1), *range(1, 101))
    for number in range(1, 101):
        assert run.only(lab.day(number)).publish().published == {lab.day(number)}

    found = manifests(lab)
    months = {(day.year, day.month) for day in lab.live()}
    assert len(lab.live()) == 100
    assert len(found) <= len(months)
    io = lab.stored().io
    entries = [entry for manifest in found for entry in manifest.fetch_manifest_entry(io, discard_deleted=False)]
    assert len(entries) == 100
    assert ManifestEntryStatus.DELETED not in {entry.status for entry in entries}


def test_publishing_in_any_order_folds_as_well(lab: Any) -> None:
    """Days that come late, in no order, leave no more manifests than months."""
    table = lab.table()
    for day in (70, 1, 35, 2, 71, 36, 3):
        lab.run(table, lab.days(80, 1), day)
    lab.run(table, lab.days(80, 2), 1, 35, 70)

    assert len(manifests(lab)) <= 3
    assert {day: lab.values(day) for day in (1, 2, 35, 36, 70)} == {1: [2], 2: [1], 35: [2], 36: [1], 70: [2]}


def test_an_unpartitioned_table_is_replaced_as_a_whole(lab: Any) -> None:
    """A table without days holds what its last run made, and nothing of the run before."""
    table = lab.table(partition=None)
    lab.run(table, lab.rows(1, 2, 3))
    lab.run(table, lab.rows(2, 9))

    assert lab.values() == [2, 9]
    assert len(manifests(lab)) == 1


def test_stock_operations_go_on_working(lab: Any) -> None:
    """A stock append, delete and overwrite leave a table that can be published to, and the other way round."""
    table = lab.table()
    lab.run(table, lab.days(3, 1), 1, 2, 3)
    rows = lab.stored().scan().to_arrow().schema
    extra = pl.concat([lab.rows(50, day=3), lab.rows(60, day=4)]).to_arrow().cast(rows)

    lab.stored().append(extra)
    assert [value for *_, value in seen_by_all(lab)] == [1, 1, 1, 50, 60]
    assert lab.states(table, lab.rows(7, day=3), 3) == ["published"]
    assert [value for *_, value in seen_by_all(lab)] == [1, 1, 7, 60]

    lab.stored().delete("reading_date = '2024-01-01'")
    assert lab.states(table, lab.days(2, 8), 1, 2) == ["published", "published"]
    assert [value for *_, value in seen_by_all(lab)] == [8, 8, 7, 60]
    assert len({snapshot.sequence_number for snapshot in lab.stored().metadata.snapshots}) == len(
        lab.stored().metadata.snapshots
    )


def test_content_that_another_engine_wrote_is_known_as_equal(lab: Any) -> None:
    """A day that stock PyIceberg wrote has no evidence: its digest is computed, and equal rows are nothing to do."""
    table = lab.table()
    lab.run(table, lab.rows(1), 1)
    lab.stored().append(lab.rows(5, 6, day=2).to_arrow().cast(lab.stored().scan().to_arrow().schema))

    assert lab.states(table, lab.rows(6, 5, day=2), 2) == ["unchanged"]
    assert lab.states(table, lab.rows(6, 6, day=2), 2) == ["published"]


def test_time_travel_sees_what_was_published_then(lab: Any) -> None:
    """An earlier snapshot still reads as it was: nothing is rewritten in place."""
    table = lab.table()
    first = lab.run(table, lab.days(2, 1), 1, 2).snapshot
    lab.run(table, lab.rows(5), 1)

    assert sorted(lab.stored().scan(snapshot_id=first).to_arrow()["value"].to_pylist()) == [1, 1]


def test_statistics_let_readers_skip_files(lab: Any) -> None:
    """Data files carry bounds and counts, so that a reader of one day or value opens no other file."""
    lab.run(lab.table(), pl.concat([lab.rows(1, 2, None), lab.rows(90, day=2)]), 1, 2)

    assert len(list(lab.stored().scan("reading_date = '2024-01-02'").plan_files())) == 1
    assert len(list(lab.stored().scan("value > 50").plan_files())) == 1
    assert len(list(lab.stored().scan("value is null").plan_files())) == 1


def test_pyiceberg_still_has_what_is_built_on() -> None:
    """The private producer that one module subclasses has the methods it overrides; another PyIceberg fails here."""
    producer = pyiceberg_snapshot._SnapshotProducer
    for name in (
        "_manifests",
        "_commit",
        "_validate_concurrency",
        "_existing_manifests",
        "_deleted_entries",
        "new_manifest_writer",
    ):
        assert callable(getattr(producer, name)), name
    assert callable(Transaction._rebuild_snapshot_updates)
    assert callable(pyiceberg_update._apply_table_update)


STEPS = st.lists(
    st.tuples(st.sets(st.sampled_from([1, 2, 31, 32, 60]), min_size=1), st.lists(st.integers(0, 100), max_size=3)),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=10,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(steps=STEPS)
def test_any_sequence_of_runs_is_the_last_content_of_each_day(lab: Any, steps: list[Any]) -> None:
    """Whatever is published in whatever order, each day reads as its last run made it."""
    fresh = type(lab)(Lakehouse.in_memory())
    table, model = fresh.table(allow_empty=True), defaultdict(list)
    for days, values in steps:
        fresh.run(table, pl.concat([fresh.rows(*values, day=day) for day in sorted(days)]), *sorted(days))
        model |= {fresh.day(day): sorted(values) for day in days}

    stored: dict[Any, list[int]] = defaultdict(list)
    for day, _, value in seen_by_all(fresh):
        stored[day].append(value)
    assert {day: live.rows for day, live in fresh.live().items()} == {day: len(values) for day, values in model.items()}
    assert {day: sorted(values) for day, values in stored.items()} == {
        day: values for day, values in model.items() if values
    }
    assert len(manifests(fresh)) <= 3


def test_arrow_types_of_readers_are_icebergs(lab: Any) -> None:
    """Files carry Iceberg's field ids, so that readers match columns by id and not by name."""
    lab.run(lab.table(), lab.rows(1))
    path = next(iter(lab.live().values())).paths[0]

    schema = pq.read_schema(path)

    assert [field.metadata[b"PARQUET:field_id"] for field in schema] == [b"1", b"2", b"3"]
