"""Twenty years of days: what a publish and a reader touch stays as little as it was; counted, not timed."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import PyArrowFile

from lakeproof import Lakehouse
from lakeproof.lake.live import View
from lakeproof.lake.retention import MAX_SNAPSHOTS, MIN_SNAPSHOTS
from lakeproof.lake.upkeep import upkeep

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

YEARS = 20
NUMBERS = list(range(1, 365 * YEARS, 28))


@contextmanager
def counted(patch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count the files that are opened and made in the block, by kind."""
    counts: Counter[str] = Counter()
    opened, created = PyArrowFile.open, PyArrowFile.create

    def kind(location: str) -> str:
        name = location.rpartition("/")[2]
        return "list" if name.startswith("snap-") else name.rpartition(".")[2]

    def count_open(self: PyArrowFile, *args: Any, **options: Any) -> Any:
        counts[f"read {kind(self.location)}"] += 1
        return opened(self, *args, **options)

    def count_create(self: PyArrowFile, *args: Any, **options: Any) -> Any:
        counts[f"wrote {kind(self.location)}"] += 1
        return created(self, *args, **options)

    with patch.context() as patched:
        patched.setattr(PyArrowFile, "open", count_open)
        patched.setattr(PyArrowFile, "create", count_create)
        yield counts


def numbered(lab: Any, numbers: list[int], value: int = 1) -> pl.DataFrame:
    """Return a reading for each numbered day."""
    rows = {"reading_date": [lab.day(number) for number in numbers]}
    return pl.DataFrame(rows).with_columns(sensor=pl.lit("a"), value=pl.lit(value, pl.Int32))


@cache
def aged(lab_type: Any) -> Any:
    """Return a lab whose readings have a day in each month of twenty years; the tests below only add to it."""
    lab = lab_type(Lakehouse.in_memory())
    lab.run(lab.table(), numbered(lab, NUMBERS), *NUMBERS)
    return lab


def test_twenty_years_cost_a_publish_what_ten_days_do(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day more opens and writes the same files as in the first days, and its metadata is no larger."""
    lab, last = aged(type(lab)), NUMBERS[-1]
    young, table = lab.table("lab.young"), lab.table()
    for day in range(1, 12):
        lab.run(young, numbered(lab, [day]), day)
    for day in range(last + 7, last + 7 + 30):  # through the end of a month, one at a time
        lab.run(table, numbered(lab, [day]), day)

    with counted(monkeypatch) as first:
        lab.run(young, numbered(lab, [12]), 12)
    with counted(monkeypatch) as later:
        lab.run(table, numbered(lab, [last + 40]), last + 40)

    assert later["read avro"] <= first["read avro"] + 1
    assert later["read list"] <= first["read list"]
    assert {kind: n for kind, n in later.items() if "wrote" in kind} == {
        kind: n for kind, n in first.items() if "wrote" in kind
    }
    stored = lab.stored()
    limit = int(stored.properties[MAX_SNAPSHOTS])
    assert len(stored.metadata.snapshots) == len(stored.metadata.snapshot_log) == limit
    assert len(stored.metadata.metadata_log) == 20
    assert Path(stored.metadata_location.removeprefix("file://")).stat().st_size < 1_500 * (limit + 10)
    assert len(stored.current_snapshot().manifests(stored.io)) <= 4 * YEARS + 15


def test_a_reader_of_one_day_opens_one_manifest(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planning a day, or a month's window, of twenty years opens the manifests of those days and no other."""
    lab = aged(type(lab))
    stored = lab.stored()
    old, new = lab.day(1), lab.day(NUMBERS[-1])

    for day, most in ((old, 1), (new, 1)):
        with counted(monkeypatch) as counts:
            assert set(View.of(stored, [day]).days) == {day}
        assert counts["read avro"] <= most
    window = [new - timedelta(days=n) for n in range(29)]
    with counted(monkeypatch) as counts:
        assert len(View.of(stored, window).days) == 2
    assert counts["read avro"] <= 2
    with counted(monkeypatch) as counts:
        assert len(list(stored.scan(f"reading_date = '{old}'").plan_files())) == 1
    assert counts["read avro"] <= 1


def test_upkeep_of_twenty_years_reads_each_manifest_once(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass opens no manifest twice, however many snapshots share it."""
    lab, last = aged(type(lab)), NUMBERS[-1]
    for day in range(last + 101, last + 104):
        lab.run(lab.table(), numbered(lab, [day]), day)
    stored = lab.stored()
    lists = [snapshot.manifests(stored.io) for snapshot in stored.metadata.snapshots]
    kept = {manifest.manifest_path for manifests in lists for manifest in manifests}
    assert sum(map(len, lists)) > 2 * len(kept)

    with counted(monkeypatch) as counts:
        upkeep(stored)

    assert counts["read avro"] <= len(kept)


def test_snapshots_that_are_named_or_needed_stay(lab: Any) -> None:
    """A publish lets go the oldest snapshots, but never one that a branch or tag names, nor the newest few."""
    table = lab.table(properties={MAX_SNAPSHOTS: "4", MIN_SNAPSHOTS: "2"})
    tagged = lab.run(table, lab.rows(0), 1).snapshot
    lab.stored().manage_snapshots().create_tag(tagged, "closed").commit()
    branched = lab.run(table, lab.rows(1), 1).snapshot
    lab.stored().manage_snapshots().create_branch(branched, "fix").commit()
    made = [lab.run(table, lab.rows(value), 1).snapshot for value in range(2, 10)]

    snapshots = {snapshot.snapshot_id for snapshot in lab.stored().metadata.snapshots}

    assert snapshots == {tagged, branched, *made[-4:]}
    assert lab.stored().scan().use_ref("closed").to_arrow()["value"].to_pylist() == [0]
    assert lab.values() == [9]


def test_old_snapshots_go_by_age_down_to_the_few_that_stay(lab: Any) -> None:
    """Beyond the age that the table declares, only so many of the newest are kept."""
    table = lab.table(properties={MIN_SNAPSHOTS: "3", "history.expire.max-snapshot-age-ms": "0"})
    for value in range(6):
        lab.run(table, lab.rows(value), 1)

    assert len(lab.stored().metadata.snapshots) == 3


def test_a_branch_that_is_made_at_the_head_meanwhile_is_not_lost(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A branch that another process makes between the plan and its commit stays: the head is never let go."""
    table = lab.table(properties={MAX_SNAPSHOTS: "1", MIN_SNAPSHOTS: "1"})
    for value in (1, 2):
        lab.run(table, lab.rows(value), 1)
    head = lab.stored().current_snapshot().snapshot_id
    commit = SqlCatalog.commit_table

    def overtaken(self: SqlCatalog, *args: Any) -> Any:
        monkeypatch.setattr(SqlCatalog, "commit_table", commit)
        lab.stored().manage_snapshots().create_branch(head, "fix").commit()
        return commit(self, *args)

    monkeypatch.setattr(SqlCatalog, "commit_table", overtaken)
    lab.run(table, lab.rows(3), 1)

    assert lab.stored().refs()["fix"].snapshot_id == head
    assert lab.stored().scan().use_ref("fix").to_arrow()["value"].to_pylist() == [2]
    assert lab.values() == [3]


def test_a_day_of_an_old_quarter_is_replaced_alone(lab: Any) -> None:
    """Months that became old share a manifest; a day that is made again there changes no other."""
    lab = aged(type(lab))
    table = lab.table()
    before = {day: live.locations for day, live in lab.live().items()}
    lab.run(table, numbered(lab, [29], 5), 29)

    after = {day: live.locations for day, live in lab.live().items()}
    assert {day for day in before if before[day] != after[day]} == {lab.day(29)}
    assert (after.keys(), lab.values(29), lab.values(57)) == (before.keys(), [5], [1])
