"""The one path into `main`: made, staged, audited, published; and what it says when it is not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest

from lakeproof import daily_table, journey
from lakeproof.errors import MakeError, RowsError
from lakeproof.lake import publish as publishing
from lakeproof.lake.catalog import local_path
from lakeproof.progress import Step, listening
from lakeproof.wap import new_run_id

if TYPE_CHECKING:
    from lakeproof import Window


def test_an_outcome_says_what_became_of_each_day(lab: Any) -> None:
    """State, rows, bytes, what readers see, the snapshot, the evidence and the seconds of each step."""
    outcome = lab.run(lab.table(), lab.rows(1, 2).vstack(lab.rows(-1, day=2)), 1, 2)
    good, bad = outcome.days

    assert (good.state, good.rows, good.good) == ("published", 2, True)
    assert good.bytes == lab.live()[lab.day(1)].bytes
    assert (bad.state, bad.rows, bad.good) == ("held", 1, False)
    assert "between_value" in bad.reason
    assert "never published" in bad.readers
    assert outcome.snapshot == lab.stored().current_snapshot().snapshot_id
    assert Path(local_path(outcome.evidence)).exists()
    assert set(outcome.seconds) == {"make", "audit", "publish"}
    assert outcome.exit_code == 3


def test_steps_are_told_in_order(lab: Any) -> None:
    """Whoever listens hears each step as it begins."""
    heard: list[object] = []
    with listening(heard.append):
        lab.run(lab.table(), lab.rows(1))
    lab.run(lab.table(), lab.rows(2))

    assert [step.name for step in heard if isinstance(step, Step)] == ["make", "audit", "publish"]


def test_a_range_is_made_in_one_call(lab: Any) -> None:
    """Days that follow each other are one window; days apart are one window each stretch."""
    windows: list[str] = []

    def make(window: Window) -> pl.DataFrame:
        windows.append(str(window))
        return pl.concat([lab.rows(1, day=(day - lab.day(1)).days + 1) for day in window.days])

    assert lab.states(lab.table(), make, 1, 2, 3, 7) == ["published"] * 4
    assert windows == ["2024-01-01..2024-01-03", "2024-01-07"]


def test_a_sequential_table_is_made_day_by_day(lab: Any) -> None:
    """A table that reads a trailing window is asked for one day at a time, and still publishes once."""
    windows: list[str] = []

    def make(window: Window) -> pl.DataFrame:
        windows.append(str(window))
        return lab.rows(1, day=(window.day - lab.day(1)).days + 1)

    lab.run(lab.table(), make, 1, 2, sequential=True)

    assert windows == ["2024-01-01", "2024-01-02"]
    assert len(lab.stored().metadata.snapshots) == 1


def test_run_ids_follow_each_other() -> None:
    """A later run's id sorts after an earlier one's, however soon it follows: that is how the newest is known."""
    ids = [new_run_id() for _ in range(50)]

    assert ids == sorted(ids)
    assert len(set(ids)) == 50


def test_files_are_named_by_their_run(lab: Any) -> None:
    """Any number of runs write beside each other without touching each other's files."""
    outcome = lab.run(lab.table(), lab.rows(1))

    (location,) = lab.live()[lab.day(1)].locations
    assert re.search(rf"/reading_date=2024-01-01/{outcome.run}-\d+\.parquet$", location)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "while rows are read"])
def test_a_function_that_raises_publishes_nothing(lab: Any, late: bool) -> None:  # noqa: FBT001 - a case
    """The refusal names the function and what it raised, whether it raised at once or in the middle of its rows."""
    lab.run(lab.table(), lab.rows(1))

    def make(_: Window) -> pl.LazyFrame:
        if not late:
            raise ZeroDivisionError
        return lab.rows(2).lazy().with_columns(value=pl.col("value").map_elements(fail, pl.Int32))

    def fail(_: int) -> int:
        msg = "halfway"
        raise ValueError(msg)

    with pytest.raises(MakeError, match=r"make.*(ZeroDivisionError|halfway)"):
        lab.run(lab.table(), make)
    assert lab.values() == [1]


def test_one_bad_cast_publishes_no_day_of_the_run(lab: Any) -> None:
    """Rows that do not fit the contract stop the run before anything is audited."""
    rows = lab.days(2, 1).with_columns(value=pl.lit(1.5))

    with pytest.raises(RowsError, match=r"lab\.readings 2024-01-01\.\.2024-01-02: column value"):
        lab.run(lab.table(), rows, 1, 2)
    assert lab.values() == []


def test_order_of_runs_does_not_matter(lab: Any) -> None:
    """The same inputs give the same content: forwards, backwards, one by one or together."""
    contents = []
    for name, order in (("lab.forwards", (1, 2, 3)), ("lab.backwards", (3, 2, 1))):
        for day in order:
            lab.run(lab.table(name), lab.days(3, 4, 5), day)
        contents.append(lab.values(name=name))
    lab.run(lab.table("lab.together"), lab.days(3, 5, 4), 1, 2, 3)

    assert contents == [lab.values(name="lab.together")] * 2
    assert lab.states(lab.table("lab.forwards"), lab.days(3, 5, 4), 1, 2, 3) == ["unchanged"] * 3


def test_a_lake_reads_what_readers_see(lab: Any) -> None:
    """`Lakehouse.read` gives all days or one, and refuses a day of a table that has none."""
    lab.run(lab.table(), lab.days(2, 1), 1, 2)
    lab.run(lab.table(), lab.rows(-1), 1)

    assert lab.lakehouse.read(lab.table())["value"].to_list() == [1, 1]
    assert lab.lakehouse.read(lab.table(), "2024-01-02").rows() == [(lab.day(2), "a", 1)]
    assert lab.lakehouse.read(lab.table(), "2024-01-09").height == 0
    assert lab.lakehouse.read(lab.table("lab.never")).columns == ["reading_date", "sensor", "value"]


def test_a_day_published_after_the_inputs_were_opened_moved(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run compares with is from before it opened its inputs: older inputs never replace a newer publish."""
    source, table = lab.table("lab.source"), lab.table()
    lab.run(source, lab.rows(1))
    opening = journey.open_inputs

    def open_then_another_publishes(*args: Any) -> Any:
        opened = opening(*args)
        lab.run(table, lab.rows(2))
        return opened

    @daily_table(table, source=source)
    def copy(source: pl.DataFrame) -> pl.DataFrame:
        return source

    monkeypatch.setattr(journey, "open_inputs", open_then_another_publishes)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [copy],
            partition_key=lab.day(1).isoformat(),
            resources={"lakehouse": lab.lakehouse},
            instance=instance,
            raise_on_error=False,
        )
        tags = instance.get_run_by_id(result.run_id).tags

    assert not result.success
    assert tags["lakeproof/outcome"] == "moved"
    assert lab.values() == [2]


def test_a_chain_drops_what_builds_on_a_day_that_was_replaced(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unchanged day that another run replaces just before the commit takes the days after it along."""
    table, added = lab.table(), {1: 1, 2: 2, 3: 3}
    lab.chain(table, added, 1, 2, 3)
    commit, fired = publishing._commit, []

    def commit_after_another(*args: Any) -> Any:
        if not fired:
            fired.append(True)
            assert [day.state for day in lab.chain(table, added | {2: 20}, 2).days] == ["published"]
        return commit(*args)

    monkeypatch.setattr(publishing, "_commit", commit_after_another)
    outcome = lab.chain(table, added | {3: 30}, 1, 2, 3)

    assert fired
    assert [day.state for day in outcome.days] == ["unchanged", "moved", "moved"]
    assert [lab.values(number) for number in (1, 2, 3)] == [[1], [21], [6]]
    assert outcome.exit_code == 5


def test_an_unchanged_rerun_leaves_no_file_of_its_own(lab: Any) -> None:
    """What was staged and is not needed goes again, so reruns fill no disk."""
    table = lab.table()
    lab.run(table, lab.days(2, 1), 1, 2)
    data = Path(local_path(lab.stored().location())) / "data"
    before = sorted(path for path in data.rglob("*") if path.is_file())

    assert lab.states(table, lab.days(2, 1), 1, 2) == ["unchanged"] * 2
    assert sorted(path for path in data.rglob("*") if path.is_file()) == before
    assert lab.states(table, lab.days(1, 1).vstack(lab.rows(2, day=2)), 1, 2) == ["unchanged", "published"]
    assert len([path for path in data.rglob("*") if path.is_file()]) == len(before) + 1
