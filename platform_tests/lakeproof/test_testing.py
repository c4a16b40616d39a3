"""`given` puts upstream days where a table will look for them, in a test's lake only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from lakeproof import Lakehouse
from lakeproof.errors import RowsError, UsageError
from lakeproof.testing import given

if TYPE_CHECKING:
    from pathlib import Path


def test_given_rows_are_published_without_audits(lab: Any) -> None:
    """Rows become days, columns that are left out are null, and what the audits would refuse is taken."""
    given(lab.lakehouse, lab.table(), [{"reading_date": lab.day(1), "value": -5}, {"reading_date": lab.day(3)}])

    assert sorted(lab.live()) == [lab.day(1), lab.day(3)]
    assert lab.lakehouse.read(lab.table(), lab.day(1)).rows() == [(lab.day(1), None, -5)]


def test_given_a_frame(lab: Any) -> None:
    """A frame is taken as well as dictionaries, for a table without days too."""
    given(lab.lakehouse, lab.table(partition=None), lab.rows(1, 2))

    assert lab.values() == [1, 2]


def test_given_no_rows(lab: Any) -> None:
    """No rows make an unpartitioned table published and empty, and no day of a daily one."""
    given(lab.lakehouse, lab.table("lab.undated", partition=None), [])
    given(lab.lakehouse, lab.table(), [])

    assert lab.lakehouse.read(lab.table("lab.undated", partition=None)).height == 0
    assert lab.live("lab.undated")[None].rows == 0
    assert lab.lakehouse.read(lab.table()).height == 0


def test_given_is_for_lakes_of_tests(tmp_path: Path, lab: Any) -> None:
    """A lake that is no test's has one path in, and it has audits."""
    with pytest.raises(UsageError, match="without its audits"):
        given(Lakehouse(home=str(tmp_path)), lab.table(), lab.rows(1))


def test_given_rows_must_fit_the_contract(lab: Any) -> None:
    """A column that the table does not have is named, as in a run."""
    with pytest.raises(RowsError, match="senser"):
        given(lab.lakehouse, lab.table(), [{"reading_date": lab.day(1), "senser": "a"}])
    with pytest.raises(RowsError, match="value"):
        given(lab.lakehouse, lab.table(), pl.DataFrame({"reading_date": [lab.day(1)], "value": ["x"]}))
