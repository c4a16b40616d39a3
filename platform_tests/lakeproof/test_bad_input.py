"""Bad input ends in a refusal that a person can act on, in Dagster, with readers unaffected."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl
import pytest

from lakeproof import Window, audit, daily_table, sql_table
from lakeproof.errors import ContractError

if TYPE_CHECKING:
    from pathlib import Path

KEY = dg.AssetKey(["lab", "readings"])


def materialize(lab: Any, asset: dg.AssetsDefinition, day: date | None) -> tuple[bool, str, bool]:
    """Materialize one day, and return success, the run's message, and whether anything was materialized."""
    result = dg.materialize_to_memory(
        [asset],
        partition_key=None if day is None else day.isoformat(),
        resources={"lakehouse": lab.lakehouse},
        raise_on_error=False,
    )
    said = []
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            said += [failure.user_failure_data.description or ""] if failure.user_failure_data else []
            error = failure.error
            while error is not None:
                said.append(error.message)
                error = error.cause
    return result.success, "\n".join(said), bool(result.get_asset_materialization_events())


def asset_of(lab: Any, rows: pl.DataFrame, **changes: Any) -> dg.AssetsDefinition:
    """Return the readings as an asset that makes some rows."""

    @daily_table(lab.table(**changes))
    def build_readings(window: Window) -> pl.DataFrame:
        del window
        return rows

    return build_readings


DAY = date(2024, 1, 2)
KEYED = {
    "audits": [audit.unique(), audit.not_null("sensor"), audit.between("value", 0, 100)],
    "key": ["reading_date", "sensor"],
}


def column(rows: pl.DataFrame, **columns: Any) -> pl.DataFrame:
    """Return rows with some columns replaced."""
    return rows.with_columns(**columns)


BAD: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "a column missing": (lambda good: good.drop("value"), {}, ["column value (int) is missing"]),
    "a column extra": (lambda good: column(good, unit=pl.lit("m")), {}, ["column unit is not in the contract"]),
    "a column misspelt": (lambda good: good.rename({"sensor": "senser"}), {}, ["sensor", "Did you mean senser?"]),
    "another type": (lambda good: column(good, value=pl.lit("x")), {}, ["column value is", "string", "not int"]),
    "a cast with loss": (lambda good: column(good, value=pl.lit(1.5)), {}, ["column value", "without loss", "1.5"]),
    "a number too large": (lambda good: column(good, value=pl.lit(2**40)), {}, ["column value", "1099511627776"]),
    "no rows": (lambda good: good.clear(), {}, ["not_empty"]),
    "rows of another day": (
        lambda good: column(good, reading_date=pl.lit(date(2024, 1, 9))),
        {},
        ["1 rows", "outside"],
    ),
    "duplicate keys": (
        lambda good: pl.concat([good, good]),
        KEYED,
        ["unique", "2 of 2 rows", "(reading_date, sensor)"],
    ),
    "nulls": (lambda good: column(good, sensor=pl.lit(None, pl.String)), KEYED, ["not_null_sensor", "1 of 1 rows"]),
    "a value out of bounds": (
        lambda good: column(good, value=pl.lit(-5, pl.Int32)),
        {},
        ["between_value", "1 of 1 rows"],
    ),
    "an audit that raises": (
        lambda good: good,
        {"audits": [audit.between("value", 0, 100), audit.python("expert", lambda rows: rows.no_such_method())]},
        ["expert: could not judge"],
    ),
    "SQL that breaks": (
        lambda good: good,
        {"audits": [audit.between("value", 0, 100), audit.sql("number", "sensor::int > 0")]},
        ["number: could not judge", "'a'"],
    ),
    "not rows": (lambda good: 5, {}, ["returned int, which is not rows"]),  # noqa: ARG005 - as the others
}


@pytest.mark.parametrize(("spoil", "changes", "said"), BAD.values(), ids=BAD.keys())
def test_bad_rows_are_refused(lab: Any, spoil: Any, changes: dict[str, Any], said: list[str]) -> None:
    """The run fails, nothing is materialized, readers are unaffected, and the message names table, day and fault."""
    lab.run(lab.table(), pl.concat([lab.rows(1), lab.rows(2, day=2)]), 1, 2)
    before = lab.stored().metadata_location

    success, message, materialized = materialize(lab, asset_of(lab, spoil(lab.rows(3, day=2)), **changes), DAY)

    assert (success, materialized) == (False, False)
    assert lab.stored().metadata_location == before
    for words in ("lab.readings", "2024-01-02", "Readers:", "Next:", *said):
        assert words in message


@pytest.mark.parametrize("kind", ["unique", "not_null_sensor", "between_value"])
def test_a_held_days_message_shows_a_row_at_fault(lab: Any, kind: str) -> None:
    """A held day's check carries a sample of the rows at fault."""
    table = KEYED | {"audits": [a for a in KEYED["audits"] if a.name == kind]}
    rows = pl.concat([lab.rows(-77, -77, day=2, sensor=None)])

    result = dg.materialize_to_memory(
        [asset_of(lab, rows, **table)],
        partition_key="2024-01-02",
        resources={"lakehouse": lab.lakehouse},
        raise_on_error=False,
    )

    (check,) = [c for c in result.get_asset_check_evaluations() if c.check_name == kind]
    assert not check.passed
    assert ("-77" if kind != "unique" else "None") in str(check.metadata["sample"].value)


def test_ten_times_the_usual_volume_is_held(lab: Any) -> None:
    """A day ten times as large as those before it is refused, with what is usual."""
    plain = lab.table()
    lab.run(plain, lab.days(8, *range(10)), *range(1, 9))
    audits = [audit.between("value", 0, 999), audit.volume(within=0.5)]

    success, message, _ = materialize(lab, asset_of(lab, lab.rows(*range(100), day=9), audits=audits), lab.day(9))

    assert not success
    for words in ("lab.readings", "2024-01-09", "volume", "100 rows", "10"):
        assert words in message


def test_a_good_day_is_materialized(lab: Any) -> None:
    """The same path with good rows succeeds: the refusals above are not of the path."""
    assert materialize(lab, asset_of(lab, lab.rows(3, day=2)), DAY) == (True, "", True)
    assert lab.values() == [3]


def test_an_upstream_that_is_missing_is_not_ready(lab: Any) -> None:
    """A person who asks for a day whose input is not there gets the table, the day and the command."""
    raw = lab.table("lab.raw")

    @daily_table(lab.table(), raw=raw)
    def build(raw: pl.DataFrame) -> pl.DataFrame:
        return raw

    success, message, materialized = materialize(lab, build, DAY)

    assert (success, materialized) == (False, False)
    for words in ("lab.readings", "2024-01-02", "lab.raw is not published", "lakeproof run lab.raw --day 2024-01-02"):
        assert words in message


def test_a_day_in_the_future_is_refused(lab: Any) -> None:
    """Today is not over."""
    today = dg.DailyPartitionsDefinition("2024-01-01", end_offset=1).get_last_partition_key()
    asset = asset_of(lab, lab.rows(1))

    with pytest.raises(dg.DagsterError, match=today):
        dg.materialize_to_memory([asset], partition_key=today, resources={"lakehouse": lab.lakehouse})


@pytest.mark.parametrize("day", ["2023-12-31", "2024-03-01"])
def test_a_day_outside_the_table_is_refused(lab: Any, day: str) -> None:
    """A day before the start or after the end is no partition."""
    asset = asset_of(lab, lab.rows(1), end="2024-03-01")

    with pytest.raises(dg.DagsterError, match=day):
        dg.materialize_to_memory([asset], partition_key=day, resources={"lakehouse": lab.lakehouse})


def sql(lab: Any, tmp_path: Path, statement: str, **inputs: Any) -> dg.AssetsDefinition:
    """Return the readings as a SQL asset."""
    (tmp_path / "readings.sql").write_text(statement)
    return sql_table(lab.table(), "readings.sql", search_path=[tmp_path], **inputs)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT * FORM raw WHERE", "does not parse"),
        ("SELECT * FROM raw WHERE d = '{{ dss }}'", "dss"),
        ("SELECT * FROM raw WHERE d = '{{ window.begin }}'", "begin"),
        ("SELECT * FROM raw WHERE d = '{{ ds '", "template"),
    ],
    ids=["SQL", "variable", "attribute", "template"],
)
def test_sql_that_cannot_run_is_refused_as_it_is_declared(lab: Any, tmp_path: Path, statement: str, said: str) -> None:
    """SQL that does not parse and a variable that is not known name the table, the file and the fault."""
    with pytest.raises(ContractError) as refusal:
        sql(lab, tmp_path, statement)
    for words in ("lab.readings", "readings.sql", said):
        assert words in str(refusal.value)


def test_a_sql_file_that_is_not_there_is_refused(lab: Any, tmp_path: Path) -> None:
    """The refusal names the file and where it was looked for."""
    with pytest.raises(ContractError, match=r"lab.readings: no SQL file 'missing.sql' in"):
        sql_table(lab.table(), "missing.sql", search_path=[tmp_path])


def test_sql_reads_its_inputs_and_window(lab: Any, tmp_path: Path) -> None:
    """Inputs are views under their names, and the template knows the day."""
    raw = lab.table("lab.raw")
    lab.run(raw, lab.days(2, 1, 2), 1, 2)
    statement = "SELECT DATE '{{ ds }}' AS reading_date, 'sum' AS sensor, sum(value) AS value FROM raw"

    assert materialize(lab, sql(lab, tmp_path, statement, raw=raw), DAY) == (True, "", True)
    assert lab.lakehouse.read(lab.table()).rows() == [(DAY, "sum", 3)]


def test_sql_that_breaks_while_it_runs_names_the_file(lab: Any, tmp_path: Path) -> None:
    """What only the engine can know is told with the table, the day and the file."""
    raw = lab.table("lab.raw")
    lab.run(raw, lab.days(2, 1), 1, 2)

    success, message, _ = materialize(lab, sql(lab, tmp_path, "SELECT nothing_like_it FROM raw", raw=raw), DAY)

    assert not success
    for words in ("lab.readings", "2024-01-02", "readings.sql", "nothing_like_it"):
        assert words in message
