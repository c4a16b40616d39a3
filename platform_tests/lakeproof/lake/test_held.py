"""Held days wait outside `main`: nobody reads them by accident, anybody can look at them."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from pyiceberg.table import StaticTable

from lakeproof import audit
from lakeproof.errors import LakeError
from lakeproof.lake.held import held_days

pytestmark = pytest.mark.filterwarnings(
    "ignore:Iceberg scan planning"
)  # Polars would like a plugin that is no need here


def held(lab: Any, name: str = "lab.readings") -> dict[Any, Any]:
    """Return the table's held days."""
    return held_days(lab.stored(name), lab.live(name))


def test_a_held_day_waits_where_no_reader_looks(lab: Any) -> None:
    """Readers see what they saw before; the refused rows are kept, with the run that made them."""
    table = lab.table()
    lab.run(table, lab.rows(1, 2), 1)
    before = lab.stored().metadata_location

    outcome = lab.run(table, lab.rows(-1, -2, -3), 1)

    waiting = held(lab)[lab.day(1)]
    assert (outcome.exit_code, outcome.days[0].state) == (3, "held")
    assert "still see the 2 rows" in outcome.days[0].readers
    assert (lab.stored().metadata_location, lab.values()) == (before, [1, 2])
    assert (waiting.run, waiting.rows) == (outcome.run, 3)
    assert sorted(pl.read_parquet(list(waiting.paths))["value"]) == [-3, -2, -1]


def test_a_candidate_is_the_table_as_it_would_be(lab: Any) -> None:
    """Any engine reads the held days, beside the published ones, by the path of the candidate's metadata."""
    table = lab.table()
    lab.run(table, lab.days(3, 1), 1, 2, 3)
    lab.run(table, pl.concat([lab.rows(-5, day=2), lab.rows(8, day=3)]), 2, 3)

    candidate = held(lab)[lab.day(2)].candidate
    iceberg = StaticTable.from_metadata(candidate)

    assert lab.values() == [1, 1, 8]
    assert sorted(iceberg.scan().to_arrow()["value"].to_pylist()) == [-5, 1, 8]
    assert sorted(pl.scan_iceberg(iceberg).collect()["value"].to_list()) == [-5, 1, 8]
    assert sorted(pl.scan_iceberg(candidate).collect()["value"].to_list()) == [-5, 1, 8]


def test_the_first_days_of_a_table_can_be_held(lab: Any) -> None:
    """A table of which nothing was ever published has a candidate too, and readers see no rows."""
    lab.run(lab.table(), lab.rows(-1), 1)

    assert lab.values() == []
    assert StaticTable.from_metadata(held(lab)[lab.day(1)].candidate).scan().to_arrow()["value"].to_pylist() == [-1]


def test_good_days_publish_while_others_are_held(lab: Any) -> None:
    """In a range of days two bad ones hold only themselves."""
    rows = pl.concat([lab.rows(1), lab.rows(-1, day=2), lab.rows(1, day=3), lab.rows(-1, day=4), lab.rows(1, day=5)])

    outcome = lab.run(lab.table(), rows, 1, 2, 3, 4, 5)

    assert [day.state for day in outcome.days] == ["published", "held", "published", "held", "published"]
    assert (set(lab.live()), set(held(lab))) == ({lab.day(1), lab.day(3), lab.day(5)}, {lab.day(2), lab.day(4)})
    assert len(lab.stored().metadata.snapshots) == 1


def test_a_good_rerun_supersedes_a_held_day(lab: Any) -> None:
    """Once a later run published the day, nothing waits: at whatever pace the runs follow each other."""
    for number in range(8):
        table = lab.table(f"lab.r{number}")
        lab.run(table, lab.rows(-1), 1)
        lab.run(table, lab.rows(1), 1)
        assert held(lab, table.name) == {}


def test_a_good_rerun_with_the_published_content_supersedes_a_held_day(lab: Any) -> None:
    """A day that was held and whose rerun gives what readers have already is good again."""
    table = lab.table()
    lab.run(table, lab.rows(1), 1)
    lab.run(table, lab.rows(-1), 1)

    assert lab.states(table, lab.rows(1), 1) == ["unchanged"]
    assert held(lab) == {}


def test_the_newest_failure_is_what_is_held(lab: Any) -> None:
    """A rerun that fails again takes the place of the failure before it: at whatever pace the runs follow."""
    for number in range(8):
        table = lab.table(f"lab.r{number}")
        lab.run(table, lab.rows(-1), 1)
        last = lab.run(table, lab.rows(-2, -2), 1)
        waiting = held(lab, table.name)[lab.day(1)]
        assert (waiting.run, waiting.rows) == (last.run, 2)


def test_a_rerun_never_publishes_the_failures_files(lab: Any) -> None:
    """After a held run, a good one publishes its own files alone, and a warning-free audit changes nothing of that."""
    table = lab.table()
    lab.run(table, lab.rows(-1, 5), 1)
    failed = held(lab)[lab.day(1)]
    outcome = lab.run(table, lab.rows(5), 1)

    live = lab.live()[lab.day(1)]
    assert lab.values() == [5]
    assert live.run == outcome.run != failed.run
    assert not set(live.locations) & set(failed.locations)


def test_a_held_day_is_not_history(lab: Any) -> None:
    """What is held counts in no later day's volume."""
    table = lab.table(audits=[audit.between("value", 0, 100), audit.volume(within=0.5, days=2, min_history=1)])
    lab.run(table, lab.rows(*range(-1, 90), day=1), 1)

    result = lab.results(table, lab.rows(1, day=2), 2)["volume"]

    assert result.history == ()


def test_an_unpartitioned_table_can_be_held(lab: Any) -> None:
    """A table without days is held as a whole."""
    table = lab.table(partition=None)
    lab.run(table, lab.rows(1))
    lab.run(table, lab.rows(-1, -1))

    assert lab.values() == [1]
    assert held(lab)[None].rows == 2
    assert StaticTable.from_metadata(held(lab)[None].candidate).scan().to_arrow()["value"].to_pylist() == [-1, -1]


def test_a_held_day_is_listed_though_the_publish_broke(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What audits refused is kept before anything is published, so that a storage that fails then hides no held day."""

    def fail(*_: Any) -> None:
        message = "no space left on device"
        raise OSError(message)

    table = lab.table()
    lab.run(table, lab.rows(7))
    monkeypatch.setattr("lakeproof.lake.publish._commit", fail)

    with pytest.raises(LakeError, match="no space left"):
        lab.run(table, pl.concat([lab.rows(8), lab.rows(-1, -2, day=2)]), 1, 2)

    assert list(held(lab)) == [lab.day(2)]
    assert sorted(pl.read_parquet(list(held(lab)[lab.day(2)].paths))["value"]) == [-2, -1]
    assert lab.values() == [7]
