"""Tables that nobody chose, written and read back: exactly equal, or refused; never anything in between."""

from __future__ import annotations

import json
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lakeproof import Column, LandingSource
from lakeproof.errors import SourceError

VALUES = {
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    "long": st.integers(-(2**63), 2**63 - 1),
    "int": st.integers(-(2**31), 2**31 - 1),
    "double": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "date": st.dates(),
    "decimal(9, 3)": st.decimals(-999_999, 999_999, places=3, allow_nan=False),
}
WRITTEN = {bool: lambda v: str(v).lower(), date: date.isoformat, float: repr}
SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

Rows = list[dict[str, Any]]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Column], Rows]:
    """Draw columns, and rows with nulls."""
    types = draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=2, max_size=5))
    columns = [Column(f"c{number}", type_) for number, type_ in enumerate(types)]
    row = st.fixed_dictionaries({column.name: st.none() | VALUES[column.type] for column in columns})
    return columns, draw(st.lists(row, max_size=6))


def text(value: Any) -> str:
    """Return a value as CSV has it."""
    return str(WRITTEN.get(type(value), str)(value))


def as_csv(names: list[str], rows: Rows) -> bytes:
    """Write CSV: text in quotes, so that it is told from a missing value; nothing for that."""
    lines = [",".join(names), *(",".join(_cell(row[name]) for name in names) for row in rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else text(value)


def as_json(names: list[str], rows: Rows) -> bytes:
    """Write JSON lines."""
    plain = [{name: _plain(row[name]) for name in names} for row in rows]
    return "".join(json.dumps(row) + "\n" for row in plain).encode()


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else text(value)


WRITERS = {"a.csv": as_csv, "a.jsonl": as_json}


def read(name: str, data: bytes, columns: list[Column]) -> Rows | None:
    """Return what is read of a file, or None when it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(data)
        try:
            rows: Rows = LandingSource(name, columns, root=folder).read(None).rows.read_all().to_pylist()
        except SourceError:
            return None
    return rows


@given(tables(), st.sampled_from(sorted(WRITERS)))
@SETTINGS
def test_what_was_written_is_what_is_read(table: tuple[list[Column], Rows], name: str) -> None:
    """Whatever the values are, they are read back exactly as they were."""
    columns, rows = table
    assume(name == "a.csv" or all(v not in {float("inf"), float("-inf")} for r in rows for v in r.values()))
    assume(name == "a.csv" or rows)

    assert read(name, WRITERS[name]([column.name for column in columns], rows), columns) == rows


@given(tables(), st.sampled_from(sorted(WRITERS)), st.data())
@SETTINGS
def test_no_drift_that_loses_data_goes_unnoticed(
    table: tuple[list[Column], Rows], name: str, data: st.DataObject
) -> None:
    """A field that is dropped or renamed, or has values of another type, is refused, or the rows are as written."""
    columns, rows = table
    assume(rows)
    names = [column.name for column in columns]
    lost = data.draw(st.sampled_from(names))
    drift = data.draw(st.sampled_from(["dropped", "renamed", "retyped", "added"]))
    drifted = [dict(row) for row in rows]
    if drift == "dropped":
        names.remove(lost)
    elif drift == "renamed":
        names = [f"{one}_new" if one == lost else one for one in names]
        drifted = [{**row, f"{lost}_new": row[lost]} for row in rows]
    elif drift == "retyped":
        other = data.draw(st.sampled_from(sorted(VALUES)))
        drifted = [{**row, lost: data.draw(VALUES[other])} for row in rows]
    else:
        names.append("added")
        drifted = [{**row, "added": number} for number, row in enumerate(rows)]

    found = read(name, WRITERS[name](names, drifted), columns)

    if drift in {"dropped", "renamed"}:
        assert found is None
    elif drift == "added":
        assert found == rows or (name == "a.jsonl" and found is None)
    elif found is not None:
        for before, after in zip(drifted, found, strict=True):
            assert same(before[lost], after[lost])


def same(written: Any, found: Any) -> bool:
    """Whether two values say the same, whatever type each is of."""
    return text(written).strip() == text(found).strip() or _number(written) == _number(found) is not None


def _number(value: Any) -> float | None:
    try:
        return float(text(value))
    except ValueError:
        return None


@given(tables(), st.sampled_from(sorted(WRITERS)), st.data())
@SETTINGS
def test_a_cut_file_is_refused_or_has_whole_rows(
    table: tuple[list[Column], Rows], name: str, data: st.DataObject
) -> None:
    """A file cut at any byte is refused, unless it ends with a whole row: then it has the rows before the cut."""
    columns, rows = table
    whole = WRITERS[name]([column.name for column in columns], rows)
    assume(whole)
    cut = data.draw(st.integers(0, len(whole) - 1))

    found = read(name, whole[:cut], columns)

    assert found is None or (whole[:cut].endswith(b"\n") and found == rows[: len(found)])
