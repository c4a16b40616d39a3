"""The vocabulary of audits, through the real path: each condition passes what it should, and holds what it should."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import duckdb  # noqa: TC002 - Lakeproof reads the annotations
import polars as pl
import pyarrow as pa  # noqa: TC002 - Lakeproof reads the annotations
import pytest

from lakeproof import Column, audit
from lakeproof.audit.plan import STAGED, Plan
from lakeproof.engine.duck import connect, files_relation
from lakeproof.making import stage

if TYPE_CHECKING:
    from lakeproof import Audit

GOOD = (1, 2, 3)


def no_negatives(readings: pl.DataFrame) -> pl.DataFrame:
    """No value is below zero."""
    return readings.filter(pl.col("value") < 0)


KINDS: dict[str, tuple[Audit, tuple[int | None, ...], int]] = {
    "not_null": (audit.not_null("value", "sensor"), (1, None, None), 2),
    "unique": (audit.unique("value"), (7, 7, 8), 2),
    "unique by the key": (audit.unique(), (7, 7, 7), 3),
    "row_count, too few": (audit.row_count(at_least=3), (1, 2), 1),
    "row_count, too many": (audit.row_count(at_most=3), (1, 2, 3, 4), 1),
    "between, below": (audit.between("value", 0, 10), (-1, 0, 10), 1),
    "between, above": (audit.between("value", None, 10), (-1, 11, 12), 2),
    "accepted_values": (audit.accepted_values("value", [1, 2, 3]), (1, 4, None), 1),
    "matches as a whole": (audit.matches("sensor", "[b-z]|aa"), GOOD, 3),
    "sql": (audit.sql("odd_below_three", "value % 2 = 1 or value < 3"), (1, 4, None), 1),
    "sql_result": (audit.sql_result("mean", "avg(value)", at_most=3), (9, 9, 9), 1),
    "sql_result of nothing": (audit.sql_result("mean", "avg(value)", at_most=3), (None, None), 1),
    "python, rows": (audit.python("no_negatives", no_negatives), (-1, -2, 3), 2),
    "python, a verdict": (audit.python("short", lambda readings: len(readings.fetchall()) < 4), (1, 2, 3, 4), 4),
}


@pytest.mark.parametrize(("condition", "bad", "failed"), KINDS.values(), ids=KINDS.keys())
def test_an_audit_passes_good_days_and_holds_bad_ones(
    lab: Any, condition: Audit, bad: tuple[int, ...], failed: int
) -> None:
    """A good day is published; a bad one is held, with how many rows broke the condition out of how many."""
    sensor = "aa" if condition.name == "matches_sensor" else "a"
    table = lab.table(audits=[condition])

    assert lab.states(table, lab.rows(*GOOD, day=1, sensor=sensor), 1) == ["published"]
    outcome = lab.run(table, lab.rows(*bad, day=2), 2).days[0]

    result = next(r for r in outcome.verdict.results if r.audit == condition.name)
    assert outcome.state == "held"
    assert (result.passed, int(result.failed), result.total, result.error) == (False, failed, len(bad), None)
    assert condition.name in outcome.reason
    assert lab.values() == [*GOOD]


@pytest.mark.parametrize(
    ("condition", "column"),
    [
        (audit.between("value", 0, 10), "value"),
        (audit.unique("sensor"), "sensor"),
        (audit.python("no_negatives", lambda readings: readings), "value"),
    ],
    ids=["rows", "copies", "python"],
)
def test_ten_rows_at_fault_are_kept(lab: Any, condition: Audit, column: str) -> None:
    """An audit keeps up to ten of the rows that broke it, as they are, and counts all of them."""
    twelve = pl.concat([lab.rows(n + 100, n + 100, sensor=f"s{n:02}") for n in range(12)])

    result = lab.results(lab.table(audits=[condition]), twelve)[condition.name]

    assert (int(result.failed), result.total, len(result.sample)) == (24, 24, 10)
    assert all(row[column] in twelve[column] for row in result.sample)


def test_rows_at_fault_are_of_the_day_that_is_held(lab: Any) -> None:
    """In a run of several days each bad day shows its own rows, by their own column names."""
    table = lab.table(audits=[audit.between("value", 0, 10)])

    days = lab.run(table, pl.concat([lab.rows(1), lab.rows(-2, day=2), lab.rows(-3, 4, day=3)]), 1, 2, 3).days

    samples = [[dict(row) for r in day.verdict.results for row in r.sample] for day in days]
    assert [day.state for day in days] == ["published", "held", "held"]
    assert samples[0] == []
    assert samples[1] == [{"reading_date": lab.day(2), "sensor": "a", "value": -2}]
    assert samples[2] == [{"reading_date": lab.day(3), "sensor": "a", "value": -3}]


@pytest.mark.parametrize(
    "name", ["day", "copies", "failed", "place", "known", "row_hash", "row_total", "value", "staged"]
)
def test_a_column_may_have_any_name(lab: Any, name: str) -> None:
    """A column called like something in the plan is counted right, and is shown under its own name."""
    columns = [Column("reading_date", "date"), Column(name, "int")]
    table = lab.table(columns=columns, key=[name], audits=[audit.unique(), audit.between(name, 0, 1)])
    rows = pl.DataFrame({"reading_date": [lab.day(1)] * 3, name: pl.Series([1, 1, 5], dtype=pl.Int32)})

    results = lab.results(table, rows)

    assert (int(results["unique"].failed), int(results[f"between_{name}"].failed)) == (2, 1)
    assert results["unique"].sample[0][name] == 1
    assert dict(results[f"between_{name}"].sample[0]) == {"reading_date": lab.day(1), name: 5}


@pytest.mark.parametrize("name", ["day", "row_total", "digest_xor", "a0", "a1", "a2"])
def test_an_audit_may_have_any_name(lab: Any, name: str) -> None:
    """An audit called like something in the plan hides no other audit's finding."""
    table = lab.table(
        audits=[audit.sql(name, "value < 50"), audit.between("value", 0, 10), audit.sql("sane", "value < 40")]
    )

    outcome = lab.run(table, lab.rows(45)).days[0]

    found = {result.audit: (result.passed, int(result.failed), result.total) for result in outcome.verdict.results}
    assert outcome.state == "held"
    assert found == {
        "not_empty": (True, 0, 1),
        name: (True, 0, 1),
        "between_value": (False, 1, 1),
        "sane": (False, 1, 1),
    }


def test_a_partition_column_may_be_called_day(lab: Any) -> None:
    """The most natural name for the partition column works, in the rows at fault too."""
    columns = [Column("day", "date"), Column("value", "int")]
    table = lab.table(
        columns=columns, partition="day", key=["day", "value"], audits=[audit.unique(), audit.between("value", 0, 1)]
    )
    rows = pl.DataFrame({"day": [lab.day(1)] * 3, "value": pl.Series([1, 1, 5], dtype=pl.Int32)})

    results = lab.results(table, rows)

    assert results["unique"].sample[0]["day"] == lab.day(1)
    assert dict(results["between_value"].sample[0]) == {"day": lab.day(1), "value": 5}


def test_a_warning_is_reported_and_holds_nothing(lab: Any) -> None:
    """A `warn` audit that fails is in the verdict, and the day is published."""
    outcome = lab.run(
        lab.table(audits=[audit.row_count(at_least=1), audit.between("value", 0, 1, severity="warn")]), lab.rows(5)
    )

    result = outcome.days[0].verdict.results[-1]
    assert (outcome.days[0].state, result.passed, result.severity, result.failed) == ("published", False, "warn", 1)
    assert lab.values() == [5]


def explode(_: pl.DataFrame) -> bool:
    """Raise, as a stranger's function may."""
    msg = "no such thing"
    raise KeyError(msg)


@pytest.mark.parametrize("severity", ["blocking", "warn"])
@pytest.mark.parametrize(
    ("condition", "why"),
    [
        (audit.sql("broken", "sensor::int > 0"), "Conversion Error"),
        (audit.python("broken", explode), "KeyError"),
        (audit.python("broken", lambda readings: None), "NoneType"),  # noqa: ARG005 - an audit takes the day
        (audit.python("broken", lambda readings: 1), "int"),  # noqa: ARG005 - an audit takes the day
        (audit.sql_result("broken", "min(sensor)", at_least=3), ""),
        (audit.references("sensor", "lab.nowhere", "name", name="broken"), "lab.nowhere"),
    ],
    ids=["sql", "python raises", "python says nothing", "python says a number", "measures text", "no table"],
)
def test_an_audit_that_cannot_judge_holds_the_day(lab: Any, condition: Any, why: str, severity: str) -> None:
    """An audit that breaks holds the day whatever its severity, says why, and the others are judged all the same."""
    condition = condition.__class__(**{**vars(condition), "severity": severity})
    table = lab.table(audits=[condition, audit.between("value", 0, 1), audit.not_null("value")])

    outcome = lab.run(table, lab.rows(1, 5)).days[0]
    results = {result.audit: result for result in outcome.verdict.results}

    assert outcome.state == "held"
    assert "broken: could not judge" in outcome.reason
    assert why in results["broken"].error
    assert not results["broken"].passed
    assert (results["between_value"].failed, results["between_value"].passed) == (1, False)
    assert len(results["between_value"].sample) == 1
    assert results["not_null_value"].passed
    assert lab.live() == {}


def test_a_day_is_published_only_when_something_blocking_judged_it(lab: Any) -> None:
    """The only blocking audit breaks: the day is held, although nothing was found against it."""
    table = lab.table(audits=[audit.sql("broken", "sensor::int > 0")], allow_empty=True)

    assert lab.states(table, lab.rows(1)) == ["held"]


def test_an_audit_that_breaks_on_one_day_leaves_the_others_alone(lab: Any) -> None:
    """Days are independent: a value that breaks an audit's SQL on one day does not hold the days beside it."""
    table = lab.table(audits=[audit.sql("number", "sensor::int > 0"), audit.row_count(at_least=1)])
    rows = pl.concat([lab.rows(1, sensor="7"), lab.rows(1, day=2, sensor="x"), lab.rows(1, day=3, sensor="8")])

    assert lab.states(table, rows, 1, 2, 3) == ["published", "held", "published"]


def test_a_day_that_fails_beside_one_that_breaks_still_shows_its_rows(lab: Any) -> None:
    """The rows at fault of one day are sampled, also when the same audit could not judge another day."""
    table = lab.table(audits=[audit.sql("large", "sensor::int > 5"), audit.row_count(at_least=1)])

    days = lab.run(table, pl.concat([lab.rows(1, sensor="1"), lab.rows(1, day=2, sensor="x")]), 1, 2).days
    one, two = (next(r for r in day.verdict.results if r.audit == "large") for day in days)

    assert (one.failed, one.error, len(one.sample)) == (1, None, 1)
    assert "Conversion Error" in two.error


def test_a_day_without_rows_is_held(lab: Any) -> None:
    """No rows is no good day unless the table says so, whatever its other audits find in nothing."""
    outcome = lab.run(lab.table(audits=[audit.not_null("value"), audit.unique()]), lab.rows()).days[0]

    assert (outcome.state, outcome.rows) == ("held", 0)
    assert "not_empty" in outcome.reason


def test_a_day_without_rows_is_judged_where_it_is_allowed(lab: Any) -> None:
    """With `allow_empty=True` each audit judges nothing as SQL would, and a count still counts."""
    lenient = lab.table(allow_empty=True, audits=[audit.not_null("value"), audit.unique(), audit.volume(within=0.5)])
    counted = lab.table("lab.counted", allow_empty=True, audits=[audit.row_count(at_least=1)])

    assert lab.states(lenient, lab.rows()) == ["published"]
    assert lab.states(counted, lab.rows()) == ["held"]


def test_volume_is_judged_against_the_days_before(lab: Any) -> None:
    """A count far from the median of the days before is held, from the day on that has enough history."""
    table = lab.table(audits=[audit.row_count(at_least=1), audit.volume(within=0.5, days=4, min_history=3)])
    for day in (1, 2, 3):
        assert lab.states(table, lab.rows(*range(day * 10), day=day), day) == ["published"]

    held = lab.run(table, lab.rows(*range(31), day=4), 4).days[0]
    result = held.verdict.results[-1]

    assert held.state == "held"
    assert (result.measured, result.history) == (31, ((lab.day(1), 10), (lab.day(2), 20), (lab.day(3), 30)))
    assert lab.states(table, lab.rows(*range(30), day=4), 4) == ["published"]
    assert lab.states(table, lab.rows(*range(12), day=5), 5) == ["held"]


def test_volume_says_when_it_has_too_little_history(lab: Any) -> None:
    """Before `min_history` days are there, volume passes and says that it did not judge."""
    table = lab.table(audits=[audit.row_count(at_least=1), audit.volume(within=0.1, days=4, min_history=2)])
    lab.run(table, lab.rows(1))

    result = lab.results(table, lab.rows(*range(50), day=2), 2)["volume"]

    assert result.passed
    assert "1 of the 2" in result.describe


def test_volume_counts_days_that_pass_in_the_same_run(lab: Any) -> None:
    """In a run of many days each is judged against the ones before it that passed, and never against a held one."""
    table = lab.table(audits=[audit.between("value", 0, 999), audit.volume(within=0.5, days=3, min_history=2)])
    days = [
        lab.rows(*range(10), day=1),
        lab.rows(*range(10), day=2),
        lab.rows(*range(-1, 99), day=3),
        lab.rows(*range(100), day=4),
    ]

    outcome = lab.run(table, pl.concat([*days, lab.rows(*range(12), day=5)]), 1, 2, 3, 4, 5)
    history = [day.verdict.results[-1].history for day in outcome.days]

    assert [day.state for day in outcome.days] == ["published", "published", "held", "held", "published"]
    assert history[3] == ((lab.day(1), 10), (lab.day(2), 10))
    assert history[4] == ((lab.day(2), 10),)


def test_volume_looks_at_logical_days_and_not_at_the_order_of_runs(lab: Any) -> None:
    """Days that follow are no history, and a day that is run again is judged as the first time."""
    table = lab.table(audits=[audit.row_count(at_least=1), audit.volume(within=0.5, days=3, min_history=2)])
    plain = table._but(audits=[audit.row_count(at_least=1)])
    lab.run(
        plain, pl.concat([lab.rows(*range(n), day=day) for day, n in ((1, 10), (2, 10), (3, 90), (4, 90))]), 1, 2, 3, 4
    )

    result = lab.results(table, lab.rows(*range(12), day=3), 3)["volume"]

    assert result.history == ((lab.day(1), 10), (lab.day(2), 10))
    assert result.passed


def test_volume_has_its_history_in_a_run_of_days_apart(lab: Any) -> None:
    """A run over days that do not follow each other judges each against the days before it."""
    table = lab.table(audits=[audit.row_count(at_least=1), audit.volume(within=0.5, days=3, min_history=2)])
    plain = table._but(audits=[audit.row_count(at_least=1)])
    lab.run(plain, lab.days(9, *range(10)), *range(1, 10))

    outcome = lab.run(table, pl.concat([lab.rows(*range(11)), lab.rows(*range(90), day=9)]), 1, 9)

    assert [day.state for day in outcome.days] == ["published", "held"]
    assert [d for d, _ in outcome.days[1].verdict.results[-1].history] == [lab.day(6), lab.day(7), lab.day(8)]


def test_a_reference_looks_into_a_table_as_it_is_published(lab: Any) -> None:
    """Values that the other table has pass, nulls too; others are rows at fault."""
    sensors = lab.table("lab.sensors", partition=None, key=["sensor"])
    table = lab.table(audits=[audit.references("sensor", "lab.sensors", "sensor")])
    lab.run(sensors, pl.concat([lab.rows(1, 1, sensor="a"), lab.rows(1, sensor=None)]))

    good = lab.states(table, pl.concat([lab.rows(1, 2, sensor="a"), lab.rows(3, sensor=None)]), 1)
    result = lab.results(table, pl.concat([lab.rows(1, day=2), lab.rows(2, 3, day=2, sensor="z")]), 2)[
        "references_sensor"
    ]

    assert good == ["published"]
    assert (result.failed, result.total, {row["sensor"] for row in result.sample}) == (2, 3, {"z"})


def test_a_reference_looks_into_the_same_day_of_a_daily_table(lab: Any) -> None:
    """What the other table has on another day does not count."""
    lab.run(lab.table("lab.sensors"), pl.concat([lab.rows(1, sensor="a"), lab.rows(1, day=2, sensor="b")]), 1, 2)
    table = lab.table(audits=[audit.references("sensor", "lab.sensors", "sensor")])

    rows = pl.concat([lab.rows(1, sensor="a"), lab.rows(1, day=2, sensor="a")])

    assert lab.states(table, rows, 1, 2) == ["published", "held"]


def test_a_reference_to_a_column_that_is_not_there_cannot_judge(lab: Any) -> None:
    """The refusal names the column that the other table lacks; the other audits are judged."""
    lab.run(lab.table("lab.sensors", partition=None), lab.rows(1))
    table = lab.table(audits=[audit.references("sensor", "lab.sensors", "nme"), audit.between("value", 0, 1)])

    outcome = lab.run(table, lab.rows(5)).days[0]

    assert outcome.state == "held"
    assert "nme" in outcome.reason
    assert "between_value" in outcome.reason


def test_two_references_into_one_table_count_each_row_once(lab: Any) -> None:
    """References are joined to what is distinct: they neither multiply rows nor disturb other counts."""
    lab.run(lab.table("lab.sensors", partition=None), lab.rows(1, 1, 2, 2, sensor="a"))
    table = lab.table(
        audits=[
            audit.references("sensor", "lab.sensors", "sensor"),
            audit.references("value", "lab.sensors", "value"),
            audit.row_count(at_most=3),
            audit.sql_result("total", "sum(value)", at_most=5),
        ]
    )

    results = lab.results(table, lab.rows(1, 2, 2))

    assert {name: (r.passed, r.total) for name, r in results.items()} == dict.fromkeys(results, (True, 3))
    assert results["total"].measured == 5


def every_audit() -> list[Audit]:
    """Return one audit of each kind that rides along in the scan."""
    return [
        audit.not_null("value"),
        audit.unique(),
        audit.row_count(at_least=1),
        audit.volume(within=0.5),
        audit.between("value", 0, 100),
        audit.accepted_values("sensor", ["a", "b"]),
        audit.matches("sensor", "[a-z]"),
        audit.references("sensor", "lab.sensors", "sensor"),
        audit.sql("sane", "value < 1000"),
        audit.sql_result("mean", "avg(value)", at_most=100),
    ]


def test_all_audits_of_all_days_are_one_scan(lab: Any) -> None:
    """The plan that judges ten audits of three days reads the staged files once."""
    table = lab.table(audits=every_audit())
    work = lab.work(table, lab.days(3, 1, 2), 1, 2, 3)
    staged = stage(lab.lakehouse.lake.ensure(table), work, "20240101T000000-00000000")
    connection = connect()
    paths = [path for day in staged.days for path in staged.paths(day)]
    files_relation(connection, dict(enumerate(table.columns, start=1)), paths, None).create_view(STAGED)
    connection.execute("CREATE VIEW values_of_references_sensor AS SELECT 'a' AS _value, NULL::DATE AS _of_day")

    statement = Plan(table, table.audits).scan().sql(dialect="duckdb")
    explained = str(connection.execute(f"EXPLAIN {statement}").fetchall())

    assert len(paths) == 3
    assert explained.upper().count("READ_PARQUET") == 1
    assert len(connection.execute(statement).fetchall()) == 3


def test_a_contract_goes_when_nobody_has_it(lab: Any) -> None:
    """Its name is free again after its days were audited, and so is what was kept of its scan."""
    table = lab.table(audits=every_audit()[:2])
    for day in (1, 2):
        assert lab.states(table, lab.rows(*GOOD, day=day), day) == ["published"]
    left = weakref.ref(table)

    del table
    gc.collect()
    assert left() is None


def test_a_python_audit_takes_the_form_it_asks_for(lab: Any) -> None:
    """The annotation says in which form the day comes; without one it is a DuckDB relation; each sees only its day."""
    seen: dict[str, tuple[str, int]] = {}

    def look(name: str, rows: Any, count: int) -> bool:
        seen[name] = (type(rows).__name__, count)
        return True

    def polars(rows: pl.DataFrame) -> bool:
        return look("polars", rows, rows.height)

    def lazy(rows: pl.LazyFrame) -> bool:
        return look("lazy", rows, rows.collect().height)

    def arrow(rows: pa.Table) -> bool:
        return look("arrow", rows, rows.num_rows)

    def duck(rows: duckdb.DuckDBPyRelation) -> bool:
        return look("duck", rows, len(rows.fetchall()))

    def plain(rows):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - without an annotation, on purpose
        return look("plain", rows, len(rows.fetchall()))

    table = lab.table(audits=[audit.python(f.__name__, f) for f in (polars, lazy, arrow, duck, plain)])
    lab.run(table, pl.concat([lab.rows(1, 2), lab.rows(3, day=2)]), 2, 1)

    assert seen["polars"] == ("DataFrame", 2)
    assert seen["lazy"] == ("LazyFrame", 2)
    assert seen["arrow"] == ("Table", 2)
    assert seen["duck"] == seen["plain"] == ("DuckDBPyRelation", 2)


def test_dates_and_text_are_compared_as_what_they_are(lab: Any) -> None:
    """Bounds and values may be text with a quote, and dates."""
    table = lab.table(
        audits=[audit.accepted_values("sensor", ["it's"]), audit.between("reading_date", "2024-01-01", "2024-01-31")]
    )

    assert lab.states(table, lab.rows(1, sensor="it's")) == ["published"]


def test_what_is_no_number_is_not_between_two_numbers(lab: Any) -> None:
    """A file's bounds leave NaN out; the audit looks at the rows, and shows the one at fault."""
    table = lab.table(
        columns=[Column("reading_date", "date"), Column("sensor", "string"), Column("value", "double")],
        audits=[audit.between("value", 0, 100)],
    )
    rows = lab.rows(1, 2, 3).with_columns(value=pl.Series([1.0, float("nan"), 3.0]))

    found = lab.results(table, rows)["between_value"]

    assert (found.passed, found.failed) == (False, 1)
    assert [str(row["value"]) for row in found.sample] == ["nan"]
