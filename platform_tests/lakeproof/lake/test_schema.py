"""The stored schema follows the contract, and every day stays readable by every reader; or the change is refused."""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakeproof import Column, audit
from lakeproof.errors import LakeError
from lakeproof.lake.catalog import local_path
from lakeproof.reading import read_table

from .changes import CHANGES, COLUMNS, ROW, but, declare, frame, ids, seen

pytestmark = pytest.mark.filterwarnings(
    "ignore:Iceberg scan planning"
)  # Polars would like a plugin that is no need here


ROOT = Path(__file__).parents[3]


DUCKDB_READER = ROOT / ".venv" / "readers" / "bin" / "python"


ROWS_WITH_DUCKDB = ROOT / "platform_tests" / "readers" / "rows_with_duckdb.py"


@pytest.mark.parametrize("change", CHANGES)
def test_the_schema_follows_the_contract_with_the_audited_day(lab: Any, change: str) -> None:
    """One commit stores the day and the columns, old ids stay, and every reader sees old and new days alike."""
    columns, old, new = CHANGES[change]
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    before, table = ids(lab), declare(lab, *columns)

    outcome = lab.run(table, frame(lab, table, 2, **new), 2)

    stored, snapshot = lab.stored(), lab.stored().current_snapshot()
    assert [day.state for day in outcome.days] == ["published"]
    assert [field.name for field in stored.schema().fields] == [column.name for column in columns]
    assert [(field.doc or "") for field in stored.schema().fields] == [column.description for column in columns]
    assert (snapshot.snapshot_id, snapshot.schema_id) == (outcome.snapshot, stored.schema().schema_id)
    for column in columns:
        known = before.get(column.renamed_from or column.name)
        assert known is None or ids(lab)[column.name] == known
    assert [day for rows in seen(lab, table) for day in rows] == [
        {"reading_date": lab.day(1), **old},
        {"reading_date": lab.day(2), **new},
    ] * 5


def test_duckdbs_own_reader_sees_old_and_new_days_alike(lab: Any) -> None:
    """A reader of another make, that knows nothing of this code, has every change: by field id, null and wide."""
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    columns = [
        Column("unit", "string"),
        Column("day", "date", renamed_from="reading_date"),
        Column("device", "string", renamed_from="sensor"),
        Column("value", "long"),
        Column("ratio", "double"),
        Column("cost", "decimal(12, 2)", renamed_from="price"),
    ]
    table = declare(lab, *columns, partition="day")
    new = {"day": lab.day(2), "unit": "m", "device": "b", "value": 2**40, "ratio": 0.1, "cost": Decimal("123456789.25")}
    lab.run(table, frame(lab, table, 2, **new), 2)

    command = [str(DUCKDB_READER), str(ROWS_WITH_DUCKDB), lab.stored().metadata_location]
    told = subprocess.run(command, capture_output=True, text=True, check=True)

    assert json.loads(told.stdout) == [
        ["unit", "day", "device", "value", "ratio", "cost"],
        ["m", "2024-01-02", "b", str(2**40), "0.1", "123456789.25"],
        [None, "2024-01-01", "a", "1", "0.5", "1.25"],
    ]


def test_a_scan_that_filters_a_widened_column_finds_old_days(lab: Any) -> None:
    """Bounds that were stored for the narrow type still say which files may match."""
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    table = declare(lab, *but("value", type="long"))
    lab.run(table, frame(lab, table, 2, **{**ROW, "value": 2**40}), 2)

    for condition, days in (("value = 1", [1]), (f"value >= {2**40}", [2]), ("value > 0", [1, 2])):
        found = pl.DataFrame(lab.stored().scan(row_filter=condition).to_arrow())["reading_date"].sort()
        assert found.to_list() == [lab.day(number) for number in days]


REFUSED: dict[str, tuple[list[Column], list[str]]] = {
    "drop": ([c for c in COLUMNS if c.name != "value"], ["value is gone", "keep value in the contract"]),
    "rename unsaid": (
        but("sensor", name="device"),
        ["sensor is gone", "Column('device', …, renamed_from='sensor')"],
    ),
    "narrow decimal": (but("price", type="decimal(5, 2)"), ["price was decimal(6, 2), is now decimal(5, 2)"]),
    "another scale": (but("price", type="decimal(12, 3)"), ["price was decimal(6, 2)"]),
    "to text": (but("value", type="string"), ["value was int, is now string", "column of another name"]),
    "to float": (but("value", type="double"), ["value was int, is now double"]),
    "to bytes": (but("sensor", type="binary"), ["sensor was string, is now binary"]),
    "rename and narrow": (
        but("value", name="level", type="boolean", renamed_from="value"),
        ["value was int, is now boolean"],
    ),
    "rename to a stored name": (
        [c for c in but("ratio", type="float", renamed_from="value") if c.name != "value"],
        ["value is gone"],
    ),
    "other days": (
        [*COLUMNS, Column("day", "date")],
        ["it was partitioned by reading_date, is now by day", "backfill"],
    ),
}


@pytest.mark.parametrize("change", REFUSED)
def test_what_would_lose_data_is_refused_before_anything_is_made(lab: Any, change: str) -> None:
    """The refusal names the column and the remedy, ends with 1, and nothing was read, made or stored."""
    columns, said = REFUSED[change]
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    root = Path(local_path(lab.stored().location()))
    before = sorted(root.rglob("*"))
    table = declare(lab, *columns, partition="day" if change == "other days" else "reading_date")

    def make(_: Any) -> pl.DataFrame:
        pytest.fail("a function was called")

    for use in (lambda: lab.run(table, make, 2, base={lab.day(2): frozenset()}), lambda: lab.lakehouse.read(table)):
        with pytest.raises(LakeError, match=r"lab\.readings") as refusal:
            use()
        assert refusal.value.exit_code == 1
        assert refusal.value.readers == "see what they saw before"
        for words in said:
            assert words in str(refusal.value)
    assert sorted(root.rglob("*")) == before


def test_the_partition_column_can_be_renamed(lab: Any) -> None:
    """The days of a table stay its days under another name of their column, for readers, audits and reruns."""
    lab.run(lab.table(), lab.rows(1), 1)
    columns = [Column("day", "date", renamed_from="reading_date"), Column("sensor", "string"), Column("value", "int")]
    table = declare(lab, *columns, partition="day")
    other = declare(
        lab, Column("reading_date", "date"), name="lab.other", audits=[audit.references("reading_date", table, "day")]
    )

    assert lab.states(table, lab.rows(2, day=2).rename({"reading_date": "day"}), 2) == ["published"]
    assert lab.states(table, lab.rows(1).rename({"reading_date": "day"}), 1) == ["unchanged"]
    assert lab.states(table, lab.rows(3).rename({"reading_date": "day"}), 1) == ["published"]
    assert lab.states(other, lab.days(2, 1).select("reading_date"), 1, 2) == ["published"] * 2
    days = pl.col("day") == lab.day(1)
    assert pl.scan_iceberg(lab.stored()).filter(days).collect()["value"].to_list() == [3]
    assert lab.stored().scan(row_filter="day = '2024-01-01'").to_arrow()["value"].to_pylist() == [3]
    assert lab.lakehouse.read(table, lab.day(2)).rows() == [(lab.day(2), "a", 2)]


def test_a_narrower_type_is_refused(lab: Any) -> None:
    """A long does not become an int, nor a double a float."""
    wide = [*but("value", type="long")[:3], *but("ratio", type="double")[3:]]
    first = declare(lab, *wide)
    lab.run(first, frame(lab, first, 1, **ROW), 1)

    with pytest.raises(LakeError, match=r"value was long, is now int; ratio was double, is now float"):
        lab.lakehouse.read(declare(lab, *COLUMNS))


def test_a_name_is_not_given_to_another_column(lab: Any) -> None:
    """A column that was renamed leaves its old name unused: a new column of that name would mix up readers by name."""
    first = declare(lab, *COLUMNS)
    lab.run(first, frame(lab, first, 1, **ROW), 1)
    renamed = declare(lab, *but("value", name="level", renamed_from="value"))
    lab.run(renamed, frame(lab, renamed, 2, **{**ROW, "level": 2}), 2)

    with pytest.raises(LakeError, match="value was another column's name once"):
        lab.lakehouse.read(declare(lab, *but("value", name="level"), Column("value", "int")))
    assert lab.lakehouse.read(declare(lab, *but("value", name="level"))).height == 2


def test_a_table_that_never_published_takes_any_columns(lab: Any) -> None:
    """What only a failed or held run made has nothing to lose, so a contract can be corrected until its first day."""
    first = declare(lab, *COLUMNS)
    assert lab.states(first, pl.concat([frame(lab, first, 1, **ROW)] * 4), 1) == ["held"]
    columns = [*but("value", type="string")[:3], Column("unit", "long")]
    table = declare(lab, *columns)

    assert lab.states(table, frame(lab, table, 1, sensor="a", value="x", unit=1), 1) == ["published"]
    assert [rows[0] for rows in seen(lab, table)] == [
        {"reading_date": lab.day(1), "sensor": "a", "value": "x", "unit": 1}
    ] * 5


def test_properties_follow_the_contract(lab: Any) -> None:
    """Description, owner, layer and key of the contract are the stored table's after the next day, unchanged or not."""
    lab.run(lab.table(), lab.rows(1))
    table = lab.table(description="Readings.", owner="team:other", layer="analysis", key=["sensor"])

    assert lab.states(table, lab.rows(2, day=2), 2) == ["published"]
    found = lab.stored().properties
    assert (found["comment"], found["owner"], found["lakeproof.layer"], found["lakeproof.key"]) == (
        "Readings.",
        "team:other",
        "analysis",
        "sensor",
    )
    assert lab.states(lab.table(description="Of sensors."), lab.rows(1), 1) == ["unchanged"]
    assert lab.stored().properties["comment"] == "Of sensors."


def test_the_sort_order_follows_the_contract(lab: Any) -> None:
    """Another sort order is the table's with the next day, whose files say so; old files keep the one they have."""
    lab.run(lab.table(sort=["value"]), lab.rows(2, 1), 1)
    sorts = [["value desc", "sensor"], ["value"], []]
    for number, sort in enumerate(sorts, start=2):
        assert lab.states(lab.table(sort=sort), lab.rows(1, 2, day=number), number) == ["published"]

    known = lab.stored().sort_orders()
    orders = {
        task.file.partition[0]: [(field.source_id, field.direction.value) for field in known[order].fields]
        if (order := task.file.sort_order_id) is not None
        else None
        for task in lab.stored().scan().plan_files()
    }
    assert [orders[day] for day in sorted(orders)] == [[(3, "asc")], [(3, "desc"), (2, "asc")], [(3, "asc")], None]


def test_any_sequence_of_changes_keeps_every_day(lab: Any) -> None:
    """Whatever is added, widened, renamed and reordered, and in which order: each day reads as it was written."""
    moves = random.Random(6)  # noqa: S311 - no secret
    wider = {"int": "long", "float": "double", "decimal(6, 2)": "decimal(12, 2)"}
    columns, written = list(COLUMNS), []
    for number in range(1, 10):
        if number > 1:
            place = moves.choice([n for n, c in enumerate(columns) if c.name != "reading_date"])
            chosen = columns[place]
            match moves.choice(["add", "widen", "rename", "shuffle"]):
                case "add":
                    columns.insert(place, Column(f"added_{number}", moves.choice(["long", "string", "date"])))
                case "widen":
                    columns[place] = dataclasses.replace(chosen, type=wider.get(chosen.type, chosen.type))
                case "rename":
                    columns[place] = dataclasses.replace(chosen, name=f"named_{number}", renamed_from=chosen.name)
                    written = [
                        {columns[place].name if k == chosen.name else k: v for k, v in r.items()} for r in written
                    ]
                case _:
                    moves.shuffle(columns)
        columns = [c if c.name.endswith(f"_{number}") else dataclasses.replace(c, renamed_from=None) for c in columns]
        table = declare(lab, *columns)
        values = {"string": f"s{number}", "date": lab.day(number), "int": number, "long": number}
        values |= {"float": number / 2, "double": number / 2}
        row = {c.name: values.get(c.type, Decimal(number)) for c in columns}
        written.append(row)
        assert lab.states(table, frame(lab, table, number, **row), number) == ["published"]

    expected = [{c.name: row.get(c.name) for c in columns} for row in written]
    assert seen(lab, table) == [expected] * 5
    assert read_table(lab.lakehouse.lake, table).frame().select(pl.len()).collect().item() == 9
