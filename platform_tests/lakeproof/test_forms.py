"""The forms in which rows are handed over and taken back."""

from __future__ import annotations

import datetime as dt
import uuid
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from lakeproof import Column, Input, Window
from lakeproof.engine.cast import arrow_schema, fit
from lakeproof.engine.duck import connect
from lakeproof.engine.function import StreamRows, function_maker
from lakeproof.errors import ContractError, MakeError
from lakeproof.forms import FORMS, parameters_of, take_back
from lakeproof.reading import TableReader

if TYPE_CHECKING:
    from lakeproof import Table

    class OnlyForTypes:
        """A name that is not there at run time."""


VALUES: dict[str, Any] = {
    "boolean": True,
    "int": 1,
    "long": 2**40,
    "float": 1.5,
    "double": 0.1,
    "decimal(12, 3)": Decimal("1.234"),
    "decimal(38, 10)": Decimal("1234567890123456789012345678.0123456789"),
    "date": dt.date(2024, 2, 29),
    "time": dt.time(1, 2, 3, 4),
    "timestamp": dt.datetime(2024, 1, 1, 2, 3, 4, 5),  # noqa: DTZ001 - naive on purpose
    "timestamptz": dt.datetime(2024, 1, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
    "string": "é\x00'\"",
    "uuid": uuid.UUID(int=5),
    "binary": b"\x00\xff",
}


def of_kind(lab: Any, kind: str) -> tuple[Table, pa.Table]:
    """Return a table with a column of a type, and a row of it and a null."""
    columns = [Column("reading_date", "date"), Column("value", kind)]
    table = lab.table(columns=columns, key=[], audits=[lab_audit()])
    day = [lab.day(1)] * 2
    schema = arrow_schema(columns)
    storage = [VALUES[kind].bytes, None] if kind == "uuid" else [VALUES[kind], None]
    values = pa.array(storage, pa.binary(16) if kind == "uuid" else schema.field("value").type)
    if kind == "uuid":
        values = pa.ExtensionArray.from_storage(pa.uuid(), values)
    return table, pa.Table.from_arrays([pa.array(day, pa.date32()), values], schema=schema)


def lab_audit() -> Any:
    """Return the least that a table must have."""
    from lakeproof import audit  # noqa: PLC0415 - beside its one use

    return audit.row_count(at_least=0)


@pytest.mark.parametrize("kind", VALUES)
def test_every_type_passes_through_every_form(lab: Any, kind: str) -> None:
    """A column that is read in a form and given back unchanged fits its own contract, value by value."""
    table, rows = of_kind(lab, kind)
    assert lab.states(table, lambda _: rows) == ["published"]
    window = Window.of(lab.day(1))
    reader = TableReader.open(lab.lakehouse.lake, Input(table), [window])

    def same(x: Any) -> Any:
        return x

    for form in FORMS:
        same.__annotations__ = {"x": form}
        made = function_maker(table, same, {"x": reader}).make(window, {"x": reader.rows(window)}, connect, None)
        fitted = pa.Table.from_batches(fit(made.rows, table, f"lab.readings as {form.__name__}"))
        assert sorted(map(str, fitted.column("value").to_pylist())) == sorted(map(str, [VALUES[kind], None])), form


@pytest.mark.parametrize("kind", VALUES)
def test_every_type_is_stored_as_readers_expect_it(lab: Any, kind: str) -> None:
    """Stock PyIceberg reads back what was staged, and an empty day of the type can be staged too."""
    table, rows = of_kind(lab, kind)
    empty = lab.table(columns=table.columns, key=[], audits=table.audits, allow_empty=True)

    assert lab.states(empty, lambda window: rows if window.first == lab.day(1) else rows.slice(0, 0), 1) == [
        "published"
    ]
    assert lab.states(empty, lambda _: rows.slice(0, 0), 2) == ["published"]

    assert [v for v in lab.stored().scan().to_arrow().column("value").to_pylist() if v is not None] == [VALUES[kind]]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("values", [(1, 2), ()], ids=["rows", "no rows"])
def test_a_function_gets_the_form_it_asks_for(lab: Any, values: tuple[int, ...], form: type) -> None:
    """The annotation decides, also for an input without any rows."""
    table = lab.table(allow_empty=True, audits=[lab_audit()])
    lab.run(table, lab.rows(*values))
    seen = []

    def look(x: Any) -> pl.DataFrame:
        seen.append(x)
        return pl.DataFrame({"n": [1]})

    look.__annotations__ = {"x": form}
    window = Window.of(lab.day(1))
    reader = TableReader.open(lab.lakehouse.lake, Input(table), [window])
    function_maker(table, look, {"x": reader}).make(window, {"x": reader.rows(window)}, connect, None).rows.read_all()

    assert isinstance(seen[0], form)


@pytest.mark.parametrize("second", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("first", [pa.RecordBatchReader, duckdb.DuckDBPyRelation], ids=lambda form: form.__name__)
def test_two_inputs_do_not_disturb_each_other(lab: Any, first: type, second: type) -> None:
    """A function may take several inputs, streams too, and read them in any order."""
    table = lab.table()
    lab.run(table, lab.rows(*range(50)))
    reader = TableReader.open(lab.lakehouse.lake, Input(table), [Window.of(lab.day(1))])

    def count(one: Any, two: Any) -> pl.DataFrame:
        def length(x: Any) -> int:
            if isinstance(x, pl.LazyFrame):
                return x.collect().height
            return sum(batch.num_rows for batch in take_back(x) or ())

        return pl.DataFrame({"two": [length(two)], "one": [length(one)]})

    count.__annotations__ = {"one": first, "two": second}
    maker = function_maker(table, count, {"one": reader, "two": reader})
    window = Window.of(lab.day(1))
    made = maker.make(window, {name: reader.rows(window) for name in ("one", "two")}, connect, None)

    assert made.rows.read_all().to_pylist() == [{"one": 50, "two": 50}]


def test_a_stream_is_never_silently_empty(lab: Any) -> None:
    """A source's rows that are looked at a second time are there again, or refused: never no rows."""
    relation = StreamRows(lab.rows(1, 2).to_arrow().to_reader).relation(connect())

    assert relation.aggregate("count(*)").fetchall() == [(2,)]
    with suppress(duckdb.InvalidInputException):
        assert relation.aggregate("count(*)").fetchall() == [(2,)]


@pytest.mark.parametrize(
    "made",
    [
        lambda rows: rows,
        lambda rows: rows.lazy(),
        lambda rows: rows.to_arrow(),
        lambda rows: rows.to_arrow().to_reader(),
        lambda rows: rows.to_arrow().to_batches()[0],
        lambda rows: connect().from_arrow(rows.to_arrow()),
        lambda rows: rows.with_columns(pl.col("sensor").cast(pl.Categorical)),
        lambda rows: rows.lazy().with_columns(pl.col("sensor").cast(pl.Enum(["a", "b"]))),
    ],
    ids=["frame", "lazy", "arrow", "reader", "batch", "duckdb", "categorical", "enum"],
)
def test_whatever_speaks_arrow_is_taken(lab: Any, made: Any) -> None:
    """Each form that a function may return is published the same."""
    assert lab.states(lab.table(), lambda _: made(lab.rows(1, 2))) == ["published"]
    assert lab.values() == [1, 2]


@pytest.mark.parametrize("nothing", [None, 5, [{"value": 1}], "rows"])
def test_what_is_not_rows_is_refused(lab: Any, nothing: object) -> None:
    """The refusal names the function, what it returned, and what to return."""
    with pytest.raises(MakeError, match=f"returned {type(nothing).__name__}, which is not rows") as refusal:
        lab.run(lab.table(), lambda _: nothing)
    assert "pl.LazyFrame" in str(refusal.value)


def test_a_type_that_is_only_imported_for_checking_is_a_clear_error() -> None:
    """An annotation that exists only under TYPE_CHECKING names the import to move."""

    def build(x: OnlyForTypes) -> None:
        """Take something that is not there."""

    with pytest.raises(ContractError) as refusal:
        parameters_of(build)
    assert "'OnlyForTypes'" in str(refusal.value)
    assert "TYPE_CHECKING" in str(refusal.value)
    assert "build" in str(refusal.value)


@pytest.mark.parametrize("annotation", [None, int, list, "unknown"], ids=["none", "int", "list", "dict"])
def test_an_annotation_that_is_no_form_is_refused(lab: Any, annotation: Any) -> None:
    """The refusal names the table, the function, the parameter and the forms there are."""

    def build(raw: Any) -> None:
        """Take an input in a form there is not."""

    build.__annotations__ = {} if annotation is None else {"raw": dict if annotation == "unknown" else annotation}
    with pytest.raises(ContractError) as refusal:
        function_maker(lab.table(), build, {"raw": 1})
    for words in ("lab.readings", "build", "parameter raw", "pl.LazyFrame"):
        assert words in str(refusal.value)


def test_inputs_and_parameters_must_agree(lab: Any) -> None:
    """An input nobody takes and a parameter nobody gives are refused, with the near name."""

    def build(window: Window, raw: pl.LazyFrame) -> None:
        """Take one input."""

    with pytest.raises(ContractError, match=r"does not take its input 'rwa'. Did you mean raw\?"):
        function_maker(lab.table(), build, {"rwa": 1})
    with pytest.raises(ContractError, match="takes 'raw', which is no input"):
        function_maker(lab.table(), build, {})
