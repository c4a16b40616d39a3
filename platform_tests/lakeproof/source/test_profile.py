"""What a sample of a source shows: fields, keys, references, and columns of another table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from lakeproof import Column
from lakeproof.source.profile import ForeignKey, foreign_keys, profile

if TYPE_CHECKING:
    import pyarrow as pa

ORDERS = pl.DataFrame(
    {
        "number": [1, 2, 3, 4, 5, 6],
        "customer": ["a", "a", "b", "b", "c", "c"],
        "city": ["Aachen", "Aachen", "Bern", "Bern", "Bern", "Bern"],
        "paid": [1.5, None, 2.25, 3.5, 4.5, 5.5],
        "shop": ["x"] * 6,
    }
)
FIELDS = [
    Column("number", "long"),
    Column("customer", "string"),
    Column("city", "string"),
    Column("paid", "double"),
    Column("shop", "string"),
]


def rows(frame: pl.DataFrame) -> pa.Table:
    """Return a frame as a source's rows."""
    return frame.to_arrow()


def test_fields_say_what_they_hold() -> None:
    """Nulls as a share, how many values there are, and the commonest first."""
    shown = {field.column.name: field for field in profile(rows(ORDERS), FIELDS).fields}

    assert shown["paid"].null_share == 1 / 6
    assert (shown["city"].distinct, shown["city"].examples) == (2, ("Bern", "Aachen"))


def test_the_smallest_keys_are_found() -> None:
    """The order's number alone; without it, nothing that is a measurement or has nulls."""
    assert profile(rows(ORDERS), FIELDS).keys == (("number",),)
    lines = pl.DataFrame({"a": [1, 1, 2, 2], "b": [1, 2, 1, 2], "m": [0.1, 0.2, 0.3, 0.4]})
    fields = [Column("a", "long"), Column("b", "long"), Column("m", "double")]
    assert profile(rows(lines), fields).keys == (("a", "b"),)
    assert profile(rows(pl.concat([lines, lines])), fields).keys == ()


def test_columns_of_another_table_are_found() -> None:
    """A city that goes with the customer, on every order, is the customer's; a constant is nobody's."""
    assert profile(rows(ORDERS), FIELDS).repeats == ((("customer",), ("city",)),)


def test_columns_of_a_pair_are_found() -> None:
    """A distance goes with two places, and with neither alone."""
    legs = pl.DataFrame({"a": list("xxyyxxyy") * 2, "b": list("pqpqpqpq") * 2, "miles": [1, 2, 2, 4] * 4})
    fields = [Column("a", "string"), Column("b", "string"), Column("miles", "long")]

    assert profile(rows(legs), fields).repeats == ((("a", "b"), ("miles",)),)


def test_references_are_found_between_sources() -> None:
    """A text column whose every value is one of a column that tells another source's rows apart."""
    customers = pl.DataFrame({"id": ["a", "b", "c", "d"], "group": ["x", "x", "y", "y"]})

    found = foreign_keys({"orders": rows(ORDERS), "customers": rows(customers)})

    assert found == [ForeignKey("orders", "customer", "customers", "id")]


def test_a_sample_without_rows_shows_nothing() -> None:
    """A source that is empty has fields, and no key that could be shown."""
    shown = profile(rows(ORDERS.clear()), FIELDS)

    assert (shown.rows, shown.keys, shown.repeats) == (0, (), ())
