"""Upkeep removes what nobody needs, and keeps what anybody may."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.table import StaticTable

from lakeproof.errors import LakeError
from lakeproof.lake import running as running_module
from lakeproof.lake import upkeep as upkeep_module
from lakeproof.lake.held import held_days
from lakeproof.lake.running import Claim, running_stages
from lakeproof.lake.upkeep import Upkeep, upkeep
from lakeproof.wap import new_run_id

DAYS = {
    "lakeproof.keep-replaced-days": "10",
    "lakeproof.max-snapshots": "2",
    "history.expire.min-snapshots-to-keep": "1",
}


def kept_up(lab: Any, *, days: float = 0, **options: Any) -> Upkeep:
    """Do the upkeep of the readings, so many days ahead."""
    return upkeep(lab.stored(), now=datetime.now(UTC) + timedelta(days=days), **options)


def folder(lab: Any, name: str = "") -> Path:
    """Return a folder of the readings."""
    return Path(lab.stored().location().removeprefix("file://")) / name


def files(lab: Any, name: str = "data") -> set[str]:
    """Return the files under a folder of the readings."""
    return {str(path) for path in folder(lab, name).rglob("*") if path.is_file()}


def reasons(report: Upkeep) -> dict[str, int]:
    """Return how many files were removed for each reason."""
    found: dict[str, int] = {}
    for gone in report.removed:
        found[gone.reason] = found.get(gone.reason, 0) + 1
    return found


def published(lab: Any, *values: int) -> Any:
    """Publish the first day with one value after the other, and return the table."""
    table = lab.table(properties=DAYS)
    for value in values:
        lab.run(table, lab.rows(value), 1)
    return table


def test_replaced_files_stay_for_the_declared_time(lab: Any) -> None:
    """What a day was made of before is there to verify with, for as long as the contract says; its evidence, too."""
    published(lab, 1, 2, 3, 4, 5)

    assert reasons(kept_up(lab, days=9)).get("replaced") is None
    assert (len(files(lab)), len(files(lab, "evidence"))) == (5, 5)
    looked = kept_up(lab, days=11, dry_run=True)
    assert len(files(lab)) == 5

    done = kept_up(lab, days=11)

    assert looked.removed == done.removed
    assert (reasons(done)["replaced"], reasons(done)[upkeep_module.SPENT]) == (4, 4)
    assert files(lab) == {path for day in lab.live().values() for path in day.paths} | snapshot_files(lab)
    assert lab.values() == [5]


def snapshot_files(lab: Any) -> set[str]:
    """Return the data files of every snapshot, as plain PyIceberg plans them."""
    return {
        task.file.file_path.removeprefix("file://")
        for snapshot in lab.stored().metadata.snapshots
        for task in lab.stored().scan(snapshot_id=snapshot.snapshot_id).plan_files()
    }


def test_a_branch_and_a_tag_keep_their_files(lab: Any) -> None:
    """However old, what a branch or tag names can be read; when the name goes, so does what only it needed."""
    table = published(lab, 1)
    stored = lab.stored()
    stored.manage_snapshots().create_tag(stored.current_snapshot().snapshot_id, "first").commit()
    lab.run(table, lab.rows(2), 1)
    stored = lab.stored()
    stored.manage_snapshots().create_branch(stored.current_snapshot().snapshot_id, "fix").commit()
    for value in (3, 4, 5, 6):
        lab.run(table, lab.rows(value), 1)

    kept_up(lab, days=400)
    kept_up(lab, days=400)
    assert lab.stored().scan().use_ref("first").to_arrow()["value"].to_pylist() == [1]
    assert lab.stored().scan().use_ref("fix").to_arrow()["value"].to_pylist() == [2]
    assert (lab.values(), len(files(lab))) == ([6], 3)

    lab.stored().manage_snapshots().remove_tag("first").commit()
    kept_up(lab, days=400)
    assert reasons(kept_up(lab, days=400))["replaced"] == 1
    assert lab.stored().scan().use_ref("fix").to_arrow()["value"].to_pylist() == [2]


def test_snapshots_of_this_pass_keep_their_files_until_the_next(lab: Any) -> None:
    """A reader who has just opened a snapshot that upkeep lets go can still read it to the end."""
    published(lab, 1, 2)
    first = lab.stored().metadata.snapshots[0]

    done = kept_up(lab, days=100)

    assert done.expired == 1
    assert [snapshot.snapshot_id for snapshot in lab.stored().metadata.snapshots] != [first.snapshot_id]
    assert Path(first.manifest_list.removeprefix("file://")).exists()
    assert len(files(lab)) == 2
    kept_up(lab, days=100)
    assert not Path(first.manifest_list.removeprefix("file://")).exists()
    assert len(files(lab)) == 1


def test_a_held_day_is_kept_whole_and_its_candidate_readable(lab: Any) -> None:
    """As long as a day is held, its files, its evidence and all that its candidate leads to stay, however old."""
    table = published(lab, 1)
    lab.run(table, lab.rows(-7, day=2), 2)
    for value in (2, 3, 4, 5):
        lab.run(table, lab.rows(value), 1)

    kept_up(lab, days=400)
    kept_up(lab, days=400)

    held = held_days(lab.stored(), lab.live())[lab.day(2)]
    assert sorted(StaticTable.from_metadata(held.candidate).scan().to_arrow()["value"].to_pylist()) == [-7, 1]
    assert folder(lab, f"evidence/{held.run}.json").exists()


def test_a_held_stage_that_was_made_good_goes_after_the_declared_time(lab: Any) -> None:
    """A newer publish supersedes it; then its files, candidate and ledger go, together, and not before."""
    table = published(lab, 1)
    lab.run(table, lab.rows(-7), 1)
    lab.run(table, lab.rows(8), 1)
    assert len(files(lab, "staging")) == 2
    assert kept_up(lab, days=9).removed == []

    done = kept_up(lab, days=11)

    assert reasons(done)[upkeep_module.SUPERSEDED] == 3
    assert files(lab, "staging") == set()
    assert lab.values() == [8]


def test_a_ledger_that_makes_an_older_one_good_outlives_it(lab: Any) -> None:
    """An older ledger stays for another of its days; what cleared the first of them stays with it."""
    table = lab.table(properties=DAYS)
    lab.run(table, lab.days(2, 1), 1, 2)
    lab.run(table, lab.days(2, -1), 1, 2)
    assert lab.states(table, lab.rows(1), 1) == ["unchanged"]
    assert set(held_days(lab.stored(), lab.live())) == {lab.day(2)}

    kept_up(lab, days=400)

    assert set(held_days(lab.stored(), lab.live())) == {lab.day(2)}


def test_a_run_at_work_is_left_alone(lab: Any) -> None:
    """Whatever the age of its files, and whatever is told to upkeep about the time."""
    published(lab, 1)
    claim = Claim(lab.stored(), run := new_run_id())
    staged = folder(lab, "data") / f"{run}-00000.parquet"
    staged.write_bytes(b"half a file")
    os.utime(staged, (0, 0))

    done = kept_up(lab, days=400)
    assert (done.running, staged.exists()) == ([run], True)

    claim.abandon()
    done = kept_up(lab)
    assert (done.killed, staged.exists(), running_stages(lab.stored())) == ({run: False}, False, [])


def test_a_run_of_another_machine_is_dead_after_a_day_without_renewal(lab: Any) -> None:
    """Its lock cannot be asked from here, so its claim counts for a day."""
    published(lab, 1)
    claim = Claim(lab.stored(), run := new_run_id())
    path = Path(claim.location.removeprefix("file://"))
    record = json.loads(path.read_text())
    claim.abandon()
    path.write_text(json.dumps(record | {"host": f"not-{platform.node()}"}))

    assert kept_up(lab, days=0.9).running == [run]
    assert kept_up(lab, days=1.1).killed == {run: False}


def test_a_run_that_was_taken_for_dead_refuses_to_publish(lab: Any) -> None:
    """A run that slept through its lease finds its claim gone and stops, before it commits files that are gone."""
    table = published(lab, 1)

    def lose_claim(window: Any) -> Any:
        (stage,) = running_stages(lab.stored())
        Path(stage.location.removeprefix("file://")).unlink()
        return lab.rows(2).filter(window is not None)

    with pytest.raises(LakeError, match="took this run for dead"):
        lab.run(table, lose_claim, 1)
    assert lab.values() == [1]
    assert len(files(lab)) == 1


def test_a_run_that_fails_leaves_nothing(lab: Any) -> None:
    """A function that raises and an audit that cannot be asked leave no file and no claim."""
    table = published(lab, 1)
    before = files(lab, "")

    def broken(_: Any) -> Any:
        message = "no rows today"
        raise ValueError(message)

    with pytest.raises(Exception, match="no rows today"):
        lab.run(table, broken, 1)
    assert files(lab, "") == before


def test_what_lies_outside_the_table_is_never_touched(lab: Any, tmp_path: Path) -> None:
    """Links are not followed, and a ledger that names a file elsewhere does not have it removed."""
    table = published(lab, 1)
    outside = tmp_path / "20200101T000000000000-00000000-00000.parquet"
    outside.write_text("another's")
    os.utime(outside, (0, 0))
    (folder(lab, "data") / "linked").symlink_to(tmp_path)
    (folder(lab, "data") / outside.name).symlink_to(outside)
    lab.run(table, lab.rows(-1), 1)
    (ledger,) = (path for path in folder(lab, "staging").glob("*.json") if "metadata" not in path.name)
    record = json.loads(ledger.read_text())
    record["held"][str(lab.day(1))]["files"] += [str(outside), f"{folder(lab, 'data')}/../../{outside.name}"]
    ledger.write_text(json.dumps(record))
    lab.run(table, lab.rows(2), 1)

    kept_up(lab, days=400)

    assert not ledger.exists()
    assert outside.read_text() == "another's"


def test_files_of_another_engine_go_by_their_age_alone(lab: Any) -> None:
    """A file that nothing leads to, whoever wrote it, stays for the declared time: its commit may be under way."""
    published(lab, 1)
    stray = folder(lab, "data") / "00000-0-deadbeef.parquet"
    stray.write_text("in flight")

    kept_up(lab, days=9)
    assert stray.exists()
    kept_up(lab, days=11)
    assert not stray.exists()


def test_retention_that_cannot_be_kept_to_is_refused(lab: Any) -> None:
    """A property that is no number names itself, and nothing is removed."""
    published(lab, 1)
    lab.stored().transaction().set_properties({"lakeproof.keep-replaced-days": "soon"}).commit_transaction()

    with pytest.raises(LakeError, match="keep-replaced-days is 'soon'"):
        kept_up(lab, days=400)


def test_where_there_are_no_locks_a_claim_counts_for_a_day(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a bucket a run is at work as long as it renews its claim, and publishes and leaves nothing as on a disk."""
    monkeypatch.setattr(running_module, "_is_local", lambda _: False)
    table = published(lab, 1)
    before = files(lab, "staging")
    claim = Claim(lab.stored(), run := new_run_id())
    claim.commit()

    lab.run(table, lab.rows(2), 1)

    assert (lab.values(), before) == ([2], set())
    assert kept_up(lab, days=0.9).running == [run]
    assert kept_up(lab, days=1.1).killed == {run: False}
