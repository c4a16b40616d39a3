"""Rows at fault, told apart: held with their reasons, or split off into a table of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from lakeproof import audit
from lakeproof.contract import REJECTED_BY
from lakeproof.docket import Docket
from lakeproof.errors import ContractError
from lakeproof.lake.evidence import read_evidence
from lakeproof.lake.live import View
from lakeproof.reading import read_table
from lakeproof.rejects import Sifted, table_of_rejects
from lakeproof.wap import write_audit_publish

AUDITS = [audit.between("value", 0, 100), audit.unique("sensor", "value"), audit.not_null("sensor")]


def split(lab: Any, **changes: Any) -> Any:
    """Declare the readings so that bad rows are split off."""
    return lab.table(**({"audits": AUDITS, "on_reject": "split"} | changes))


def rejected(lab: Any, table: Any, *days: int) -> list[tuple[Any, ...]]:
    """Return what readers of the table of rejects see: value and reasons, by day."""
    contract = table_of_rejects(table)
    rows = read_table(lab.lakehouse.lake, contract, [lab.day(n) for n in days] or None)
    found = rows.relation(duckdb.connect()).pl()
    return sorted(found.select("value", REJECTED_BY).rows(), key=str)


def test_good_rows_are_published_and_bad_ones_kept_with_their_reasons(lab: Any) -> None:
    """Readers see the good rows only; each bad one is in the table of rejects, by all the audits that refused it."""
    table = split(lab)
    rows = pl.concat([lab.rows(1, 2, -5), lab.rows(500, sensor=None)])

    (day,) = lab.run(table, rows).days

    assert (day.state, day.rejected, day.rows) == ("published", 2, 2)
    assert lab.values() == [1, 2]
    assert rejected(lab, table) == [(-5, "between_value"), (500, "between_value, not_null_sensor")]


def test_every_copy_but_one_is_rejected_and_every_row_of_a_disputed_key(lab: Any) -> None:
    """Of equal rows one is good; of rows that share a key and differ, nobody knows which is."""
    table = split(lab, audits=[audit.unique("sensor"), audit.between("value", 0, 100)])
    rows = pl.concat([lab.rows(7, 7, 7), lab.rows(1, 2, sensor="b"), lab.rows(3, sensor="c")])

    lab.run(table, rows)

    assert lab.values() == [3, 7]
    assert rejected(lab, table) == [
        (1, "unique_sensor"),
        (2, "unique_sensor"),
        (7, "unique_sensor"),
        (7, "unique_sensor"),
    ]


def test_what_refers_to_nothing_is_split_off(lab: Any) -> None:
    """A reference that is not there is a reason, too."""
    known = lab.table("lab.known", partition=None, key=["sensor"])
    lab.run(known, lab.rows(1, sensor="a"))
    table = split(lab, audits=[audit.references("sensor", known, "sensor")])

    lab.run(table, pl.concat([lab.rows(1), lab.rows(2, sensor="zz")]))

    assert (lab.values(), rejected(lab, table)) == ([1], [(2, "references_sensor")])


def test_a_day_that_is_bad_as_a_whole_is_held_with_all_its_rows(lab: Any) -> None:
    """What is left must pass what is asked of the whole day; else the day is held, and nothing of it was split."""
    table = split(lab, audits=[*AUDITS, audit.row_count(at_least=3)])

    (day,) = lab.run(table, lab.rows(1, 2, -5)).days

    assert (day.state, day.rejected, day.rows) == ("held", None, 3)
    assert lab.live() == {}
    assert lab.lakehouse.lake.find("lab.readings__rejected") is None


def test_each_day_of_a_run_is_split_by_itself(lab: Any) -> None:
    """Good days, split ones and held ones in one run; each that is published has a day of rejects, if an empty one."""
    table = split(lab, audits=[*AUDITS, audit.row_count(at_least=2)])
    rows = pl.concat([lab.rows(1, 2, day=1), lab.rows(1, 2, -1, day=2), lab.rows(1, -1, day=3)])

    outcome = lab.run(table, rows, 1, 2, 3)

    assert [(day.state, day.rejected) for day in outcome.days] == [("published", 0), ("published", 1), ("held", None)]
    live = lab.live("lab.readings__rejected")
    assert {day: published.rows for day, published in live.items()} == {lab.day(1): 0, lab.day(2): 1}
    stored = lab.stored()
    assert read_evidence(stored, outcome.run)["rejected"] == {"2024-01-01": 0, "2024-01-02": 1}


def test_a_rerun_of_mended_rows_empties_the_rejects(lab: Any) -> None:
    """The day of rejects is that of the published day."""
    table = split(lab)
    lab.run(table, lab.rows(1, -5))

    (day,) = lab.run(table, lab.rows(1, 5)).days

    assert (day.state, day.rejected) == ("published", 0)
    assert (lab.values(), rejected(lab, table)) == ([1, 5], [])


def test_a_rerun_of_the_same_rows_changes_nothing(lab: Any) -> None:
    """Neither the table nor the table of its rejects has a new snapshot."""
    table = split(lab)
    lab.run(table, lab.rows(1, -5, 3))
    heads = [lab.stored(name).metadata.current_snapshot_id for name in ("lab.readings", "lab.readings__rejected")]

    (day,) = lab.run(table, lab.rows(3, 1, -5)).days

    assert (day.state, day.rejected) == ("unchanged", 1)
    now = [lab.stored(name).metadata.current_snapshot_id for name in ("lab.readings", "lab.readings__rejected")]
    assert now == heads


def test_no_file_is_left_behind(lab: Any) -> None:
    """After a split the folder of the day has the published file and no other."""
    table = split(lab)
    lab.run(table, lab.rows(1, -5))

    stored = lab.stored()
    folder = stored.location().removeprefix("file://") + "/data"
    (file,) = Path(folder).rglob("*.parquet")
    assert str(file) in View.of(stored).days[lab.day(1)].paths


def test_an_unpartitioned_table_is_split_as_well(lab: Any) -> None:
    """Its rejects are a table without days."""
    table = split(lab, partition=None, key=["sensor"])

    lab.run(table, lab.rows(1, -5))

    assert rejected(lab, table) == [(-5, "between_value")]


def test_rows_of_a_held_stage_are_told_with_their_reasons(lab: Any) -> None:
    """A held day's rows at fault can be asked for: by the blocking audits, and not by those that only warn."""
    table = lab.table(audits=[*AUDITS, audit.between("value", 0, 1, severity="warn", name="small")])
    attempt = lab.attempt(lab.rows(1, 50, 101), audits=table.audits)
    docket = Docket.open(lab.lakehouse.lake, attempt.table, table, [lab.day(1)])

    found = Sifted.of(table, docket, attempt.staged.columns, attempt.staged.paths(lab.day(1))).rejected()

    assert found.project(f"value, {REJECTED_BY}").fetchall() == [(101, "between_value")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"write": "merge", "partition": None}, "a merge is audited as a whole"),
        ({"on_reject": "drop"}, "on_reject='drop' is not known"),
    ],
)
def test_what_cannot_be_split_is_refused(lab: Any, changes: dict[str, Any], said: str) -> None:
    """As the contract is declared."""
    with pytest.raises(ContractError) as refusal:
        split(lab, **changes)
    assert said in str(refusal.value)


def test_rejects_are_a_table_like_any_other(lab: Any) -> None:
    """It has the table's days and columns in front of which the reasons stand, and an audit of its own."""
    table = split(lab)
    contract = table_of_rejects(table)

    assert contract.name == "lab.readings__rejected"
    assert contract.column_names == (REJECTED_BY, *table.column_names)
    assert (contract.partition, contract.first_day) == (table.partition, table.first_day)
    assert [condition.name for condition in contract.audits] == ["not_null_rejected_by"]


def test_a_run_whose_rejects_came_second_leaves_the_day(lab: Any) -> None:
    """Another run published the day's rejects since this one began: the day is that run's, alone; others publish."""
    table = split(lab)
    work = lab.work(table, pl.concat([lab.rows(1, -5, day=1), lab.rows(2, -6, day=2)]), 1, 2)
    base = {lab.day(n): frozenset[str]() for n in (1, 2)}
    lab.run(table, lab.rows(3, -7, day=1), 1)

    outcome = write_audit_publish(lab.lakehouse.lake, replace(work, rejects_base=base))

    assert [day.state for day in outcome.days] == ["moved", "published"]
    assert (lab.values(1), lab.values(2)) == ([3], [2])
    assert rejected(lab, table, 1) == [(-7, "between_value")]
    assert rejected(lab, table, 2) == [(-6, "between_value")]
