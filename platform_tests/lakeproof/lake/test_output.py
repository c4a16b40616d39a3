"""An output has days of its own beside `main`, and all others from it; readers of `main` never see a row of it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from pyiceberg.table.statistics import StatisticsFile

from lakeproof import Column, audit
from lakeproof.errors import LakeError, UsageError
from lakeproof.lake.beside import discard_line
from lakeproof.lake.files import list_files
from lakeproof.lake.held import held_days
from lakeproof.lake.live import View, files_at, live_days
from lakeproof.lake.output import OutputTable, outputs_of
from lakeproof.lake.running import claimed, runs_at_work
from lakeproof.lake.upkeep import upkeep
from lakeproof.work import beside_of

if TYPE_CHECKING:
    from lakeproof.contract import Table

OUTPUT = "fix-units"


def handle(lab: Any, table: Table) -> OutputTable:
    """Return a table as the output has it."""
    found = lab.lakehouse.lake.find(table.name)
    assert isinstance(found, OutputTable)
    return found


def test_a_day_of_an_output_is_its_own_and_main_is_as_it_was(lab: Any, beside: Any) -> None:
    """A run to an output changes what the output shows, and not a byte of what `main` does."""
    table = lab.table()
    lab.run(table, lab.days(3, 1), 1, 2, 3)
    before = lab.lakehouse.lake.find(table.name)

    done = beside.run(table, lab.rows(7, day=2), 2)

    assert [day.state for day in done.days] == ["published"]
    assert "output fix-units has the 1 rows" in done.days[0].readers
    assert beside.shown(table) == [1, 7, 1]
    assert lab.shown(table) == [1, 1, 1]
    after = lab.lakehouse.lake.find(table.name)
    assert before is not None
    assert after is not None
    assert after.current_snapshot() == before.current_snapshot()
    assert set(handle(beside, table).owned) == {lab.day(2)}


def test_the_branch_has_main_as_of_the_fork_and_the_platform_todays_main(lab: Any, beside: Any) -> None:
    """Any engine reads the branch by name; where `main` moves on, the platform's own reads follow it."""
    table = lab.table()
    lab.run(table, lab.days(2, 1), 1, 2)
    beside.run(table, lab.rows(7, day=2), 2)
    lab.run(table, lab.rows(5, day=1), 1)

    main = lab.lakehouse.lake.find(table.name)
    assert main is not None
    branch = main.metadata.snapshot_by_name(OUTPUT)
    on_branch = live_days(files_at(main.io, branch, None))

    assert main.scan(snapshot_id=branch and branch.snapshot_id).to_arrow()["value"].to_pylist() in ([7, 1], [1, 7])
    assert set(on_branch) == {lab.day(1), lab.day(2)}
    assert beside.shown(table) == [5, 7]
    assert lab.shown(table) == [5, 1]


def test_a_day_with_the_rows_of_main_copies_no_byte_and_is_owned(lab: Any, beside: Any) -> None:
    """Equal rows keep the files of `main`, also when it moved since the fork."""
    table = lab.table()
    lab.run(table, lab.days(3, 1), 1, 2, 3)
    beside.run(table, lab.rows(7, day=3), 3)
    lab.run(table, lab.rows(5, day=1), 1)
    files = View.open(lab.lakehouse.lake, table).days

    done = beside.run(table, lab.rows(5, day=1), 1)

    assert [day.state for day in done.days] == ["unchanged"]
    at = handle(beside, table)
    assert set(at.owned) == {lab.day(1), lab.day(3)}
    assert live_days(files_at(at.io, at.head, None))[lab.day(1)].locations == files[lab.day(1)].locations


def test_a_rerun_to_an_output_with_equal_rows_makes_no_snapshot(lab: Any, beside: Any) -> None:
    """An output is idempotent, too."""
    table = lab.table()
    lab.run(table, lab.days(2, 1), 1, 2)
    beside.run(table, lab.rows(7, day=2), 2)
    head = handle(beside, table).head

    done = beside.run(table, lab.rows(7, day=2), 2)

    assert [day.state for day in done.days] == ["unchanged"]
    assert handle(beside, table).head == head


def test_an_output_of_a_table_that_never_published_leaves_main_without_a_day(lab: Any, beside: Any) -> None:
    """The branch begins at an empty snapshot."""
    table = lab.table()

    beside.run(table, lab.rows(7), 1)

    assert beside.shown(table) == [7]
    assert lab.shown(table) == []
    assert View.open(lab.lakehouse.lake, table).days == {}


def test_a_day_that_an_audit_refuses_is_held_on_the_output_alone(lab: Any, beside: Any) -> None:
    """What is held beside `main` is nothing that waits there, and the other way round."""
    table = lab.table()
    lab.run(table, lab.days(2, 1), 1, 2)
    lab.run(table, lab.rows(900, day=1), 1)

    done = beside.run(table, lab.rows(500, day=2), 2)

    assert [day.state for day in done.days] == ["held"]
    main, at = lab.lakehouse.lake.find(table.name), handle(beside, table)
    assert main is not None
    assert set(held_days(main, View.of(main).days)) == {lab.day(1)}
    assert set(held_days(at, View.of(at).days)) == {lab.day(2)}
    beside.run(table, lab.rows(50, day=2), 2)
    assert held_days(handle(beside, table), {}).keys() == {lab.day(2)}
    at = handle(beside, table)
    assert held_days(at, View.of(at).days) == {}


def test_a_run_on_an_output_is_no_run_that_main_waits_for(lab: Any, beside: Any) -> None:
    """A claim says for which output its run is."""
    table = lab.table()
    lab.run(table, lab.rows(1), 1)
    main, at = lab.lakehouse.lake.find(table.name), handle(beside, table)
    assert main is not None

    with claimed(at, "20240101T000000000000-00000000", [lab.day(1)]):
        assert runs_at_work(at) == {lab.day(1): "20240101T000000000000-00000000"}
        assert runs_at_work(main) == {}


def test_volume_on_an_output_is_judged_by_what_the_output_shows(lab: Any, beside: Any) -> None:
    """History is the output's own days, and those of `main` where it has none."""
    table = lab.table(audits=[audit.between("value", 0, 100), audit.volume(within=0.5, days=2, min_history=2)])
    lab.run(table, lab.days(3, 1), 1, 2, 3)
    wide = lab.days(2, *range(10))

    first = beside.run(table, wide, 1, 2)
    last = beside.run(table, lab.rows(*range(10), day=3), 3)

    assert [day.state for day in (*first.days, *last.days)] == ["published"] * 3


def test_other_columns_go_to_a_table_of_the_outputs_own(lab: Any, beside: Any) -> None:
    """A branch shares its table's columns, so a new one is on a table beside it, with `main` as of the fork."""
    table = lab.table()
    lab.run(table, lab.days(2, 1), 1, 2)
    wider = lab.table(columns=[*table.columns, Column("unit", "string")])

    beside.run(wider, lab.rows(7, day=2).with_columns(unit=pl.lit("mm")), 2)

    main, at = lab.lakehouse.lake.find(table.name), handle(beside, table)
    assert main is not None
    assert [field.name for field in main.schema().fields] == ["reading_date", "sensor", "value"]
    assert at.line_name == "lab.readings__fix_units"
    assert list(outputs_of(main)) == [OUTPUT]
    stored = lab.lakehouse.catalog.load_table(at.line_name)
    assert sorted(stored.scan().to_arrow()["unit"].to_pylist(), key=str) == [None, "mm"]
    assert beside.shown(wider) == [1, 7]
    assert lab.shown(table) == [1, 1]


def test_an_output_can_be_a_table_under_a_name_of_ones_own(lab: Any, beside: Any) -> None:
    """For people and engines that want a table."""
    table = lab.table()
    lab.run(table, lab.days(2, 1), 1, 2)
    lake = beside.lakehouse.lake
    beside.run(table, lab.rows(7, day=2), 2, beside=beside_of(lake, table, (lab.day(2),), "lab.readings_try"))

    stored = lab.lakehouse.catalog.load_table("lab.readings_try")
    assert sorted(stored.scan().to_arrow()["value"].to_pylist()) == [1, 7]
    with pytest.raises(UsageError, match="already"):
        beside.run(table, lab.rows(8, day=2), 2, beside=beside_of(lake, table, (lab.day(2),), "lab.another"))


def test_a_branch_of_another_tool_is_no_output(lab: Any, beside: Any) -> None:
    """A name that someone gave a branch of their own is refused."""
    table = lab.table()
    lab.run(table, lab.rows(1), 1)
    main = lab.lakehouse.lake.find(table.name)
    assert main is not None
    main.manage_snapshots().create_branch(main.metadata.current_snapshot_id or 0, OUTPUT).commit()

    with pytest.raises(LakeError, match="not an output"):
        beside.run(table, lab.rows(7), 1)


def test_discarding_leaves_main_and_upkeep_removes_the_files(lab: Any, beside: Any) -> None:
    """Nothing of an output is left but what its runs leave as evidence for a time."""
    table = lab.table(properties={"lakeproof.keep-replaced-days": "0"})
    lab.run(table, lab.days(2, 1), 1, 2)
    beside.run(table, lab.rows(7, day=2), 2)
    main = lab.lakehouse.lake.find(table.name)
    assert main is not None
    own = View.of(handle(beside, table)).days[lab.day(2)].locations
    upkeep(main)
    assert beside.shown(table) == [1, 7]

    discard_line(main, OUTPUT)
    later = datetime(2100, 1, 1, tzinfo=UTC)
    upkeep(main.refresh(), now=later)
    upkeep(main.refresh(), now=later)

    assert beside.shown(table) == [1, 1]
    assert not main.io.new_input(own[0]).exists()
    assert list(outputs_of(main.refresh())) == []


def test_days_of_one_output_at_once_are_all_there(lab: Any, beside: Any) -> None:
    """Runs to an output, and to `main`, from several threads at once lose nothing of each other."""
    table = lab.table()
    lab.run(table, lab.days(8, 1), *range(1, 9))
    failures: list[BaseException] = []

    def one(where: Any, day: int, value: int) -> None:
        try:
            done = where.run(table, lab.rows(value, day=day), day)
            assert [d.state for d in done.days] == ["published"], done
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    jobs: list[Any] = [(beside, day, 7) for day in range(1, 5)] + [(lab, day, 5) for day in range(3, 7)]
    threads = [threading.Thread(target=one, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert lab.shown(table) == [1, 1, 5, 5, 5, 5, 1, 1]
    assert beside.shown(table) == [7, 7, 7, 7, 5, 5, 1, 1]
    assert set(handle(beside, table).owned) == {lab.day(n) for n in range(1, 5)}


def test_a_run_whose_output_was_discarded_meanwhile_publishes_nothing(lab: Any, beside: Any) -> None:
    """It does not bring the output back."""
    table = lab.table()
    lab.run(table, lab.days(2, 1), 1, 2)
    beside.run(table, lab.rows(7, day=2), 2)
    main = lab.lakehouse.lake.find(table.name)
    assert main is not None

    def make(window: Any) -> Any:
        del window
        discard_line(main, OUTPUT)
        return lab.rows(8, day=2)

    with pytest.raises(LakeError, match="was discarded"):
        beside.run(table, make, 2)
    assert list(outputs_of(main.refresh())) == []


def test_a_branch_that_was_superseded_leaves_no_snapshots(lab: Any, beside: Any) -> None:
    """However often an output is written to, the table's metadata keeps one snapshot of it."""
    table = lab.table()
    lab.run(table, lab.days(2, 1), 1, 2)
    for value in range(5):
        beside.run(table, lab.rows(value + 10, day=2), 2)

    main = lab.lakehouse.lake.find(table.name)
    assert main is not None
    assert len(main.metadata.snapshots) <= 3


def test_upkeep_keeps_what_an_output_needs_whichever_form_its_line_has(lab: Any, beside: Any) -> None:
    """Ledgers, a table of its own, and days that are held stay; what is superseded goes."""
    table = lab.table(properties={"lakeproof.keep-replaced-days": "0"})
    lab.run(table, lab.days(2, 1), 1, 2)
    wider = lab.table(columns=[*table.columns, Column("unit", "string")], properties=table.properties)
    for value in (6, 7, 8):
        beside.run(wider, lab.rows(value, day=2).with_columns(unit=pl.lit("mm")), 2)
    beside.run(wider, lab.rows(900, day=1).with_columns(unit=pl.lit("mm")), 1)
    main = lab.lakehouse.lake.find(table.name)
    assert main is not None

    later = datetime(2100, 1, 1, tzinfo=UTC)
    upkeep(main, now=later)
    upkeep(main.refresh(), now=later)

    assert beside.shown(wider) == [1, 8]
    at = handle(beside, wider)
    assert all(main.io.new_input(file).exists() for file in held_days(at, View.of(at).days)[lab.day(1)].locations)
    ledgers = [f.name for f in list_files(main.io, f"{main.location()}/outputs")]
    assert len(ledgers) == 2  # of the head, and of the one before it, which goes with the next commit


def test_upkeep_keeps_the_statistics_that_another_engine_wrote_of_a_line(lab: Any, beside: Any) -> None:
    """A line that is a table of its own has them as any table has, in the folder of the table that it is beside."""
    table = lab.table()
    lab.run(table, lab.rows(1), 1)
    beside.run(table, lab.rows(7), 1, beside=beside_of(beside.lakehouse.lake, table, (lab.day(1),), "lab.readings_try"))
    line = lab.lakehouse.catalog.load_table("lab.readings_try")
    where = f"{line.location()}/metadata/of-another-engine.stats"
    with line.io.new_output(where).create() as out:
        out.write(b"PFA1")
    written = {"statistics_path": where, "file_size_in_bytes": 4, "file_footer_size_in_bytes": 0, "blob_metadata": []}
    with line.update_statistics() as update:
        update.set_statistics(StatisticsFile(snapshot_id=line.metadata.current_snapshot_id, **written))

    upkeep(lab.stored(), now=datetime(2100, 1, 1, tzinfo=UTC))

    assert line.io.new_input(where).exists()
