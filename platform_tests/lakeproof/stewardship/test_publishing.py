"""The first publish of a day decides, whatever replaces it, expires or is removed after it: on real lakes."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import time_machine

from lakeproof import Sla
from lakeproof.lake.evidence import read_evidence
from lakeproof.lake.promise import Declared
from lakeproof.lake.published import first_published
from lakeproof.lake.upkeep import upkeep
from lakeproof.stewardship.publishing import report_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORT = {
    "lakeproof.keep-replaced-days": "1",
    "lakeproof.max-snapshots": "2",
    "history.expire.min-snapshots-to-keep": "1",
}


@contextmanager
def clock(text: str) -> Iterator[datetime]:
    """Set the clock to an instant in UTC."""
    instant = datetime.fromisoformat(text).replace(tzinfo=UTC)
    with time_machine.travel(instant, tick=False):
        yield instant


def run(lab: Any, table: Any, text: str, value: int, *days: int) -> datetime:
    """Publish numbered days with one value at an instant."""
    with clock(text) as instant:
        assert lab.run(table, lab.days(max(days), value), *days).exit_code == 0
    return instant


def firsts(lab: Any) -> dict[int, datetime | None]:
    """Return when each numbered day was first published."""
    found = first_published(lab.stored(), lab.live())
    return {(day - lab.day(1)).days + 1: at for day, at in found.items() if day is not None}


def states(lab: Any, table: Any, text: str) -> list[str]:
    """Return what became of each day, as of an instant."""
    with clock(text) as now:
        report = report_of(lab.lakehouse.lake, table, now)
    assert report is not None
    return [day.state for day in report.days]


def test_the_first_instant_outlives_snapshots_and_evidence(lab: Any) -> None:
    """Published, replaced, its snapshots expired and its evidence removed, replaced again: the first instant stays."""
    table = lab.table(properties=SHORT)
    first = run(lab, table, "2024-01-02T05:00:00", 1, 1)
    run(lab, table, "2024-01-02T09:00:00", 2, 1)
    assert firsts(lab) == {1: first}
    for number in range(2, 6):
        run(lab, table, f"2024-01-{number + 1:02}T05:00:00", 1, number)
    oldest = min(Path(lab.stored().location().removeprefix("file://"), "evidence").glob("*.json"))

    upkeep(lab.stored(), now=datetime.now(UTC) + timedelta(days=2))  # files have the operating system's times

    assert not oldest.exists()
    run(lab, table, "2024-01-20T05:00:00", 3, 1)
    assert firsts(lab)[1] == first
    assert lab.values(1) == [3]


def test_a_day_of_long_ago_keeps_its_instant_too(lab: Any) -> None:
    """What lies before the days that every run tells of is told by the run that replaces it."""
    table = lab.table(properties=SHORT)
    first = run(lab, table, "2024-01-02T05:00:00", 1, 1)
    for number, value in enumerate((2, 3, 4, 5), start=1):
        run(lab, table, f"2025-01-{number:02}T05:00:00", value, 1)

    assert firsts(lab) == {1: first}


def test_an_unchanged_rerun_changes_nothing(lab: Any) -> None:
    """A rerun with equal content makes no snapshot, and no other instant."""
    table = lab.table()
    first = run(lab, table, "2024-01-02T05:00:00", 1, 1)

    run(lab, table, "2024-01-02T09:00:00", 1, 1)

    assert (firsts(lab), len(lab.stored().metadata.snapshots)) == ({1: first}, 1)


def test_the_instant_is_that_of_the_commit(lab: Any) -> None:
    """Not of the audit before it, as long as anything remembers the commit: then the next run's evidence does."""
    table = lab.table(properties=SHORT)
    with time_machine.travel(datetime(2024, 1, 2, 5, tzinfo=UTC), tick=True):
        lab.run(table, lab.rows(1), 1)
    committed = datetime.fromtimestamp(lab.stored().current_snapshot().timestamp_ms / 1000, UTC)
    record = read_evidence(lab.stored(), lab.live()[lab.day(1)].run)
    assert record is not None
    assert datetime.fromisoformat(record["audited"]) < committed

    for number in range(2, 6):
        run(lab, table, f"2024-01-{number + 1:02}T05:00:00", 1, number)

    assert firsts(lab)[1] == committed


def test_of_a_day_of_another_engine_nobody_knows(lab: Any) -> None:
    """It is told so, and counts neither way."""
    table = lab.table(sla=Sla("06:00", since="2024-01-01"))
    run(lab, table, "2024-01-02T05:00:00", 1, 1)
    rows = lab.rows(7, day=2).select(pl.col("reading_date"), pl.col("sensor"), pl.col("value")).to_arrow()
    stored = lab.stored()

    stored.append(rows.cast(stored.schema().as_arrow()))

    assert firsts(lab)[2] is None
    assert states(lab, table, "2024-01-03T12:00:00") == ["met", "unknown"]


def test_days_due_before_the_first_publish_are_exempt(lab: Any) -> None:
    """A backfill of a new table does not begin with a year of misses, and a later one makes no late day good."""
    table = lab.table(sla=Sla("06:00"))
    declared = run(lab, table, "2024-01-10T12:00:00", 1, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    run(lab, table, "2024-01-13T07:00:00", 1, 10, 11, 12)

    assert Declared.of(lab.stored().properties) == Declared(Sla("06:00"), declared)
    assert states(lab, table, "2024-01-13T12:00:00") == ["exempt"] * 9 + ["late"] * 3


def test_a_new_due_time_is_a_new_promise(lab: Any) -> None:
    """It is stored by the next publish, in the same commit, and holds from then on; a new target changes no instant."""
    table = lab.table(sla=Sla("06:00"))
    first = run(lab, table, "2024-01-02T05:00:00", 1, 1)
    run(lab, lab.table(sla=Sla("06:00", target=0.5)), "2024-01-03T07:00:00", 1, 2)
    assert Declared.of(lab.stored().properties) == Declared(Sla("06:00", target=0.5), first)
    snapshots = len(lab.stored().metadata.snapshots)

    easier = lab.table(sla=Sla("09:00", target=0.5))
    assert states(lab, easier, "2024-01-04T06:30:00") == ["met", "late", "missing"]
    second = run(lab, easier, "2024-01-04T07:00:00", 1, 3)

    assert Declared.of(lab.stored().properties) == Declared(Sla("09:00", target=0.5), second)
    assert len(lab.stored().metadata.snapshots) == snapshots + 1
    assert states(lab, easier, "2024-01-04T12:00:00") == ["exempt", "exempt", "met"]

    run(lab, lab.table(), "2024-01-05T07:00:00", 1, 4)
    assert Declared.of(lab.stored().properties) is None


def test_without_an_sla_or_a_table_there_is_nothing_to_judge(lab: Any) -> None:
    """No SLA, no report; a table that was never published has promised nothing yet."""
    assert report_of(lab.lakehouse.lake, lab.table(), datetime.now(UTC)) is None

    assert set(states(lab, lab.table(sla=Sla("06:00")), "2024-01-05T12:00:00")) == {"exempt"}


def test_evidence_that_is_not_the_one_its_snapshot_names_tells_nothing(lab: Any) -> None:
    """An instant that somebody wrote into it afterwards makes no late day good; nobody knows the day's any more."""
    table = lab.table(sla=Sla("06:00", since="2024-01-01"))
    run(lab, table, "2024-01-02T09:00:00", 1, 1)
    (path,) = Path(lab.stored().location().removeprefix("file://"), "evidence").glob("*.json")
    record = json.loads(path.read_text())

    path.write_text(json.dumps(record | {"first_published": {"2024-01-01": "2024-01-02T05:00:00+00:00"}}))

    assert states(lab, table, "2024-01-02T12:00:00") == ["unknown"]


def test_evidence_carries_the_instants_of_the_last_weeks(lab: Any) -> None:
    """One file tells of every recent day, so that a report need not read one a day."""
    table = lab.table()
    for number in range(1, 5):
        run(lab, table, f"2024-01-{number + 1:02}T05:00:00", 1, number)

    record = read_evidence(lab.stored(), lab.live()[lab.day(4)].run)

    assert record is not None
    assert record["first_published"] == {
        f"2024-01-{number:02}": f"2024-01-{number + 1:02}T05:00:00+00:00" for number in range(1, 4)
    }
    for run_id in {live.run for day, live in lab.live().items() if day != lab.day(4)}:
        Path(lab.stored().location().removeprefix("file://"), "evidence", f"{run_id}.json").write_text(json.dumps({}))
    assert firsts(lab) == {n: datetime(2024, 1, n + 1, 5, tzinfo=UTC) for n in range(1, 5)}
