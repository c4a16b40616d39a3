"""Rows as the contract says, or a refusal that names the column and a sample."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lakeproof import Column
from lakeproof.engine.cast import fit
from lakeproof.errors import RowsError

NAN = float("nan")
UTC_NOON = dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)


def cast(lab: Any, values: pa.Array, kind: str, digits: int | None = None) -> list[Any]:
    """Fit one column, and return its values."""
    column = Column("value", kind, digits=digits)
    table = lab.table(columns=[column], partition=None, key=[])
    made = pa.table({"value": values})
    return pa.Table.from_batches(fit(made.to_reader(), table, "lab.readings 2024-01-01")).column(0).to_pylist()


LOSSY: dict[str, tuple[pa.Array, str, str]] = {
    "an int that overflows": (pa.array([1, 2**31]), "int", "2147483648"),
    "an unsigned that overflows": (pa.array([2**63], pa.uint64()), "long", "9223372036854775808"),
    "a fraction": (pa.array([1.0, 1.5]), "int", "1.5"),
    "not a number": (pa.array([NAN]), "int", "nan"),
    "infinity": (pa.array([float("inf")]), "long", "inf"),
    "a half's fraction": (pa.array([1.5], pa.float16()), "int", "1.5"),
    "a decimal's fraction": (pa.array([Decimal("1.5")]), "long", "1.5"),
    "a whole number no double has": (pa.array([2**53 + 1]), "double", "9007199254740993"),
    "a double no float has": (pa.array([0.1]), "float", "0.1"),
    "a double with more places": (pa.array([1.5, 1.005]), "decimal(5, 2)", "1.005"),
    "a double too large": (pa.array([1000.0]), "decimal(5, 2)", "1000.0"),
    "a decimal with more places": (pa.array([Decimal("1.005")]), "decimal(5, 2)", "1.005"),
    "a decimal no double has": (pa.array([Decimal("12345678901234567890.12")]), "double", "12345678901234567890.12"),
    "an int too large": (pa.array([1000]), "decimal(5, 2)", "1000"),
    "a part of a microsecond": (pa.array([1001], pa.timestamp("ns")), "timestamp", "1001"),
    "a zoned part of one": (pa.array([1001], pa.timestamp("ns", "UTC")), "timestamptz", "1001"),
    "a part of a time": (pa.array([1001], pa.time64("ns")), "time", "1001"),
}


@pytest.mark.parametrize(("values", "kind", "sample"), LOSSY.values(), ids=LOSSY.keys())
def test_a_value_that_would_change_is_refused(lab: Any, values: pa.Array, kind: str, sample: str) -> None:
    """The refusal names table, day, column, both types, and a value that does not survive."""
    with pytest.raises(RowsError) as refusal:
        cast(lab, values, kind)
    said = str(refusal.value)
    assert "lab.readings 2024-01-01: column value is" in said
    assert f"cannot become {kind} without loss" in said
    assert sample in said


def test_a_value_that_would_change_is_named_without_pandas() -> None:
    """Nanoseconds are told from what Arrow knows: nothing here needs pandas."""
    code = """
import importlib.abc, sys
class NoPandas(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "pandas":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoPandas())
import pyarrow as pa
from lakeproof import Column, Table, audit
from lakeproof.engine.cast import fit
from lakeproof.errors import RowsError
table = Table("a.b", columns=[Column("v", "timestamp")], layer="x", owner="o", audits=[audit.row_count(at_least=1)])
try:
    list(fit(pa.table({"v": pa.array([1001], pa.timestamp("ns"))}).to_reader(), table, "a.b"))
except RowsError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "column v is timestamp[ns]" in done.stdout, done.stderr


OTHERS: dict[str, tuple[pa.Array, str]] = {
    "text as a number": (pa.array(["1"]), "int"),
    "a number as text": (pa.array([1]), "string"),
    "a truth as a number": (pa.array([True]), "int"),
    "text as a date": (pa.array(["2024-01-01"]), "date"),
    "an instant as a date": (pa.array([UTC_NOON]), "date"),
    "a naive time as an instant": (pa.array([1], pa.timestamp("us")), "timestamptz"),
    "an instant as a naive time": (pa.array([1], pa.timestamp("us", "UTC")), "timestamp"),
    "bytes as text": (pa.array([b"x"]), "string"),
    "a list": (pa.array([[1]]), "int"),
}


@pytest.mark.parametrize(("values", "kind"), OTHERS.values(), ids=OTHERS.keys())
def test_another_type_is_refused(lab: Any, values: pa.Array, kind: str) -> None:
    """Text is not parsed and zones are not guessed: the refusal names both types."""
    with pytest.raises(RowsError, match=rf"column value is .*, not {kind}"):
        cast(lab, values, kind)


FITTING: dict[str, tuple[pa.Array, str, list[Any]]] = {
    "a narrower int": (pa.array([1, None], pa.int8()), "long", [1, None]),
    "a wider int that fits": (pa.array([1]), "int", [1]),
    "an unsigned that fits": (pa.array([7], pa.uint64()), "long", [7]),
    "whole doubles": (pa.array([3.0, None]), "int", [3, None]),
    "a sum of DuckDB": (pa.array([Decimal(3)], pa.decimal128(38, 0)), "long", [3]),
    "a float": (pa.array([1.5], pa.float32()), "double", [1.5]),
    "a half": (pa.array([1.5], pa.float16()), "double", [1.5]),
    "a double that a float has": (pa.array([1.5, NAN]), "float", [1.5, NAN]),
    "not a number": (pa.array([NAN]), "double", [NAN]),
    "doubles of two places": (
        pa.array([2.3, 0.07, 1234.57]),
        "decimal(12, 2)",
        [Decimal("2.30"), Decimal("0.07"), Decimal("1234.57")],
    ),
    "a decimal a double has": (pa.array([Decimal("0.5")]), "double", [0.5]),
    "an int as decimal": (pa.array([100]), "decimal(5, 2)", [Decimal("100.00")]),
    "an int as long decimal": (pa.array([5]), "decimal(38, 30)", [Decimal(5)]),
    "a dictionary": (pa.array(["a", None, "a"]).dictionary_encode(), "string", ["a", None, "a"]),
    "a string view": (pa.array(["a"], pa.string_view()), "string", ["a"]),
    "large text": (pa.array(["a"], pa.large_string()), "string", ["a"]),
    "a binary view": (pa.array([b"a"], pa.binary_view()), "binary", [b"a"]),
    "only nulls": (pa.nulls(2), "timestamptz", [None, None]),
    "nulls for a uuid": (pa.nulls(1), "uuid", [None]),
    "a date64": (pa.array([dt.date(2024, 1, 1)], pa.date64()), "date", [dt.date(2024, 1, 1)]),
    "seconds": (pa.array([1], pa.time32("s")), "time", [dt.time(0, 0, 1)]),
    "whole nanoseconds": (pa.array([1000], pa.timestamp("ns")), "timestamp", [dt.datetime(1970, 1, 1, 0, 0, 0, 1)]),  # noqa: DTZ001 - naive on purpose
    "another zone": (pa.array([UTC_NOON], pa.timestamp("us", "America/New_York")), "timestamptz", [UTC_NOON]),
}


@pytest.mark.parametrize(("values", "kind", "expected"), FITTING.values(), ids=FITTING.keys())
def test_a_value_that_survives_is_taken(lab: Any, values: pa.Array, kind: str, expected: list[Any]) -> None:
    """Widening is free, and a narrower type is taken when every value is still the same."""
    assert repr(cast(lab, values, kind)) == repr(expected) or cast(lab, values, kind) == expected


@pytest.mark.parametrize("kind", ["double", "float"])
def test_digits_round_as_a_double_is_stored(lab: Any, kind: str) -> None:
    """Declared digits make sums that differ in the last places equal; nulls and NaN stay."""
    almost = pa.array([0.1 + 0.2, 1.23456, None, NAN])

    rounded = cast(lab, almost, kind, digits=2)

    assert [None if v is None else round(v, 6) for v in rounded[:3]] == [0.3, 1.23, None]
    assert rounded[3] != rounded[3]
    assert cast(lab, almost, kind, digits=2)[:3] == cast(lab, pa.array([0.3, 1.23456, None]), kind, digits=2)


def test_columns_are_matched_by_name(lab: Any) -> None:
    """Rows come out in the contract's order, whatever order they were made in."""
    table = lab.table()
    made = pa.table({"value": [1], "reading_date": [dt.date(2024, 1, 1)], "sensor": ["a"]})

    fitted = pa.Table.from_batches(fit(made.to_reader(), table, "lab.readings"))

    assert fitted.column_names == ["reading_date", "sensor", "value"]
    assert fitted.to_pylist() == [{"reading_date": dt.date(2024, 1, 1), "sensor": "a", "value": 1}]


def test_every_column_at_fault_is_named_at_once(lab: Any) -> None:
    """A missing, an unknown and a wrong column are told in one refusal, with the near name."""
    made = pa.table({"value": ["x"], "reading_date": [dt.date(2024, 1, 1)], "senser": ["a"]})

    with pytest.raises(RowsError) as refusal:
        list(fit(made.to_reader(), lab.table(), "lab.readings 2024-01-01"))
    said = str(refusal.value)
    assert "column sensor (string) is missing. Did you mean senser?" in said
    assert "column senser is not in the contract" in said
    assert "column value is string, not int" in said


def test_a_column_that_comes_twice_is_refused(lab: Any) -> None:
    """Two columns of one name are ambiguous, not a choice."""
    made = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["value", "value"])
    table = lab.table(columns=[Column("value", "int")], partition=None, key=[])

    with pytest.raises(RowsError, match="column value comes twice"):
        list(fit(made.to_reader(), table, "lab.readings"))
