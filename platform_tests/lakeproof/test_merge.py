"""A merge: rows go in by key, the whole table is audited as it would be, and no update is lost or made twice."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest
from pyiceberg.table import StaticTable

from lakeproof import Column, Lakehouse, Table, audit, daily_table
from lakeproof.engine.cast import arrow_schema
from lakeproof.engine.function import FunctionMaker
from lakeproof.errors import ContractError, LakeError, RowsError
from lakeproof.forms import BATCH_ROWS
from lakeproof.lake.catalog import local_path
from lakeproof.lake.evidence import read_evidence
from lakeproof.lake.held import held_days
from lakeproof.merge import MERGE_BASE, Merged
from lakeproof.testing import given
from lakeproof.wap import write_audit_publish
from lakeproof.work import Work, base_of

SCHEMA = {"sensor": pl.String, "place": pl.Int64, "value": pl.Int32}
COLUMNS = [Column("sensor", "string"), Column("place", "long"), Column("value", "int")]
PROCESSES, MERGES = 2, 5


def declare(lab: Any, **changes: Any) -> Table:
    """Declare sensors by place, merged by both."""
    fields = {"columns": COLUMNS, "key": ["sensor", "place"], "partition": None, "write": "merge"}
    return lab.table(
        **{**fields, "audits": [audit.unique("sensor", "place"), audit.between("value", 0, 100)], **changes}
    )


def rows(*values: tuple[str | None, int | None, int | None]) -> pl.DataFrame:
    """Return rows of sensor, place and value."""
    return pl.DataFrame(values, schema=SCHEMA, orient="row")


def seen(lab: Any) -> list[tuple[Any, ...]]:
    """Return what a reader with stock PyIceberg sees, in order."""
    return sorted(pl.DataFrame(lab.stored().scan().to_arrow()).rows())


def test_a_merge_inserts_and_updates_by_key(lab: Any) -> None:
    """Rows of a new key are added, rows of a known one take its place, the others stay; the outcome counts them."""
    table = declare(lab)
    first = lab.run(table, rows(("a", 1, 1), ("b", 1, 2), ("c", 1, None)))

    second = lab.run(table, rows(("b", 1, 20), ("b", 2, 3), ("c", 1, None)))

    assert [(day.state, day.rows, day.merged) for day in (*first.days, *second.days)] == [
        ("published", 3, Merged(3, 0, 0, 0)),
        ("published", 4, Merged(inserted=1, updated=1, deleted=0, unchanged=2)),
    ]
    assert seen(lab) == [("a", 1, 1), ("b", 1, 20), ("b", 2, 3), ("c", 1, None)]
    assert len(lab.stored().metadata.snapshots) == 2


def test_what_is_absent_is_deleted_where_the_contract_says_so(lab: Any) -> None:
    """With absent="delete" the table is what was made, told as what became of each row."""
    table = declare(lab, absent="delete")
    lab.run(table, rows(("a", 1, 1), ("b", 1, 2), ("c", 1, 3)))

    outcome = lab.run(table, rows(("a", 1, 1), ("b", 1, 20), ("d", 1, 4)))

    assert outcome.days[0].merged == Merged(inserted=1, updated=1, deleted=1, unchanged=1)
    assert seen(lab) == [("a", 1, 1), ("b", 1, 20), ("d", 1, 4)]


@pytest.mark.parametrize("absent", ["keep", "delete"])
def test_a_merge_that_changes_nothing_makes_no_snapshot(lab: Any, absent: str) -> None:
    """The same rows again, in another order or only some of them, are unchanged, and leave no file."""
    table = declare(lab, absent=absent)
    made = rows(("a", 1, 1), ("b", 1, None), ("c", 1, 3))
    lab.run(table, made)
    before, data = lab.stored().metadata_location, Path(local_path(lab.stored().location())) / "data"
    files = sorted(data.rglob("*"))

    for again in (made.reverse(), made.head(2) if absent == "keep" else made):
        outcome = lab.run(table, again)
        assert (outcome.days[0].state, outcome.snapshot, outcome.exit_code) == ("unchanged", None, 0)
        assert outcome.days[0].merged == Merged(inserted=0, updated=0, deleted=0, unchanged=3)
    assert (lab.stored().metadata_location, sorted(data.rglob("*"))) == (before, files)


def test_no_rows_are_no_change(lab: Any) -> None:
    """A merge of nothing keeps the table, and the first one is judged as the empty table that it would be."""
    assert lab.states(declare(lab), rows()) == ["held"]
    lab.run(declare(lab), rows(("a", 1, 1)))
    assert lab.states(declare(lab), rows()) == ["unchanged"]
    assert lab.states(declare(lab, absent="delete"), rows()) == ["held"]
    assert lab.states(declare(lab, absent="delete", allow_empty=True), rows()) == ["published"]
    assert seen(lab) == []


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([("a", 1, 1), (None, 2, 1), (None, 3, 1)], "2 rows to merge have no key, such as sensor None, place 2"),
        ([("a", 1, 1), ("a", 2, 1), ("a", None, 1)], "1 rows to merge have no key, such as sensor a, place None"),
        ([("a", 1, 1), ("b", 1, 1), ("a", 1, 2)], "2 rows to merge have the key of another, such as sensor a, place 1"),
        ([("a", 1, 1), ("a", 1, 1)], "2 rows to merge have the key of another"),
    ],
)
def test_rows_without_a_key_of_their_own_are_refused(lab: Any, made: list[Any], said: str) -> None:
    """A key that is null or comes twice does not say which row is meant: the run refuses, with a sample."""
    lab.run(declare(lab), rows(("a", 1, 7)))

    with pytest.raises(RowsError, match=r"lab\.readings") as refusal:
        lab.run(declare(lab), rows(*made))
    assert said in str(refusal.value)
    assert seen(lab) == [("a", 1, 7)]


def test_a_key_that_is_twice_in_the_table_is_refused(lab: Any) -> None:
    """A table that was not merged before may have a key twice: then a merge cannot say which row it updates."""
    replaced = declare(lab, write="replace", audits=[audit.between("value", 0, 100)])
    lab.run(replaced, rows(("a", 1, 1), ("a", 1, 2), ("b", 1, 1)))

    with pytest.raises(LakeError, match=r"lab\.readings: 1 published rows have a key .* that another one has too"):
        lab.run(declare(lab), rows(("a", 1, 3)))
    assert seen(lab) == [("a", 1, 1), ("a", 1, 2), ("b", 1, 1)]


def test_a_held_merge_leaves_readers_what_they_had(lab: Any) -> None:
    """Audits judge the whole table as it would be, old rows included; a held one waits whole."""
    table = declare(lab)
    lab.run(table, rows(("a", 1, 1), ("b", 1, 2)))
    few = declare(lab, audits=[audit.row_count(at_most=2)])

    assert lab.states(few, rows(("c", 1, 3))) == ["held"]
    assert seen(lab) == [("a", 1, 1), ("b", 1, 2)]
    candidate = StaticTable.from_metadata(held_days(lab.stored(), lab.live())[None].candidate)
    assert sorted(candidate.scan().to_arrow()["sensor"].to_pylist()) == ["a", "b", "c"]
    assert lab.states(few, rows(("b", 1, 3))) == ["published"]
    assert seen(lab) == [("a", 1, 1), ("b", 1, 3)]


def test_a_table_that_moved_under_a_merge_is_not_overwritten(lab: Any) -> None:
    """What another run merged meanwhile is kept: the later merge says that the table moved, and ends with 5."""
    table = declare(lab)
    lab.run(table, rows(("a", 1, 1)))

    def make(_: Any) -> pl.DataFrame:
        lab.run(table, rows(("b", 1, 2)))
        return rows(("c", 1, 3))

    outcome = lab.run(table, make)

    assert (outcome.days[0].state, outcome.exit_code) == ("moved", 5)
    assert seen(lab) == [("a", 1, 1), ("b", 1, 2)]


def test_the_same_merge_by_another_run_is_unchanged(lab: Any) -> None:
    """Equal content is looked at before the base: two runs that merge the same rows are one change."""
    table = declare(lab)
    lab.run(table, rows(("a", 1, 1)))

    def make(_: Any) -> pl.DataFrame:
        lab.run(table, rows(("b", 1, 2)))
        return rows(("b", 1, 2))

    outcome = lab.run(table, make)

    assert outcome.days[0].state == "unchanged"
    assert seen(lab) == [("a", 1, 1), ("b", 1, 2)]


def test_evidence_tells_what_a_merge_built_on(lab: Any) -> None:
    """The content and snapshot of the old table are an input; the counts are with the audits."""
    table = declare(lab)
    first = lab.run(table, rows(("a", 1, 1)))
    second = lab.run(table, rows(("b", 1, 2)))
    told = [read_evidence(lab.stored(), outcome.run) for outcome in (first, second)]

    base = [record["inputs"][MERGE_BASE] for record in told]
    assert (base[0]["snapshot"], base[0]["days"]) == (None, {})
    assert (base[1]["table"], base[1]["snapshot"]) == ("lab.readings", first.snapshot)
    assert base[1]["days"] == {"all": told[0]["days"]["all"]["content"] | {"run": first.run}}
    assert told[1]["days"]["all"]["merged"] == {"inserted": 1, "updated": 0, "deleted": 0, "unchanged": 1}
    assert (told[1]["contract"]["write"], told[1]["contract"]["absent"]) == ("merge", "keep")


def test_a_schema_change_comes_with_a_merge(lab: Any) -> None:
    """Old rows are kept under the new columns: added null, widened, renamed; the schema is stored with the merge."""
    lab.run(declare(lab), rows(("a", 1, 1), ("b", 1, 2)))
    columns = [
        Column("unit", "string"),
        Column("device", "string", renamed_from="sensor"),
        Column("place", "long"),
        Column("value", "long"),
    ]
    table = declare(lab, columns=columns, key=["device", "place"], audits=[audit.unique()])

    outcome = lab.run(table, pl.DataFrame({"unit": ["m"], "device": ["b"], "place": [1], "value": [2**40]}))

    assert outcome.days[0].merged == Merged(inserted=0, updated=1, deleted=0, unchanged=1)
    assert [field.field_id for field in lab.stored().schema().fields] == [4, 1, 2, 3]
    found = pl.DataFrame(lab.stored().scan().to_arrow()).sort("device")
    assert found.rows() == [(None, "a", 1, 1), ("m", "b", 1, 2**40)]


def test_every_type_survives_being_kept(lab: Any) -> None:
    """Old rows that pass through a merge are the same rows: a value of each type, its extremes, and null."""
    values: dict[str, list[Any]] = {
        "boolean": [True, False],
        "int": [-(2**31), 2**31 - 1],
        "long": [-(2**63), 2**63 - 1],
        "float": [float("inf"), 0.5],
        "double": [float("-inf"), 0.1],
        "decimal(38, 3)": [Decimal("12345678901234567890123456789012345.678"), Decimal("-0.001")],
        "date": [date(1, 1, 1), date(9999, 12, 31)],
        "time": [time(0), time(23, 59, 59, 999999)],
        "timestamp": [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999)],  # noqa: DTZ001 - no zone is meant
        "timestamptz": [datetime(1970, 1, 1, tzinfo=UTC), datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=UTC)],
        "string": ["", "é\0x"],
        "uuid": [UUID(int=0).bytes, UUID(int=2**128 - 1).bytes],
        "binary": [b"", b"\0\xff"],
    }
    columns = [Column("id", "int"), *(Column(f"c{n}", kind) for n, kind in enumerate(values))]
    table = declare(lab, columns=columns, key=["id"], audits=[audit.unique()])
    made = pa.table({"id": [1, 2, 3], **{f"c{n}": [*pair, None] for n, pair in enumerate(values.values())}})
    lab.run(table, pl.DataFrame(), maker=FunctionMaker(lambda: made, {}))
    before = lab.lakehouse.read(table).sort("id")

    more = pa.table({"id": [4], **{f"c{n}": [pair[0]] for n, pair in enumerate(values.values())}})
    outcome = lab.run(table, pl.DataFrame(), maker=FunctionMaker(lambda: more, {}))

    assert outcome.days[0].merged == Merged(inserted=1, updated=0, deleted=0, unchanged=3)
    assert lab.lakehouse.read(table).sort("id").head(3).equals(before)
    again = lab.run(table, pl.DataFrame(), maker=FunctionMaker(lambda: made, {}))
    assert (again.days[0].state, again.days[0].merged) == ("unchanged", Merged(0, 0, 0, 4))


def test_old_rows_stream(lab: Any) -> None:
    """A merge of one row into many yields batches, the first while the others are still in files."""
    table, count = declare(lab, audits=[audit.row_count(at_least=1)]), 5 * BATCH_ROWS
    many = pl.select(
        pl.lit("x").alias("sensor"), pl.int_range(count).alias("place"), pl.lit(1, pl.Int32).alias("value")
    )
    lab.run(table, many)
    made = rows(("y", 0, 1)).to_arrow().cast(arrow_schema(COLUMNS)).to_batches()
    merge = lab.work(table, rows()).merge

    batches = merge.rows(lab.lakehouse.lake.ensure(table), made, "lab.readings")

    assert 0 < next(batches).num_rows <= BATCH_ROWS
    assert merge.merged == Merged(0, 0, 0, 0)
    assert sum(batch.num_rows for batch in batches) > count - BATCH_ROWS
    assert merge.merged == Merged(inserted=1, updated=0, deleted=0, unchanged=count)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"partition": "reading_date", "start": date(2024, 1, 1)}, "never merged"),
        ({"key": [], "audits": [audit.row_count(at_least=1)]}, "needs the key"),
        ({"write": "replace", "absent": "delete"}, "absent is for write='merge'"),
        ({"absent": "drop"}, "absent='drop' is not known"),
        ({"write": "append"}, "write='append' is not known"),
    ],
)
def test_a_contract_that_cannot_be_merged_is_refused(lab: Any, changes: dict[str, Any], said: str) -> None:
    """Days are replaced, a merge needs a key, and what is absent is kept or deleted."""
    columns = [*COLUMNS, Column("reading_date", "date")]

    with pytest.raises(ContractError) as refusal:
        declare(lab, **{"columns": columns, **changes})
    assert said in str(refusal.value)


def test_given_replaces_a_merged_table(lab: Any) -> None:
    """Rows that a test gives are all that there is, whatever was there before."""
    table = declare(lab)
    given(lab.lakehouse, table, [{"sensor": "a", "place": 1, "value": 1}])
    given(lab.lakehouse, table, [{"sensor": "b", "place": 1, "value": 2}])

    assert seen(lab) == [("b", 1, 2)]


def test_dagster_is_told_what_a_merge_did(lab: Any) -> None:
    """The materialization counts the rows that were inserted, updated, deleted and left."""
    table = declare(lab)
    lab.run(table, rows(("a", 1, 1)))

    @daily_table(table)
    def merge_sensors() -> pl.DataFrame:
        return rows(("a", 1, 2), ("b", 1, 1))

    result = dg.materialize_to_memory([merge_sensors], resources={"lakehouse": lab.lakehouse})

    (event,) = result.get_asset_materialization_events()
    told = {name: value.value for name, value in event.materialization.metadata.items() if name.startswith("rows ")}
    assert told == {"rows inserted": 1, "rows updated": 1, "rows deleted": 0, "rows unchanged": 0}


raced = Table(
    "tests.raced",
    columns=[Column("process", "int"), Column("merges", "int")],
    layer="tests",
    owner="team:tests",
    key=["process"],
    write="merge",
    audits=[audit.unique()],
)


def merge_until_done(lakehouse: Lakehouse, process: int) -> None:
    """Merge this process's row over and over, again where the table moved, until each of its merges is published."""
    for number in range(1, MERGES + 1):
        row = pl.DataFrame({"process": [process], "merges": [number]})
        state = "moved"
        while state == "moved":
            base = base_of(lakehouse.lake, raced, (None,))
            maker = FunctionMaker(lambda row=row: row, {})
            outcome = write_audit_publish(lakehouse.lake, Work(raced, maker, {}, (None,), base))
            state = outcome.days[0].state
        assert state == "published"


def test_merges_of_several_processes_lose_nothing(tmp_path: Path) -> None:
    """Processes that merge into one table at once: each merge is published once, on top of all before it."""
    command = [sys.executable, __file__, str(tmp_path)]
    running = [subprocess.Popen([*command, str(process)]) for process in range(PROCESSES)]
    assert [process.wait(timeout=120) for process in running] == [0] * PROCESSES

    lakehouse = Lakehouse(home=str(tmp_path))
    table = lakehouse.catalog.load_table("tests.raced")
    assert sorted(lakehouse.read(raced).rows()) == [(process, MERGES) for process in range(PROCESSES)]
    assert len(table.metadata.snapshots) == PROCESSES * MERGES
    seen_before = dict.fromkeys(range(PROCESSES), 0)
    for snapshot in sorted(table.metadata.snapshots, key=lambda snapshot: snapshot.sequence_number):
        now = dict(pl.DataFrame(table.scan(snapshot_id=snapshot.snapshot_id).to_arrow()).rows())
        assert sum(now.get(process, 0) - before for process, before in seen_before.items()) == 1
        seen_before |= now


if __name__ == "__main__":
    merge_until_done(Lakehouse(home=sys.argv[1]), int(sys.argv[2]))
