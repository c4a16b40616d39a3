"""What breaks while a source is read reaches a person as itself, whatever form a table's function takes."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import polars as pl
import pyarrow as pa
import pytest

from lakeproof import Column, Lakehouse, Table, audit, daily_table, sql_table
from lakeproof.errors import SourceError
from lakeproof.source.protocol import Completeness, Delivery, Precheck
from lakeproof.spec import OUTCOME_TAG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lakeproof import Window

FORMS = [duckdb.DuckDBPyRelation, pl.LazyFrame, pl.DataFrame, pa.Table, pa.RecordBatchReader]
FIELDS = [Column("at", "date"), Column("value", "int")]
SAID = 'lab source 2024-01-01, page 2, data[7]: field value is "x", which is no int.'
NEXT = "talk to the source's owner"


class Breaking:
    """A source that breaks on its second page."""

    name = "lab source"
    fields = FIELDS

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def precheck(self, window: Window | None) -> Precheck:
        """Find nothing wrong."""
        del window
        return Precheck()

    def complete(self, window: Window | None) -> dict[date | None, Completeness]:
        """Have every day."""
        return {day: Completeness(complete=True, reason="it is") for day in (window.days if window else (None,))}

    def count(self, window: Window | None) -> None:
        """Know no count."""

    def version(self, window: Window | None) -> dict[str, str]:
        """Know no version."""
        del window
        return {}

    def read(self, window: Window | None) -> Delivery:
        """Deliver one page, and break."""
        assert window is not None
        schema = pa.schema([("at", pa.date32()), ("value", pa.int32())])

        def pages() -> Iterator[pa.RecordBatch]:
            yield pa.RecordBatch.from_pylist([{"at": window.first, "value": n} for n in range(1000)], schema=schema)
            raise self.error

        return Delivery(pa.RecordBatchReader.from_batches(schema, pages()))


def things(**changes: Any) -> Table:
    """Declare the table."""
    fields: dict[str, Any] = {
        "columns": FIELDS,
        "partition": "at",
        "layer": "collection",
        "start": "2024-01-01",
        "end": "2024-02-01",
        "owner": "team:lab",
        "audits": [audit.not_null("value")],
    }
    return Table("lab.breaking", **(fields | changes))


def collected(form: Any, error: BaseException, take: Callable[[Any], Any] = lambda rows: rows) -> dg.AssetsDefinition:
    """Return a table whose function takes the source in a form."""

    def collect(delivered: Any) -> Any:
        return take(delivered)

    collect.__annotations__ = {"delivered": form}
    return daily_table(things(), delivered=Breaking(error))(collect)


def fails(asset: dg.AssetsDefinition, lakehouse: Lakehouse) -> str:
    """Run a day, which fails and leaves nothing; return how Dagster tells it."""
    with dg.instance_for_test() as instance:
        done = dg.materialize(
            [asset],
            instance=instance,
            resources={"lakehouse": lakehouse},
            partition_key="2024-01-01",
            raise_on_error=False,
        )
        run = instance.get_run_by_id(done.run_id)
    assert run is not None
    assert not done.success
    assert run.tags[OUTCOME_TAG] == "error"
    table = lakehouse.catalog.load_table("lab.breaking")
    assert table.current_snapshot() is None
    assert not [*Path(table.location().removeprefix("file://")).rglob("*.parquet")]
    failure = done.failure_data_for_node("lab__breaking")
    assert failure is not None
    assert failure.user_failure_data is not None
    return str(failure.user_failure_data.description)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_refusal_of_a_later_page_is_told_as_it_is(lakehouse: Lakehouse, form: Any) -> None:
    """Page, item, field, value and the next step, word by word; the function is not blamed, and nothing is left."""
    said = fails(collected(form, SourceError(SAID, next_step=NEXT)), lakehouse)

    assert said == f"{SAID}\nReaders: see what they saw before this run\nNext: {NEXT}"


def test_a_refusal_reaches_the_user_of_sql_as_it_is(lakehouse: Lakehouse, tmp_path: Path) -> None:
    """A statement over the source is not blamed either."""
    (tmp_path / "things.sql").write_text('select "at", value from delivered where value >= 0')
    source = Breaking(SourceError(SAID, next_step=NEXT))
    made = sql_table(things(), "things.sql", search_path=[tmp_path], delivered=source)

    assert fails(made, lakehouse) == f"{SAID}\nReaders: see what they saw before this run\nNext: {NEXT}"


def first_rows(rows: pa.RecordBatchReader) -> pa.Table:
    """Take what comes before an error, and say nothing of it."""
    taken = []
    with suppress(Exception):
        taken += iter(rows)
    return pa.Table.from_batches(taken)


def test_a_function_that_hides_a_refusal_publishes_nothing(lakehouse: Lakehouse) -> None:
    """Half of a day that a function rescued from an error is no day."""
    said = fails(collected(pa.RecordBatchReader, SourceError(SAID, next_step=NEXT), first_rows), lakehouse)

    assert said.startswith(SAID)


def half(rows: duckdb.DuckDBPyRelation) -> Any:
    """Read all of a relation by the way, hide what breaks, and return some other rows."""
    with suppress(Exception):
        rows.fetchall()
    return pa.table({"at": pa.array([date(2024, 1, 1)]), "value": pa.array([1], pa.int32())})


def test_a_relation_that_broke_by_the_way_publishes_nothing(lakehouse: Lakehouse) -> None:
    """Likewise where an engine read it."""
    said = fails(collected(duckdb.DuckDBPyRelation, SourceError(SAID, next_step=NEXT), half), lakehouse)

    assert said.startswith(SAID)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_fault_of_a_sources_own_code_is_the_sources(lakehouse: Lakehouse, form: Any) -> None:
    """A source of one's own that raises anything is named, and not the function that takes its rows."""
    said = fails(collected(form, ZeroDivisionError("no pages")), lakehouse)

    assert said.startswith("lab source: it cannot be read, or not to its end: ZeroDivisionError: no pages\n")
    assert "Next: mend the source" in said


def broken(rows: Any) -> Any:
    """Break by oneself."""
    del rows
    msg = "no such thing"
    raise KeyError(msg)


def test_a_function_that_breaks_is_still_blamed(lakehouse: Lakehouse) -> None:
    """A function's own failure is its own."""
    said = fails(collected(pa.RecordBatchReader, SourceError(SAID), broken), lakehouse)

    assert "raised KeyError" in said
    assert "Next: mend the function" in said
