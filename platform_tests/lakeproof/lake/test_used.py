"""Who read what and when is on record, once a day, and the record is never in the way of a read."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest
import time_machine

from lakeproof import Lakehouse
from lakeproof.lake import used
from lakeproof.lake.catalog import local_path
from lakeproof.lake.upkeep import LONG_AGO, upkeep
from lakeproof.lake.used import Use, note_use, reader, uses_of

if TYPE_CHECKING:
    from collections.abc import Iterator

TODAY = date(2026, 11, 26)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Set the clock, and forget what this process has on record."""
    monkeypatch.setattr(used, "_noted", set())
    monkeypatch.delenv("LAKEPROOF_CONSUMER", raising=False)
    with time_machine.travel(datetime(2026, 11, 26, 12, tzinfo=UTC)) as traveller:
        yield traveller


@pytest.fixture
def real(lab: Any) -> Lakehouse:
    """Return the lab's lake as a lake that is no test's, with a day of readings in it."""
    lab.run(lab.table(), lab.rows(1, 2), 1)
    return Lakehouse(home=lab.lakehouse.home, catalog_name=None, output="main")


def folder(lab: Any) -> Path:
    """Return where the uses of the readings lie."""
    return Path(local_path(lab.stored().location())) / "used"


@pytest.fixture
def readable(real: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> Lakehouse:
    """Return that lake; the test's folder counts as anyone's."""
    monkeypatch.setattr("lakeproof.lakehouse._TEMPORARY", set())
    return real


def test_a_reader_is_on_record_once_a_day(lab: Any, readable: Lakehouse, clock: Any) -> None:
    """However often the table is read; under the name that is given, else that of the environment, else the user's."""
    table = lab.table()
    for _ in range(3):
        assert readable.read(table).height == 2
    written = {file.name: file.stat().st_mtime_ns for file in folder(lab).iterdir()}
    readable.read(table, lab.day(1), consumer="weekly report <b>/../é")
    clock.shift(timedelta(days=1))
    readable.read(table)

    assert len(written) == 1
    assert sorted(uses_of(lab.stored())) == sorted([
        Use("lab.readings", TODAY, reader()),
        Use("lab.readings", TODAY, "weekly report <b>/../é"),
        Use("lab.readings", TODAY + timedelta(days=1), reader()),
    ])  # fmt: skip
    assert all(file.parent == folder(lab) for file in folder(lab).rglob("*"))


def test_the_environment_names_a_reader(lab: Any, readable: Lakehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no person needs to be named; another process of the same reader adds nothing."""
    monkeypatch.setenv("LAKEPROOF_CONSUMER", " planning ")
    readable.read(lab.table())
    monkeypatch.setattr(used, "_noted", set())
    readable.read(lab.table())

    assert list(uses_of(lab.stored())) == [Use("lab.readings", TODAY, "planning")]


def test_a_record_that_cannot_be_made_keeps_nobody_from_reading(
    lab: Any, readable: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it tried again and again: a reader that may not write reads as fast as before."""
    tried = []
    monkeypatch.setattr(used, "records_of", lambda table: tried.append(table) or "/proc/nowhere")

    assert readable.read(lab.table()).height == 2
    assert readable.read(lab.table()).height == 2
    assert len(used._noted) == 1
    assert list(Path("/proc").glob("nowhere")) == []
    assert tried


def test_a_reader_for_whom_no_folder_can_be_made_reads(lab: Any, readable: Lakehouse) -> None:
    """Where something else stands in its place, or nobody may write, the rows come all the same."""
    table, place = lab.table(), folder(lab)
    place.write_text("no folder")

    assert readable.read(table).height == 2
    place.unlink()
    assert list(uses_of(lab.stored())) == []


def test_a_long_name_fits_a_file(lab: Any, real: Lakehouse) -> None:
    """What does not fit is cut off, between characters."""
    del real
    note_use(lab.stored(), "é" * 500)

    (use,) = uses_of(lab.stored())
    assert use.who == "é" * 30


def test_an_asset_that_reads_is_named(lab: Any, readable: Lakehouse) -> None:
    """One that is no table, and reads by the resource, is the consumer; and so is an op."""
    table = lab.table()

    @dg.asset(key=["reports", "weekly"])
    def weekly(lakehouse: dg.ResourceParam[Lakehouse]) -> None:
        assert lakehouse.read(table).height == 2

    @dg.op
    def mailed(lakehouse: dg.ResourceParam[Lakehouse]) -> None:
        assert lakehouse.read(table).height == 2

    @dg.job
    def mail() -> None:
        mailed()

    assert dg.materialize([weekly], resources={"lakehouse": readable}).success
    assert mail.execute_in_process(resources={"lakehouse": readable}).success
    assert {use.who for use in uses_of(lab.stored())} == {"asset reports/weekly", "op mailed"}


def test_what_is_no_use_is_left_alone(lab: Any, real: Lakehouse, beside: Any) -> None:
    """Files of other names are none, and an output has no readers that count."""
    del real
    note_use(lab.stored(), "ada@laptop")
    (folder(lab) / "notes.txt").write_text("mine")
    beside.run(lab.table(), lab.rows(5), 1)
    note_use(beside.lakehouse.lake.find("lab.readings"), "eve@laptop")

    assert [use.who for use in uses_of(lab.stored())] == ["ada@laptop"]


def test_upkeep_lets_old_uses_go(lab: Any, real: Lakehouse) -> None:
    """After 400 days; those of a year stay."""
    del real
    note_use(lab.stored(), "ada@laptop")
    for file in folder(lab).iterdir():
        os.utime(file, (datetime.now(UTC).timestamp() - 60,) * 2)  # by the clock of the test
    kept, gone = (upkeep(lab.stored(), now=datetime.now(UTC) + timedelta(days=days)) for days in (399, 401))

    assert not [file for file in kept.removed if file.reason == LONG_AGO]
    assert [file.reason for file in gone.removed if "/used/" in file.location] == [LONG_AGO]
    assert list(uses_of(lab.stored())) == []


def test_a_test_lake_has_no_readers(lab: Any, lakehouse: Lakehouse) -> None:
    """What a test reads is nobody's use."""
    lab.run(lab.table(), lab.rows(1), 1)

    assert isinstance(lakehouse.read(lab.table()), pl.DataFrame)
    assert list(uses_of(lab.stored())) == []
