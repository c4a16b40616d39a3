"""A promotion makes exactly what was compared the days of `main`, can be taken up after any crash, and taken back."""

from __future__ import annotations

import json
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from lakeproof import Column, Lakehouse, Table, Window, audit, daily_table
from lakeproof.asked import Memory
from lakeproof.asset import table_assets
from lakeproof.errors import LakeError, UsageError
from lakeproof.journey import Asked, take
from lakeproof.lake.evidence import evidence_location
from lakeproof.lake.live import View
from lakeproof.lake.output import OutputTable
from lakeproof.lake.promotion import tag_of
from lakeproof.lake.published import first_published
from lakeproof.lake.running import claimed
from lakeproof.outputs import promoting
from lakeproof.outputs.compared import remember, sides
from lakeproof.outputs.discarding import discard, discard_unused, expires
from lakeproof.outputs.listing import outputs_in
from lakeproof.outputs.plan import plan
from lakeproof.outputs.promoting import begin, go_on, promotions, undo
from lakeproof.wanted import Watch

OUTPUT = "fix-units"


def two_tables(lab: Any, beside: Any) -> list[Table]:
    """Return two tables with three days each, of which an output has the first two otherwise."""
    tables = [lab.table("lab.first"), lab.table("lab.second")]
    for table in tables:
        lab.run(table, lab.days(3, 1), 1, 2, 3)
        beside.run(table, lab.days(2, 7), 1, 2)
    return tables


def promote(lab: Any, tables: list[Table], **which: Any) -> list[tuple[str, frozenset[Any]]]:
    """Promote as the command does."""
    lake = lab.lakehouse.lake
    promotion = begin(lake, plan(lake, OUTPUT, tables, **which))
    return [(table.name, moved) for table, moved in go_on(lake, promotion, tables)]


def test_promoted_days_are_those_of_the_output_and_undo_gives_back_what_was(lab: Any, beside: Any) -> None:
    """The same files, in one snapshot a table; and back."""
    tables = two_tables(lab, beside)
    before = [View.open(lab.lakehouse.lake, table) for table in tables]
    own = [View.open(beside.lakehouse.lake, table).days for table in tables]

    done = promote(lab, tables)

    assert done == [("lab.first", frozenset()), ("lab.second", frozenset())]
    for table, old, new in zip(tables, before, own, strict=True):
        main = lab.lakehouse.lake.find(table.name)
        assert main.current_snapshot().parent_snapshot_id == old.snapshot
        assert {day: live.locations for day, live in View.of(main).days.items()} == {
            day: live.locations for day, live in new.items()
        }
    found = promotions(lab.lakehouse.lake, OUTPUT, ["lab.first", "lab.second"])
    assert [state for _, state in found] == ["done"]

    assert [moved for _, moved in undo(lab.lakehouse.lake, found[0][0])] == [frozenset(), frozenset()]

    for table, old in zip(tables, before, strict=True):
        assert View.open(lab.lakehouse.lake, table).days == old.days
    assert [state for _, state in promotions(lab.lakehouse.lake, OUTPUT, ["lab.first"])] == ["undone"]


def test_some_tables_and_days_can_be_promoted_alone(lab: Any, beside: Any) -> None:
    """What is not selected stays as it is."""
    first, second = two_tables(lab, beside)

    promote(lab, [first, second], names=["lab.second"], days=[lab.day(2)])

    assert lab.shown(first) == [1, 1, 1]
    assert lab.shown(second) == [1, 7, 1]


def test_a_new_day_is_published_by_its_promotion_and_is_gone_after_undo(lab: Any, beside: Any) -> None:
    """It was first published when it was promoted, not when the output's run made it."""
    table = lab.table()
    lab.run(table, lab.rows(1), 1)
    beside.run(table, lab.rows(7, day=2), 2)
    run = View.open(beside.lakehouse.lake, table).days[lab.day(2)].run

    promote(lab, [table])

    view = View.open(lab.lakehouse.lake, table)
    instant = first_published(view.table, view.days)[lab.day(2)]
    head = view.table.current_snapshot()
    assert instant is not None
    assert abs(instant.timestamp() * 1000 - head.timestamp_ms) < 5000
    assert view.days[lab.day(2)].run == run
    list(undo(lab.lakehouse.lake, promotions(lab.lakehouse.lake, OUTPUT, [table.name])[0][0]))
    assert lab.shown(table) == [1]


def test_a_day_that_moved_on_main_since_it_was_made_is_refused(lab: Any, beside: Any) -> None:
    """Unless it was compared with what is there now."""
    first, second = two_tables(lab, beside)
    lab.run(second, lab.rows(5, day=1), 1)

    planned = plan(lab.lakehouse.lake, OUTPUT, [first, second])

    assert planned.exit_code == 5
    assert [(day.day, day.refused) for day in planned.tables[1].refused] == [
        (lab.day(1), "main was published again since the output's day was made")
    ]
    at = OutputTable.of(lab.lakehouse.lake.find("lab.second"), OUTPUT)
    remember(at, sides(at))
    assert plan(lab.lakehouse.lake, OUTPUT, [first, second]).exit_code == 0


@pytest.mark.parametrize("side", ["main", "output"])
def test_a_side_that_moved_since_the_comparison_is_refused(lab: Any, beside: Any, side: str) -> None:
    """What is promoted is what was compared."""
    first, _ = two_tables(lab, beside)
    at = OutputTable.of(lab.lakehouse.lake.find("lab.first"), OUTPUT)
    remember(at, sides(at))
    (lab if side == "main" else beside).run(first, lab.rows(9, day=2), 2)

    planned = plan(lab.lakehouse.lake, OUTPUT, [first], names=["lab.first"])

    assert planned.exit_code == 5
    assert [day.day for day in planned.tables[0].refused] == [lab.day(2)]


def test_a_held_day_in_the_selection_is_refused(lab: Any, beside: Any) -> None:
    """A backfill with a day that failed is not promoted as if it were whole; the others may be, when they are named."""
    first, _ = two_tables(lab, beside)
    beside.run(first, lab.rows(900, day=3), 3)

    planned = plan(lab.lakehouse.lake, OUTPUT, [first], names=["lab.first"])

    assert planned.exit_code == 3
    assert [(day.day, day.old_rows, day.new_rows) for day in planned.tables[0].refused] == [(lab.day(3), 1, 1)]
    assert plan(lab.lakehouse.lake, OUTPUT, [first], names=["lab.first"], days=[lab.day(1)]).exit_code == 0


@pytest.mark.parametrize("fate", ["gone", "changed", "damaged"])
def test_a_day_without_its_verdict_is_refused(lab: Any, beside: Any, fate: str) -> None:
    """Evidence that is gone is no verdict, nor is what somebody wrote in its place, well-formed or not."""
    first, _ = two_tables(lab, beside)
    at = OutputTable.of(lab.lakehouse.lake.find("lab.first"), OUTPUT)
    where = evidence_location(at, at.owned[lab.day(1)].run)
    with at.io.new_input(where).open() as file:
        record = json.load(file)
    for day in record["days"].values():
        day["audits"][0]["describe"] = "as good as any"
    at.io.delete(where)
    if fate != "gone":
        with at.io.new_output(where).create() as out:
            out.write(json.dumps(record).encode() if fate == "changed" else b"{")

    planned = plan(lab.lakehouse.lake, OUTPUT, [first], names=["lab.first"])

    assert planned.exit_code == 1
    assert {day.refused for day in planned.tables[0].refused} == {"no verdict of its files is on record"}


def test_an_output_without_days_is_refused(lab: Any, beside: Any) -> None:
    """There is nothing to promote."""
    table = lab.table()
    lab.run(table, lab.rows(1), 1)
    del beside

    with pytest.raises(UsageError, match="no day of its own"):
        plan(lab.lakehouse.lake, OUTPUT, [table])


def steps(monkeypatch: pytest.MonkeyPatch, stop: int) -> list[str]:
    """Let the process die before the numbered step of a promotion; return the steps as they are taken."""
    taken: list[str] = []

    def stopping(name: str, function: Any) -> Any:
        def wrapped(*args: Any, **options: Any) -> Any:
            if len(taken) == stop:
                raise KeyboardInterrupt(name)
            taken.append(name)
            return function(*args, **options)

        return wrapped

    for name in ("_write", "write_evidence", "promote_days", "restore_days"):
        monkeypatch.setattr(promoting, name, stopping(name, getattr(promoting, name)))
    return taken


def died(monkeypatch: pytest.MonkeyPatch, act: Any, stop: int) -> bool:
    """Do something that dies before its numbered step, and say whether it had so many."""
    with monkeypatch.context() as patch:
        steps(patch, stop)
        try:
            act()
        except KeyboardInterrupt:
            return True
    return False


def test_a_promotion_that_is_killed_at_any_step_is_taken_up_and_a_table_is_never_between(
    lab: Any, beside: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each death each table has its old days or its new ones; it can be gone on with, and taken back."""
    tables, lake = two_tables(lab, beside), lab.lakehouse.lake
    names = [table.name for table in tables]

    def forwards() -> None:
        found = [promotion for promotion, state in promotions(lake, OUTPUT, names) if state == "begun"]
        promotion = found[-1] if found else begin(lake, plan(lake, OUTPUT, tables))
        assert not any(moved for _, moved in go_on(lake, promotion, tables))

    def backwards() -> None:
        promotion, state = promotions(lake, OUTPUT, names)[-1]
        if state != "undone":
            assert not any(moved for _, moved in undo(lake, promotion))

    def shown() -> list[Any]:
        return [View.open(lake, table).days for table in tables]

    old, new = shown(), [View.open(beside.lakehouse.lake, table).days for table in tables]

    def is_whole() -> bool:
        return all(now in (before, after) for now, before, after in zip(shown(), old, new, strict=True))

    stop = 0
    while died(monkeypatch, forwards, stop):
        assert is_whole()
        forwards()
        assert shown() == new
        backwards()
        assert shown() == old
        stop += 1
    assert stop == 8  # two plans, evidence and a commit for each table, two notes that it is done
    stop = 0
    while died(monkeypatch, backwards, stop):
        assert is_whole()
        backwards()
        assert shown() == old
        forwards()
        stop += 1
    assert stop == 6
    promotion, _ = promotions(lake, OUTPUT, names)[-1]
    assert all(tag_of(lake.find(name), promotion.id) is None for name in names)


def test_two_promotions_at_once_end_as_one(lab: Any, beside: Any) -> None:
    """Whoever comes second finds the days as they are to be."""
    tables, lake = two_tables(lab, beside), lab.lakehouse.lake
    one, other = begin(lake, plan(lake, OUTPUT, tables)), begin(lake, plan(lake, OUTPUT, tables))

    first = go_on(lake, one, tables)
    next(first)
    second = list(go_on(lake, other, tables))
    rest = list(first)

    assert [lab.shown(table) for table in tables] == [[7, 7, 1]] * 2
    assert [(table.name, bool(moved)) for table, moved in second] == [("lab.first", True)]
    assert [(table.name, bool(moved)) for table, moved in rest] == [("lab.second", False)]
    assert [state for _, state in promotions(lake, OUTPUT, ["lab.first"])] == ["done", "undone"]


def test_where_a_day_moves_between_two_tables_what_landed_can_be_taken_back_and_the_rest_promoted_anew(
    lab: Any, beside: Any
) -> None:
    """There is a way forward and a way back."""
    tables, lake = two_tables(lab, beside), lab.lakehouse.lake
    steps_of = go_on(lake, begin(lake, plan(lake, OUTPUT, tables)), tables)
    next(steps_of)
    lab.run(tables[1], lab.rows(5, day=1), 1)

    assert [moved for _, moved in steps_of] == [frozenset([lab.day(1)])]

    landed, state = promotions(lake, OUTPUT, ["lab.second"])[0]
    assert (list(landed.tables), state) == (["lab.first"], "done")
    at = OutputTable.of(lake.find("lab.second"), OUTPUT)
    remember(at, sides(at))
    assert promote(lab, tables) == [("lab.second", frozenset())]
    assert [moved for _, moved in undo(lake, landed)] == [frozenset()]
    assert [lab.shown(table) for table in tables] == [[1, 1, 1], [7, 7, 1]]


def test_undo_after_a_republish_is_refused_and_changes_nothing(lab: Any, beside: Any) -> None:
    """What was published since is not thrown away."""
    table = lab.table()
    lab.run(table, lab.days(2, 1), 1, 2)
    beside.run(table, lab.days(2, 7), 1, 2)
    promote(lab, [table])
    lab.run(table, lab.rows(9, day=1), 1)
    promotion, _ = promotions(lab.lakehouse.lake, OUTPUT, [table.name])[0]

    assert list(undo(lab.lakehouse.lake, promotion)) == [(table.name, frozenset([lab.day(1)]))]

    assert lab.shown(table) == [9, 7]


def test_undo_beyond_the_retention_says_so(lab: Any, beside: Any) -> None:
    """Once the tag is gone, nobody pretends."""
    table = lab.table()
    lab.run(table, lab.rows(1), 1)
    beside.run(table, lab.rows(7), 1)
    promote(lab, [table])
    promotion, _ = promotions(lab.lakehouse.lake, OUTPUT, [table.name])[0]
    lab.lakehouse.lake.find(table.name).manage_snapshots().remove_tag(f"before-{promotion.id}").commit()

    with pytest.raises(LakeError, match="no longer kept"):
        list(undo(lab.lakehouse.lake, promotion))


def test_an_output_is_not_discarded_under_a_run_and_not_while_people_compare_it(lab: Any, beside: Any) -> None:
    """A run at work refuses it; who wrote to it or compared it keeps it for a time."""
    table = lab.table()
    lab.run(table, lab.rows(1), 1)
    beside.run(table, lab.rows(7), 1)
    lake = lab.lakehouse.lake
    at = OutputTable.of(lake.find(table.name), OUTPUT)
    with claimed(at, "20240101T000000000000-00000000", [lab.day(1)]), pytest.raises(LakeError, match="is writing"):
        discard(lake, OUTPUT)
    used = outputs_in(lake)[OUTPUT]
    soon = expires(lake, used) + timedelta(seconds=0.05)

    assert discard_unused(lake, soon, dry_run=True) == [OUTPUT]
    time.sleep(0.1)
    remember(at, sides(at))
    assert outputs_in(lake)[OUTPUT] > used
    assert discard_unused(lake, soon) == []
    assert discard_unused(lake, soon + timedelta(days=1)) == [OUTPUT]
    assert outputs_in(lake) == {}


def test_what_was_not_promoted_with_its_upstream_becomes_due(lakehouse: Lakehouse) -> None:
    """The sensor asks for the day of a table whose input is another now, and for none that was promoted with it."""
    columns = [Column("day", "date"), Column("value", "int")]
    fields: dict[str, Any] = {
        "columns": columns,
        "partition": "day",
        "start": "2024-01-01",
        "end": "2024-01-02",
        "layer": "analysis",
        "owner": "team:lab",
        "audits": [audit.not_null("value")],
    }
    raw, total = Table("lab.raw_of_due", **fields), Table("lab.total_of_due", **fields)
    made_of = {"value": 1}

    @daily_table(raw)
    def make_raw(window: Window) -> pl.DataFrame:
        return pl.DataFrame({"day": [window.day], "value": [made_of["value"]]}, {"day": pl.Date, "value": pl.Int32})

    @daily_table(total, raw=raw)
    def make_total(raw: pl.DataFrame) -> pl.DataFrame:
        return raw

    made = table_assets([make_raw.key, make_total.key])
    lake, day = lakehouse.lake, (date(2024, 1, 1),)

    class Nothing:
        """No source is known of."""

        def mark(self, *_: object) -> str:
            """Return nothing."""
            return ""

        def complete(self, *_: object) -> dict[Any, Any]:
            """Return nothing."""
            return {}

        def refused(self, *_: object) -> dict[Any, Any]:
            """Return nothing."""
            return {}

        def left_alone(self, *_: object) -> set[Any]:
            """Return nothing."""
            return set()

    def due() -> list[str]:
        look = Watch(lake, made).look(datetime.now(UTC), Nothing())
        return [one.table.name for one in made if look.wanted(one, Memory()).days]

    for one in made:
        take(lake, one, day, Asked())
    assert due() == []
    made_of["value"] = 2
    for one in made:
        take(lake.on(OUTPUT), one, day, Asked())
    assert due() == []

    list(go_on(lake, begin(lake, plan(lake, OUTPUT, [raw, total], names=[raw.name])), [raw, total]))
    assert due() == [total.name]
    list(go_on(lake, begin(lake, plan(lake, OUTPUT, [raw, total], names=[total.name])), [raw, total]))
    assert due() == []
