"""Outputs on a real catalog: days beside main while main is published to, other columns, promotion and undo."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from publisher import FIRST, ROWS, day, readings, work_of

from lakeproof import Column, Window
from lakeproof.engine.function import FunctionMaker
from lakeproof.errors import LakeError
from lakeproof.lake.output import OutputTable
from lakeproof.outputs.compared import remember, sides
from lakeproof.outputs.discarding import discard
from lakeproof.outputs.plan import plan
from lakeproof.outputs.promoting import begin, go_on, promotions, undo
from lakeproof.wap import write_audit_publish

OUTPUT = "fix-units"


def promote(lake: Any, table: Any) -> None:
    """Compare, and promote."""
    at = OutputTable.of(lake.find(table.name), OUTPUT)
    remember(at, sides(at))
    promotion = begin(lake, plan(lake, OUTPUT, [table], names=[table.name]))
    assert [moved for _, moved in go_on(lake, promotion, [table])] == [frozenset()]


def test_days_beside_main_are_promoted_and_taken_back(catalog: Any) -> None:
    """Runs to both at the same time lose nothing of each other; readers see old days, then new ones."""
    lake, name = catalog.lake(), catalog.new_table()
    days = [1, 2, 3, 4]
    write_audit_publish(lake, work_of(lake, name, days, dict.fromkeys(days, 1)))
    failures: list[BaseException] = []

    def run(where: Any, one: int, value: int) -> None:
        try:
            done = write_audit_publish(where, work_of(where, name, [one], {one: value}))
            assert [outcome.state for outcome in done.days] == ["published"]
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    jobs: list[Any] = [(lake.on(OUTPUT), one, 7) for one in (1, 2, 3)] + [(lake, 4, 5)]
    threads = [threading.Thread(target=run, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert catalog.seen(name) == {one: (ROWS, {value}) for one, value in ((1, 1), (2, 1), (3, 1), (4, 5))}

    promote(lake, readings(name))
    assert catalog.seen(name) == {one: (ROWS, {value}) for one, value in ((1, 7), (2, 7), (3, 7), (4, 5))}
    (promotion, _), *_ = promotions(lake, OUTPUT, [name])
    assert [moved for _, moved in undo(lake, promotion)] == [frozenset()]
    assert catalog.seen(name) == {one: (ROWS, {value}) for one, value in ((1, 1), (2, 1), (3, 1), (4, 5))}
    discard(lake, OUTPUT)
    assert OUTPUT not in lake.find(name).metadata.refs


def test_an_output_with_a_column_more_becomes_main_with_it(catalog: Any) -> None:
    """The line is a table of its own until then, and its files are main's afterwards."""
    lake, name = catalog.lake(), catalog.new_table()
    write_audit_publish(lake, work_of(lake, name, [1, 2], {1: 1, 2: 1}))
    table = readings(name)
    wider = table._but(columns=[*table.columns, Column("unit", "string")])
    work = work_of(lake.on(OUTPUT), name, [2], {2: 7})

    def make(window: Any) -> pl.DataFrame:
        rows = pl.DataFrame({"row": range(ROWS)}, {"row": pl.Int32})
        return rows.with_columns(day=pl.lit(window.first), value=pl.lit(7), unit=pl.lit("mm"))

    maker = FunctionMaker(make, {"window": Window})
    work = replace(work, table=wider, maker=maker)
    if catalog.properties["type"] == "rest":  # SeaweedFS registers a table and forgets its metadata
        with pytest.raises(LakeError, match="without its days and columns"):
            write_audit_publish(lake.on(OUTPUT), work)
        assert catalog.seen(name) == {1: (ROWS, {1}), 2: (ROWS, {1})}
        return
    done = write_audit_publish(lake.on(OUTPUT), work)
    assert [outcome.state for outcome in done.days] == ["published"]
    at = OutputTable.of(lake.find(name), OUTPUT)
    assert not at.is_branch
    assert [field.name for field in lake.find(name).schema().fields] == ["day", "row", "value"]

    promote(lake, wider)

    main = lake.find(name)
    assert [field.name for field in main.schema().fields] == ["day", "row", "value", "unit"]
    rows = main.scan().to_arrow()
    units = {one: set() for one in (day(1), day(2))}
    for one, unit in zip(rows["day"].to_pylist(), rows["unit"].to_pylist(), strict=True):
        units[one].add(unit)
    assert units == {FIRST: {None}, day(2): {"mm"}}
    discard(lake, OUTPUT)
