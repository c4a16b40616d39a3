from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import time_machine

from lakeproof.lake.kept import Kept
from lakeproof.lake.output import is_of_output
from lakeproof.outputs.plan import plan
from lakeproof.outputs.promoting import begin, go_on, promotions, undo

if TYPE_CHECKING:
    from platform_tests.lakeproof.conftest import Lab
    from pyiceberg.table import Table as IcebergTable

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def now() -> datetime:
    """Return an instant after all that was done."""
    return datetime.now(UTC) + timedelta(seconds=1)


def on_disk(table: IcebergTable) -> int:
    """Return the size of the data files in a table's folder."""
    folder = Path(table.location().removeprefix("file://"))
    return sum(file.stat().st_size for file in folder.rglob("*.parquet"))


def by_manifests(table: IcebergTable) -> int:
    """Return the same by the long way, which the summaries are to save."""
    return Kept(table)._by_manifests(table.metadata.snapshots)


def test_what_is_kept_is_what_lies_on_the_disk(lab: Lab) -> None:
    """Published, replaced and held files, to the byte, and without a manifest being read."""
    table = lab.table()
    lab.run(table, lab.days(3, 1, 2, 3), 1, 2, 3)
    lab.run(table, lab.days(2, 4), 1, 2)
    lab.run(table, lab.rows(-1, day=4), 4)
    lab.run(table, lab.rows(5, 6, 7, 8, day=1), 1)
    stored = lab.stored()

    kept = Kept(stored)

    assert kept.at(now()) == on_disk(stored) > by_manifests(stored)  # the held stage is in no manifest
    assert kept._files == {}
    assert Kept(stored).at(now() - timedelta(days=1)) == 0


def test_what_was_kept_is_told_of_the_past(lab: Lab) -> None:
    """Each instant has what was there then; before all snapshots that are left, what readers had."""
    table = lab.table(properties={"history.expire.min-snapshots-to-keep": "1", "lakeproof.max-snapshots": "2"})
    sizes = []
    for number in range(1, 5):
        with time_machine.travel(NOON + timedelta(days=number)):
            lab.run(table, lab.rows(*range(number), day=number), number)
            sizes.append(lab.live()[lab.day(number)].bytes)
    stored = lab.stored()
    assert len(stored.metadata.snapshots) == 2

    at = [Kept(stored).at(NOON + timedelta(days=number, hours=1)) for number in range(1, 5)]

    assert at[1:] == [sum(sizes[:2]), sum(sizes[:3]), sum(sizes)]


def test_an_output_is_kept_too_and_counted_once(lab: Lab, beside: Lab) -> None:
    """Its files beside those of main; promoted ones are no others, and neither are those that an undo gives back."""
    table = lab.table("lab.readings")
    lab.run(table, lab.days(3, 1), 1, 2, 3)
    beside.run(table, lab.days(2, 7, 8), 1, 2)
    assert Kept(lab.stored()).at(now()) == on_disk(lab.stored())

    lake = lab.lakehouse.lake
    list(go_on(lake, begin(lake, plan(lake, "fix-units", [table])), [table]))
    assert Kept(lab.stored()).at(now()) == on_disk(lab.stored())
    (found,) = promotions(lake, "fix-units", ["lab.readings"])
    list(undo(lake, found[0]))

    assert Kept(lab.stored()).at(now()) == on_disk(lab.stored())


def test_a_restored_day_is_counted_once_on_main_alone(lab: Lab, beside: Lab) -> None:
    """The undo adds files again that an older snapshot has: summaries would count them twice."""
    table = lab.table("lab.readings")
    lab.run(table, lab.days(3, 1), 1, 2, 3)
    beside.run(table, lab.days(2, 7, 8), 1, 2)
    lake = lab.lakehouse.lake
    list(go_on(lake, begin(lake, plan(lake, "fix-units", [table])), [table]))
    (found,) = promotions(lake, "fix-units", ["lab.readings"])
    list(undo(lake, found[0]))
    stored = lab.stored()
    for name in [name for name in stored.metadata.refs if name != "main"]:
        stored.manage_snapshots().remove_branch(name).commit()
    line = {snapshot.snapshot_id for snapshot in stored.metadata.snapshots if is_of_output(snapshot)}
    lab.stored().maintenance.expire_snapshots().by_ids(list(line)).commit()
    stored = lab.stored()
    assert [each.parent_snapshot_id for each in stored.metadata.snapshots[1:]] == [
        each.snapshot_id for each in stored.metadata.snapshots[:-1]
    ]

    assert Kept(stored).at(now()) == by_manifests(stored) == on_disk(stored)


def test_a_table_that_was_only_held_keeps_its_stage(lab: Lab) -> None:
    """There is no snapshot yet, and a file all the same."""
    lab.run(lab.table(), lab.rows(-1), 1)

    assert Kept(lab.stored()).at(now()) == on_disk(lab.stored()) > 0
