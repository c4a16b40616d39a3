"""Stages, held days and inputs work where the files are: in a folder, or on S3."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from publisher import ROWS, day, readings
from pyarrow.fs import FileSelector
from pyiceberg.io.pyarrow import PyArrowFileIO

from lakeproof import Window
from lakeproof.engine.duck import connect, files_relation
from lakeproof.forms import FORMS, hand_over, take_back
from lakeproof.lake.catalog import columns_of
from lakeproof.lake.held import held_days
from lakeproof.lake.live import View
from lakeproof.reading import TableReader

# On one of pytest's workers, so that the publishing processes are started once.
pytestmark = pytest.mark.xdist_group("publishers")


def parquet_files(table: Any) -> int:
    """Return how many data files lie in a table's folder, published or not."""
    scheme, netloc, path = PyArrowFileIO.parse_location(f"{table.location()}/data")
    listing = table.io.fs_by_scheme(scheme, netloc).get_file_info(FileSelector(path, recursive=True))
    return sum(info.extension == "parquet" for info in listing)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_an_input_is_read_in_every_form(catalog: Any, form: type) -> None:
    """A function gets exactly its window's rows, in whatever form it asks for."""
    name = catalog.new_table()
    catalog.run(name, {"days": [1, 2, 3], "values": {1: 1, 2: 2, 3: 3}})
    window = Window.of(day(2))

    rows = TableReader.open(catalog.lake(), readings(name).latest(), [window]).rows(window)
    frame = rows.frame() if form is pl.LazyFrame else None
    given = hand_over(rows.relation(connect()), form) if frame is None else frame

    table = pl.DataFrame(take_back(given).read_all())
    assert table.group_by("value").len().sort("value").rows() == [(1, ROWS), (2, ROWS), (3, ROWS)]


def test_a_held_day_can_be_looked_at(catalog: Any) -> None:
    """A day that an audit refused is listed, and its rows can be read, while readers do not see it."""
    name = catalog.new_table()
    catalog.run(name, {"days": [1, 2], "values": {1: 1, 2: -2}})
    table = catalog.stored(name)

    held = held_days(table, View.of(table).days)

    assert set(held) == {day(2)}
    rows = files_relation(connect(), columns_of(table), held[day(2)].paths, table.io)
    assert rows.aggregate("count(*), min(value)").fetchall() == [(ROWS, -2)]
    assert catalog.seen(name) == {1: (ROWS, {1})}


def test_what_was_staged_for_nothing_is_removed(catalog: Any) -> None:
    """A rerun that finds its content published leaves no file behind."""
    name = catalog.new_table()
    catalog.run(name, {"days": [1, 2], "value": 1})
    before = parquet_files(catalog.stored(name))

    [again] = catalog.run(name, {"days": [1, 2], "value": 1})

    assert again["states"] == ["unchanged", "unchanged"]
    assert parquet_files(catalog.stored(name)) == before == 2
