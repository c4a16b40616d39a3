"""Two contents are compared exactly, whatever the order of their rows."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from lakeproof.difference import Difference, Sample, compare
from lakeproof.engine.duck import connect

OLD = {"k": [1, 2, 3, None], "v": [10.0, None, float("nan"), 40.0]}


def difference(old: dict[str, list[Any]], new: dict[str, list[Any]], *key: str) -> Difference:
    """Compare two contents that have the columns of the first."""
    connection = connect()
    one, other = (connection.from_arrow(pl.DataFrame(rows, strict=False).to_arrow()) for rows in (old, new))
    return compare(connection, one, other, list(old), key)


@pytest.mark.parametrize("key", [("k",), (), ("k", "v")], ids=["by key", "as multisets", "all is key"])
def test_equal_contents(key: tuple[str, ...]) -> None:
    """The order of rows is nothing; null equals null, and NaN equals NaN, in a key too."""
    found = difference(OLD, {name: values[::-1] for name, values in OLD.items()}, *key)

    assert not found
    assert found == Difference(4, 4, 0, 0, 0, {}, ())


def test_rows_with_the_same_key_are_told_by_column() -> None:
    """A change to and from null or NaN is one; rows of one side only are counted apart."""
    new = {"k": [1, 2, 3, 5], "v": [10.0, 20.0, None, 50.0]}
    found = difference(OLD, new, "k")

    assert (found.changed, found.only_old, found.only_new, found.columns) == (2, 1, 1, {"v": 2})
    assert found.samples[0] == Sample({"k": 2}, {"v": None}, {"v": 20.0})
    assert str(found.samples[0]) == "at k 2: v was None, is 20.0"
    assert Sample({"k": 5}, None, {"v": 50.0}) in found.samples
    assert Sample({"k": None}, {"v": 40.0}, None) in found.samples
    assert found.describe() == "2 rows changed, 1 row only in the old, 1 row only in the new; by column: v (2)"
    assert found.describe("lost", "added") == "2 rows changed, 1 row lost, 1 row added; by column: v (2)"


@pytest.mark.parametrize("key", [("k",), ()])
def test_rows_that_occur_more_than_once_are_multisets(key: tuple[str, ...]) -> None:
    """A key that does not identify rows does not match them: copies are counted."""
    found = difference({"k": [1, 1, 2], "v": [5, 5, 6]}, {"k": [1, 2, 2], "v": [5, 6, 6]}, *key)

    assert (found.only_old, found.only_new, found.changed) == (1, 1, 0)
    assert found.columns == {"k": 1, "v": 1}
    assert found.samples == (Sample({}, {"k": 1, "v": 5}, None), Sample({}, None, {"k": 2, "v": 6}))
    assert str(found.samples[1]) == "only the new has k 2, v 6"


def test_samples_are_few() -> None:
    """However much differs, a handful of rows is shown, in the order of the key."""
    found = difference({"k": [*range(100)], "v": [0] * 100}, {"k": [*range(100)], "v": [1] * 100}, "k")

    assert found.changed == 100
    assert [sample.key["k"] for sample in found.samples] == [0, 1, 2, 3, 4]
