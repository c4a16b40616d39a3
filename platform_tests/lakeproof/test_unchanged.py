from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakeproof import audit
from lakeproof.errors import LakeError, RowsError
from lakeproof.lake import running
from lakeproof.lake import stage_writer as writer_module
from lakeproof.lake.evidence import read_evidence
from lakeproof.lake.stage import discard
from lakeproof.lake.stage_writer import StageWriter


def data_files(lab: Any) -> set[Path]:
    """Return every data file there is."""
    return set(Path(lab.lakehouse.home).rglob("*.parquet"))


def written(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that fills with the days that files are written for."""
    days: list[Any] = []
    finish = StageWriter._finish

    def noted(self: StageWriter, *places: Any) -> None:
        days.extend(day for day, _ in places)
        finish(self, *places)

    monkeypatch.setattr(StageWriter, "_finish", noted)
    return days


def test_a_rerun_with_equal_rows_writes_no_file(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that readers have already, in any order, are audited again where they are, and nothing is written."""
    table = lab.table()
    lab.run(table, lab.rows(1, 2, 3))
    before, live = data_files(lab), lab.live()
    days = written(monkeypatch)

    outcome = lab.run(table, lab.rows(3, 1, 2))

    assert [day.state for day in outcome.days] == ["unchanged"]
    assert (days, data_files(lab), lab.live()) == ([], before, live)
    entry = read_evidence(lab.stored(), outcome.run)["days"]["2024-01-01"]
    assert [file["location"] for file in entry["files"]] == list(live[lab.day(1)].locations)
    assert [result["audit"] for result in entry["audits"]] == ["not_empty", "between_value"]


def test_only_days_that_changed_are_written(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a range, days with other rows are published anew, and days with equal rows keep their files."""
    table = lab.table()
    lab.run(table, lab.days(3, 1, 2), 1, 2, 3)
    before = lab.live()
    days = written(monkeypatch)
    rows = pl.concat([lab.rows(2, 1), lab.rows(7, day=2), lab.rows(1, 2, day=3), lab.rows(4, day=4)])

    states = lab.states(table, rows, 1, 2, 3, 4)

    assert states == ["unchanged", "published", "unchanged", "published"]
    assert days == [lab.day(2), lab.day(4)]
    assert lab.live()[lab.day(1)] == before[lab.day(1)]
    assert lab.values(day=2) == [7]


def test_a_day_without_rows_that_has_none_already_is_unchanged(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A published day without rows stays as it is; a published day that has rows does not become one unseen."""
    table = lab.table(allow_empty=True)
    lab.run(table, lab.rows(5, day=2), 1, 2)
    days = written(monkeypatch)

    assert lab.states(table, lab.rows(), 1, 2) == ["unchanged", "published"]
    assert days == [lab.day(2)]
    assert lab.values() == []


def test_an_unpartitioned_table_is_compared_as_a_whole(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table without days that is made again with equal rows is not written."""
    table = lab.table(partition=None)
    lab.run(table, lab.rows(1, 2))
    days = written(monkeypatch)

    assert lab.states(table, lab.rows(2, 1)) == ["unchanged"]
    assert days == []


def test_an_audit_that_now_refuses_holds_a_day_that_did_not_change(lab: Any) -> None:
    """Equal rows are judged by today's audits; what they refuse is told, and readers lose no file."""
    lab.run(lab.table(), lab.rows(1, 2))
    before = data_files(lab)

    assert lab.states(lab.table(audits=[audit.between("value", 0, 1)]), lab.rows(1, 2)) == ["held"]
    assert lab.values() == [1, 2]
    assert before == data_files(lab)
    assert lab.states(lab.table(), lab.rows(1, 2)) == ["unchanged"]
    assert lab.values() == [1, 2]


def test_a_run_that_breaks_removes_no_file_of_another_run(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run discards when it fails is only what it wrote itself."""
    table = lab.table()
    lab.run(table, lab.days(2, 1), 1, 2)

    def refuse(*_: Any) -> None:
        msg = "no room"
        raise LakeError(msg)

    with monkeypatch.context() as patch:
        patch.setattr("lakeproof.wap.write_evidence", refuse)
        with pytest.raises(LakeError, match="no room"):
            lab.run(table, pl.concat([lab.rows(1), lab.rows(9, day=2)]), 1, 2)

    assert lab.values() == [1, 1]


def test_a_day_that_moves_after_it_was_found_unchanged_keeps_what_it_had(lab: Any) -> None:
    """Where another run publishes the day meanwhile, it moved, and the replaced file is not this run's to remove."""
    lab.run(lab.table(), lab.rows(1))
    attempt = lab.attempt(lab.rows(1))
    replaced = Path(lab.live()[lab.day(1)].paths[0])
    lab.run(lab.table(), lab.rows(2))

    done = attempt.publish()
    discard(attempt.table, attempt.staged, keep=lab.live()[lab.day(1)].locations)

    assert done.moved == {lab.day(1)}
    assert lab.values() == [2]
    assert replaced.exists()


def test_rows_of_no_day_are_refused_beside_days_that_did_not_change(lab: Any) -> None:
    """Setting unchanged days aside drops no stray row."""
    table = lab.table()
    lab.run(table, lab.rows(1))
    stray = lab.rows(5).with_columns(reading_date=pl.lit(None, pl.Date))

    with pytest.raises(RowsError, match="1 rows lie outside the window"):
        lab.run(table, lambda _: pl.concat([lab.rows(1), stray]))


def test_rows_that_come_as_a_stream_are_found_unchanged_too(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream cannot be looked at twice: it is staged, found unchanged, and its files are removed."""
    monkeypatch.setattr(writer_module, "STREAM_BYTES", 100)
    table = lab.table()
    lab.run(table, lab.rows(*range(50)))
    before = data_files(lab)
    days = written(monkeypatch)

    assert lab.states(table, lambda _: lab.rows(*range(50)).lazy()) == ["unchanged"]
    assert (days, data_files(lab)) == ([lab.day(1)], before)


def test_a_rerun_whose_rows_do_not_fit_is_refused_as_a_first_run_is(lab: Any) -> None:
    """What is wrong with rows is told as it is, also where an engine digests them as they are cast."""
    table = lab.table()
    lab.run(table, lab.rows(1))
    before = data_files(lab)
    halves = lab.rows(1).with_columns(value=pl.lit(1.5))

    with pytest.raises(RowsError, match=r"column value is double and cannot become \w+ without loss, such as 1\.5"):
        lab.run(table, halves)

    assert lab.values() == [1]
    assert data_files(lab) == before


def test_a_run_that_was_taken_for_dead_notices_while_its_rows_are_compared(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comparing rows is work as writing them is: the run's claim is renewed, and who lost it ends there."""
    table = lab.table()
    lab.run(table, lab.rows(1))
    compared: list[Any] = []
    monkeypatch.setattr("lakeproof.unchanged.content_of", lambda *asked: compared.append(asked))
    monkeypatch.setattr(running, "RENEW_SECONDS", 0)

    def taken_for_dead(_: Any) -> pl.DataFrame:
        for claim in Path(lab.lakehouse.home).rglob("staging/*"):
            claim.unlink()
        return lab.rows(1)

    with pytest.raises(LakeError, match="upkeep took this run for dead"):
        lab.run(table, taken_for_dead)
    assert compared == []
    assert lab.values() == [1]
