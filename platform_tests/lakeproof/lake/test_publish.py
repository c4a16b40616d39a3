"""No verdict, no publish; days are independent; equal content is nothing to do."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException

from lakeproof import Column, audit
from lakeproof.errors import AuditError, LakeError, LakeproofError
from lakeproof.verdict import SEAL, AuditResult, Content, Verdict


def test_a_verdict_cannot_be_made_by_hand(lab: Any) -> None:
    """Only auditing a stage yields a verdict: the constructor refuses without the seal."""
    with pytest.raises(AuditError, match="comes from auditing"):
        Verdict(lab.day(1), "x", Content("k", "d", 1), (), seal=object())
    with pytest.raises(TypeError):
        Verdict(lab.day(1), "x", Content("k", "d", 1), ())  # type: ignore[call-arg]  # wrong on purpose


def test_a_verdict_needs_something_blocking_that_judged(lab: Any) -> None:
    """No result, or warnings alone, are no reason to publish."""
    warning = AuditResult("x", "warn", passed=True, failed=0, total=1, describe="x")

    for results in ((), (warning,)):
        verdict = Verdict(lab.day(1), "x", Content("k", "d", 1), results, seal=SEAL)
        assert not verdict.passed
        assert verdict.reason == "no blocking audit ran"


def test_a_verdict_cannot_be_changed(lab: Any) -> None:
    """A failed verdict cannot be turned into a good one, nor into one of another stage."""
    verdict = lab.attempt(lab.rows(-1), 1, audits=[audit.between("value", 0, 9), audit.row_count(at_least=1)]).verdicts[
        lab.day(1)
    ]
    good = tuple(result for result in verdict.results if result.passed)

    assert not verdict.passed
    with pytest.raises(dataclasses.FrozenInstanceError):
        verdict.results = good  # type: ignore[misc]  # wrong on purpose
    with pytest.raises((AuditError, TypeError, ValueError)):
        dataclasses.replace(verdict, results=good)


def test_without_a_verdict_nothing_is_published(lab: Any) -> None:
    """One day of two has no verdict: the whole publish refuses."""
    run = lab.attempt(lab.days(2, 1), 1, 2)
    del run.verdicts[lab.day(2)]

    with pytest.raises(AuditError, match="2024-01-02: no verdict, no publish"):
        run.publish()
    assert lab.live() == {}


def test_a_failed_verdict_is_not_published(lab: Any) -> None:
    """`publish` itself refuses a day that did not pass, and says why."""
    run = lab.attempt(lab.rows(-1), 1)

    with pytest.raises(AuditError, match="2024-01-01: the verdict did not pass: between_value"):
        run.publish()
    assert lab.live() == {}


def test_a_verdict_of_other_files_is_refused(lab: Any) -> None:
    """A verdict is bound to the files that were read: it publishes no other stage of that day, nor another day."""
    good, bad = lab.attempt(lab.days(2, 1), 1, 2), lab.attempt(lab.rows(-1), 1)

    with pytest.raises(AuditError, match="of other files"):
        bad.publish(verdicts={lab.day(1): good.verdicts[lab.day(1)]})
    with pytest.raises(AuditError, match="of other files"):
        good.publish(verdicts={lab.day(1): good.verdicts[lab.day(2)], lab.day(2): good.verdicts[lab.day(1)]})
    assert lab.live() == {}


@pytest.mark.parametrize("damage", ["flip", "append", "delete", "swap"])
def test_a_staged_file_that_changed_is_not_published(lab: Any, damage: str) -> None:
    """What was audited is what is published, byte for byte: one flipped byte refuses the publish."""
    run = lab.attempt(lab.days(2, 1), 1, 2)
    path, other = (Path(run.staged.paths(lab.day(n))[0]) for n in (1, 2))
    data = path.read_bytes()
    if damage == "flip":
        path.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    elif damage == "append":
        path.write_bytes(data + b"\0")
    elif damage == "swap":
        path.write_bytes(other.read_bytes())
    else:
        path.unlink()

    with pytest.raises(LakeError) as refusal:
        run.publish()
    assert path.name in str(refusal.value)
    assert lab.live() == {}


def test_equal_content_makes_no_snapshot(lab: Any) -> None:
    """A rerun with the same rows, in another order, changes nothing that a reader could notice."""
    table = lab.table()
    lab.run(table, lab.rows(1, 2, 2, 3))
    before = lab.stored().metadata_location

    outcome = lab.run(table, lab.rows(2, 3, 1, 2))

    assert (outcome.days[0].state, outcome.snapshot, outcome.exit_code) == ("unchanged", None, 0)
    assert lab.stored().metadata_location == before


@pytest.mark.parametrize(
    "other", [(1, 2), (1, 2, 2), (1, 1, 2, 3), (1, 2, 2, 4), (1, 2, 2, None), (1, 3, 5, 5), (1, 2, 2, 3, 3, 3)], ids=str
)
def test_other_content_is_published(lab: Any, other: tuple[int | None, ...]) -> None:
    """A row more, a row less, another copy or a null is other content."""
    table = lab.table()
    lab.run(table, lab.rows(1, 2, 2, 3))

    assert lab.states(table, lab.rows(*other)) == ["published"]


def test_a_digest_of_another_engine_is_computed_anew(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of different algorithms are never compared: the published rows are digested again, by today's."""
    table = lab.table()
    lab.run(table, lab.rows(1, 2))
    monkeypatch.setattr("lakeproof.audit.content.CONTENT_KEY", "tomorrow's")
    monkeypatch.setattr("lakeproof.audit.counting.CONTENT_KEY", "tomorrow's")
    monkeypatch.setattr("lakeproof.reading.CONTENT_KEY", "tomorrow's")

    assert lab.states(table, lab.rows(2, 1)) == ["unchanged"]
    assert lab.states(table, lab.rows(2, 3)) == ["published"]


def test_a_value_in_another_column_is_other_content(lab: Any) -> None:
    """A digest knows columns apart."""
    table = lab.table(key=["sensor"])
    columns = {"reading_date": [lab.day(1)], "sensor": ["1"], "value": pl.Series([2], dtype=pl.Int32)}
    lab.run(table, pl.DataFrame(columns))

    swapped = pl.DataFrame(columns | {"sensor": ["2"], "value": pl.Series([1], dtype=pl.Int32)})

    assert lab.states(table, swapped) == ["published"]


def test_two_rows_that_swap_a_value_are_other_content(lab: Any) -> None:
    """A correction that gives each of two rows the other's last value is published.

    The numbers are chosen: DuckDB's hash of several columns, taken once, gives both contents the same XOR and sum.
    """
    columns = [Column("key", "int"), Column("reading_date", "date"), Column("value", "int")]
    table = lab.table(columns=columns, key=["key"])

    def rows(values: dict[int, int]) -> pl.DataFrame:
        schema = {"key": pl.Int32, "reading_date": pl.Date, "value": pl.Int32}
        return pl.DataFrame([(key, lab.day(1), value) for key, value in values.items()], schema, orient="row")

    lab.run(table, rows({496: 40, 1830: 71}))

    assert lab.states(table, rows({496: 71, 1830: 40})) == ["published"]
    assert sorted(lab.lakehouse.read(table).select("key", "value").rows()) == [(496, 71), (1830, 40)]


def test_only_the_days_that_changed_are_published(lab: Any) -> None:
    """In a range, days with equal content keep their files while the others are replaced."""
    table = lab.table()
    lab.run(table, lab.days(3, 1), 1, 2, 3)
    before = {day: live.locations for day, live in lab.live().items()}

    states = lab.states(table, pl.concat([lab.rows(1), lab.rows(5, day=2), lab.rows(1, day=3)]), 1, 2, 3)

    after = {day: live.locations for day, live in lab.live().items()}
    assert states == ["unchanged", "published", "unchanged"]
    assert [day for day in before if before[day] != after[day]] == [lab.day(2)]


def test_a_day_that_moved_is_dropped_alone(lab: Any) -> None:
    """Two runs begin on the same base: the second loses the day that both changed, and publishes its others."""
    first, second = lab.attempt(lab.days(2, 1), 1, 2), lab.attempt(lab.days(3, 2), 1, 2, 3)

    done = first.publish()
    lost = second.publish()

    assert done.published == {lab.day(1), lab.day(2)}
    assert (lost.published, lost.moved) == ({lab.day(3)}, {lab.day(1), lab.day(2)})
    assert [lab.values(day) for day in (1, 2, 3)] == [[1], [1], [2]]


def test_equal_content_is_looked_at_before_the_base(lab: Any) -> None:
    """A day that another run published meanwhile with the same rows is unchanged, not moved."""
    first, second = lab.attempt(lab.rows(1, 2), 1), lab.attempt(lab.rows(2, 1), 1)

    first.publish()

    assert second.publish().unchanged == {lab.day(1)}


def test_a_day_that_vanished_moved(lab: Any) -> None:
    """A day that was there when the run began and is deleted at publish is not quietly put back."""
    table = lab.table()
    lab.run(table, lab.days(2, 1), 1, 2)
    late = lab.attempt(lab.rows(5), 1)
    lab.stored().delete("reading_date = '2024-01-01'")

    assert late.publish().moved == {lab.day(1)}
    assert lab.values() == [1]


def test_a_whole_run_says_that_a_day_moved(lab: Any) -> None:
    """The outcome of the run that lost says so, what readers see, and ends with 5 while its other days publish."""
    table = lab.table()

    def make(_: Any) -> pl.DataFrame:
        lab.run(table, lab.rows(9), 1)
        return lab.days(2, 1)

    outcome = lab.run(table, make, 1, 2)

    assert [day.state for day in outcome.days] == ["moved", "published"]
    assert outcome.exit_code == 5
    assert "1 rows" in outcome.days[0].readers
    assert (lab.values(1), lab.values(2)) == ([9], [1])


def answering(lab: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, *, lands: bool) -> list[int]:
    """Make the catalog answer its next commit with an error, after or instead of committing it."""
    catalog, calls = lab.lakehouse.catalog, []
    commit = catalog.commit_table

    def once(*args: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            return commit(*args, **more)
        if lands:
            commit(*args, **more)
        raise error

    monkeypatch.setattr(catalog, "commit_table", once)
    return calls


def test_a_commit_whose_answer_was_lost_is_found(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that landed although the catalog's answer did not come is reported as published, and made once."""
    run = lab.attempt(lab.days(2, 1), 1, 2)
    run.table.refresh()
    run.table.catalog = lab.lakehouse.catalog
    answering(lab, monkeypatch, CommitStateUnknownException("no answer"), lands=True)

    done = run.publish()

    assert done.published | done.unchanged == {lab.day(1), lab.day(2)}
    assert len(lab.stored().metadata.snapshots) == 1
    assert lab.values() == [1, 1]


def test_a_lost_answer_makes_no_day_published_that_was_not(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that had moved before the commit is still told as moved after its answer was lost."""
    lab.run(lab.table(), lab.days(2, 1), 1, 2)
    run = lab.attempt(lab.days(2, 5), 1, 2)
    lab.run(lab.table(), lab.rows(9, day=2), 2)
    run.table.catalog = lab.lakehouse.catalog
    answering(lab, monkeypatch, CommitStateUnknownException("no answer"), lands=True)

    done = run.publish()

    assert (lab.values(1), lab.values(2)) == ([5], [9])
    assert (done.published | done.unchanged, done.moved) == ({lab.day(1)}, {lab.day(2)})


@pytest.mark.parametrize(
    "error",
    [
        CommitFailedException("another commit came first"),
        ValueError("Cannot add snapshot with sequence number 3 older than last sequence number 3"),
        CommitStateUnknownException("no answer"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_commit_that_lost_a_race_is_planned_anew(lab: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """What catalogs answer to a concurrent commit is tried again, and nothing is published twice."""
    run = lab.attempt(lab.days(2, 1), 1, 2)
    run.table.catalog = lab.lakehouse.catalog
    answering(lab, monkeypatch, error, lands=False)

    assert run.publish().published == {lab.day(1), lab.day(2)}
    assert lab.values() == [1, 1]


def test_an_error_that_is_no_race_is_not_tried_again(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog that refuses for good is not asked sixty times."""
    run = lab.attempt(lab.rows(1), 1)
    run.table.catalog = lab.lakehouse.catalog
    calls = answering(lab, monkeypatch, PermissionError(13, "Permission denied"), lands=False)

    with pytest.raises(LakeproofError, match="Permission denied"):
        run.publish()
    assert len(calls) == 1
    assert lab.live() == {}


def together(*tasks: Any) -> list[Any]:
    """Run tasks in threads of their own that start at once; return what each returned or raised."""
    start, results = threading.Barrier(len(tasks)), [None] * len(tasks)

    def one(place: int, task: Any) -> None:
        start.wait()
        try:
            results[place] = task()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            results[place] = error

    threads = [threading.Thread(target=one, args=item) for item in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_days_publish_at_the_same_time(lab: Any) -> None:
    """Twenty days from four threads, five publishes each: none is lost and none is doubled."""
    table = lab.table()
    lab.lakehouse.lake.ensure(table)
    days = lab.days(20, 1, 2)

    def five(thread: int) -> Any:
        return lambda: [lab.states(table, days, thread * 5 + n) for n in range(1, 6)]

    results = together(*(five(thread) for thread in range(4)))

    assert results == [[["published"]] * 5] * 4
    assert Counter(pl.DataFrame(lab.stored().scan().to_arrow())["reading_date"].to_list()) == {
        lab.day(n): 2 for n in range(1, 21)
    }
    assert len(lab.stored().metadata.snapshots) == 20


def test_one_day_published_at_the_same_time_is_one_content(lab: Any) -> None:
    """Four runs of one day with different rows: one wins, the others say that it moved, and nothing is mixed."""
    table = lab.table()
    lab.run(table, lab.rows(50), 1)
    runs = [lab.attempt(lab.rows(value, value, value), 1) for value in (1, 2, 3, 4)]

    results = together(*(run.publish for run in runs))

    winners = [value for value, done in zip((1, 2, 3, 4), results, strict=True) if done.published]
    assert len(winners) == 1
    assert sum(bool(done.moved) for done in results) == 3
    assert lab.values(1) == winners * 3
    assert len(lab.stored().metadata.snapshots) == 2


def test_a_new_table_is_made_once(lab: Any) -> None:
    """Many processes that stage the first days of a new table in a new namespace at once all get the one table."""
    tables = [lab.table(f"new{n}.readings") for n in range(6)]

    for table in tables:
        made = together(*[lambda table=table: lab.lakehouse.lake.ensure(table)] * 6)
        assert [found for found in made if isinstance(found, Exception)] == []
        assert len({found.metadata.table_uuid for found in made}) == 1


def test_readers_see_whole_runs_only(lab: Any) -> None:
    """A reader that polls while a range is replaced over and over sees all of one run, never parts of two."""
    table = lab.table()
    lab.run(table, lab.days(5, 0), 1, 2, 3, 4, 5)
    done = threading.Event()
    torn: list[Any] = []
    polls: list[int] = []

    def poll() -> None:
        while not done.is_set():
            values = lab.values()
            polls.append(len(values))
            if len(values) != 5 or len(set(values)) != 1:
                torn.append(values)

    def write() -> None:
        for value in range(1, 9):
            lab.run(table, lab.days(5, value), 1, 2, 3, 4, 5)
        done.set()

    results = together(poll, write)

    assert results == [None, None]
    assert torn == []
    assert len(polls) > 1
